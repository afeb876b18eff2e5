// What can go wrong with a loop itself. What goes wrong with descriptors is AsyncFD's `IOError`.
import SystemPackage

/// A loop could not be made, or its thread could not be started.
public struct EventLoopError: Error, Sendable, CustomStringConvertible {
    /// The system call that failed, as its man page names it.
    public let operation: String
    /// Why: `EMFILE` when the process may open no more descriptors, `EAGAIN` when it may start no more threads, …
    public let errno: Errno

    package init(operation: String, errno: Errno) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String { "event loop: \(operation): \(errno)" }
}
