// What only sockets have: addresses, directions that can be ended one by one, options, messages.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    // MARK: Making

    /// Two connected Unix stream sockets. The caller closes them.
    ///
    /// - Parameter isShared: as with `pipe`.
    public static func socketPair(isShared: Bool = true) async throws(IOError) -> (AsyncFD, AsyncFD) {
        switch Syscalls.socketPair(CInt(SOCK_STREAM.rawValue), isBlocking: isShared) {
        case .success(let (first, second)):
            return (
                AsyncFD(made: first, kind: .socket, isShared: isShared),
                AsyncFD(made: second, kind: .socket, isShared: isShared)
            )
        case .failure(let errno): throw IOError("socketpair", on: "Unix socket", errno)
        }
    }

    /// A new pipe: what is written to `writer` can be read from `reader`. The caller closes them.
    ///
    ///     let (reader, writer) = try await AsyncFD.pipe()
    ///     posix_spawn_file_actions_adddup2(&actions, writer.descriptor.rawValue, 1)    // the child's standard output
    ///
    /// Either end may be handed to another program. For that program it is an ordinary, blocking descriptor, as
    /// programs expect of their standard streams; the two objects here still do not block. Both ends are close-on-exec.
    ///
    /// - Parameter isShared: `false` for a pipe whose ends stay within this process. It is made with O_NONBLOCK, and
    ///   each read or write is a little cheaper. **Do not hand an end of such a pipe on**: the flag is the pipe's and
    ///   not the process's, so it holds in the child as well, where most programs lose what they write when the pipe is
    ///   full (`EAGAIN`).
    public static func pipe(isShared: Bool = true) async throws(IOError) -> (reader: AsyncFD, writer: AsyncFD) {
        switch Syscalls.pipe(isBlocking: isShared) {
        case .success(let (reader, writer)):
            return (
                AsyncFD(made: reader, kind: .pipe, isShared: isShared),
                AsyncFD(made: writer, kind: .pipe, isShared: isShared)
            )
        case .failure(let errno): throw IOError("pipe", on: "new pipe", errno)
        }
    }

    /// - Parameter isShared: it is blocking, for the sake of other programs.
    private convenience init(made number: CInt, kind: Kind, isShared: Bool) {
        self.init(FileDescriptor(rawValue: number), owns: true, label: nil, isOurs: !isShared, kind: kind)
    }

    /// A socket that we have made, non-blocking.
    convenience init(socket number: CInt, label: String?) {
        self.init(FileDescriptor(rawValue: number), owns: true, label: label, isOurs: true, kind: .socket)
    }

    // MARK: Addresses

    /// The socket's own address. Any thread.
    ///
    /// - Throws: `.closed` after `close`.
    public var localAddress: Address {
        get throws(IOError) {
            try withNumber("getsockname", Syscalls.localAddress)
        }
    }

    /// The address of the other side. Any thread.
    ///
    /// - Throws: `.closed` after `close`.
    public var peerAddress: Address {
        get throws(IOError) {
            try withNumber("getpeername", Syscalls.peerAddress)
        }
    }

    // MARK: Ending one direction

    /// The directions of a connection.
    public enum Half: Sendable {
        /// Nothing more is read here.
        case reading
        /// Nothing more is written here: the other side reads the end of the stream.
        case writing
        case both

        fileprivate var how: CInt {
            switch self {
            case .reading: CInt(SHUT_RD)
            case .writing: CInt(SHUT_WR)
            case .both: CInt(SHUT_RDWR)
            }
        }
    }

    /// Ends one direction of a connection, or both: shutdown(2). Writes of other tasks that have begun are completed
    /// first.
    public func shutdown(_ half: Half) async throws(IOError) {
        try await onLoop("shutdown") { descriptor async throws(IOError) in
            if half == .reading {
                if descriptor.isClosed { throw IOError("shutdown", on: descriptor.label, .closed) }
            } else {
                try await descriptor.takeTurn()
            }
            defer { if half != .reading { descriptor.leaveTurn() } }
            if let errno = Syscalls.shutdown(descriptor.descriptor.rawValue, half.how) {
                throw IOError("shutdown", on: descriptor.label, errno)
            }
        }
    }

    // MARK: Options

    /// Sets an option: `try socket.set(.noDelay, to: 1)`. Any thread.
    ///
    /// - Throws: `.closed` after `close`.
    public func set(_ option: SocketOption, to value: Int32) throws(IOError) {
        try withNumber("setsockopt") { number -> Result<Void, Errno> in
            Syscalls.setOption(number, option.level, option.name, value).map { .failure($0) } ?? .success(())
        }
    }

    /// The value of an option. Any thread.
    ///
    /// - Throws: `.closed` after `close`.
    public func value(of option: SocketOption) throws(IOError) -> Int32 {
        try withNumber("getsockopt") { number in Syscalls.option(number, option.level, option.name) }
    }

    // MARK: Passing descriptors

    /// Writes all of `bytes` to a Unix socket, and passes copies of `descriptors` along with the first of them. The
    /// descriptors remain the caller's.
    ///
    /// - Precondition: there is at least one byte, and at most 253 descriptors (unix(7)).
    /// - Throws: as `write`; if `bytesWritten` is 0, nothing was passed.
    public func send(_ bytes: [UInt8], passing descriptors: [FileDescriptor]) async throws(IOError) {
        precondition(
            !bytes.isEmpty, "send: bytes must not be empty, since descriptors are passed along with a byte (unix(7))")
        precondition(descriptors.count <= 253, "send: at most 253 descriptors can be passed at once (unix(7))")
        let numbers = descriptors.map(\.rawValue)
        let sent = try await onLoop("send") { descriptor async throws(IOError) in
            try await descriptor.takeTurn()
            defer { descriptor.leaveTurn() }
            return try await descriptor.moved(.write, "send") { number in
                bytes.withUnsafeBytes { bytes in
                    let vector = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                    return withUnsafePointer(to: vector) {
                        Syscalls.send(number, Vectors(start: $0, count: 1), passing: numbers)
                    }
                }
            }
        }
        guard sent < bytes.count else { return }
        do throws(IOError) {
            try await write(Array(bytes[sent...]))
        } catch {
            var error = error
            error.bytesWritten += sent
            throw error
        }
    }

    /// Reads from a Unix socket at most `limit` bytes, none at the end of the stream, and the descriptors that were
    /// passed along. Those are the caller's to close.
    ///
    /// Bytes that `lines` and other reads have read ahead lose their descriptors: on a socket that passes descriptors,
    /// use no other read.
    ///
    /// - Throws: `.tooManyOpenFiles` if the kernel has had to drop descriptors because the process may open no more;
    ///   the others are closed.
    public func receive(upTo limit: Int, descriptorsUpTo most: Int) async throws(IOError) -> (
        bytes: [UInt8], descriptors: [AsyncFD]
    ) {
        precondition(limit > 0, "receive: limit must be at least 1")
        return try await reading { descriptor async throws(IOError) in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 16)
            defer { memory.deallocate() }
            var passed: [CInt] = []
            var truncated = false
            let count = try await descriptor.moved(.read, "receive") { number in
                let outcome: IOOutcome
                (outcome, passed, truncated) = withUnsafePointer(
                    to: iovec(iov_base: memory.baseAddress, iov_len: limit)
                ) {
                    Syscalls.receive(number, Vectors(start: $0, count: 1), passedAtMost: most)
                }
                return outcome
            }
            guard !truncated else {
                passed.forEach(Syscalls.close)
                throw IOError("receive", on: descriptor.label, IOError.Code.tooManyOpenFiles)
            }
            return (Array(memory[..<count]), passed.map { AsyncFD(owning: FileDescriptor(rawValue: $0)) })
        }
    }

    /// Repeats a call until it does not say would-block. Loop thread.
    func moved(_ direction: Direction, _ operation: String, _ call: (CInt) -> IOOutcome) async throws(IOError) -> Int {
        await loop.yieldIfSpent()
        while true {
            if isClosed { throw IOError(operation, on: label, .closed) }
            switch attempt(direction, call) {
            case .bytes(let count): return count
            case .failed(let errno): throw IOError(operation, on: label, errno)
            case .wouldBlock: try await wait(direction, operation)
            }
        }
    }
}

