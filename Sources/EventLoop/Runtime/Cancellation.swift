// Errors that say no more than `CancellationError` does, but where it happened: with typed throws, each operation has
// one error type, and its cancellation has to be one of that type's cases.

/// An error that may stand for a `CancellationError`.
package protocol CancellableError: Error {
    /// The task was cancelled, and nothing else is wrong.
    var isCancellation: Bool { get }
}

func isCancellation(_ error: any Error) -> Bool {
    error is CancellationError || (error as? any CancellableError)?.isCancellation == true
}
