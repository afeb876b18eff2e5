// Suspending a task until it is resumed or cancelled: the one way in which tasks wait here.
//
// It is `withTaskCancellationHandler` around `withUnsafeContinuation`, made by hand, because the standard library's
// cannot be used as it is:
//
// - Its operation is a closure without isolation, so a task on an actor (the main actor above all) leaves the actor for
//   it and comes back afterwards: two needless jobs and, worse, a gap between the caller's last check and its parking,
//   in which the very event that it wants to wait for can happen.
// - It is generic and not inlinable: three stack frames of a task, each allocated, freed and hopped back to, with every
//   wait.
//
// So the two calls of the runtime that it consists of are made here (stdlib/public/Concurrency/TaskCancellation.swift).
// A sleep costs a third less.

/// Suspends the calling task. `park` is given its continuation before anything else can happen on the caller's thread,
/// and sees to it that it is resumed exactly once.
///
/// - Parameters:
///   - onCancel: called when the task is cancelled while it waits, on any thread; also at once, before `park`, if it
///     has been cancelled already. So `park` asks `Task.isCancelled`, and then resumes instead of parking.
@inline(__always)
package func parkTask<Value: Sendable>(
    _ park: (UnsafeContinuation<Value, Never>) -> Void, onCancel: @Sendable () -> Void
) async -> Value {
    // The record refers to `onCancel`, which lives as long as this call does.
    let record = addCancellationHandler(onCancel)
    defer { removeCancellationHandler(record) }
    return await withUnsafeContinuation(park)
}

/// Puts a record on the calling task's stack: the last one added is the first to be removed.
@_silgen_name("cel_task_add_cancellation_handler")
private func addCancellationHandler(_ handler: () -> Void) -> UnsafeRawPointer

/// Returns when the handler has not begun to run and never will, or has run.
@_silgen_name("cel_task_remove_cancellation_handler")
private func removeCancellationHandler(_ record: UnsafeRawPointer)

/// `Task.isCancelled`, without the retain and the release of the task that it makes for its answer.
@_silgen_name("cel_task_is_cancelled")
func isTaskCancelled() -> Bool
