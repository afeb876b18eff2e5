// Servers: a socket that listens, and the connections that come as a sequence.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// A TCP or Unix socket that listens.
///
///     let listener = try await Listener(on: .loopback(port: 8080))
///     for try await connection in listener {
///         Task { await serve(connection) }        // the task closes its connection
///     }
///
/// The sequence ends when the listener is closed, and throws when the task is cancelled. A connection that breaks
/// before it is accepted is skipped. When the process may open no more descriptors the listener reports it once
/// (`onTrouble`) and tries again with growing pauses. Meanwhile connections wait in the kernel, and the loop does not
/// spin.
public final class Listener: AsyncSequence, Sendable {
    public typealias Element = AsyncFD
    public typealias Failure = IOError

    /// The listening socket.
    public let socket: AsyncFD
    /// Where it listens; with the port that the kernel chose, if 0 was asked for.
    public let address: AsyncFD.Address
    private let onTrouble: @Sendable (IOError) -> Void

    private static let firstPause = Duration.milliseconds(10)
    private static let longestPause = Duration.seconds(1)

    /// Listens on `address`. It lives on the current loop.
    ///
    /// A Unix socket's place in the file system must be free: remove a file there that a dead server left behind first.
    ///
    /// - Parameters:
    ///   - backlog: how many connections may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
    ///   - reusePort: other sockets, of other processes or loops, may listen on the same address, and the kernel deals
    ///     the connections out.
    ///   - onTrouble: called when no connection can be accepted because descriptors or memory are missing, once until
    ///     it works again. Says so on standard error unless set. Loop thread.
    /// - Throws: `IOError` that names the address: `.addressInUse`, `.permissionDenied`, …
    public init(
        on address: AsyncFD.Address, backlog: Int32 = 4096, reusePort: Bool = false,
        onTrouble: (@Sendable (IOError) -> Void)? = nil
    ) async throws(IOError) {
        self.onTrouble = onTrouble ?? { StandardErrorFallback.report("\($0); connections wait, trying again") }
        let number = try Listener.listen(on: address, backlog, reusePort)
        self.address = (try? Syscalls.localAddress(number).get()) ?? address
        socket = AsyncFD(socket: number, label: "listener \(self.address)")
    }

    private static func listen(on address: AsyncFD.Address, _ backlog: Int32, _ reusePort: Bool) throws(IOError) -> CInt
    {
        switch Syscalls.socket(address.family, CInt(SOCK_STREAM.rawValue)) {
        case .failure(let errno): throw IOError("socket", on: "\(address)", errno)
        case .success(let number):
            var options: [(SocketOption, Int32)] = address.isInternet ? [(.reuseAddress, 1), (.noDelay, 1)] : []
            if reusePort { options.append((.reusePort, 1)) }
            for (option, value) in options {
                if let errno = Syscalls.setOption(number, option.level, option.name, value) {
                    Syscalls.close(number)
                    throw IOError("setsockopt", on: "\(address)", errno)
                }
            }
            for (operation, call) in [
                ("bind", { Syscalls.bind(number, address) }), ("listen", { Syscalls.listen(number, backlog) }),
            ] {
                if let errno = call() {
                    Syscalls.close(number)
                    throw IOError(operation, on: "\(address)", errno)
                }
            }
            return number
        }
    }

    /// Waits for the next connection. The caller closes it.
    ///
    /// - Throws: `IOError`: `.cancelled`, `.closed`, and errors that waiting does not cure.
    public func accept() async throws(IOError) -> AsyncFD {
        try await socket.reading { [self] socket async throws(IOError) in
            await socket.loop.yieldIfSpent()
            var pause = Listener.firstPause
            while true {
                if socket.isClosed { throw IOError("accept", on: socket.label, .closed) }
                var connection: CInt = -1
                let outcome = socket.attempt(.read) { number in
                    switch Syscalls.accept(number) {
                    case .success(let number):
                        connection = number
                        return .bytes(0)
                    case .failure(.resourceTemporarilyUnavailable): return .wouldBlock
                    case .failure(let errno): return .failed(errno)
                    }
                }
                switch outcome {
                case .bytes: return AsyncFD(socket: connection, label: nil)
                case .wouldBlock: try await socket.wait(.read, "accept")
                case .failed(let errno) where Listener.concernsTheConnection(errno): continue
                case .failed(let errno) where Listener.passes(errno):
                    if pause == Listener.firstPause { onTrouble(IOError("accept", on: socket.label, errno)) }
                    if await socket.loop.sleep(until: .now + pause) == .cancelled {
                        throw IOError("accept", on: socket.label, .cancelled)
                    }
                    pause = Swift.min(pause * 2, Listener.longestPause)
                case .failed(let errno): throw IOError("accept", on: socket.label, errno)
                }
            }
        }
    }

    /// Stops listening. A task that waits for a connection gets the end of the sequence; connections that wait in the
    /// kernel are reset.
    ///
    /// A Unix socket's file stays: it may be another server's by now.
    public func close() async { await socket.close() }

    /// Errors of the network that accept(2) passes on: that connection is lost, the next may work.
    private static func concernsTheConnection(_ errno: Errno) -> Bool {
        [
            ECONNABORTED, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, EPERM, EOPNOTSUPP, ETIMEDOUT,
            EPROTO, ENONET,
        ]
        .contains(errno.rawValue)
    }

    /// Errors of missing resources, which may be there later.
    private static func passes(_ errno: Errno) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno.rawValue)
    }

    public func makeAsyncIterator() -> Iterator { Iterator(listener: self) }

    /// Accepts one connection after the other. For one task at a time.
    public struct Iterator: AsyncIteratorProtocol {
        let listener: Listener

        /// The next connection; nil once the listener is closed.
        public func next(isolation actor: isolated (any Actor)? = #isolation) async throws(IOError) -> AsyncFD? {
            try await next()
        }

        /// The next connection; nil once the listener is closed.
        public func next() async throws(IOError) -> AsyncFD? {
            do throws(IOError) {
                return try await listener.accept()
            } catch {
                if error.code == .closed { return nil }
                throw error
            }
        }
    }
}
