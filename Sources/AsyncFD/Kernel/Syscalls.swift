// Every system call on descriptors. Interrupted calls are repeated here and nowhere else; would-block is a value, not
// an error.
//
// In debug builds a test may have the n-th call fail (Faults.swift). Release builds contain nothing of that.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// What a read or write came to.
package enum IOOutcome: Equatable, Sendable {
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
        outcome(vectors) { cfd_writev(descriptor, $0.baseAddress, CInt($0.count), flags) }
    }

    static func read(_ descriptor: CInt, _ vectors: Vectors, flags: CInt = 0) -> IOOutcome {
        outcome(vectors) { cfd_readv(descriptor, $0.baseAddress, CInt($0.count), flags) }
    }

    /// Called when a file is first used. From then on a file beyond the process's limit (`ulimit -f`) is a failure,
    /// EFBIG, and not the program's end by SIGXFSZ.
    static func surviveFileSizeLimit() { _ = withoutFileSizeSignal }
    private static let withoutFileSizeSignal: Void = cfd_survive_sigxfsz()

    static func write(_ descriptor: CInt, _ vectors: Vectors, at offset: Int64) -> IOOutcome {
        surviveFileSizeLimit()
        return outcome(vectors) { pwritev(descriptor, $0.baseAddress, CInt($0.count), off_t(offset)) }
    }

    static func read(_ descriptor: CInt, _ vectors: Vectors, at offset: Int64) -> IOOutcome {
        outcome(vectors) { preadv(descriptor, $0.baseAddress, CInt($0.count), off_t(offset)) }
    }

    /// send(2), without waiting and without SIGPIPE.
    static func send(_ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        outcome(vectors) { cfd_send(descriptor, $0.baseAddress, CInt($0.count)) }
    }

    /// recv(2), without waiting.
    static func receive(_ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        outcome(vectors) { cfd_receive(descriptor, $0.baseAddress, CInt($0.count)) }
    }

    /// sendmsg(2), without waiting and without SIGPIPE. `descriptors` are passed along (unix(7)).
    static func send(_ descriptor: CInt, _ vectors: Vectors, passing descriptors: [CInt]) -> IOOutcome {
        outcome(vectors) {
            cfd_send_descriptors(descriptor, $0.baseAddress, CInt($0.count), descriptors, CInt(descriptors.count))
        }
    }

    /// recv(2) of a byte that stays where it is: no bytes are the end of the stream.
    static func peek(_ descriptor: CInt) -> IOOutcome {
        var byte: UInt8 = 0
        return struck ?? outcome { recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) }
    }

    /// recvmsg(2), without waiting, with the descriptors that came along: at most `limit`. `truncated`: there were
    /// more, and they are gone.
    static func receive(_ descriptor: CInt, _ vectors: Vectors, passedAtMost limit: Int) -> (
        IOOutcome, passed: [CInt], truncated: Bool
    ) {
        var truncated: CInt = 0
        var result = IOOutcome.wouldBlock
        let passed = [CInt](unsafeUninitializedCapacity: limit) { buffer, initialized in
            result = outcome(vectors) { vectors in
                var count = CInt(limit)
                let size = cfd_receive_descriptors(
                    descriptor, vectors.baseAddress, CInt(vectors.count), buffer.baseAddress, &count, &truncated)
                initialized = Int(count)
                return size
            }
        }
        return (result, passed, truncated != 0)
    }

    /// sendmsg(2) of one datagram to `address`.
    static func send(_ descriptor: CInt, _ vectors: Vectors, to address: AsyncFD.Address) -> IOOutcome {
        outcome(vectors, mayBeShort: false) { vectors in
            address.withSocketAddress { name, length in
                var message = msghdr()
                message.msg_name = UnsafeMutableRawPointer(mutating: name)
                message.msg_namelen = length
                message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
                message.msg_iovlen = vectors.count
                return sendmsg(descriptor, &message, CInt(MSG_DONTWAIT | MSG_NOSIGNAL))
            }
        }
    }

    /// sendmmsg(2) on a connected socket: each of the vectors is a datagram. The outcome's bytes are those of the
    /// datagrams that were sent.
    static func sendDatagrams(_ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        let result = outcome(vectors, mayBeShort: false) {
            Int(cfd_send_datagrams(descriptor, $0.baseAddress, CInt($0.count)))
        }
        guard case .bytes(let count) = result else { return result }
        return .bytes(Vectors(rebasing: vectors[..<count]).byteCount)
    }

    /// recvmsg(2) of one datagram, with its sender. With MSG_TRUNC the count is the datagram's size, even if the memory
    /// was smaller.
    static func receiveFrom(_ descriptor: CInt, _ vectors: Vectors) -> (IOOutcome, AsyncFD.Address) {
        var sender = AsyncFD.Address.unnamed
        let result = outcome(vectors, mayBeShort: false) { vectors in
            var size = 0
            sender = AsyncFD.Address.filled { name, length in
                var message = msghdr()
                message.msg_name = UnsafeMutableRawPointer(name)
                message.msg_namelen = length
                message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
                message.msg_iovlen = vectors.count
                size = recvmsg(descriptor, &message, CInt(MSG_DONTWAIT | MSG_TRUNC))
                length = message.msg_namelen
                return size >= 0
            }
            return size
        }
        return (result, sender)
    }

    // MARK: Moving bytes inside the kernel

    static func splice(_ from: CInt, _ to: CInt, _ count: Int) -> IOOutcome {
        struck ?? outcome { cfd_splice(from, to, count) }
    }

    static func sendfile(_ from: CInt, _ to: CInt, _ count: Int) -> IOOutcome {
        struck ?? outcome { cfd_sendfile(from, to, count) }
    }

    static func copyFileRange(_ from: CInt, _ to: CInt, _ count: Int) -> IOOutcome {
        struck ?? outcome { cfd_copy_file_range(from, to, count) }
    }

    // MARK: Asking

    /// poll(2) without waiting: may the next call move at least a byte (or say what is wrong)?
    static func isReady(_ descriptor: CInt, events: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return (try? retried { poll(&request, 1, 0) }.get()) == 1
    }

    /// The file's type (`S_IFMT` bits), size and identity.
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
        return flags & O_ACCMODE == O_RDWR || flags & O_ACCMODE == (direction.isRead ? O_RDONLY : O_WRONLY)
    }

    static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Whether it is the emulator's side of a pseudoterminal: only that one knows the number of the other
    /// (ioctl_tty(2)).
    static func isPseudoterminalMaster(_ descriptor: CInt) -> Bool {
        var number: CUnsignedInt = 0
        return ioctl(descriptor, TIOCGPTN, &number) == 0
    }
    private static let TIOCGPTN: CUnsignedLong = 0x8004_5430  // a macro that Swift does not import

    // MARK: Making and closing

    /// open(2), always with O_CLOEXEC, O_NONBLOCK and O_NOCTTY.
    static func open(_ path: FilePath, _ flags: CInt, _ permissions: mode_t) -> Result<CInt, Errno> {
        path.withPlatformString { path in
            retried { Glibc.open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, permissions) }.flatMap(above2)
        }
    }

    /// A private open file description of what `descriptor` refers to: its flags are not shared. Never for regular
    /// files, whose offset is shared.
    static func reopen(_ descriptor: CInt, _ mode: CInt) -> Result<CInt, Errno> {
        retried { Glibc.open("/proc/self/fd/\(descriptor)", mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) }.flatMap(above2)
    }

    /// Another number for the same open file description.
    static func duplicate(_ descriptor: CInt) -> Result<CInt, Errno> {
        retried { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }.map(counted)
    }

    /// Two ends of a pipe, close-on-exec.
    static func pipe(isBlocking: Bool) -> Result<(reader: CInt, writer: CInt), Errno> {
        var ends: (CInt, CInt) = (-1, -1)
        let made = retried {
            withUnsafeMutableBytes(of: &ends) {
                cfd_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress, isBlocking ? 1 : 0)
            }
        }
        return made.flatMap { _ in bothAbove2(ends).map { (reader: $0.0, writer: $0.1) } }
    }

    /// close(2). Never repeated: on Linux the number is free even when the call was interrupted.
    static func close(_ descriptor: CInt) {
        #if DEBUG
        Faults.countDescriptors(-1)
        #endif
        _ = Glibc.close(descriptor)
    }

    private static func counted(_ descriptor: CInt) -> CInt {
        #if DEBUG
        Faults.countDescriptors(1)
        #endif
        return descriptor
    }

    /// Never returns 0, 1 or 2, even if the program was started with one of them closed.
    static func above2(_ descriptor: CInt) -> Result<CInt, Errno> { StandardNumbers.above2(descriptor).map(counted) }

    static func bothAbove2(_ ends: (CInt, CInt)) -> Result<(CInt, CInt), Errno> {
        switch (above2(ends.0), above2(ends.1)) {
        case (.success(let first), .success(let second)): return .success((first, second))
        case (.failure(let errno), let other), (let other, .failure(let errno)):
            if case .success(let descriptor) = other { close(descriptor) }
            return .failure(errno)
        }
    }

    // MARK: Files

    static func seek(_ descriptor: CInt, _ offset: Int64, _ origin: CInt) -> Result<Int64, Errno> {
        retried { lseek(descriptor, off_t(offset), origin) }.map { Int64($0) }
    }

    static func truncate(_ descriptor: CInt, _ size: Int64) -> Errno? {
        retried { ftruncate(descriptor, off_t(size)) }.errno
    }

    static func sync(_ descriptor: CInt, dataOnly: Bool) -> Errno? {
        retried { dataOnly ? fdatasync(descriptor) : fsync(descriptor) }.errno
    }

    /// flock(2), without waiting: EAGAIN if another open file description has the lock, perhaps one of this process.
    static func lock(_ descriptor: CInt) -> Errno? { retried { flock(descriptor, LOCK_EX | LOCK_NB) }.errno }

    static func unlock(_ descriptor: CInt) { _ = retried { flock(descriptor, LOCK_UN) } }

    /// posix_fadvise(2): the file will be read from the beginning to the end. Advice: what comes of it does not matter.
    static func adviseSequential(_ descriptor: CInt) { posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL) }

    // MARK: The one loop

    static func retried<Value: SignedInteger>(repeating: Bool = true, _ call: () -> Value) -> Result<Value, Errno> {
        while true {
            #if DEBUG
            if let errno = Faults.strike()?.errno {
                if errno == .interrupted, repeating { continue }
                if errno == .interrupted { _ = call() }  // it goes on nevertheless
                return .failure(errno)
            }
            #endif
            let result = call()
            if result >= 0 { return .success(result) }
            if errno != EINTR || !repeating { return .failure(Errno(rawValue: errno)) }
        }
    }

    /// - Parameter mayBeShort: a test may have the call move less than was asked for.
    private static func outcome(_ vectors: Vectors, mayBeShort: Bool = true, _ call: (Vectors) -> Int) -> IOOutcome {
        #if DEBUG
        switch Faults.strike() {
        case .short where mayBeShort && vectors.byteCount > 1:
            let byte = iovec(iov_base: vectors.first { $0.iov_len > 0 }!.iov_base, iov_len: 1)
            return withUnsafePointer(to: byte) { byte in outcome { call(Vectors(start: byte, count: 1)) } }
        case let fault?: if let outcome = fault.outcome { return outcome }
        case nil: break
        }
        #endif
        return outcome { call(vectors) }
    }

    /// The outcome that a test has chosen for this call, instead of the kernel's.
    private static var struck: IOOutcome? {
        #if DEBUG
        return Faults.strike()?.outcome
        #else
        return nil
        #endif
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

extension Result where Failure == Errno {
    /// The reason, if it failed.
    var errno: Errno? {
        if case .failure(let errno) = self { return errno }
        return nil
    }
}
