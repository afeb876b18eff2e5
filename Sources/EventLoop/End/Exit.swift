// What must be done before the loop ends: accepted bytes are written, or their loss is reported.
//
// It happens in three places: when `EventLoop.run` returns, when a started loop stops, and when the process exits, be
// it by `exit()` or because a main returned. In all of them the loop turns without running jobs, so that no task runs
// any more, until every participant is settled. A sink that makes progress is waited for; one that takes nothing is
// given up after `exitTimeout`.
//
// The process' end is a destructor of the program (ELF's .fini_array), which runs after every handler of atexit(3), so
// the records of such a handler are written, too.
import CEventLoop
import Glibc
import Synchronization

/// An object that holds bytes which it has promised to write. Loop thread only.
package protocol ShutdownParticipant: AnyObject {
    /// Nothing is pending, or nothing more can be done about it.
    var isSettled: Bool { get }
    /// Grows with every bit of progress.
    var progress: UInt64 { get }
    /// What was pending at the last `settle` is done, or nothing more can be done about it. What has come since, from
    /// threads that go on, does not count: they cannot keep the loop from ending.
    var hasReachedGoal: Bool { get }
    /// The loop is about to end: write now, retry now, postpone nothing.
    func settle()
    /// The time is over: count what is still pending as lost, and report it. Returns true if something was lost.
    func giveUp() -> Bool
    /// The loop ends, though more has come since `settle`: that is kept, for the next thread that turns the loop.
    func goOn()
    /// The loop has ended, with this participant settled, and has removed it. To accept bytes again, register again.
    func released()
}

extension ShutdownParticipant {
    package var hasReachedGoal: Bool { isSettled }
    package func goOn() {}
}

extension EventLoop {
    private static let timeout = Atomic<Int64>(30_000_000_000)

    /// How long the end of a loop waits for a descriptor that takes no bytes: 30 seconds, unless set otherwise. Every
    /// byte that is written restarts the time, so a slow reader loses nothing; a reader that has stopped for good loses
    /// what is pending, and a line on stderr reports it. Any thread.
    public static var exitTimeout: Duration {
        get { .nanoseconds(timeout.load(ordering: .relaxed)) }
        set { timeout.store(newValue.clampedNanoseconds, ordering: .relaxed) }
    }

    /// Has `participant` settled before the loop ends. The loop keeps it until `unregister`, or until the loop has
    /// ended. Loop thread.
    package func register(_ participant: any ShutdownParticipant) {
        participants.append(participant)
        LiveLoops.add(self)
    }

    /// A loop that has ended, with every participant settled, lets go of them. Otherwise they and the loop would keep
    /// each other alive for ever.
    func forgetSettledParticipants() {
        guard participants.allSatisfy({ $0.isSettled }) else { return }
        LiveLoops.remove(self)
        let settled = participants
        participants = []
        locals = [:]
        for participant in settled { participant.released() }
        // No thread turns the loop any more. What the layers above planned for later served what has just been settled.
        endOfTurn = []
        for call in timers.removeCalls() { call.abandon() }
    }

    package func unregister(_ participant: any ShutdownParticipant) {
        participants.removeAll { $0 === participant }
    }

    func settleParticipants(within timeout: Duration) {
        var awaited = participants
        // What these get from now on comes too late for this end. Each participant can become one of them once, so there
        // is a last round.
        var finished: [any ShutdownParticipant] = []
        repeat {
            for participant in awaited { participant.settle() }
            waitForGoals(of: awaited, timeout)
            let late = awaited.filter { !$0.hasReachedGoal }
            let settled = awaited.filter { $0.isSettled }
            for participant in awaited where participant.hasReachedGoal && !participant.isSettled {
                participant.goOn()
                finished.append(participant)
            }
            for participant in late where participant.giveUp() { finished.append(participant) }
            // A participant that gives up may report it through another one, which was settled before. That one has
            // something to write now, and gets another round.
            for participant in settled where participant.isSettled && participant.giveUp() {
                finished.append(participant)
            }
            awaited = participants.filter { participant in
                !participant.isSettled && !finished.contains { $0 === participant }
            }
        } while !awaited.isEmpty
    }

    private func waitForGoals(of awaited: [any ShutdownParticipant], _ timeout: Duration) {
        // Only those that are waited for: others may go on for ever.
        let totalProgress = { awaited.reduce(0) { $1.hasReachedGoal ? $0 : $0 &+ $1.progress } }
        let isDone = { awaited.allSatisfy { $0.hasReachedGoal } }
        var progress = totalProgress()
        var deadline = Instant.monotonic + timeout
        while !isDone() {
            turnWithoutJobs(.until(deadline), until: isDone)
            if totalProgress() != progress {
                progress = totalProgress()
                deadline = Instant.monotonic + timeout
            } else if Instant.monotonic >= deadline {
                return
            }
        }
    }
}

extension EventLoop {
    /// True when the process is about to end: no thread is started any more.
    static let isEnding = Flag()

    /// True if other threads, or an earlier part of the end, may have left something to write. Any thread.
    fileprivate var mayHavePending: Bool { hasParticipants.load(ordering: .acquiring) || !inbox.isEmpty }

    final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .sequentiallyConsistent) }
        func set() { value.store(true, ordering: .sequentiallyConsistent) }
    }
}

/// The loops that the process' end has to flush: those that a thread turns, and those that have something to write.
/// They are kept alive until they have ended and every participant is settled.
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
        // A forked child has copies of its parent's buffers; the parent writes them.
        for loop in loops.withLock({ $0 }) where !loop.isForked {
            if loop.isCurrent || loop.tryClaim() {
                loop.inbox.deliverAll()
                loop.hasClosed = true
                loop.settleParticipants(within: EventLoop.exitTimeout)
            } else if loop.mayHavePending {
                settleFromOutside(loop)
            }
        }
    }

    /// The loop runs on another thread, which goes on running while this one is in `exit()`.
    private static func settleFromOutside(_ loop: EventLoop) {
        // never freed: the loop may post late
        nonisolated(unsafe) let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(done, 0, 0)
        loop.perform {
            loop.hasClosed = true
            loop.settleParticipants(within: EventLoop.exitTimeout)
            sem_post(done)
        }
        // A loop that a job blocks for ever must not block the exit for ever.
        var limit = timespec()
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_sec += time_t(EventLoop.exitTimeout.components.seconds) * 2 + 1
        while sem_timedwait(done, &limit) != 0, errno == EINTR {}
    }
}
