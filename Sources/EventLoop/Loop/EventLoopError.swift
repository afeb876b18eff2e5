// The errors of a loop itself. The errors of descriptors are AsyncFD's `IOError`.
import SystemPackage

/// A loop could not be made, its thread could not be started, or it could not carry out an operation.
public struct EventLoopError: Error, Sendable, CustomStringConvertible {
    /// The system call that failed, as its man page names it.
    public let operation: String
    /// The reason: `EDEADLK` if the operation would never end, because no thread runs the loop and none can be started;
    /// `EMFILE` if the process may open no more descriptors, `EAGAIN` if it may start no more threads, …
    public let errno: Errno

    package init(operation: String, errno: Errno) {
        self.operation = operation
        self.errno = errno
    }

    /// The caller is on no event loop, no thread runs the main loop, which would have to do it, and none can be
    /// started.
    static func noLoop(_ operation: String) -> EventLoopError { EventLoopError(operation: operation, errno: .deadlock) }

    public var description: String {
        errno == .deadlock
            ? "\(operation): no thread runs the event loop, and none can be started, so it would never end (EDEADLK)"
            : "event loop: \(operation): \(errno)"
    }
}
