// What can go wrong with a loop itself. What goes wrong with descriptors is AsyncFD's `IOError`.
import SystemPackage

/// A loop could not be made, its thread could not be started, or it could not do what was asked of it.
public struct EventLoopError: Error, Sendable, CustomStringConvertible {
    /// The system call that failed, as its man page names it.
    public let operation: String
    /// Why: `EDEADLK` when it would never end, because no thread runs the loop and none can be started; `EMFILE` when the process may open no more descriptors, `EAGAIN` when it may start no more threads, …
    public let errno: Errno

    package init(operation: String, errno: Errno) {
        self.operation = operation
        self.errno = errno
    }

    /// The caller is on no event loop, no thread runs the main loop, which would have to do it, and none can be started.
    static func noLoop(_ operation: String) -> EventLoopError { EventLoopError(operation: operation, errno: .deadlock) }

    public var description: String {
        errno == .deadlock
            ? "\(operation): no thread runs the event loop, and none can be started, so it would never end (EDEADLK)"
            : "event loop: \(operation): \(errno)"
    }
}
