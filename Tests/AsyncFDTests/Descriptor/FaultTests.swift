// Every operation with its first, second, third … system call hurt, until there is no such call any more.
//
// Whatever call fails: the operation succeeds or throws a typed error that says what became of the bytes, nothing
// hangs, no descriptor leaks, and the next attempt works.
#if DEBUG
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Failing system calls")
struct FaultTests {
    static let faults: [Faults.Fault] = [
        .errno(.interrupted), .short, .wouldBlock, .errno(.ioError), .errno(.noMemory), .errno(.tooManyOpenFiles),
    ]

    /// Runs `body` on a loop, with the n-th call hurt, for n = 1, 2, … until no call was hurt any more.
    private func forEachCall(_ fault: Faults.Fault, _ body: @escaping @Sendable (Faults) async throws -> Void) throws {
        for number in 1...200 {
            let faults = Faults(fault, at: number)
            let error: (any Error)? = try EventLoop.run {
                Faults.install(faults)
                defer { Faults.install(nil) }
                do {
                    try await body(faults)
                    return nil
                } catch {
                    return error
                }
            }
            if let error {
                let error = try #require(error as? IOError, "call \(number): \(error) is no IOError")
                #expect(faults.hasStruck, "call \(number): \(error) out of the blue")
                #expect(
                    fault != .errno(.interrupted) && fault != .short,
                    "call \(number): \(fault) is no failure, but: \(error)")
                if case .errno(let errno) = fault { #expect(error.errno == errno, "call \(number): \(error)") }
            }
            #expect(faults.allAreClosed(), "call \(number): descriptors leak")
            if !faults.hasStruck {
                #expect(number > 1, "nothing was hurt: the calls do not come by the seam")
                return
            }
        }
        Issue.record("two hundred calls and no end")
    }

    @Test("writing", arguments: Row.streams, faults)
    func writing(row: Row, fault: Faults.Fault) throws {
        try forEachCall(fault) { faults in
            let channel = try Channel(row)
            let output = channel.output()
            do throws(IOError) {
                try await output.write("hello world")
            } catch {
                // As many bytes as the error says are there, and the stream goes on behind them.
                faults.disarm()
                #expect(holds(channel.reader, error.bytesWritten))
                try await output.write("!")
                #expect(holds(channel.reader, error.bytesWritten + 1))
                throw error
            }
            #expect(holds(channel.reader, 11))
            await output.close()
        }
    }

    @Test("writing several buffers", arguments: [Row.pipe, .socket], faults)
    func writingVectors(row: Row, fault: Faults.Fault) throws {
        try forEachCall(fault) { faults in
            let channel = try Channel(row)
            let output = channel.output()
            let (head, body) = (pattern(3000), pattern(2000))
            do throws(IOError) {
                try await output.write([head, [], body])
            } catch {
                #expect(holds(channel.reader, error.bytesWritten))
                throw error
            }
            faults.disarm()
            #expect(try await channel.input().gather(5000) == head + body)
        }
    }

    @Test("reading", arguments: Row.streams, faults)
    func reading(row: Row, fault: Faults.Fault) throws {
        try forEachCall(fault) { faults in
            let channel = try Channel(row)
            write(channel.writer, "hello\nworld\n", 12)
            let input = channel.input()
            var lines: [String] = []
            var failure: IOError?
            do throws(IOError) {
                while lines.count < 2 {
                    guard let line = try await input.lines.makeAsyncIterator().next() else { break }
                    lines.append(line)
                }
            } catch {
                failure = error
                faults.disarm()
                while lines.count < 2, let line = try await input.lines.makeAsyncIterator().next() {
                    lines.append(line)
                }
            }
            // On a terminal EIO is how the end looks.
            if row.isTerminal, fault == .errno(.ioError), lines.count < 2 { return }
            #expect(lines == ["hello", "world"], "a failed read has lost bytes")
            await input.close()
            if let failure { throw failure }
        }
    }

    @Test(
        "copying: what has not arrived is still to be read", arguments: [Row.pipe, .socket],
        faults + [.errno(.invalidArgument)])
    func copying(row: Row, fault: Faults.Fault) throws {
        try forEachCall(fault) { faults in
            let (from, to) = (try Channel(row), try Channel(.pipe))
            let (source, destination) = (from.input(), to.output())
            write(from.writer, "hello world", 11)
            from.closeWriter()
            var arrived: Int64 = 0
            var failure: IOError?
            do throws(IOError) {
                arrived = try await copy(from: source, to: destination)
            } catch {
                failure = error
                faults.disarm()
                arrived = try await Int64(error.bytesWritten) + copy(from: source, to: destination)
            }
            #expect(arrived == 11 && holds(to.reader, 11))
            await source.close()
            await destination.close()
            // The kernel's refusal to move bytes itself is no failure: they are read and written.
            if let failure, fault != .errno(.invalidArgument) { throw failure }
        }
    }

    @Test("opening, and everything that a file can do", arguments: faults)
    func files(fault: Faults.Fault) throws {
        let folder = try TemporaryFolder()
        let path = FilePath(folder.file("file"))
        try forEachCall(fault) { faults in
            let file = try await open(path, .readWrite, options: [.create, .truncate])
            do {
                try await file.write("one\ntwo\nthree\n")
                try await file.write(Array("TWO".utf8), at: 4)
                #expect(try await file.size == 14)
                try await file.sync()
                try await file.truncate(to: 8)
                try await file.seek(to: 0)
                var lines: [String] = []
                for try await line in file.lines { lines.append(line) }
                #expect(lines == ["one", "TWO"])
                #expect(try await file.read(at: 0, upTo: 1).count == 1)
            } catch {
                await file.close()
                throw error
            }
            await file.close()
        }
    }
}

extension Faults {
    /// Whether every descriptor that was made is closed. A thread of the pool may still be closing what the loop has
    /// left to it: it has a minute.
    func allAreClosed() -> Bool {
        for _ in 0..<60_000 where openDescriptors != 0 { usleep(1000) }
        return openDescriptors == 0
    }
}

/// Whether a blocking reader would find `expected` bytes. What is written to a terminal arrives a moment later, on a
/// thread of the kernel's.
private func holds(_ descriptor: CInt, _ expected: Int) -> Bool {
    var count: CInt = 0
    for _ in 0..<60_000 {
        _ = ioctl(descriptor, UInt(FIONREAD), &count)
        if Int(count) == expected { return true }
        usleep(1000)
    }
    return false
}
#endif
