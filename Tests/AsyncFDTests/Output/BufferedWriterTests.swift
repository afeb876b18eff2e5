// Buffered writing: few calls, bounded memory, nothing lost without a word.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("BufferedWriter")
struct BufferedWriterTests {
    @Test("everything comes out in order, and memory stays within the mark", arguments: Row.streams)
    func order(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let (output, input) = (channel.output(), channel.input())
            let writer = BufferedWriter(output, highWaterMark: 10_000)
            let writing = Task(executorPreference: EventLoop.current!) {
                var most = 0
                for number in 0..<20_000 {
                    try await writer.write("\(number)\n")
                    most = max(most, await writer.count)
                }
                try await writer.flush()
                return most
            }
            var expected = 0
            for try await line in input.lines {
                if line != "\(expected)" { Issue.record("line \(expected) is \(line)") }
                expected += 1
                if expected == 20_000 { break }
            }
            #expect(try await writing.value <= 10_006)
            try await writer.close()
        }
    }

    @Test("a writer that is ahead waits, and can be cancelled; what it had written still comes")
    func cancellation() throws {
        try EventLoop.run {
            let channel = try Channel(.pipe)
            let writer = BufferedWriter(channel.output(), highWaterMark: 1000)
            let writing = Task(executorPreference: EventLoop.current!) { () async -> (IOError?, Int) in
                var count = 0
                let error = await failure { () throws(IOError) in
                    while true {
                        try await writer.write([UInt8](repeating: 1, count: 500))
                        count += 500
                    }
                }
                return (error, count)
            }
            try await EventLoop.sleep(for: .milliseconds(5))
            writing.cancel()
            let (error, count) = await writing.value
            #expect(error?.code == .cancelled)
            #expect(try await channel.input().gather(count).count == count)
            try await writer.close()
        }
    }

    @Test("a reader that has gone is an error of the next write and of flush, and close says what was not written")
    func brokenPipe() throws {
        try EventLoop.run {
            let channel = try Channel(.pipe)
            let writer = BufferedWriter(channel.output())
            channel.closeReader()
            try await writer.write("lost")
            #expect(await failure { () throws(IOError) in try await writer.flush() }?.code == .brokenPipe)
            #expect(await failure { () throws(IOError) in try await writer.write("more") }?.code == .brokenPipe)
            #expect(await failure { () throws(IOError) in try await writer.close() }?.code == .brokenPipe)
            #expect(await failure { () throws(IOError) in try await writer.write("late") }?.code == .closed)
        }
    }
}
