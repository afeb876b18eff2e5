// What a cancelled task still may do.
import TestSupport
import Testing

@testable import EventLoop

@Suite("Cancellation shield")
struct CancellationShieldTests {
    @Test("a cancelled task can still wait behind a shield, and learns afterwards that it has been cancelled")
    func shielded() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let task = Task(executorPreference: EventLoop.current!) {
                try? await EventLoop.sleep(for: .seconds(3600))
                #expect(throws: CancellationError.self) { try Task.checkCancellation() }
                let answer = try await withCancellationShield(within: .seconds(5)) {
                    try await EventLoop.sleep(for: .seconds(1))
                    return 42
                }
                #expect(Task.isCancelled)
                return answer
            }
            try await EventLoop.sleep(for: .seconds(10))
            task.cancel()
            #expect(try await task.value == 42)
            #expect(clock.now.nanoseconds == 11_000_000_000)
        }
    }

    @Test("a cancellation that comes while the body waits does not reach it")
    func cancelledWithin() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let task = Task(executorPreference: EventLoop.current!) {
                try await withCancellationShield(within: .seconds(5)) { try await EventLoop.sleep(for: .seconds(4)) }
            }
            try await EventLoop.sleep(for: .seconds(1))
            task.cancel()
            try await task.value
            #expect(clock.now.nanoseconds == 4_000_000_000)
        }
    }

    @Test("a body that takes longer than its limit is cancelled and reported as late")
    func limit() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            await #expect(throws: TimeoutError.self) {
                try await withCancellationShield(within: .seconds(5)) { try await EventLoop.sleep(for: .seconds(3600)) }
            }
            #expect(clock.now.nanoseconds == 5_000_000_000)
        }
    }
}
