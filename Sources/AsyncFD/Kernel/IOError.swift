// The one error of this library: the operation, its object, and the reason.
import EventLoop
import SystemPackage

/// An operation on a descriptor failed.
///
/// It reads like the shell's messages: `write standard output: broken pipe (EPIPE)`.
public struct IOError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is. An open set: new codes may come, so switches need a default.
    public struct Code: Sendable, Hashable {
        let name: String

        /// The reader is gone (`EPIPE`, `ECONNRESET`).
        public static let brokenPipe = Code(name: "broken pipe")
        /// The device is full, the quota is used up, or the file may not become longer (`ENOSPC`, `EDQUOT`, `EFBIG`).
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
        /// Another task is already reading from the descriptor.
        public static let busy = Code(name: "another task is using it already")
        /// The caller is on no event loop, no thread runs the descriptor's loop, and none can be started (or the
        /// process is a forked child).
        public static let noEventLoop = Code(name: "no thread runs its event loop, and none can be started")
        /// The stream ended before as many bytes came as were asked for. Those that came are still there to be read.
        public static let endOfStream = Code(name: "the stream has ended")
        /// More bytes came than the caller set as the limit. They are still there to be read.
        public static let tooLong = Code(name: "longer than allowed")
        /// The text is not valid UTF-8.
        public static let invalidText = Code(name: "not valid UTF-8")
        /// `EISDIR`: it is a directory.
        public static let isDirectory = Code(name: "is a directory")
        /// `EEXIST`.
        public static let alreadyExists = Code(name: "file exists")
        /// No socket listens there (`ECONNREFUSED`).
        public static let connectionRefused = Code(name: "connection refused")
        /// `EADDRINUSE`.
        public static let addressInUse = Code(name: "address already in use")
        /// The caller's time limit passed, or the kernel's (`ETIMEDOUT`).
        public static let timedOut = Code(name: "timed out")
        /// The process, or the machine, may open no more descriptors (`EMFILE`, `ENFILE`).
        public static let tooManyOpenFiles = Code(name: "too many open files")
        /// The two descriptors of a copy live on different event loops.
        public static let differentLoops = Code(name: "they live on different event loops")
        /// The host's name could not be resolved; the subject says why.
        public static let unresolved = Code(name: "cannot be resolved")
        /// A program that does a part of the work failed; the subject says how it ended.
        public static let programFailed = Code(name: "the program has failed")
        /// A file that has to be the process' user's alone has another owner, or others may read or write it; the
        /// subject says which.
        public static let notPrivate = Code(name: "its owner must be the process' user, and its mode 600")
        /// The file that is written to has been removed: no program can open it any more (`ESTALE`, over a network).
        public static let removed = Code(name: "the file has been removed")
        /// Anything else: see `errno`.
        public static let system = Code(name: "system error")
    }

    /// What went wrong, in a form to switch on.
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

    package init(_ operation: String, on subject: String, _ code: Code) {
        self.operation = operation
        self.subject = subject
        errno = nil
        self.code = code
    }

    public var description: String {
        "\(operation) \(subject): \(reason)" + (bytesWritten > 0 ? " after \(bytesWritten) bytes" : "")
    }

    /// The reason alone: `broken pipe (EPIPE)`.
    public var reason: String {
        if let errno { return IOError.reason(errno) }
        switch (code, operation) {
        case (.busy, "read"), (.busy, "receive"), (.busy, "accept"): return "another task is reading already"
        case (.busy, "write"), (.busy, "send"): return "another task is writing already"
        default: return code.name
        }
    }

    /// `broken pipe (EPIPE)`
    package static func reason(_ errno: Errno) -> String {
        let text = String(describing: errno)
        let lowered = text.prefix(1).lowercased() + text.dropFirst()
        return "\(lowered) (\(names[errno] ?? "errno \(errno.rawValue)"))"
    }

    private static let names: [Errno: String] = [
        .brokenPipe: "EPIPE", .noSpace: "ENOSPC", .diskQuotaExceeded: "EDQUOT", .badFileDescriptor: "EBADF",
        .permissionDenied: "EACCES",
        .notPermitted: "EPERM", .noSuchFileOrDirectory: "ENOENT", .ioError: "EIO", .connectionReset: "ECONNRESET",
        .readOnlyFileSystem: "EROFS",
        .tooManyOpenFiles: "EMFILE", .tooManyOpenFilesInSystem: "ENFILE", .isDirectory: "EISDIR",
        .notDirectory: "ENOTDIR", .fileTooLarge: "EFBIG",
        .invalidArgument: "EINVAL", .noMemory: "ENOMEM", .fileExists: "EEXIST", .connectionRefused: "ECONNREFUSED",
        .timedOut: "ETIMEDOUT",
        .socketNotConnected: "ENOTCONN", .noSuchAddressOrDevice: "ENXIO", .notSupported: "ENOTSUP",
        .resourceTemporarilyUnavailable: "EAGAIN",
        .noBufferSpace: "ENOBUFS", .addressInUse: "EADDRINUSE", .addressNotAvailable: "EADDRNOTAVAIL",
        .networkUnreachable: "ENETUNREACH",
        .noRouteToHost: "EHOSTUNREACH", .illegalSeek: "ESPIPE", .messageTooLong: "EMSGSIZE",
        .connectionAbort: "ECONNABORTED",
        .notSocket: "ENOTSOCK", .socketIsConnected: "EISCONN", .addressFamilyNotSupported: "EAFNOSUPPORT",
        .textFileBusy: "ETXTBSY",
        .addressRequired: "EDESTADDRREQ", .staleNFSFileHandle: "ESTALE", .tooManySymbolicLinkLevels: "ELOOP",
        .fileNameTooLong: "ENAMETOOLONG",
    ]
}

extension IOError.Code {
    init(_ errno: Errno) {
        switch errno {
        case .brokenPipe, .connectionReset: self = .brokenPipe
        case .noSpace, .diskQuotaExceeded, .fileTooLarge: self = .noSpace
        case .badFileDescriptor: self = .badDescriptor
        case .permissionDenied, .notPermitted: self = .permissionDenied
        case .noSuchFileOrDirectory: self = .notFound
        case .ioError: self = .inputOutput
        case .isDirectory: self = .isDirectory
        case .fileExists: self = .alreadyExists
        case .connectionRefused: self = .connectionRefused
        case .addressInUse: self = .addressInUse
        case .timedOut: self = .timedOut
        case .staleNFSFileHandle: self = .removed
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem: self = .tooManyOpenFiles
        default: self = .system
        }
    }
}

extension IOError: CancellableError {
    package var isCancellation: Bool { code == .cancelled }
}
