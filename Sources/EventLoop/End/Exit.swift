// What must be done before the loop ends: bytes that were accepted go out, or it is said that they did not.
//
// It is asked for in three places: when `EventLoop.run` returns, when a started loop stops, and when the process exits, be it by
// `exit()` or because a main returned. In all of them the loop turns without running jobs, so that no task runs any more,
// until every obligation is settled. A sink that moves is waited for; one that takes nothing is given up after `exitPatience`.
//
// The process' end is a destructor of the program (ELF's .fini_array), which runs after every handler of atexit(3): what such a handler logs
// is written, too.
import CEventLoop
import Glibc
import Synchronization

/// Something that holds bytes which it has promised to write. Loop thread only.
package protocol ExitObligation: AnyObject {
    /// Nothing is pending, or nothing more can be done about it.
    var isSettled: Bool { get }
    /// Grows with every bit of progress.
    var progress: UInt64 { get }
    /// The end is near: write now, retry now, postpone nothing.
    func settle()
    /// The end is here: count what is still pending as lost, and say so.
    func conclude()
    /// The loop has ended, with this settled, and forgets it. Whoever makes a promise later calls `oblige` again.
    func released()
}

extension EventLoop {
    private static let patience = Atomic<Int64>(30_000_000_000)

    /// How long the end of a loop waits for a descriptor that takes no bytes: 30 seconds, unless set otherwise. Every byte that goes out starts
    /// the time anew, so a slow reader loses nothing; a reader that has stopped for good loses what is pending, and a line on stderr says so.
    /// Any thread.
    public static var exitPatience: Duration {
        get { .nanoseconds(patience.load(ordering: .relaxed)) }
        set { patience.store(newValue.clampedNanoseconds, ordering: .relaxed) }
    }

    /// Has `obligation` settled before the loop ends. The loop keeps it until `discharge`, or until it has ended. Loop thread.
    package func oblige(_ obligation: any ExitObligation) {
        obligations.append(obligation)
        LiveLoops.add(self)
    }

    /// A loop that has ended and owes nothing keeps nothing either; else what lives on it would keep it alive, and be kept by it, for ever.
    func forgetSettledObligations() {
        guard obligations.allSatisfy({ $0.isSettled }) else { return }
        LiveLoops.remove(self)
        let settled = obligations
        obligations = []
        locals = [:]
        for obligation in settled { obligation.released() }
        // Nobody turns the loop any more. What the layers above wanted to do later, they wanted for the sake of what has just been settled.
        endOfTurn = []
        for call in timers.removeCalls() { call.abandon() }
    }

    package func discharge(_ obligation: any ExitObligation) {
        obligations.removeAll { $0 === obligation }
    }

    func settleObligations(within patience: Duration) {
        repeat {
            for obligation in obligations { obligation.settle() }
            waitUntilSettled(patience)
            // What is concluded may say so on standard error: if that was settled before, it has something to write now, and gets another round for it.
            let before = obligations.map { (obligation: $0, wasSettled: $0.isSettled) }
            for (obligation, wasSettled) in before where !wasSettled || obligation.isSettled { obligation.conclude() }
        } while obligations.contains { !$0.isSettled }
    }

    private func waitUntilSettled(_ patience: Duration) {
        var progress = totalProgress
        var deadline = Instant.monotonic + patience
        let isDone = { !self.obligations.contains { !$0.isSettled } }
        while !isDone() {
            turnWithoutJobs(.until(deadline), until: isDone)
            if totalProgress != progress {
                progress = totalProgress
                deadline = Instant.monotonic + patience
            } else if Instant.monotonic >= deadline {
                return
            }
        }
    }

    private var totalProgress: UInt64 { obligations.reduce(0) { $0 &+ $1.progress } }
}

extension EventLoop {
    /// True when the process is about to end: no thread is started any more.
    static let isEnding = Flag()

    /// What other threads or an earlier part of the end have left to the loop. Any thread.
    fileprivate var mayOwe: Bool { hasObligations.load(ordering: .acquiring) || !inbox.isEmpty }

    final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
        func set() { value.store(true, ordering: .sequentiallyConsistent) }
    }
}

/// The loops that the process' end has to see to: those that a thread turns, and those that owe something. They are kept alive until they have ended
/// and owe nothing.
enum LiveLoops {
    private static let loops = Locked<[EventLoop]>([])

    static func add(_ loop: EventLoop) {
        _ = atEnd
        loops.withLock { loops in
            if !loops.contains(where: { $0 === loop }) { loops.append(loop) }
        }
    }

    static func remove(_ loop: EventLoop) { loops.withLock { $0.removeAll { $0 === loop } } }

    private static let atEnd: Void = cel_at_end { LiveLoops.settleAll() }

    private static func settleAll() {
        EventLoop.isEnding.set()
        // A fork has copies of its parent's buffers; writing them is the parent's business.
        for loop in loops.withLock({ $0 }) where !loop.isForked {
            if loop.isCurrent || loop.tryClaim() {
                loop.inbox.deliverAll()
                loop.isClosing = true
                loop.settleObligations(within: EventLoop.exitPatience)
            } else if loop.mayOwe {
                settleFromOutside(loop)
            }
        }
    }

    /// The loop runs on another thread, which goes on running while this one is in `exit()`.
    private static func settleFromOutside(_ loop: EventLoop) {
        nonisolated(unsafe) let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)  // never freed: the loop may post late
        sem_init(done, 0, 0)
        loop.perform {
            loop.isClosing = true
            loop.settleObligations(within: EventLoop.exitPatience)
            sem_post(done)
        }
        // A loop that is held up by a job for ever must not hold up the exit for ever.
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_sec += time_t(EventLoop.exitPatience.components.seconds) * 2 + 1
        while sem_timedwait(done, &limit) != 0, errno == EINTR {}
    }
}
