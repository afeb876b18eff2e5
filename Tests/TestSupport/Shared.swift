// Values that tasks and threads of a test share.
import Glibc

/// A value behind a lock. Unchecked because the value is touched under the lock only. (A POSIX mutex and not `Mutex`, which ThreadSanitizer does not know.)
public final class Shared<Value: Sendable>: @unchecked Sendable {
    private var held: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    public init(_ value: Value) {
        held = value
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    public var value: Value {
        get { change { $0 } }
        set { change { $0 = newValue } }
    }

    @discardableResult
    public func change<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&held)
    }
}
