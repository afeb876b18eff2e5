// Writing to descriptors of every kind that the program does not own: whole, in order, never waiting, and without a
// trace on them.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Writing to what is not ours")
struct WriteTableTests {
    @Test("more than fits goes out whole and in order, and the flags do not show it", arguments: Row.streams)
    func largeWrite(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let before = channel.flags
            let bytes = pattern(500_000)
            let output = channel.output()
            let input = channel.input()
            async let writing: Void = output.write(bytes)
            await settle()
            let during = channel.flags
            let received = try await input.gather(bytes.count)
            try await writing
            let after = channel.flags
            #expect(received == bytes)
            #expect(before.allSatisfy { $0 >= 0 && $0 & O_NONBLOCK == 0 })
            #expect(during == before && after == before)
            await output.close()
            await input.close()
            #expect(channel.flags == before, "a borrowed descriptor was closed")
        }
    }

    @Test(
        "only where the kernel gives no way could a neighbour make us wait, and then we say so", arguments: Row.allCases
    )
    func isBlocking(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            #expect(await output.isBlocking == [.pipePolled, .terminalNotReopened, .terminalMaster].contains(row))
        }
    }

    @Test("the loop goes on while a write waits for its reader", arguments: Row.streams)
    func loopGoesOn(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let writing = Task(executorPreference: EventLoop.current!) { try await output.write(pattern(1_000_000)) }
            for _ in 0..<3 { try await EventLoop.sleep(for: .milliseconds(1)) }
            writing.cancel()
            await #expect(throws: IOError.self) { try await writing.value }
        }
    }

    @Test("each of many concurrent writes stays in one piece", arguments: Row.streams)
    func concurrentWriters(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let input = channel.input()
            let size = 7001
            let received = try await withThrowingTaskGroup(of: Void.self) { group in
                for letter in UInt8(ascii: "a")...UInt8(ascii: "t") {
                    group.addTask { try await output.write([UInt8](repeating: letter, count: size)) }
                }
                let received = try await input.gather(20 * size)
                try await group.waitForAll()
                return received
            }
            for index in 0..<20 {
                let block = received[(index * size)..<((index + 1) * size)]
                #expect(
                    block == ArraySlice(repeating: UInt8(ascii: "a") + UInt8(index), count: size),
                    "block \(index) is mixed or out of turn")
            }
        }
    }

    @Test("a cancelled write says how far it came, and the stream goes on from there", arguments: Row.streams)
    func cancellation(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let bytes = pattern(500_000)
            let output = channel.output()
            let input = channel.input()
            let writing = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in try await output.write(bytes) }
            }
            await settle()
            try await EventLoop.sleep(for: .milliseconds(1))
            writing.cancel()
            async let rest: [UInt8] = input.gather(500)
            let error = try #require(await writing.value)
            #expect(error.code == .cancelled)
            #expect(error.bytesWritten > 0 && error.bytesWritten < bytes.count)
            async let next: Void = output.write("next")
            var received = try await rest
            received += try await input.gather(error.bytesWritten + 4 - received.count)
            try await next
            #expect(received == bytes[..<error.bytesWritten] + Array("next".utf8))
        }
    }

    @Test("a write that waits for its turn can be cancelled, and has written nothing", arguments: Row.streams)
    func cancellationInLine(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let loop = EventLoop.current!
            let first = Task(executorPreference: loop) { try await output.write(pattern(500_000)) }
            await settle()
            let second = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await output.write("never") }
            }
            let third = Task(executorPreference: loop) { try await output.write("third") }
            await settle()
            second.cancel()
            let error = await second.value
            #expect(error?.code == .cancelled && error?.bytesWritten == 0)
            let received = try await channel.input().gather(500_005)
            try await first.value
            try await third.value
            #expect(received == pattern(500_000) + Array("third".utf8))
        }
    }

    @Test("closing wakes tasks that wait to write, and says how far each came", arguments: Row.streams)
    func closeWhileWaiting(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let loop = EventLoop.current!
            let first = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await output.write(pattern(500_000)) }
            }
            let second = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await output.write("second") }
            }
            await settle()
            await output.close()
            if row == .terminalNotReopened || row == .terminalMaster { _ = try await channel.input().gather(1) }
            let errors = await [first.value, second.value]
            #expect(errors.map { $0?.code } == [.closed, .closed])
            #expect(errors[0]!.bytesWritten > 0 && errors[1]!.bytesWritten == 0)
            #expect(await failure { () throws(IOError) in try await output.write("third") }?.code == .closed)
        }
    }

    // Not the emulator's side of a terminal: another process may open the other side again, and the kernel waits for
    // it.
    @Test(
        "a reader that goes away is an error, not a signal and not a wait",
        arguments: Row.allCases.filter { $0 != .terminalMaster })
    func brokenPipe(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let writing = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in
                    while true { try await output.write(pattern(row == .datagramSocket ? 4096 : 500_000)) }
                }
            }
            await settle()
            channel.closeReader()
            let late = await writing.value
            let early = await failure { () throws(IOError) in while true { try await output.write("x") } }
            // A terminal has no readers, it is there or it has hung up (EIO).
            for error in [late, early] {
                #expect(error?.code == (row.isTerminal ? .inputOutput : .brokenPipe))
                #expect(error?.operation == "write")
            }
        }
    }

    @Test("messages stay messages", arguments: [Row.datagramSocket])
    func messages(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let input = channel.input()
            for message in ["one", "two", "three"] { try await output.write(message) }
            for message in ["one", "two", "three"] { #expect(try await input.read(upTo: 100) == Array(message.utf8)) }
        }
    }

    // MARK: Older kernels

    @Test(
        "a kernel that refuses the flags of a call is noticed at the first call: EOPNOTSUPP leads to a private description"
    )
    func refusedFlags() throws {
        // A terminal refuses RWF_NOWAIT today as pipes did on older kernels.
        let terminal = try Pseudoterminal()
        var path = IOPath(
            .write, of: terminal.slave, kind: .pipe, isNonBlocking: false, isWatched: true, features: KernelFeatures())
        defer { path.closePrivate() }
        #expect(path.access == .noWait(flags: 0x108))
        var text = Array("hello".utf8)
        let outcome = text.withUnsafeMutableBytes { bytes in
            withUnsafePointer(to: iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)) {
                path.move(Vectors(start: $0, count: 1))
            }
        }
        #expect(outcome == .bytes(5))
        #expect(path.access == .direct && path.isPrivate)
        #expect(fcntl(terminal.slave, F_GETFL) & O_NONBLOCK == 0)
        #expect(fcntl(path.descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(path.descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    // MARK: One number, several users

    @Test("two objects for one number do not disturb each other")
    func twoObjects() throws {
        try EventLoop.run {
            let channel = try Channel(.pipe)
            let outputs = [channel.output(), channel.output()]
            let loop = EventLoop.current!
            let tasks = outputs.map { output in
                Task(executorPreference: loop) { try await output.write(pattern(200_000)) }
            }
            await settle()
            let received = try await channel.input().gather(400_000)
            for task in tasks { try await task.value }
            #expect(received.count == 400_000)
            for output in outputs { await output.close() }
            #expect(channel.flags.allSatisfy { $0 >= 0 })
        }
    }

    @Test(
        "what was printed before a write comes before it, what is printed after it comes after it",
        arguments: Row.streams)
    func printAndWrite(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let output = channel.output()
            let input = channel.input()
            async let received = input.gather(14)
            await print("one", to: output)
            try await output.write("two\n")
            await print("three", to: output)
            try await output.flushPrints()
            #expect(try await String(decoding: received, as: UTF8.self) == "one\ntwo\nthree\n")
            await output.close()
        }
    }
}
