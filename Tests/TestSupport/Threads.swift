// Threads of a test's own, and values that they share: the only place of the tests that calls pthread_create.
import EventLoop
import Glibc

/// Runs `body` on a thread that the caller joins.
public func runThread(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    guard code == 0 else { throw SystemError(operation: "pthread_create", errno: code) }
    return thread
}

/// Runs `body` on a thread that ends by itself.
public func detachThread(_ body: @escaping @Sendable () -> Void) {
    do { pthread_detach(try runThread(body)) } catch { preconditionFailure("\(error)") }
}

/// Runs `body` on another thread, while the calling one stands still, and returns its result.
public func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) throws -> Value {
    let result = ResultBox<Value>()
    pthread_join(try runThread { result.value = body() }, nil)
    return result.value!
}

extension Locked where Value: Sendable {
    /// The value, under the lock for the length of one access.
    package var value: Value {
        get { withLock { $0 } }
        set { withLock { $0 = newValue } }
    }
}
