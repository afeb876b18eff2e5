// A disk that takes its time: what is handed to a loop's pool waits until the test says so.
import EventLoop
import Glibc

/// Keeps all threads of a loop's pool busy until `release`: writes to regular files are under way and do not come to an
/// end. Loop thread.
public final class BusyPool {
    private let gate = Gate()
    private let threads: Int

    /// Unchecked: a semaphore is made for any thread.
    private final class Gate: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init() { sem_init(semaphore, 0, 0) }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }
    }

    public init(_ loop: EventLoop) {
        threads = EventLoop.ioThreads
        for _ in 0..<threads {
            loop.submitIO({ [gate] in while sem_wait(gate.semaphore) != 0 {} }, then: {})
        }
    }

    /// The disk does what it was told meanwhile.
    public func release() {
        for _ in 0..<threads { sem_post(gate.semaphore) }
    }
}
