// Threads for work that the kernel has only in a blocking form: writing to a regular file, closing one, resolving a name.
//
// A pool belongs to one loop, and everything in it but the threads' own work happens on the loop's thread: which threads there
// are, who is idle, what waits. So there is no lock to contend for. A thread gets its work through a semaphore and one field that
// the semaphore hands over; its results come back through the loop's inbox. Threads are started when there is work for them and
// go when there has been none for a while; it is they who notice, so that no timer wakes the loop for it.
import DequeModule
import Glibc

/// Something to do off the loop and then on it. Loop thread only, but for what `off` does.
final class OffloadedWork {
    enum State { case waiting, running, over }

    fileprivate(set) var state = State.waiting
    fileprivate var off: (@Sendable () -> Void)?
    fileprivate var on: (() -> Void)?

    init(off: @escaping @Sendable () -> Void, on: @escaping () -> Void) {
        self.off = off
        self.on = on
    }

    /// Gives up work that no thread has begun. False: too late.
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
    private unowned let loop: EventLoop
    /// Threads at most. Work beyond waits in line.
    private let maximumThreads: () -> Int
    /// How long a thread without work stays.
    private let idleSeconds: Int
    private var idle: [Worker] = []
    private var waiting: Deque<OffloadedWork> = []
    private(set) var threads = 0

    init(loop: EventLoop, idleSeconds: Int = 10, maximumThreads: @escaping () -> Int) {
        self.loop = loop
        self.idleSeconds = idleSeconds
        self.maximumThreads = maximumThreads
    }

    deinit { for worker in idle { worker.retire() } }

    /// False: there is not one thread to be had (EAGAIN).
    func submit(_ work: OffloadedWork) -> Bool {
        // The most recently idle thread is used first, so that the others grow old and go.
        if let worker = idle.popLast() {
            start(work, on: worker)
        } else if threads < maximumThreads(), let worker = Worker(pool: self, idleSeconds: idleSeconds) {
            threads += 1
            start(work, on: worker)
        } else if threads > 0 {
            waiting.append(work)
        } else {
            return false
        }
        return true
    }

    private func start(_ work: OffloadedWork, on worker: Worker) {
        work.state = .running
        loop.offloaded += 1
        worker.start(work, work.off.take()!, for: loop)
    }

    fileprivate func finished(_ worker: Worker, _ work: OffloadedWork) {
        loop.offloaded -= 1
        work.state = .over
        idle.append(worker)
        while let next = waiting.popFirst() {
            guard next.state == .waiting else { continue }
            start(next, on: idle.removeLast())
            break
        }
        work.on.take()?()
    }

    /// The worker has had nothing to do for a while, by its own account; but it may have been given something since.
    fileprivate func retire(_ worker: Worker) {
        guard let index = idle.firstIndex(where: { $0 === worker }) else { return }
        idle.remove(at: index)
        threads -= 1
        worker.retire()
    }
}

/// One thread of a pool.
///
/// Unchecked: `task` is written by the loop's thread before `sem_post` and read by the worker after `sem_wait`, and not touched
/// again by the loop's thread until the worker has said through the inbox that it is done. The rest is immutable.
private final class Worker: @unchecked Sendable {
    private let wake: UnsafeMutablePointer<sem_t>
    private unowned let pool: OffloadPool
    private let idleSeconds: Int
    private var task: Assignment?

    /// Keeps the loop while there is work: a loop that nobody needs any more goes when the last report has been posted to it.
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

    func start(_ work: OffloadedWork, _ off: @escaping @Sendable () -> Void, for loop: EventLoop) {
        task = Assignment(work: work, off: off, loop: loop)
        sem_post(wake)
    }

    /// Without work the thread ends.
    func retire() { sem_post(wake) }

    private func runUntilRetired() {
        weak var lastLoop: EventLoop?
        while true {
            // A worker that has never worked has work on its way.
            if !waitForWork(seconds: idleSeconds) {
                lastLoop?.perform { self.pool.retire(self) }
                _ = waitForWork(seconds: nil)
            }
            guard let task = task.take() else { return }
            lastLoop = task.loop
            task.off()
            nonisolated(unsafe) let work = task.work
            // A loop that has ended meanwhile would never hear of it, and be kept for ever by what waits in its inbox.
            task.loop.performOrLend { self.pool.finished(self, work) }
        }
    }

    /// False when the time is over.
    private func waitForWork(seconds: Int?) -> Bool {
        var limit = timespec()
        if let seconds {
            clock_gettime(CLOCK_REALTIME, &limit)  // sem_timedwait knows no other; if it is set, a thread goes early or late
            limit.tv_sec += seconds
        }
        while (seconds == nil ? sem_wait(wake) : sem_timedwait(wake, &limit)) != 0 {
            if errno == ETIMEDOUT { return false }
        }
        return true
    }
}
