// A clock for tests: time passes when the test says so, or when there is nothing else to do.
//
// The loop asks the clock only when it would go to sleep: no job is ready, no descriptor has an event, no offloaded
// work is under way. At that moment nothing can happen before the next timer, so time may leap there: a day's sleep
// takes a microsecond, and everything that is due at one instant happens in the order in which it was asked for.
// Between leaps the clock stands still.

import CEventLoop
import Synchronization

/// A clock that does not follow real time, for tests of code that waits.
///
/// It advances itself when nothing else can run:
///
///     let clock = ManualClock()
///     try EventLoop.run(clock: clock) {
///         try await EventLoop.sleep(for: .seconds(86_400))   // returns at once, a day later
///     }
///
/// or is moved by the test:
///
///     let clock = ManualClock(.byHand)
///     try EventLoop.run(clock: clock) {
///         let server = Task(executorPreference: EventLoop.current) { … }
///         await clock.advance(by: .seconds(5))               // everything that happens within five seconds has happened
///     }
///
/// On a loop with such a clock `EventLoop.sleep`, timeouts, intervals, the loop's own timers and the timestamps of log
/// records all go by it. The clock knows nothing of what other processes and threads are about to do (but for
/// `offload`, which it waits for): an outside event that a test waits for should not race with a timer.
///
/// A clock belongs to the first loop that runs on it. `now` may be read on any thread.
///
/// Unchecked because what is not atomic is touched on the loop's thread only.
public final class ManualClock: Clock, @unchecked Sendable {
    public typealias Instant = LoopClock.Instant

    /// What makes the time pass.
    public enum Advance: Sendable {
        /// When nothing else can run, time leaps to the next timer.
        case whenIdle
        /// Only `advance(by:)` and `advance(to:)`.
        case byHand
    }

    private let nanoseconds: Atomic<Int64>
    private let wallOffset: Atomic<Int64>
    private let owner = Atomic<UInt>(0)

    // Loop thread only.
    private let mode: Advance
    private var advances: [PendingAdvance] = []

    /// A task in `advance(to:)`, which waits until the time is `target`.
    private struct PendingAdvance {
        let target: Instant
        let continuation: UnsafeContinuation<Void, Never>
    }

    /// - Parameter wallTime: the time of day at the beginning, since 1970-01-01T00:00:00Z; 2001-09-09T01:46:40Z unless
    ///   given.
    public init(_ advance: Advance = .whenIdle, wallTime: Duration = .seconds(1_000_000_000)) {
        mode = advance
        nanoseconds = Atomic(0)
        wallOffset = Atomic(wallTime.clampedNanoseconds)
        cel_count_manual_clock()
    }

    /// The time by this clock; it begins at zero. Any thread.
    public var now: Instant { Instant(nanoseconds: nanoseconds.load(ordering: .relaxed)) }

    /// One nanosecond.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// The time of day by this clock, since 1970-01-01T00:00:00Z. Setting it has the effect of setting the machine's
    /// clock: timestamps jump, timers do not. Any thread.
    public var wallTime: Duration {
        get { .nanoseconds(wallNanoseconds) }
        set { wallOffset.store(newValue.clampedNanoseconds &- now.nanoseconds, ordering: .relaxed) }
    }

    var wallNanoseconds: Int64 { wallOffset.load(ordering: .relaxed) &+ now.nanoseconds }

    /// Suspends the task until `deadline`. Within the loop that runs on this clock.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        precondition(
            EventLoop.current?.manualClock === self,
            "sleep: the caller must be on the loop that runs on this ManualClock")
        try await EventLoop.sleep(until: deadline)
    }

    /// Moves time forward by `duration`, from timer to timer, and lets everything that becomes ready on the way run
    /// before it goes on. Returns when time has come there and nothing more can run. With `.zero`: when nothing more
    /// can run now. Within the loop that runs on this clock.
    public func advance(by duration: Duration) async { await advance(to: now + duration) }

    /// Moves time forward to `target`; see `advance(by:)`. A target in the past counts as now.
    public func advance(to target: Instant) async {
        precondition(
            EventLoop.current?.manualClock === self,
            "advance: the caller must be on the loop that runs on this ManualClock")
        await withUnsafeContinuation { advances.append(PendingAdvance(target: max(target, now), continuation: $0)) }
    }

    // MARK: The loop's side

    func attach(to loop: EventLoop) {
        let address = UInt(bitPattern: Unmanaged.passUnretained(loop).toOpaque())
        let (isFirst, seen) = owner.compareExchange(expected: 0, desired: address, ordering: .relaxed)
        precondition(isFirst || seen == address, "a ManualClock must be used by one event loop only")
    }

    /// The loop has nothing to do before `deadline`, its next timer. True if time has leaped or a task was resumed:
    /// there may be something to do now. False: let the loop sleep until something happens outside.
    func idle(until deadline: Instant?) -> Bool {
        guard let first = advances.indices.min(by: { advances[$0].target < advances[$1].target }) else {
            guard mode == .whenIdle, let deadline, deadline != .distantFuture else { return false }
            leap(to: deadline)
            return true
        }
        if let deadline, deadline <= advances[first].target {
            leap(to: deadline)
        } else {
            let advance = advances.remove(at: first)
            leap(to: advance.target)
            advance.continuation.resume()
        }
        return true
    }

    private func leap(to instant: Instant) { nanoseconds.store(max(instant, now).nanoseconds, ordering: .relaxed) }
}
