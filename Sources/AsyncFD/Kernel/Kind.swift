// What a descriptor is. It decides how it can be read and written without blocking (NonBlocking.swift).
import Glibc
import SystemPackage

extension AsyncFD {
    /// What a descriptor refers to.
    public enum Kind: Sendable, Equatable {
        /// A pipe or FIFO.
        case pipe
        case socket
        /// A terminal.
        case terminal
        /// A character device that is no terminal: `/dev/null`, `/dev/full`, `/dev/urandom`.
        case characterDevice
        /// A regular file or a block device.
        case file
        case directory
        /// Something without a file type of its own: an eventfd, timerfd, inotify instance, …
        case anonymous
        /// The number is not an open descriptor.
        case closed

        init(of descriptor: CInt) {
            guard case .success(let status) = Syscalls.status(descriptor) else {
                self = .closed
                return
            }
            switch status.st_mode & S_IFMT {
            case S_IFIFO: self = .pipe
            case S_IFSOCK: self = .socket
            case S_IFCHR: self = Syscalls.isTerminal(descriptor) ? .terminal : .characterDevice
            case S_IFREG, S_IFBLK: self = .file
            case S_IFDIR: self = .directory
            default: self = .anonymous
            }
        }
    }
}
