// One turn of the loop.
//
//     inbox → woken jobs → ready jobs → work of the turn's end → poll → events → signals → timers
//
// A turn runs a bounded number of jobs, so that a queue that never empties keeps neither descriptors nor timers
// waiting. It sleeps in the poll only when nothing is left to run; only an event that an idle loop waits for wakes it.
import CEventLoop

extension EventLoop {
    /// Jobs of each queue in one turn. At a microsecond a job, a look at the kernel every eighth of a millisecond costs
    /// under one percent.
    static let jobBudget = 128

    /// Timers fired in one turn; each makes a job ready. (Events are bounded by the size of the poller's list.)
    static let timerBudget = 1024

    enum PollTimeout {
        /// Do not sleep.
        case none
        /// Sleep until something happens.
        case endless
        /// Sleep until something happens, or until then by CLOCK_MONOTONIC.
        case until(Instant)

        func limited(to instant: Instant) -> PollTimeout {
            switch self {
            case .none: .none
            case .endless: .until(instant)
            case .until(let other): .until(min(instant, other))
            }
        }
    }

    /// Runs what is ready, then waits for more, unless by then `isDone`. Loop thread.
    func turn(_ timeout: PollTimeout, until isDone: () -> Bool = { false }) {
        refuseAfterFork()
        counters.turns.add(1)
        if inbox.deliverAll() { lazyHasArrived = true }
        if let meter { runJobs(meter) } else { runJobs() }
        finishTurn(moreToCome: hasReadyJobs)
        poll(hasReadyJobs || isDone() ? .none : timeout)
    }

    /// A turn without jobs, for the end of a loop, where no task may run any more.
    func turnWithoutJobs(_ timeout: PollTimeout, until isDone: () -> Bool = { false }) {
        counters.turns.add(1)
        inbox.deliverAll()
        finishTurn(moreToCome: false)
        poll(isDone() ? .none : timeout)
    }

    /// True if jobs wait to run. Loop thread.
    package var hasReadyJobs: Bool { !ready.isEmpty || !woken.isEmpty }

    // MARK: Jobs

    /// Jobs that events and timers have woken run first, but no more than a budget of them; then the other jobs run.
    private func runJobs() {
        let first = min(woken.count, Self.jobBudget)
        for _ in 0..<first {
            // Of thousands of tasks, the next ones are no longer in the cache. Fetched while others run, they cost 3 %
            // less at 4,000 connections.
            if woken.count > 3 { woken[3].prefetch() }
            run(woken.removeFirst())
        }
        let second = min(ready.count, Self.jobBudget)
        for _ in 0..<second { run(ready.removeFirst()) }
        counters.jobs.add(UInt64(first + second))
    }

    private func runJobs(_ meter: Meter) {
        var time = Instant.monotonic
        let first = min(woken.count, Self.jobBudget)
        for _ in 0..<first { time = meter.measure(woken.removeFirst(), since: time, run) }
        let second = min(ready.count, Self.jobBudget)
        for _ in 0..<second { time = meter.measure(ready.removeFirst(), since: time, run) }
        counters.jobs.add(UInt64(first + second))
    }

    private func finishTurn(moreToCome: Bool) {
        guard !endOfTurn.isEmpty else { return }
        swap(&endOfTurn, &endingTurn)
        for work in endingTurn { work.turnEnded(moreToCome: moreToCome) }
        endingTurn.removeAll(keepingCapacity: true)
    }

    // MARK: Waiting

    private func poll(_ timeout: PollTimeout) {
        counters.publish(descriptors: poller.count, timers: timers.count, waiters: waiters)
        meter?.pollBegins()
        let count =
            skipsPoll() ? 0 : endOfTurn.isEmpty && mayStay(timeout) ? rest(timeout) : poller.wait(nanoseconds: 0)
        meter?.pollEnds()
        isDispatching = true
        for index in 0..<count {
            poller.prefetch(index + 6)
            guard let (registration, events) = poller.event(index) else { continue }
            counters.events.add(1)
            registration.signal(events)
        }
        if cel_signals_caught() != signalsSeen { deliverSignals() }
        fireTimers()
        isDispatching = false
    }

    /// The next turn has its jobs already: one poll brings as many as two turns run. What the kernel has more would
    /// only stand behind them, and by the time it is served, its registration and its task would be out of the cache.
    /// At 4,000 connections the skipped polls make a request 5 % cheaper. Never twice in a row: timers that are due in
    /// every turn must not keep descriptors waiting.
    private func skipsPoll() -> Bool {
        hasSkippedPoll = woken.count >= Self.jobBudget && !hasSkippedPoll
        return hasSkippedPoll
    }

    private func mayStay(_ timeout: PollTimeout) -> Bool {
        if case .none = timeout { return false }
        return true
    }

    /// Waits for events, if nothing has come from other threads meanwhile; returns how many there are.
    private func rest(_ timeout: PollTimeout) -> Int {
        let end = manualClock == nil ? coalescing.until(hasArrived: lazyHasArrived, now: .monotonic) : nil
        lazyHasArrived = false
        guard inbox.prepareToSleep(coalescing: end != nil) else { return poller.wait(nanoseconds: 0) }
        return sleep(end.map { timeout.limited(to: $0) } ?? timeout)
    }

    /// Waits for events until the next timer, the given limit, or without end; returns how many there are.
    private func sleep(_ timeout: PollTimeout) -> Int {
        guard let manualClock else { return poller.wait(nanoseconds: limit(timers.nextDeadline(), timeout)) }
        // All events are handled before time advances.
        let count = poller.wait(nanoseconds: 0)
        if count > 0 || !inbox.isEmpty { return count }
        if offloaded == 0, manualClock.idle(until: timers.nextDeadline()) { return 0 }
        return poller.wait(nanoseconds: limit(nil, timeout))
    }

    /// In nanoseconds from now; -1 is without end.
    private func limit(_ deadline: Instant?, _ timeout: PollTimeout) -> Int64 {
        var limit = deadline ?? .distantFuture
        if case .until(let instant) = timeout { limit = min(limit, instant) }
        if limit == .distantFuture { return -1 }
        return max(0, Instant.monotonic.nanoseconds(to: limit))
    }

    private func fireTimers() {
        guard timers.count > 0 else { return }
        let now = now
        var budget = Self.timerBudget
        while budget > 0, let due = timers.popDue(now) {
            counters.timersFired.add(1)
            switch due {
            case .action(.resume(let continuation)): continuation.resume(returning: .ready)
            case .action(.job(let job)): schedule(job)
            case .call(let call): call.fire()
            }
            budget -= 1
        }
    }
}

/// Work to do once, at the end of the turn in which it was requested: to write what the turn has gathered.
package protocol EndOfTurnWork: AnyObject {
    /// Loop thread. `moreToCome`: jobs are ready, so the next turn's end is near; the work may request that one
    /// instead.
    func turnEnded(moreToCome: Bool)
}

extension EventLoop {
    /// Calls `work.turnEnded` when this turn ends. The caller asks once a turn. Loop thread.
    package func atEndOfTurn(_ work: any EndOfTurnWork) {
        refuseAfterFork()
        endOfTurn.append(work)
    }
}
