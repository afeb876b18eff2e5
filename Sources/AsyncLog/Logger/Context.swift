// Fields that all records of a task have: `withLogContext`.
import EventLoop
import Synchronization

enum LogScope {
    @TaskLocal static var fields: BoundFields?

    /// Becomes true with the first scope of the process. A program that uses no scopes pays one relaxed load for each
    /// record.
    static let isUsed = Atomic<Bool>(false)

    /// The fields of the scope that the current task is in.
    @inline(__always)
    static var current: BoundFields? { isUsed.load(ordering: .relaxed) ? fields : nil }
}

/// Runs `body`. All records that this task and its child tasks log meanwhile have these fields, too, whatever the
/// logger.
///
///     await withLogContext(["request": id]) {
///         await handle(request)              // … logs, with request=…
///     }
///
/// Scopes nest; of equal keys the innermost counts. As with every task-local value, `Task.detached` does not inherit
/// it.
public func withLogContext<Value, Failure: Error>(_ fields: Fields, _ body: () throws(Failure) -> Value) throws(Failure)
    -> Value
{
    LogScope.isUsed.store(true, ordering: .relaxed)
    let scope = BoundFields(fields, in: LogScope.fields, loop: EventLoop.current)
    do {
        return try LogScope.$fields.withValue(scope) { try body() }
    } catch {
        throw error as! Failure
    }
}

/// Runs `body`. All records that this task and its child tasks log meanwhile have these fields, too, whatever the
/// logger.
public func withLogContext<Value, Failure: Error>(_ fields: Fields, _ body: () async throws(Failure) -> Value)
    async throws(Failure) -> Value
{
    LogScope.isUsed.store(true, ordering: .relaxed)
    let scope = BoundFields(fields, in: LogScope.fields, loop: EventLoop.current)
    do {
        return try await LogScope.$fields.withValue(scope) { try await body() }
    } catch {
        throw error as! Failure
    }
}
