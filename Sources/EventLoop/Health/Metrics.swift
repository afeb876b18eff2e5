// How the loop is doing: what it has done, where its time goes, which jobs hold it up.
//
// Counting costs an addition and is always on. Reading the clock costs 24 ns, three times a turn and once a job, and is
// on only for a loop that is being measured. Only the loop's thread writes; any thread reads, above all a thread that
// finds out why the loop does not answer.

extension EventLoop {
    /// A loop's state of health at one moment.
    public struct Metrics: Sendable {
        /// How many times the loop has looked for events.
        public internal(set) var turns: UInt64
        /// Jobs run: a task counts once each time that it goes on.
        public internal(set) var jobs: UInt64
        /// Descriptors that turned out to be ready.
        public internal(set) var events: UInt64
        /// Timers that came due.
        public internal(set) var timersFired: UInt64

        /// Descriptors that the loop watches now.
        public internal(set) var descriptors: Int
        /// Timers that are set now: sleeping tasks, timeouts, the layers' own.
        public internal(set) var timers: Int
        /// Tasks that wait in the loop now, for descriptors, timers, signals, children or offloaded work. Zero when all
        /// have ended: a wait that is cancelled leaves nothing behind.
        public internal(set) var waiters: Int

        /// Time spent waiting for events. Zero, like all that follows, unless the loop is measured
        /// (`EventLoop.startMeasuring`).
        public internal(set) var polling: Duration
        /// Time spent running jobs and dispatching events.
        public internal(set) var busy: Duration
        /// The longest time that one job has held the loop.
        public internal(set) var longestJob: Duration
        /// How long the job that runs right now has been running, nil if none is. The way to see from another thread
        /// that the loop is stuck.
        public internal(set) var currentJob: Duration?
        /// How long events had to wait at most before the loop looked at them: the time between two looks, of every
        /// turn.
        public internal(set) var lag: Histogram
    }
}

extension EventLoop {
    /// A job that held the loop for longer than it should.
    public struct SlowJob: Sendable {
        /// How long.
        public let duration: Duration
        /// What the Swift runtime calls the job; it names the task by its number.
        public let job: String
    }
}

extension EventLoop {
    /// The loop's state of health. Any thread, at any time, also while the loop is held up; the numbers are those of
    /// the last turn.
    public var metrics: Metrics { counters.snapshot() }

    /// Begins to measure time: where it goes, the lag, the longest job. Costs three looks at the clock a turn and one a
    /// job, 24 ns each. Any thread.
    public func startMeasuring() {
        perform { if self.meter == nil { self.meter = Meter(self.counters) } }
    }

    /// Calls `hook` whenever one job has held the loop for longer than `threshold`, right after it. Measures from then
    /// on. Any thread; a second call replaces the first.
    ///
    ///     loop.onSlowJob(longerThan: .milliseconds(100)) { logger.warning("the loop was held up for \($0.duration)") }
    ///
    /// The hook runs on the loop's thread and holds it up itself.
    public func onSlowJob(longerThan threshold: Duration, _ hook: @escaping @Sendable (SlowJob) -> Void) {
        perform {
            self.meter = Meter(self.counters, threshold: threshold, hook: hook)
        }
    }
}
