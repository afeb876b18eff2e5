// Time as the loop sees it: monotonic nanoseconds since boot for waiting, wall-clock nanoseconds since 1970 for telling people.
import Glibc

/// Nanoseconds of CLOCK_MONOTONIC. Setting the machine's clock changes nothing here.
package struct Instant: Comparable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Reads the clock: 24 ns, no system call.
    package static var now: Instant { Instant(nanoseconds: read(CLOCK_MONOTONIC)) }

    package static let distantFuture = Instant(nanoseconds: .max)

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates: a deadline beyond 292 years is never.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.clampedNanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    package static func - (a: Instant, b: Instant) -> Duration { .nanoseconds(a.nanoseconds - b.nanoseconds) }
}

/// Wall-clock time, for timestamps only: it jumps when somebody sets the clock.
package enum WallClock {
    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (CLOCK_REALTIME). 24 ns, no system call.
    package static var now: Int64 { read(CLOCK_REALTIME) }
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
