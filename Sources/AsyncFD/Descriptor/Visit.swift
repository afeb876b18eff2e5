// Visits to a descriptor's loop, with `IOError` as the error.
import EventLoop

extension EventLoop {
    /// Runs `body` on the loop's thread for a task that runs elsewhere. Throws `.noEventLoop` if no thread can run the
    /// loop.
    func visit<Value: Sendable>(
        _ operation: String, _ label: @autoclosure () -> String,
        _ body: @escaping @Sendable () async throws(IOError) -> Value
    ) async throws(IOError) -> Value {
        guard ensureOwner() else { throw IOError(operation, on: label(), .noEventLoop) }
        return try await visit { () async throws(IOError) in try await body() }
    }
}
