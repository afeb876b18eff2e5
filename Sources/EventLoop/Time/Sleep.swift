// Sleeping on the loop's own timers. `Task.sleep` would leave the loop for another thread wherever the loop is not the
// executor of the process; this never does.
import CEventLoop

extension EventLoop {
    /// Suspends the task for at least `duration`.
    ///
    ///     try await EventLoop.sleep(for: .milliseconds(250))
    ///
    /// On an event loop its timers and its clock are used. A task that runs elsewhere sleeps by the Swift runtime's own
    /// means, on `SuspendingClock`, so that it depends on no loop to be running. A duration of zero or less lets the
    /// others go first.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled. Nothing of the timer stays behind.
    /// - Complexity: O(log n) with n timers; no allocation beyond that of the timers' own tables.
    public static func sleep(for duration: Duration) async throws(CancellationError) {
        try await sleep(until: Instant.now + duration)
    }

    /// Suspends the task until `deadline`; see `sleep(for:)`. A deadline in the past lets the others go first.
    public static func sleep(until deadline: LoopClock.Instant) async throws(CancellationError) {
        guard let loop = current else { return try await sleepElsewhere(until: deadline) }
        if await loop.sleepHere(until: deadline) == .cancelled { throw CancellationError() }
    }

    /// Both clocks are CLOCK_MONOTONIC on Linux.
    private static func sleepElsewhere(until deadline: Instant) async throws(CancellationError) {
        do { try await Task.sleep(for: deadline - .monotonic, clock: .suspending) } catch { throw CancellationError() }
    }

    package func sleep(until deadline: Instant) async -> Wake {
        guard isCurrent else {
            // Timers are set on the loop's thread only.
            return await visit { await self.sleepHere(until: deadline) }
        }
        return await sleepHere(until: deadline)
    }

    private func sleepHere(until deadline: Instant) async -> Wake {
        let id = timers.reserve()
        return await parkTask { continuation in
            if isTaskCancelled() {
                continuation.resume(returning: .cancelled)
            } else {
                timers.set(id, at: deadline, .resume(continuation))
            }
        } onCancel: {
            self.perform { self.wakeSleeper(id, .cancelled) }
        }
    }

    /// Ends the sleep on timer `id` early, if it has not ended. Loop thread.
    func wakeSleeper(_ id: TimerID, _ wake: Wake) {
        if case .resume(let continuation) = timers.cancel(id) { continuation.resume(returning: wake) }
    }
}
