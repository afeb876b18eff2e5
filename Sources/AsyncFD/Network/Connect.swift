// Clients: connecting to an address, or to the first of a host's addresses that answers.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Connects to a TCP or Unix socket.
///
///     let connection = try await connect(to: AsyncFD.Address("/run/app.sock")!)
///
/// The connection is the caller's to close. It lives on the current loop.
///
/// - Parameter timeout: how long to try; as long as the kernel tries (two minutes for TCP) if not given. A Unix
///   listener that has too many connections waiting is waited for, without a `timeout` until the task is cancelled.
/// - Throws: `IOError` that names the address: `.connectionRefused`, `.timedOut`, `.notFound`, `.cancelled`, … Nothing
///   stays open then.
public func connect(to address: AsyncFD.Address, timeout: Duration? = nil) async throws(IOError) -> AsyncFD {
    let attempts = ConnectionAttempts(label: "\(address)", timeout: timeout)
    return try await attempts.onLoop { attempts async throws(IOError) in try await attempts.run([address]) }
}

/// Connects to a host by name, or by address.
///
///     let connection = try await connect(to: "example.org", port: 80, timeout: .seconds(10))
///
/// IPv6 and IPv4 addresses are tried in turns, the next one each time when the ones before have failed or have not
/// answered for a quarter of a second; the first connection wins, and the other attempts are given up (RFC 8305, "Happy
/// Eyeballs").
///
/// - Parameter timeout: for the whole call, including the name lookup.
/// - Throws: `IOError` that names the host: `.unresolved`, or the error of the last address that was tried.
public func connect(to host: String, port: UInt16, timeout: Duration? = nil) async throws(IOError) -> AsyncFD {
    let attempts = ConnectionAttempts(label: "\(host):\(port)", timeout: timeout)
    return try await attempts.onLoop { attempts async throws(IOError) in
        let addresses = try await attempts.resolve(host, port)
        return try await attempts.run(ConnectionAttempts.interleaved(addresses))
    }
}

/// The attempts to make one connection, on several addresses.
///
/// Unchecked: what changes is touched on the loop's thread only.
final class ConnectionAttempts: @unchecked Sendable {
    /// RFC 8305, section 5: Connection Attempt Delay.
    private static let delay = Duration.milliseconds(250)
    /// Between two attempts on a Unix socket whose listener is busy.
    private static let firstPause = Duration.milliseconds(1)
    private static let longestPause = Duration.milliseconds(50)

    let label: String
    let loop: EventLoop
    private let deadline: Instant?

    // Loop thread only.
    private var waiting: [AsyncFD.Address] = []
    private var pending: [(socket: CInt, registration: Registration)] = []
    private var lastError: IOError?
    private var stagger: EventLoop.Timer?
    /// Tries an address with a busy listener again.
    private var retry: EventLoop.Timer?
    private var pause = firstPause
    private let waitsForBusyListener: Bool
    private var completion: ((Result<CInt, IOError>) -> Void)?
    private var result: Result<CInt, IOError>?

    /// - Parameter waitsForBusyListener: a full backlog of a Unix listener is no failure: the attempt is repeated.
    init(label: String, timeout: Duration?, waitsForBusyListener: Bool = true) {
        self.label = label
        self.waitsForBusyListener = waitsForBusyListener
        loop = EventLoop.current ?? .main
        deadline = timeout.map { .now + $0 }
    }

    func onLoop(_ body: @escaping @Sendable (ConnectionAttempts) async throws(IOError) -> AsyncFD) async throws(IOError)
        -> AsyncFD
    {
        if loop.isCurrent { return try await body(self) }
        return try await loop.visit("connect", label) { () throws(IOError) in try await body(self) }
    }

    /// The deadline does not interrupt the resolver, but ends the wait for its answer.
    func resolve(_ host: String, _ port: UInt16) async throws(IOError) -> [AsyncFD.Address] {
        do {
            guard let deadline else {
                return try await EventLoop.resolve(host, service: "\(port)").map(AsyncFD.Address.init)
            }
            return try await withDeadline(deadline) {
                try await EventLoop.resolve(host, service: "\(port)").map(AsyncFD.Address.init)
            }
        } catch is TimeoutError {
            throw IOError("connect", on: label, IOError.Code.timedOut)
        } catch is CancellationError {
            throw IOError("connect", on: label, .cancelled)
        } catch let error as ResolveError {
            throw IOError("connect", on: "\(label) (\(String(cString: gai_strerror(error.code))))", .unresolved)
        } catch {
            throw IOError("connect", on: "\(label) (\(error))", .unresolved)
        }
    }

