// The counters behind `Metrics`, and the meter that tells time on their behalf.
import Synchronization

/// One thread at a time writes, the loop's; any thread reads. So an addition is a load, an add and a store, as with a
/// plain variable.
final class Counters: Sendable {
    let turns = Atomic<UInt64>(0)
    let jobs = Atomic<UInt64>(0)
    let events = Atomic<UInt64>(0)
    let timersFired = Atomic<UInt64>(0)
    private let descriptors = Atomic<Int>(0)
    private let timers = Atomic<Int>(0)
    private let waiters = Atomic<Int>(0)

    // In nanoseconds.
    let polling = Atomic<UInt64>(0)
    let busy = Atomic<UInt64>(0)
    let longestJob = Atomic<UInt64>(0)
    /// When the current job began, by CLOCK_MONOTONIC; 0 if none runs.
    let jobSince = Atomic<Int64>(0)
    let lag = AtomicHistogram()

    func publish(descriptors: Int, timers: Int, waiters: Int) {
        self.descriptors.store(descriptors, ordering: .relaxed)
        self.timers.store(timers, ordering: .relaxed)
        self.waiters.store(waiters, ordering: .relaxed)
    }

    func snapshot() -> EventLoop.Metrics {
        let jobSince = jobSince.load(ordering: .relaxed)
        return EventLoop.Metrics(
            turns: turns.load(ordering: .relaxed), jobs: jobs.load(ordering: .relaxed),
            events: events.load(ordering: .relaxed),
            timersFired: timersFired.load(ordering: .relaxed), descriptors: descriptors.load(ordering: .relaxed),
            timers: timers.load(ordering: .relaxed), waiters: waiters.load(ordering: .relaxed),
            polling: .nanoseconds(Int64(polling.load(ordering: .relaxed))),
            busy: .nanoseconds(Int64(busy.load(ordering: .relaxed))),
            longestJob: .nanoseconds(Int64(longestJob.load(ordering: .relaxed))),
            currentJob: jobSince == 0 ? nil : Instant.monotonic - Instant(nanoseconds: jobSince), lag: lag.snapshot())
    }
}

extension Atomic where Value == UInt64 {
    /// For the one thread that writes.
    func add(_ number: UInt64) { store(load(ordering: .relaxed) &+ number, ordering: .relaxed) }
}

/// Unchecked because the memory is the histogram's own for as long as it lives, and is only touched atomically.
final class AtomicHistogram: @unchecked Sendable {
    private let counts: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        counts = .allocate(capacity: EventLoop.Histogram.buckets)
        for bucket in 0..<EventLoop.Histogram.buckets { (counts + bucket).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: EventLoop.Histogram.buckets)
        counts.deallocate()
    }

    /// For the one thread that writes.
    func add(_ nanoseconds: Int64) { counts[EventLoop.Histogram.bucket(nanoseconds)].add(1) }

    func snapshot() -> EventLoop.Histogram {
        EventLoop.Histogram(counts: (0..<EventLoop.Histogram.buckets).map { counts[$0].load(ordering: .relaxed) })
    }
}

/// Loop thread only.
struct Meter {
    private let counters: Counters
    private let threshold: Int64
    private let hook: ((EventLoop.SlowJob) -> Void)?
    /// When the loop last came back from the poll, or was last taken up by a thread.
    private var awakeSince = Instant.monotonic
    private var asleepSince = Instant.monotonic

    init(
        _ counters: Counters, threshold: Duration = .nanoseconds(Int64.max), hook: ((EventLoop.SlowJob) -> Void)? = nil
    ) {
        self.counters = counters
        self.threshold = threshold.clampedNanoseconds
        self.hook = hook
    }

    /// The time in which no thread ran the loop is neither work nor waiting.
    mutating func resume() { awakeSince = .monotonic }

    mutating func pollBegins() {
        asleepSince = .monotonic
        let busy = asleepSince.nanoseconds - awakeSince.nanoseconds
        counters.busy.add(UInt64(busy))
        counters.lag.add(busy)
    }

    mutating func pollEnds() {
        awakeSince = .monotonic
        counters.polling.add(UInt64(awakeSince.nanoseconds - asleepSince.nanoseconds))
    }

    /// Returns the time, for the next job's beginning.
    func measure(_ job: QueuedJob, since start: Instant, _ run: (QueuedJob) -> Void) -> Instant {
        counters.jobSince.store(start.nanoseconds, ordering: .relaxed)
        // The job is gone when it has run.
        let name = hook == nil ? "" : job.job.description
        run(job)
        counters.jobSince.store(0, ordering: .relaxed)
        let end = Instant.monotonic
        let duration = end.nanoseconds - start.nanoseconds
        if duration > counters.longestJob.load(ordering: .relaxed) {
            counters.longestJob.store(UInt64(duration), ordering: .relaxed)
        }
        if duration > threshold, let hook { hook(EventLoop.SlowJob(duration: .nanoseconds(duration), job: name)) }
        return end
    }
}