/// An option of a socket: socket(7), tcp(7), ipv6(7). Other options can be made with `init`.
public struct SocketOption: Sendable, Hashable {
    /// The protocol that knows the option: `SOL_SOCKET`, `IPPROTO_TCP`, …
    public let level: Int32
    /// The option: `SO_KEEPALIVE`, `TCP_NODELAY`, …
    public let name: Int32

    /// Any option whose value is an `int`, as setsockopt(2) wants it.
    public init(level: Int32, name: Int32) {
        self.level = level
        self.name = name
    }

    /// Small writes are sent at once (TCP_NODELAY). On for connections that this library makes or accepts.
    public static let noDelay = SocketOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY)
    /// Asks the other side from time to time whether it is still there (SO_KEEPALIVE).
    public static let keepAlive = SocketOption(level: SOL_SOCKET, name: SO_KEEPALIVE)
    /// How many bytes the kernel holds for reading (SO_RCVBUF); it doubles what is set.
    public static let receiveBuffer = SocketOption(level: SOL_SOCKET, name: SO_RCVBUF)
    /// How many bytes the kernel holds for writing (SO_SNDBUF); it doubles what is set.
    public static let sendBuffer = SocketOption(level: SOL_SOCKET, name: SO_SNDBUF)
    /// An address may be bound again although old connections linger on it (SO_REUSEADDR). On for listeners.
    public static let reuseAddress = SocketOption(level: SOL_SOCKET, name: SO_REUSEADDR)
    /// Several sockets may be bound to one address, and the kernel deals out what comes (SO_REUSEPORT).
    public static let reusePort = SocketOption(level: SOL_SOCKET, name: SO_REUSEPORT)
    /// Datagrams may be sent to broadcast addresses (SO_BROADCAST).
    public static let broadcast = SocketOption(level: SOL_SOCKET, name: SO_BROADCAST)
}
