// The processor time of the calling thread, which does not count what the machine does for others.
import Glibc

enum ThreadClock {
    static func measure(_ body: () -> Void) -> Duration {
        let begin = now
        body()
        return now - begin
    }

    private static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
