// Threads for work that the kernel has only in a blocking form: writing to a regular file, closing one, resolving a name.
//
// The pool belongs to one loop, and everything in it but the threads' own work happens on the loop's thread: which threads there
// are, who is idle, what waits. So there is no lock to contend for. A thread gets its work through a semaphore and one field that
// the semaphore hands over; its results come back through the loop's inbox.
import DequeModule
import Glibc

/// Loop thread only.
final class OffloadPool {
    /// Threads at most. Work beyond waits in line.
    static let maximumThreads = 4
    /// How long a thread without work stays.
    static let idleTime = Duration.seconds(10)

    private unowned let loop: EventLoop
    private var idle: [Worker] = []
    private var waiting: Deque<Work> = []
    private(set) var threads = 0
    private var retirementIsSet = false

    /// What to do off the loop and then on it.
    struct Work {
        let off: @Sendable () -> Void
        let on: () -> Void
    }

    init(loop: EventLoop) { self.loop = loop }

    deinit { for worker in idle { worker.retire() } }

    func submit(_ work: Work) {
        if let worker = idle.popLast() {
            worker.start(work, for: loop)
        } else if threads < Self.maximumThreads, let worker = Worker(pool: self) {
            threads += 1
            worker.start(work, for: loop)
        } else if threads > 0 {
            waiting.append(work)
        } else {
            // Not one thread to be had (EAGAIN). Late is better than never, and the pool is the last resort already.
            work.off()
            loop.soon(work.on)
        }
    }

    fileprivate func finished(_ worker: Worker, _ work: Work) {
        if let next = waiting.popFirst() {
            worker.start(next, for: loop)
        } else {
            worker.idleSince = .now
            idle.append(worker)
            scheduleRetirement()
        }
        work.on()
    }

    /// The most recently idle thread is used first, so that the others grow old and go.
    private func scheduleRetirement() {
        guard !retirementIsSet else { return }
        retirementIsSet = true
        loop.after(Self.idleTime) { [self] in
            retirementIsSet = false
            let limit = Instant.now
            while let oldest = idle.first, oldest.idleSince + Self.idleTime <= limit {
                idle.removeFirst()
                threads -= 1
                oldest.retire()
            }
            if !idle.isEmpty { scheduleRetirement() }
        }
    }
}

/// One thread of the pool.
///
/// Unchecked: `work` and `loop` are written by the loop's thread before `sem_post` and read by the worker after `sem_wait`, and not touched again by
/// the loop's thread until the worker has said through the inbox that it is done. The rest is the loop thread's.
private final class Worker: @unchecked Sendable {
    private let wake: UnsafeMutablePointer<sem_t>
    private var work: OffloadPool.Work?
    /// Kept while there is work: a loop that nobody needs any more goes when the last report has been posted to it.
    private var loop: EventLoop?
    private unowned let pool: OffloadPool
    var idleSince = Instant(nanoseconds: 0)

    init?(pool: OffloadPool) {
        self.pool = pool
        wake = .allocate(capacity: 1)
        sem_init(wake, 0, 0)
        if startThread(name: "offload", { [self] in runUntilRetired() }) != nil { return nil }
    }

    deinit {
        sem_destroy(wake)
        wake.deallocate()
    }

    func start(_ work: OffloadPool.Work, for loop: EventLoop) {
        self.work = work
        self.loop = loop
        sem_post(wake)
    }

    /// Without work the thread ends.
    func retire() { sem_post(wake) }

    private func runUntilRetired() {
        while true {
            while sem_wait(wake) != 0 {}  // EINTR
            guard let work = work.take(), let loop = loop.take() else { return }
            work.off()
            nonisolated(unsafe) let done = work
            loop.perform { self.pool.finished(self, done) }
        }
    }
}

extension EventLoop {
    /// Runs `off` on a thread where it may block, then `on` on the loop. Loop thread.
    package func offload(_ off: @escaping @Sendable () -> Void, then on: @escaping () -> Void) {
        if isBorrowed {
            off()
            return soon(on)
        }
        offloadPool.submit(OffloadPool.Work(off: off, on: on))
    }
}
