// Timeouts and deadlines: what becomes of the work, of its result and of its errors.
import Glibc
import TestSupport
import Testing
@testable import EventLoop

@Suite("Timeouts")
struct TimeoutTests {
    private struct Failure: Error, Equatable {}

    @Test("a timeout that does not strike leaves neither a timer nor a delay behind")
    func inTime() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let value = try await withTimeout(.seconds(60)) {
                try await EventLoop.sleep(for: .seconds(1))
                return 42
            }
            #expect(value == 42)
            #expect(clock.now == LoopClock.Instant(nanoseconds: 1_000_000_000))
            #expect(EventLoop.current!.timers.count == 0)
        }
    }

    @Test("work that takes too long is cancelled in time, and the error says after how long and what it said")
    func tooLate() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(5)) { try await EventLoop.sleep(for: .seconds(60)) }
            }
            #expect(error?.limit == .seconds(5))
            #expect(error?.cause is CancellationError)
            #expect(clock.now == LoopClock.Instant(nanoseconds: 5_000_000_000))
            #expect(EventLoop.current!.timers.count == 0)
        }
    }

    @Test("what the work returns in spite of its cancellation is not thrown away")
    func lateValue() throws {
        let value = try EventLoop.run(clock: ManualClock()) {
            try await withDeadline(.now + .seconds(1)) {
                try? await EventLoop.sleep(for: .seconds(60))
                return 42
            }
        }
        #expect(value == 42)
    }

    @Test("an error of the work is not mistaken for the timeout")
    func ownError() throws {
        try EventLoop.run(clock: ManualClock()) {
            await #expect(throws: Failure()) { try await withTimeout(.seconds(1)) { throw Failure() } }
            await #expect(throws: Failure()) {
                try await withTimeout(.seconds(2)) {
                    try await EventLoop.sleep(for: .seconds(1))
                    throw Failure()
                }
            }
        }
    }

    @Test("of nested timeouts the one that strikes is the one that reports", arguments: [(1, 2), (2, 1)])
    func nested(outer: Int, inner: Int) throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(outer)) {
                    try await withTimeout(.seconds(inner)) { try await EventLoop.sleep(for: .seconds(60)) }
                }
            }
            #expect(error?.limit == .seconds(1))
            #expect(clock.now == LoopClock.Instant(nanoseconds: 1_000_000_000))
        }
    }

    @Test("the cancellation of a task reaches the work within its timeout, and is not reported as one")
    func cancelledFromOutside() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let task = Task(executorPreference: EventLoop.current!) {
                try await withTimeout(.seconds(60)) { try await EventLoop.sleep(for: .seconds(60)) }
            }
            try await EventLoop.sleep(for: .seconds(1))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(clock.now == LoopClock.Instant(nanoseconds: 1_000_000_000))
        }
    }

    @Test("a timeout keeps its caller's isolation, so that the work may use what the caller owns")
    func isolation() async throws {
        actor Counter {
            var value = 0
            func count() async throws -> Int {
                try await withTimeout(.seconds(60)) {
                    value += 1
                    assertIsolated()
                    await Task.yield()
                    assertIsolated()
                    value += 1
                }
                return value
            }
        }
        #expect(try await Counter().count() == 2)
        let onLoop = try EventLoop.start(name: "isolation")
        defer { onLoop.stop() }
        #expect(try await Task(executorPreference: onLoop) { try await Counter().count() }.value == 2)
    }

    @Test("a timeout works for tasks that run on no loop")
    func timeoutOffLoop() async throws {
        #expect(try await withTimeout(.seconds(60)) { 42 } == 42)
        await #expect(throws: TimeoutError.self) {
            try await withTimeout(.milliseconds(1)) { try await EventLoop.sleep(for: .seconds(3600)) }
        }
    }
}
