// Work that a cancelled task still has to do: to tell a client that it closes, to finish a file.
//
// Every wait of a cancelled task ends at once, so such work needs a task of its own. It gets one, which cancellation
// does not reach, and a limit, so that a program that was told to stop does stop. (trio calls this a shielded cancel
// scope with a deadline.)

/// Runs `body` so that the calling task's cancellation does not reach it, and returns what it returns.
///
///     for try await connection in listener { … }          // ends when the task is cancelled: no more clients
///     try await withCancellationShield(within: .seconds(5)) {
///         try await connection.write("going away\n")      // works although the task has been cancelled
///     }
///
/// `body` runs in a new task that inherits the caller's priority, task-local values and actor, on the caller's event
/// loop. If it has not ended within `limit`, it is cancelled, and the call returns when it has ended.
///
/// - Throws: what `body` throws; `TimeoutError` if it threw after its time was over.
/// - Complexity: two tasks and a timer.
public func withCancellationShield<Value: Sendable>(
    within limit: Duration, @_inheritActorContext _ body: sending @escaping @isolated(any) () async throws -> Value
) async throws -> Value {
    try await Task(executorPreference: EventLoop.current) { try await withTimeout(limit) { try await body() } }.value
}
