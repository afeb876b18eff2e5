// A value behind a lock, for what is rare and shared by threads. Nothing on a record's or an event's path takes one.
//
// `Synchronization.Mutex` would do, but ThreadSanitizer does not know it: its futex calls are in a library that is not
// instrumented, and every access under it is reported as a race. A POSIX mutex is known to it.
import Glibc

/// Unchecked because only the thread that holds the lock touches the value.
package final class Locked<Value>: @unchecked Sendable {
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    package init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        let failure = pthread_mutex_init(mutex, nil)
        precondition(failure == 0, "pthread_mutex_init: \(failure)")
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Waits for the lock. `body` must not come back to the same one.
    package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure)
        -> Result
    {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Nil if another thread holds the lock: for the loop's thread, which does not wait.
    package func withLockIfAvailable<Result>(_ body: (inout Value) -> Result) -> Result? {
        guard pthread_mutex_trylock(mutex) == 0 else { return nil }
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
