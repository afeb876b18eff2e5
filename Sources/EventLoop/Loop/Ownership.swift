// Which thread turns a loop: exactly one at a time, and always one while there is something to do.
//
//              claim                                  a post that finds no owner
//     none ───────────────► runner            none ───────────────► stand-in
//      ▲                       │                ▲                       │
//      └──────── release ──────┘                └── `run` wants the loop, or nothing is left to do
//
// The runner is the thread of `run`, of `start`, or of a host that turns an embedded loop. The stand-in is a thread of
// the library. It turns a loop that has work and no runner: the main loop of a program that never calls `run`, or has
// not called it yet, and loops that have ended. The stand-in of the main loop stays until `run` asks for the loop; that
// of another loop goes when nothing is left to do. So a caller that posts to a loop never has to ask whether the loop
// runs, and the calling thread never turns the loop itself.
//
// A thread that posts looks for an owner after the post, and a thread that leaves looks into the inbox after it has
// left, both in one order (Dekker's algorithm): one of the two finds the other.
import CEventLoop
import Glibc
import Synchronization

/// The owner of a loop, as one atomic word.
enum LoopOwner {
    static let none: UInt8 = 0
    static let standIn: UInt8 = 1
    static let runner: UInt8 = 2
}

extension EventLoop {
    // MARK: Runner

    /// Makes the calling thread the loop's runner. A stand-in hands the loop over at the end of its turn.
    func claim() {
        precondition(
            tryClaim() || claimFromStandIn(),
            "event loop \"\(name)\" must not run on two threads: it already runs on another one")
    }

    /// False if the loop has an owner.
    func tryClaim() -> Bool {
        refuseAfterFork()
        guard
            owner.compareExchange(
                expected: LoopOwner.none, desired: LoopOwner.runner, ordering: .sequentiallyConsistent
            ).exchanged
        else { return false }
        adopt()
        return true
    }

    /// Waits until the stand-in has left. False if a runner has the loop.
    private func claimFromStandIn() -> Bool {
        isWanted.store(true, ordering: .sequentiallyConsistent)
        defer { isWanted.store(false, ordering: .relaxed) }
        soon {}  // wakes the stand-in
        var pause = timespec(tv_sec: 0, tv_nsec: 10_000)
        while !tryClaim() {
            if owner.load(ordering: .relaxed) == LoopOwner.runner { return false }
            nanosleep(&pause, nil)
            pause.tv_nsec = min(pause.tv_nsec * 2, 1_000_000)
        }
        return true
    }

    /// Makes the loop the calling thread's current loop. The caller has set `owner` already.
    func adopt() {
        outer = cel_current_loop()
        cel_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        meter?.resume()
    }

    /// The thread goes back to the loop that it turned before, if there was one.
    func release() {
        if isEmbedded { prepareForForeignWait() }
        cel_set_current_loop(outer)
        outer = nil
        owner.store(LoopOwner.none, ordering: .sequentiallyConsistent)
    }

    /// Releases the loop for good. A stand-in does the remaining work.
    func leave() {
        let isBusy = isBusy
        release()
        if isBusy || !inbox.isEmpty { ensureOwner() }
    }

    // MARK: Stand-in

    /// True while a thread turns the loop, or an embedded loop's host will. Any thread; by the time the answer is read
    /// it may have changed.
    package var hasOwner: Bool { owner.load(ordering: .acquiring) != LoopOwner.none || isEmbedded }

    /// Starts a stand-in if no thread owns the loop. Any thread. False if no thread can be started: what was posted
    /// then waits until the next attempt, or until the process ends.
    ///
    /// An embedded loop needs none: its host turns it.
    @discardableResult
    @inline(__always)
    package func ensureOwner() -> Bool {
        owner.load(ordering: .sequentiallyConsistent) != LoopOwner.none || startStandIn()
    }

    @inline(never)
    private func startStandIn() -> Bool {
        if isEmbedded || isWanted.load(ordering: .sequentiallyConsistent) || EventLoop.isEnding.isSet { return true }
        if isForked { return false }
        guard
            owner.compareExchange(
                expected: LoopOwner.none, desired: LoopOwner.standIn, ordering: .sequentiallyConsistent
            ).exchanged
        else { return true }
        LiveLoops.add(self)
        guard startThread(name: name, { self.standIn() }) == nil else {
            owner.store(LoopOwner.none, ordering: .sequentiallyConsistent)
            return false
        }
        return true
    }

    private func standIn() {
        adopt()
        let staysUntilWanted = isMain
        turnUntil { isWanted.load(ordering: .relaxed) || !staysUntilWanted && !isBusy }
        if !staysUntilWanted { forgetSettledParticipants() }
        leave()
    }

    /// True while tasks live on the loop, or work for them remains. Calls for later and the layers' own waits do not
    /// count: they serve what is counted here. Loop thread.
    private var isBusy: Bool {
        hasReadyJobs || !inbox.isEmpty || !endOfTurn.isEmpty || timers.sleepers > 0 || waiters > waitingCalls
            || offloaded > 0
            || !signalSubscriptions.isEmpty || participants.contains { !$0.isSettled }
    }
}
