// One turn of the loop.
//
//     inbox → woken jobs → ready jobs → work of the turn's end → poll → events → timers
//
// A turn runs a bounded number of jobs, so that a queue that never empties keeps neither descriptors nor timers waiting. It
// sleeps in the poll only when nothing is left to run; an idle loop is not woken by anything but what it waits for.
import CEventLoop

extension EventLoop {
    /// Jobs of each queue in one turn. At a microsecond a job, a look at the kernel every eighth of a millisecond costs under one percent.
    static let jobBudget = 128

    /// Timers fired in one turn; each makes a job ready.
    static let timerBudget = 1024

    enum Patience {
        /// Do not sleep.
        case none
        /// Sleep until something happens.
        case endless
        /// Sleep until something happens, or until then.
        case until(Instant)
    }

    /// Runs what is ready, then waits for more, unless by then `isDone`. Loop thread.
    func turn(_ patience: Patience, until isDone: () -> Bool = { false }) {
        turns &+= 1
        inbox.deliverAll()
        runJobs()
        finishTurn(moreToCome: hasReadyJobs)
        poll(hasReadyJobs || isDone() ? .none : patience)
    }

    /// A turn without jobs, for those who must not run strangers' code: at exit, and from threads that only borrow the loop.
    func turnWithoutJobs(_ patience: Patience) {
        turns &+= 1
        inbox.deliverAll()
        finishTurn(moreToCome: false)
        poll(patience)
    }

    /// True if jobs wait to run. Loop thread.
    package var hasReadyJobs: Bool { !ready.isEmpty || !woken.isEmpty }

    private func runJobs() {
        var count = min(woken.count, Self.jobBudget)
        jobsRun &+= UInt64(count)
        while count > 0 {
            run(woken.removeFirst())
            count -= 1
        }
        count = min(ready.count, Self.jobBudget)
        jobsRun &+= UInt64(count)
        while count > 0 {
            run(ready.removeFirst())
            count -= 1
        }
    }

    private func finishTurn(moreToCome: Bool) {
        guard !endOfTurn.isEmpty else { return }
        swap(&endOfTurn, &endingTurn)
        for work in endingTurn { work.turnEnded(moreToCome: moreToCome) }
        endingTurn.removeAll(keepingCapacity: true)
    }

    private func poll(_ patience: Patience) {
        var nanoseconds: Int64 = 0
        if endOfTurn.isEmpty, mayStay(patience), inbox.prepareToSleep() {
            nanoseconds = sleepLimit(patience)
        }
        let count = poller.wait(nanoseconds: nanoseconds)
        isDispatching = true
        for index in 0..<count {
            if let (registration, events) = poller.event(index) { registration.signal(events) }
        }
        fireTimers()
        isDispatching = false
    }

    private func mayStay(_ patience: Patience) -> Bool {
        if case .none = patience { return false }
        return true
    }

    /// How long the poll may sleep: until the next timer, the given limit, or (-1) without end.
    private func sleepLimit(_ patience: Patience) -> Int64 {
        var limit = timers.nextDeadline()
        if case .until(let instant) = patience { limit = min(limit ?? instant, instant) }
        guard let limit else { return -1 }
        return max(0, limit.nanoseconds - Instant.now.nanoseconds)
    }

    private func fireTimers() {
        guard timers.count > 0 else { return }
        let now = Instant.now
        var budget = Self.timerBudget
        while budget > 0, let action = timers.popDue(now) {
            switch action {
            case .resume(let continuation): continuation.resume(returning: .ready)
            case .job(let job): schedule(job)
            case .call(let body): body()
            }
            budget -= 1
        }
    }
}

/// Something that is to be done once, when the turn in which it was asked for ends: to write what the turn has gathered.
package protocol EndOfTurnWork: AnyObject {
    /// Loop thread. `moreToCome` says that jobs are ready, so that the next turn's end is near; the work may ask for that one instead.
    func turnEnded(moreToCome: Bool)
}

extension EventLoop {
    /// Calls `work.turnEnded` when this turn ends. The caller asks once a turn. Loop thread.
    package func atEndOfTurn(_ work: any EndOfTurnWork) { endOfTurn.append(work) }
}
