// Sleeping on the loop's own timers. `Task.sleep` would leave the loop for another thread wherever the loop is not the
// executor of the process; this never does.
import CEventLoop

extension EventLoop {
    /// Suspends the task for at least `duration`. Any thread: the timer is the current loop's, or the main loop's.
    ///
    ///     try await EventLoop.sleep(for: .milliseconds(250))
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled. Nothing of the timer stays behind.
    /// - Complexity: O(log n) with n timers; no allocation beyond the heap's own.
    public static func sleep(for duration: Duration) async throws(CancellationError) {
        let loop = current ?? main
        if await loop.sleep(until: Instant.now + duration) == .cancelled { throw CancellationError() }
    }

    package func sleep(until deadline: Instant) async -> Wake {
        guard isCurrent else {
            // Timers are set on the loop's thread only.
            return await withTaskExecutorPreference(self) { await self.sleepHere(until: deadline) }
        }
        return await sleepHere(until: deadline)
    }

    private func sleepHere(until deadline: Instant) async -> Wake {
        let id = timers.reserve()
        return await parkTask { continuation in
            if Task.isCancelled {
                _ = timers.cancel(id)
                continuation.resume(returning: .cancelled)
            } else {
                timers.set(id, at: deadline, .resume(continuation))
            }
        } onCancel: {
            self.perform {
                if case .resume(let continuation) = self.timers.cancel(id) { continuation.resume(returning: .cancelled) }
            }
        }
    }

    /// Calls `body` on the loop's thread after `duration`. Loop thread.
    @discardableResult
    package func after(_ duration: Duration, _ body: @escaping () -> Void) -> TimerID {
        timers.add(at: .now + duration, .call(body))
    }

    /// Does nothing if the timer has fired. Loop thread.
    package func cancel(_ timer: TimerID) { _ = timers.cancel(timer) }
}
