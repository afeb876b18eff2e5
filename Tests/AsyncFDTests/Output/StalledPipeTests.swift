// A pipe that takes nothing: what becomes of those that gave up waiting for it, and of those that come after them.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("A pipe that takes nothing")
struct StalledPipeTests {
    /// Two pipes' worth.
    private static let large = String(repeating: "x", count: 150_000)

    /// The turns that the loop makes while nothing happens.
    private func turnsWhileIdle() async throws -> UInt64 {
        await settle()
        let before = EventLoop.current!.metrics.turns
        try await EventLoop.sleep(for: .milliseconds(200))
        return EventLoop.current!.metrics.turns - before
    }

    /// Fills a pipe by prints, gives those up that are left, and calls `body` with the pipe's ends: the next to come
    /// must wait for room, and get it.
    private func afterGivingUp(_ body: @escaping (_ output: AsyncFD, _ input: AsyncFD) async throws -> Void) throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer))
            await print(Self.large, to: output)
            let ledger = await output.finishPrints(within: .milliseconds(20))
            #expect(ledger.dropped == [.timeout: 1])
            try await body(output, AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader)))
            await output.close()
        }
    }

    @Test("printing once more after the prints were given up keeps the loop idle, and goes out when the reader reads")
    func printAfterGivingUp() throws {
        try afterGivingUp { output, input in
            await print("once more", to: output)
            #expect(try await turnsWhileIdle() < 20)
            try await input.readUntil("once more\n")
            #expect(await output.printLedger.written == 1)
        }
    }

    @Test("a write after prints were given up keeps the loop idle, and goes out when the reader reads")
    func writeAfterGivingUp() throws {
        try afterGivingUp { output, input in
            let writing = Task(executorPreference: EventLoop.current!) { try await output.write("written") }
            #expect(try await turnsWhileIdle() < 20)
            try await input.readUntil("written")
            try await writing.value
        }
    }

    @Test("giving up while others write does not take their turn")
    func givingUpInLine() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer))
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            let writing = Task(executorPreference: EventLoop.current!) { try await output.write(Self.large) }
            await settle()
            await print("given up", to: output)
            await output.finishPrints(within: .milliseconds(20))
            await print("kept", to: output)
            #expect(try await turnsWhileIdle() < 20)
            let expected = Self.large + "kept\n"
            let received = try await withTimeout(.seconds(20)) { try await input.gather(expected.utf8.count) }
            #expect(String(decoding: received, as: UTF8.self) == expected)
            try await writing.value
            await output.close()
        }
    }

    @Test("an error of a descriptor in use says what the other task does")
    func words() {
        #expect(
            "\(IOError("write", on: "descriptor 7", .busy))" == "write descriptor 7: another task is writing already")
        #expect("\(IOError("read", on: "descriptor 7", .busy))" == "read descriptor 7: another task is reading already")
    }
}

extension AsyncFD {
    /// Reads until what has come ends with `text`.
    fileprivate func readUntil(_ text: String) async throws {
        try await withTimeout(.seconds(20)) {
            var received: [UInt8] = []
            while !received.suffix(text.utf8.count).elementsEqual(text.utf8) {
                received += try await self.read(upTo: 100_000)
            }
        }
    }
}