    /// The families by turns, beginning with that of the first address.
    static func interleaved(_ addresses: [AsyncFD.Address]) -> [AsyncFD.Address] {
        let first = addresses.filter { $0.family == addresses[0].family }
        let others = addresses.filter { $0.family != addresses[0].family }
        var result: [AsyncFD.Address] = []
        for index in 0..<max(first.count, others.count) {
            if index < first.count { result.append(first[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }

    func run(_ addresses: [AsyncFD.Address]) async throws(IOError) -> AsyncFD {
        waiting = addresses
        let timer = deadline.map { deadline in
            loop.after(deadline - .now) { [self] in
                finish(.failure(IOError("connect", on: label, IOError.Code.timedOut)))
            }
        }
        let result: Result<CInt, IOError> = await parkTask { continuation in
            completion = { continuation.resume(returning: $0) }
            if Task.isCancelled { cancel() } else { startNext() }
        } onCancel: {
            loop.perform { self.cancel() }
        }
        if let timer { timer.cancel() }
        return AsyncFD(socket: try result.get(), label: "connection to \(label)")
    }

    /// The same without a task. `completion` is called once, on the loop, perhaps from within this call; a socket is
    /// the caller's then. There is no other time limit than the kernel's: `cancel` ends it.
    func run(_ addresses: [AsyncFD.Address], then completion: @escaping (Result<CInt, IOError>) -> Void) {
        waiting = ConnectionAttempts.interleaved(addresses)
        self.completion = completion
        startNext()
    }

    func cancel() { finish(.failure(IOError("connect", on: label, .cancelled))) }

    private func startNext() {
        if let stagger { stagger.cancel() }
        stagger = nil
        guard result == nil else { return }
        guard !waiting.isEmpty else {
            if pending.isEmpty, retry == nil {
                finish(.failure(lastError ?? IOError("connect", on: label, .unresolved)))
            }
            return
        }
        start(waiting.removeFirst())
        if result == nil, !waiting.isEmpty { stagger = loop.after(Self.delay) { [self] in startNext() } }
    }

    private func start(_ address: AsyncFD.Address) {
        switch Syscalls.socket(address.family, CInt(SOCK_STREAM.rawValue)) {
        case .failure(let errno): failed(IOError("socket", on: label, errno))
        case .success(let socket):
            if address.isInternet {
                _ = Syscalls.setOption(socket, SocketOption.noDelay.level, SocketOption.noDelay.name, 1)
            }
            switch Syscalls.connect(socket, address) {
            case nil: finish(.success(socket))
            case .nowInProgress?: wait(for: socket)
            case .resourceTemporarilyUnavailable? where waitsForBusyListener && !address.isInternet:
                Syscalls.close(socket)
                tryAgain(address)
            case let errno?:
                Syscalls.close(socket)
                failed(IOError("connect", on: label, errno))
            }
        }
    }

    /// EAGAIN: the listener of a Unix socket has as many connections waiting as it allows. connect(2) fails at once,
    /// and the kernel does not report when the listener has room: the attempt has to be repeated.
    private func tryAgain(_ address: AsyncFD.Address) {
        retry = loop.after(pause) { [self] in
            retry = nil
            if result == nil { start(address) }
        }
        pause = min(pause * 2, Self.longestPause)
    }

    private func wait(for socket: CInt) {
        do throws(EventLoopError) {
            guard let registration = try loop.register(socket) else {
                preconditionFailure("a socket that epoll does not watch")
            }
            pending.append((socket, registration))
            registration.whenReady(.write) { [self] wake in
                if case .ready = wake { connected(socket) }
            }
        } catch {
            Syscalls.close(socket)
            failed(IOError(error.operation, on: label, error.errno))
        }
    }

    private func connected(_ socket: CInt) {
        guard let index = pending.firstIndex(where: { $0.socket == socket }) else { return }
        let registration = pending.remove(at: index).registration
        registration.close()
        if let errno = Syscalls.pendingError(socket) {
            Syscalls.close(socket)
            failed(IOError("connect", on: label, errno))
        } else {
            finish(.success(socket))
        }
    }

    private func failed(_ error: IOError) {
        lastError = error
        startNext()
    }

    private func finish(_ result: Result<CInt, IOError>) {
        guard self.result == nil else {
            if case .success(let socket) = result { Syscalls.close(socket) }
            return
        }
        self.result = result
        if let stagger { stagger.cancel() }
        if let retry { retry.cancel() }
        for (socket, registration) in pending {
            registration.close()
            Syscalls.close(socket)
        }
        pending = []
        completion.take()?(result)
    }
}
