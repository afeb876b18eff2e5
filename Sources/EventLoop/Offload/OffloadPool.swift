// Threads for work that the kernel, or the C library, has only in a blocking form: writing to a regular file, closing
// one, resolving a name.
//
// A pool belongs to one loop. Its list of threads, the idle ones and the waiting work, are touched on the loop's thread
// only, so there is no lock. A thread gets its work through a semaphore and one field that the semaphore publishes; its
// results come back through the loop's inbox. Threads are started when there is work for them, and end after a while
// without work. They measure that time themselves, so that no timer wakes the loop for it.
//
// An idle thread does not know its loop. It would have to know it weakly, or keep it alive; and an object to which
// there has ever been a weak reference has its references counted in another place, at three times the price, for as
// long as it lives.
import DequeModule
import Glibc
import Synchronization

/// Work with a part off the loop and a part on it. Loop thread only, except `off`.
final class OffloadedWork {
    enum State { case waiting, running, over }

    fileprivate(set) var state = State.waiting
    fileprivate var off: (@Sendable () -> Void)?
    fileprivate var on: (() -> Void)?

    init(off: @escaping @Sendable () -> Void, on: @escaping () -> Void) {
        self.off = off
        self.on = on
    }

    /// Gives up work that no thread has begun. False: a thread has begun it.
    func giveUp() -> Bool {
        guard state == .waiting else { return false }
        state = .over
        off = nil
        on = nil
        return true
    }
}

/// Loop thread only.
final class OffloadPool {
    unowned let loop: EventLoop
    /// How many threads there may be. Further work waits, first come, first served.
    private let maximumThreads: () -> Int
    /// How long a thread without work stays.
    private let idleSeconds: Int
    /// Some of these threads may have ended.
    private var idle: [Worker] = []
    private var busy = 0
    private var waiting: Deque<OffloadedWork> = []

    /// How many threads there are, at work or idle.
    var threads: Int { busy + idle.count { !$0.hasGone } }

    init(loop: EventLoop, idleSeconds: Int = 10, maximumThreads: @escaping () -> Int) {
        self.loop = loop
        self.idleSeconds = idleSeconds
        self.maximumThreads = maximumThreads
    }

    deinit { for worker in idle { worker.retire() } }

    /// False: no thread can be started (EAGAIN).
    func submit(_ work: OffloadedWork) -> Bool {
        if let worker = takeIdle() {
            start(work, on: worker)
        } else if busy < maximumThreads(), let worker = Worker(pool: self, idleSeconds: idleSeconds) {
            start(work, on: worker)
        } else if busy > 0 {
            waiting.append(work)
        } else {
            return false
        }
        return true
    }

    /// The most recently idle thread is used first, so that the others time out.
    private func takeIdle() -> Worker? {
        while let worker = idle.popLast() { if worker.claim() { return worker } }
        return nil
    }

    private func start(_ work: OffloadedWork, on worker: Worker) {
        work.state = .running
        busy += 1
        loop.offloaded += 1
        worker.start(work, work.off.take()!, for: loop)
    }

    fileprivate func finished(_ worker: Worker, _ work: OffloadedWork) {
        busy -= 1
        loop.offloaded -= 1
        work.state = .over
        if let next = nextWaiting() {
            start(next, on: worker)
        } else {
            worker.rest()
            idle.append(worker)
        }
        work.on.take()?()
    }

    /// The oldest waiting work that has not been given up.
    private func nextWaiting() -> OffloadedWork? {
        while let next = waiting.popFirst() { if next.state == .waiting { return next } }
        return nil
    }
}

/// One thread of a pool.
///
///     taken ── the loop has heard that it is done ──► idle ── has had nothing to do for a while ──► gone
///       ▲                                               │
///       └──────────── there is work, or the pool goes ──┘
///
/// Unchecked: `task` is written by the loop's thread before `sem_post` and read by the worker after `sem_wait`, and not
/// touched again by the loop's thread until the worker has said through the inbox that it is done. The rest is
/// immutable, or atomic.
private final class Worker: @unchecked Sendable {
    private enum State { static let taken = 0, idle = 1, gone = 2 }

    private let state = Atomic<Int>(State.taken)
    private let wake: UnsafeMutablePointer<sem_t>
    private unowned let pool: OffloadPool
    private let idleSeconds: Int
    private var task: Assignment?

    /// Keeps the loop alive while there is work: a loop without other references is deallocated after the last report
    /// has been posted to it.
    private struct Assignment {
        let work: OffloadedWork
        let off: @Sendable () -> Void
        let loop: EventLoop
    }

    init?(pool: OffloadPool, idleSeconds: Int) {
        self.pool = pool
        self.idleSeconds = idleSeconds
        wake = .allocate(capacity: 1)
        sem_init(wake, 0, 0)
        if startThread(name: "offload", { [self] in runUntilRetired() }) != nil { return nil }
    }

    deinit {
        sem_destroy(wake)
        wake.deallocate()
    }

    var hasGone: Bool { state.load(ordering: .relaxed) == State.gone }

    /// For the loop, which has work. False: the thread has ended.
    func claim() -> Bool {
        state.compareExchange(expected: State.idle, desired: State.taken, ordering: .relaxed).exchanged
    }

    /// For the loop, which has no work. From now on the thread may end.
    func rest() { state.store(State.idle, ordering: .relaxed) }

    func start(_ work: OffloadedWork, _ off: @escaping @Sendable () -> Void, for loop: EventLoop) {
        task = Assignment(work: work, off: off, loop: loop)
        sem_post(wake)
    }

    /// The pool is being deallocated. A thread without work ends.
    func retire() { if claim() { sem_post(wake) } }

    private func runUntilRetired() {
        while true {
            while !waitForWork() {
                if state.compareExchange(expected: State.idle, desired: State.gone, ordering: .relaxed).exchanged {
                    return
                }
            }
            guard let task = task.take() else { return }
            task.off()
            nonisolated(unsafe) let work = task.work
            task.loop.perform { self.pool.finished(self, work) }
        }
    }

    /// False after `idleSeconds` without work.
    private func waitForWork() -> Bool {
        var limit = timespec()
        // sem_timedwait knows no other; if it is set, a thread goes early or late
        clock_gettime(CLOCK_REALTIME, &limit)
        limit.tv_sec += idleSeconds
        while sem_timedwait(wake, &limit) != 0 {
            if errno == ETIMEDOUT { return false }
        }
        return true
    }
}
