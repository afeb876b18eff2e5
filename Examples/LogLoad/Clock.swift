// The time by CLOCK_MONOTONIC, in nanoseconds, and the cost of reading it.
import Glibc

enum Clock {
    @inline(__always)
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The time between two readings of the clock with nothing in between: the clock's share in each measured time. The
    /// median of a thousand.
    static let cost: Int64 = {
        var histogram = LatencyHistogram()
        for _ in 0..<1000 {
            let start = now
            histogram.record(now - start)
        }
        return histogram.quantile(0.5)
    }()

    /// Blocks the calling thread.
    static func sleep(until deadline: Int64) {
        var time = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        while clock_nanosleep(CLOCK_MONOTONIC, CInt(TIMER_ABSTIME), &time, nil) == EINTR {}
    }
}
