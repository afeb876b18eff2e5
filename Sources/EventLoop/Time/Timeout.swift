// Giving up: a piece of work is cancelled when its time is over.
//
// The work runs in a child task, because a task is what can be cancelled; its parent meanwhile sleeps on the loop's
// timer, and whichever ends first ends the other. One child task and one timer, both gone when the call returns.

/// The work was not done in time, and was cancelled.
public struct TimeoutError: Error, CustomStringConvertible {
    /// How much time it had, if that was given as a duration.
    public let limit: Duration?
    /// What the work threw when it was cancelled: usually a `CancellationError`, or an error that says how far it had
    /// come.
    public let cause: any Error

    public var description: String {
        limit.map { "timed out after \($0)" } ?? "timed out"
    }
}

/// Runs `body`, and cancels it if it has not ended within `limit`.
///
///     let answer = try await withTimeout(.seconds(5)) { try await connection.ask(question) }
///
/// The call returns when `body` has ended, and not before: a body that does not notice its cancellation is waited for.
/// What it returns in spite of the cancellation is returned. Any task; on an event loop the time is measured by the
/// loop's clock.
///
/// - Throws: `TimeoutError` if `body` threw after its time was over; before that, what `body` throws.
/// - Complexity: a child task and a timer.
public func withTimeout<Value>(
    _ limit: Duration, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async throws -> Value {
    try await race(body, until: .now + limit, limit)
}

/// Runs `body`, and cancels it if it has not ended at `deadline`; see `withTimeout`. Deadlines nest, the earlier one
/// counts.
public func withDeadline<Value>(
    _ deadline: LoopClock.Instant, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async throws -> Value {
    try await race(body, until: deadline, nil)
}

private func race<Value>(
    _ body: () async throws -> Value, until deadline: LoopClock.Instant, _ limit: Duration?,
    isolation: isolated (any Actor)? = #isolation
) async throws -> Value {
    let (outcome, isLate) = await withoutActuallyEscaping(body) { body in
        let work = Work(body, isolation)
        let isLate =
            if let loop = EventLoop.current { await loop.race(work, until: deadline) } else {
                await raceElsewhere(work, until: deadline)
            }
        return (work.outcome!, isLate)
    }
    if isLate, case .failure(let cause) = outcome { throw TimeoutError(limit: limit, cause: cause) }
    return try outcome.get()
}

extension EventLoop {
    /// True if the work had not ended at the deadline. The parent's own cancellation reaches the work as its child; it
    /// does not end the wait.
    fileprivate func race(
        _ work: Work<some Any>, until deadline: Instant, isolation: isolated (any Actor)? = #isolation
    ) async -> Bool {
        let alarm = timers.reserve()
        return await withTaskGroup(of: Void.self) { group in
            _ = isolation  // stays where its caller is
            group.addTask {
                await work.run()
                self.perform {
                    work.isOver = true
                    self.wakeSleeper(alarm, .cancelled)
                }
            }
            let wake: Wake = await withUnsafeContinuation(isolation: isolation) { continuation in
                if work.isOver { return continuation.resume(returning: .cancelled) }
                timers.set(alarm, at: deadline, .resume(continuation))
            }
            if wake == .ready { group.cancelAll() }
            await group.waitForAll()
            return wake == .ready
        }
    }
}

private enum Event { case done, late, woken }

/// The same for a task that runs on no event loop: another child sleeps.
private func raceElsewhere(
    _ work: Work<some Any>, until deadline: LoopClock.Instant, isolation: isolated (any Actor)? = #isolation
) async -> Bool {
    return await withTaskGroup(of: Event.self) { group in
        group.addTask {
            await work.run()
            return .done
        }
        group.addTask {
            do { try await EventLoop.sleep(until: deadline) } catch { return .woken }
            return .late
        }
        var isLate = false
        var isDone = false
        while let event = await group.next() {
            if event == .done { isDone = true }
            if event == .late, !isDone { isLate = true }
            if event != .woken { group.cancelAll() }
        }
        return isLate
    }
}

/// The body of a timeout and what has become of it.
///
/// Unchecked because the parent makes it, does not touch it while the child runs it, and reads the outcome when the
/// child has ended. The body itself runs where its caller is isolated.
private final class Work<Value>: @unchecked Sendable {
    private let body: () async throws -> Value
    private let isolation: (any Actor)?
    private(set) var outcome: Result<Value, any Error>?
    /// The loop's thread knows that it has ended.
    var isOver = false

    init(_ body: @escaping () async throws -> Value, _ isolation: (any Actor)?) {
        self.body = body
        self.isolation = isolation
    }

    func run() async { await run(on: isolation) }

    private func run(on isolation: isolated (any Actor)?) async {
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
    }
}
