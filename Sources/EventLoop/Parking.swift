// Suspending a task until somebody resumes it, or it is cancelled: the one way in which tasks wait here.
//
// `withTaskCancellationHandler` alone would not do. Its operation is a closure without isolation, so a task on an actor (the main
// actor above all) leaves the actor for it and comes back afterwards: two jobs that nobody asked for, and, worse, a gap between
// the caller's last look at the world and its parking, in which the very thing that it wants to wait for can happen. A closure that
// captures its caller's isolation stays where it is.

/// Suspends the calling task. `park` is given its continuation before anything else can happen on the caller's thread, and sees to it
/// that it is resumed exactly once.
///
/// - Parameters:
///   - onCancel: called when the task is cancelled while it waits, on any thread; also at once, before `park`, if it has been cancelled
///     already. So `park` asks `Task.isCancelled`, and then resumes instead of parking.
package func parkTask<Value: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ park: (UnsafeContinuation<Value, Never>) -> Void, onCancel: @Sendable () -> Void
) async -> Value {
    await withTaskCancellationHandler(
        operation: {
            _ = isolation
            return await withUnsafeContinuation(isolation: isolation, park)
        }, onCancel: onCancel, isolation: isolation)
}
