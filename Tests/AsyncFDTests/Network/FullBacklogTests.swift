// A Unix socket whose listener has as many connections waiting as it allows.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("A Unix listener with a full backlog")
struct FullBacklogTests {
    /// Fills the backlog, and runs `body` with the listener and what fills it.
    private func withFullBacklog(_ body: @escaping @Sendable (Listener, [AsyncFD]) async throws -> Void) throws {
        let folder = try TemporaryFolder()
        let place = AsyncFD.Address.unix(FilePath(folder.file("s")))!
        try EventLoop.run {
            let listener = try await Listener(on: place, backlog: 0)
            // With a backlog of n the kernel lets n + 1 wait.
            let first = try await connect(to: place, timeout: .seconds(5))
            try await body(listener, [first])
            await first.close()
            await listener.close()
        }
    }

    @Test("connecting waits until there is room")
    func waits() throws {
        try withFullBacklog { listener, _ in
            let connecting = Task(executorPreference: EventLoop.current!) {
                try await connect(to: listener.address, timeout: .seconds(20))
            }
            try await EventLoop.sleep(for: .milliseconds(50))
            let accepted = [try await listener.accept(), try await listener.accept()]
            let connection = try await connecting.value
            try await connection.write("x")
            #expect(try await accepted[1].read(upTo: 10) == [0x78])
            for socket in accepted + [connection] { await socket.close() }
        }
    }

    @Test("no longer than the time that was given, and no longer than its task is wanted")
    func ends() throws {
        try withFullBacklog { listener, _ in
            let begin = Instant.monotonic
            let error = await failure { () throws(IOError) in
                _ = try await connect(to: listener.address, timeout: .milliseconds(150))
            }
            #expect(error?.code == .timedOut)
            #expect(Instant.monotonic - begin >= .milliseconds(150))
            let connecting = Task(executorPreference: EventLoop.current!) { try await connect(to: listener.address) }
            try await EventLoop.sleep(for: .milliseconds(20))
            connecting.cancel()
            await #expect { try await connecting.value } throws: { ($0 as? IOError)?.code == .cancelled }
        }
    }

    @Test("a listener that goes away meanwhile refuses")
    func refused() throws {
        try withFullBacklog { listener, _ in
            let connecting = Task(executorPreference: EventLoop.current!) {
                try await connect(to: listener.address, timeout: .seconds(20))
            }
            try await EventLoop.sleep(for: .milliseconds(20))
            await listener.close()
            await #expect { try await connecting.value } throws: { ($0 as? IOError)?.code == .connectionRefused }
        }
    }
}
