// Cancellation at every suspension point: whatever a task waits for, and whenever it is cancelled, it ends and leaves
// nothing behind.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Nothing left behind")
struct NothingLeftTests {
    /// Waits in each way that there is, one after the other. Each wait is ended by its cancellation or by its own
    /// timeout.
    private static let waits: [(name: String, body: @Sendable (CInt) async throws -> Void)] = [
        ("sleep", { _ in try await EventLoop.sleep(for: .seconds(60)) }),
        ("clock", { _ in try await Task.sleep(for: .seconds(60), clock: .loop) }),
        (
            "timeout",
            { _ in
                try await withTimeout(.seconds(60)) {
                    try await withTimeout(.seconds(90)) { try await EventLoop.sleep(for: .seconds(120)) }
                }
            }
        ),
        ("interval", { _ in for await _ in EventLoop.interval(every: .seconds(60)) {} }),
        (
            "readable",
            { reader in
                let watch = Watch(FileDescriptor(rawValue: reader))
                defer { watch.close() }
                try await watch.readable()
            }
        ),
        (
            "either",
            { reader in
                let watch = Watch(FileDescriptor(rawValue: reader))
                defer { watch.close() }
                _ = try await watch.ready(for: [.reading, .writing])
            }
        ),
        ("signals", { _ in for await _ in try EventLoop.signals([.user2]) {} }),
        (
            "child",
            { _ in
                let child = try ChildProcess("/bin/sleep", ["60"])
                defer {
                    child.signal(SIGKILL)
                    _ = try? child.wait()
                }
                _ = try await EventLoop.waitForExit(of: child.pid)
            }
        ),
        ("offload", { _ in try await EventLoop.offload(abandonOnCancel: true) { _ = usleep(1000) } }),
    ]

    @Test(
        "cancelled at the n-th step, for every n: the task ends, and no waiter, timer or descriptor stays",
        arguments: waits.indices)
    func cancelAtEveryStep(wait: Int) throws {
        let pipe = try Pipe()
        let reader = pipe.reader
        let body = Self.waits[wait].body
        try EventLoop.run(clock: ManualClock(.byHand)) {
            let loop = EventLoop.current!
            for steps in 0..<12 {
                let task = Task(executorPreference: loop) { try await body(reader) }
                for _ in 0..<steps { await Task.yield() }
                task.cancel()
                _ = await task.result
                await Task.yield()  // for what was handed back to the loop
                #expect(loop.waiters == 0, "\(Self.waits[wait].name), cancelled after \(steps) steps")
                #expect(loop.timers.count == 0, "\(Self.waits[wait].name), cancelled after \(steps) steps")
                #expect(loop.poller.count == 0, "\(Self.waits[wait].name), cancelled after \(steps) steps")
            }
        }
    }
}
