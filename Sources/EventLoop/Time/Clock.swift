// The loop's time: monotonic nanoseconds for waiting, wall-clock nanoseconds since 1970 for timestamps.
//
// Everything in the layers above reads the time here. A loop that runs on a `ManualClock` therefore gives them that
// clock's time, and what they do becomes repeatable. Where there is no such clock in the process, the question costs
// one load.
import CEventLoop
import Glibc

/// The clock by which event loops wait: CLOCK_MONOTONIC, or the loop's `ManualClock` if it has one.
///
///     try await Task.sleep(for: .seconds(1), clock: .loop)
///     let start = LoopClock().now
///
/// Setting the machine's clock changes nothing here. Like `SuspendingClock`, and unlike `ContinuousClock`, it stands
/// still while the machine is suspended.
public struct LoopClock: Clock, Sendable {
    /// A point in time, in nanoseconds since some moment before the process began.
    ///
    /// Instants of one machine can be compared until it is booted again. They reach 292 years in either direction;
    /// beyond that they saturate.
    public struct Instant: InstantProtocol, Sendable {
        package var nanoseconds: Int64

        package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

        /// The time by the clock of the loop that runs the calling thread; outside of any, CLOCK_MONOTONIC. 24 ns, no
        /// system call.
        public static var now: Instant {
            if cel_has_manual_clocks(), let clock = EventLoop.current?.manualClock { return clock.now }
            return monotonic
        }

        /// CLOCK_MONOTONIC itself, for waits that are real even when time is not: for other threads, for a slow reader.
        package static var monotonic: Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

        /// So far away that it never comes.
        public static let distantFuture = Instant(nanoseconds: .max)

        public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

        public func advanced(by duration: Duration) -> Instant {
            let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.clampedNanoseconds)
            return overflow ? Instant(nanoseconds: duration < .zero ? .min : .max) : Instant(nanoseconds: sum)
        }

        /// From here to `other`, at most ±292 years: instants at the ends of their range are twice as far apart as a
        /// number of nanoseconds can say.
        package func nanoseconds(to other: Instant) -> Int64 {
            let (difference, overflow) = other.nanoseconds.subtractingReportingOverflow(nanoseconds)
            return overflow ? (self < other ? .max : .min) : difference
        }

        public func duration(to other: Instant) -> Duration {
            .nanoseconds(other.nanoseconds) - .nanoseconds(nanoseconds)
        }

        public static func + (instant: Instant, duration: Duration) -> Instant { instant.advanced(by: duration) }

        public static func - (a: Instant, b: Instant) -> Duration { b.duration(to: a) }
    }

    /// The clock has no state: all of them show the same time.
    public init() {}

    /// The time by the current loop's clock. Any thread; 24 ns, no system call.
    public var now: Instant { .now }

    /// One nanosecond.
    public var minimumResolution: Duration { .nanoseconds(1) }

    /// Suspends the task until `deadline`, as `EventLoop.sleep(until:)` does. The tolerance is not made use of: it is
    /// the kernel's timer slack (`PR_SET_TIMERSLACK`, 50 µs unless set otherwise) by which a sleep may be late.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        try await EventLoop.sleep(until: deadline)
    }
}

extension Clock where Self == LoopClock {
    /// The clock by which event loops wait.
    public static var loop: LoopClock { LoopClock() }
}

package typealias Instant = LoopClock.Instant

/// Wall-clock time, for timestamps only: it jumps when the machine's clock is set.
package enum WallClock {
    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted: CLOCK_REALTIME, or the wall clock that a
    /// `ManualClock` keeps. 24 ns, no system call.
    package static var now: Int64 {
        if cel_has_manual_clocks(), let clock = EventLoop.current?.manualClock { return clock.wallNanoseconds }
        return read(CLOCK_REALTIME)
    }
}

private func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

extension Duration {
    /// The duration in nanoseconds, rounded up, at most ±292 years.
    package var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, tooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, alsoTooLong) = whole.addingReportingOverflow((attoseconds + 999_999_999) / 1_000_000_000)
        return tooLong || alsoTooLong ? (seconds < 0 ? .min : .max) : sum
    }
}
