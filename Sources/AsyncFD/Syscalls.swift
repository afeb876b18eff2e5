// Every system call on descriptors. Interrupted calls are repeated here and nowhere else; would-block is a value, not an error.
import CEventLoop
import EventLoop
import Glibc
import SystemPackage

/// What a read or write came to.
package enum IOOutcome: Equatable {
    case bytes(Int)
    /// `EAGAIN`: wait for readiness first.
    case wouldBlock
    case failed(Errno)
}

/// One contiguous piece of memory to read into or to write from: `iovec`.
package typealias Vectors = UnsafeBufferPointer<iovec>

enum Syscalls {
    // MARK: Moving bytes

    static func write(_ descriptor: CInt, _ vectors: Vectors, flags: CInt = 0) -> IOOutcome {
        outcome { cel_writev(descriptor, vectors.baseAddress, CInt(vectors.count), flags) }
    }

    static func read(_ descriptor: CInt, _ vectors: Vectors, flags: CInt = 0) -> IOOutcome {
        outcome { cel_readv(descriptor, vectors.baseAddress, CInt(vectors.count), flags) }
    }

    /// sendmsg(2), without waiting and without SIGPIPE.
    static func send(_ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        var message = msghdr()
        message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
        message.msg_iovlen = vectors.count
        return outcome { sendmsg(descriptor, &message, CInt(MSG_DONTWAIT | MSG_NOSIGNAL)) }
    }

    /// recvmsg(2), without waiting.
    static func receive(_ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        var message = msghdr()
        message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
        message.msg_iovlen = vectors.count
        return outcome { recvmsg(descriptor, &message, CInt(MSG_DONTWAIT)) }
    }

    /// poll(2) without waiting: may the next call move at least a byte (or say what is wrong)?
    static func isReady(_ descriptor: CInt, events: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return (try? retried { poll(&request, 1, 0) }.get()) == 1
    }

    // MARK: Asking

    /// The file's type (`S_IFMT` bits) and identity.
    static func status(_ descriptor: CInt) -> Result<stat, Errno> {
        var status = stat()
        return retried { fstat(descriptor, &status) }.map { _ in status }
    }

    /// F_GETFL: access mode and status flags.
    static func flags(_ descriptor: CInt) -> Result<CInt, Errno> {
        retried { fcntl(descriptor, F_GETFL) }
    }

    /// Whether it was opened for moving bytes in this direction.
    static func allows(_ descriptor: CInt, _ direction: Direction) -> Bool {
        guard case .success(let flags) = flags(descriptor) else { return false }
        return flags & O_ACCMODE == O_RDWR || flags & O_ACCMODE == (direction == .read ? O_RDONLY : O_WRONLY)
    }

    static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Whether it is the emulator's side of a pseudoterminal: only that one knows the number of the other (ioctl_tty(2)).
    static func isPseudoterminalMaster(_ descriptor: CInt) -> Bool {
        var number: CUnsignedInt = 0
        return ioctl(descriptor, TIOCGPTN, &number) == 0
    }
    private static let TIOCGPTN: CUnsignedLong = 0x8004_5430  // a macro that Swift does not import

    // MARK: Making and closing

    /// A private open file description of what `descriptor` refers to: its flags are nobody else's. Never for regular files, whose offset is shared.
    static func reopen(_ descriptor: CInt, _ mode: CInt) -> Result<CInt, Errno> {
        retried { open("/proc/self/fd/\(descriptor)", mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) }.flatMap(above2)
    }

    /// Another number for the same open file description.
    static func duplicate(_ descriptor: CInt) -> Result<CInt, Errno> {
        retried { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
    }

    /// close(2). Never repeated: on Linux the number is free even when the call was interrupted.
    static func close(_ descriptor: CInt) { _ = Glibc.close(descriptor) }

    /// Keeps 0, 1 and 2 free of ours, should the program have been started with one of them closed.
    private static func above2(_ descriptor: CInt) -> Result<CInt, Errno> {
        guard descriptor <= 2 else { return .success(descriptor) }
        defer { close(descriptor) }
        return duplicate(descriptor)
    }

    // MARK: The one loop

    private static func retried(_ call: () -> CInt) -> Result<CInt, Errno> {
        while true {
            let result = call()
            if result >= 0 { return .success(result) }
            if errno != EINTR { return .failure(Errno(rawValue: errno)) }
        }
    }

    private static func outcome(_ call: () -> Int) -> IOOutcome {
        while true {
            let result = call()
            if result >= 0 { return .bytes(result) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case EFAULT: preconditionFailure("a buffer outside of the address space")
            default: return .failed(Errno(rawValue: errno))
            }
        }
    }
}
