// The one error of this library: what was tried, on what, and why it did not work.
import SystemPackage

/// An operation on a descriptor failed.
///
/// It reads like the shell's messages: `write standard output: broken pipe (EPIPE)`.
public struct IOError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is. An open set: new codes may come, so switches need a default.
    public struct Code: Sendable, Hashable {
        let name: String

        /// Nobody reads any more (`EPIPE`, `ECONNRESET`).
        public static let brokenPipe = Code(name: "broken pipe")
        /// The device is full, or the quota is used up (`ENOSPC`, `EDQUOT`).
        public static let noSpace = Code(name: "no space left on device")
        /// The number is no open descriptor, or not one that is open for this direction (`EBADF`).
        public static let badDescriptor = Code(name: "not an open descriptor")
        /// `EACCES`, `EPERM`.
        public static let permissionDenied = Code(name: "permission denied")
        /// `ENOENT`.
        public static let notFound = Code(name: "no such file or directory")
        /// The device failed (`EIO`), or a terminal has gone.
        public static let inputOutput = Code(name: "input/output error")
        /// The task was cancelled while it waited.
        public static let cancelled = Code(name: "cancelled")
        /// The `AsyncFD` has been closed.
        public static let closed = Code(name: "closed")
        /// Another task already waits to read from the descriptor.
        public static let busy = Code(name: "another task is reading already")
        /// The caller is on no event loop, and the descriptor's loop does not run.
        public static let noEventLoop = Code(name: "its event loop does not run")
        /// Anything else: see `errno`.
        public static let system = Code(name: "system error")
    }

    public let code: Code
    /// The kernel's reason; nil if the kernel was not asked.
    public let errno: Errno?
    /// What was tried, as the man pages name it: `write`, `read`, `open`, …
    public let operation: String
    /// What it was tried on: a path in quotes, `standard output`, `descriptor 7`.
    public let subject: String
    /// How many bytes were written before the failure. The descriptor's stream continues there.
    public internal(set) var bytesWritten = 0

    init(_ operation: String, on subject: String, _ errno: Errno) {
        self.operation = operation
        self.subject = subject
        self.errno = errno
        code = Code(errno)
    }

    init(_ operation: String, on subject: String, _ code: Code) {
        self.operation = operation
        self.subject = subject
        errno = nil
        self.code = code
    }

    public var description: String {
        "\(operation) \(subject): \(reason)" + (bytesWritten > 0 ? " after \(bytesWritten) bytes" : "")
    }

    /// The reason alone: `broken pipe (EPIPE)`.
    public var reason: String { errno.map(IOError.reason) ?? code.name }

    /// `broken pipe (EPIPE)`
    package static func reason(_ errno: Errno) -> String {
        let text = String(describing: errno)
        let lowered = text.prefix(1).lowercased() + text.dropFirst()
        return "\(lowered) (\(names[errno] ?? "errno \(errno.rawValue)"))"
    }

    private static let names: [Errno: String] = [
        .brokenPipe: "EPIPE", .noSpace: "ENOSPC", .diskQuotaExceeded: "EDQUOT", .badFileDescriptor: "EBADF", .permissionDenied: "EACCES",
        .notPermitted: "EPERM", .noSuchFileOrDirectory: "ENOENT", .ioError: "EIO", .connectionReset: "ECONNRESET", .readOnlyFileSystem: "EROFS",
        .tooManyOpenFiles: "EMFILE", .tooManyOpenFilesInSystem: "ENFILE", .isDirectory: "EISDIR", .notDirectory: "ENOTDIR", .fileTooLarge: "EFBIG",
        .invalidArgument: "EINVAL", .noMemory: "ENOMEM", .fileExists: "EEXIST", .connectionRefused: "ECONNREFUSED", .timedOut: "ETIMEDOUT",
        .socketNotConnected: "ENOTCONN", .noSuchAddressOrDevice: "ENXIO", .notSupported: "ENOTSUP", .resourceTemporarilyUnavailable: "EAGAIN",
        .noBufferSpace: "ENOBUFS", .addressRequired: "EDESTADDRREQ", .tooManySymbolicLinkLevels: "ELOOP", .fileNameTooLong: "ENAMETOOLONG",
    ]
}

extension IOError.Code {
    init(_ errno: Errno) {
        switch errno {
        case .brokenPipe, .connectionReset: self = .brokenPipe
        case .noSpace, .diskQuotaExceeded: self = .noSpace
        case .badFileDescriptor: self = .badDescriptor
        case .permissionDenied, .notPermitted: self = .permissionDenied
        case .noSuchFileOrDirectory: self = .notFound
        case .ioError: self = .inputOutput
        default: self = .system
        }
    }
}
