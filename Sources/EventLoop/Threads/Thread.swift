// Starting a detached thread: the only place that calls pthread_create.
import CEventLoop
import Glibc
import Synchronization
import SystemPackage

/// Runs `body` on a new, detached thread called `name` (the kernel keeps 15 bytes of it). Returns the error if no
/// thread can be started.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) -> Errno? {
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, threadMain, start.toOpaque())
    guard code == 0 else {
        start.release()
        return Errno(rawValue: code)
    }
    pthread_detach(thread)
    return nil
}

private final class ThreadStart {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
    cel_name_thread(start.name)
    cel_use_signal_stack()
    start.body()
    return nil
}

extension EventLoop {
    /// Holds the calling thread up until `isDone`, at most for `limit`; for threads that run no loop. Looks again after
    /// pauses that grow to a millisecond. Returns what `isDone` said last.
    package static func wait(upTo limit: Duration, until isDone: () -> Bool) -> Bool {
        precondition(current == nil, "wait: the caller must be on a thread that runs no event loop")
        let deadline = Instant.now + limit
        var pause = timespec(tv_sec: 0, tv_nsec: 20_000)
        while !isDone() {
            if Instant.now >= deadline { return false }
            nanosleep(&pause, nil)
            pause.tv_nsec = min(pause.tv_nsec * 2, 1_000_000)
        }
        return true
    }

    /// Runs `body` on the loop's thread, and holds the calling thread up until it has run. For the moment in which a
    /// program sets things up on a loop that it has just started.
    ///
    /// - Precondition: the caller is on that thread already, or on none that runs a loop.
    package func performAndWait<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Value {
        if isCurrent { return body() }
        let result = Locked<Value?>(nil)
        perform { result.withLock { $0 = body() } }
        return EventLoop.wait(for: result)
    }

    /// The same for what suspends: runs `body` in a task on the loop.
    ///
    /// - Precondition: the caller is on a thread that runs no loop.
    package func performAndWait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let result = Locked<Result<Value, any Error>?>(nil)
        Task(executorPreference: self) {
            let value: Result<Value, any Error>
            do { value = .success(try await body()) } catch { value = .failure(error) }
            result.withLock { $0 = value }
        }
        return try EventLoop.wait(for: result).get()
    }

    private static func wait<Value: Sendable>(for result: Locked<Value?>) -> Value {
        while true {
            if EventLoop.wait(upTo: .seconds(1), until: { result.withLock { $0 != nil } }) {
                return result.withLock { $0! }
            }
        }
    }
}
