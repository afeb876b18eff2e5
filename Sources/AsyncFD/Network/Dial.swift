// One attempt to reach an endpoint, made without a task: it goes on while a loop ends, when no job runs any more.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Looks the host up, connects, and hands over a descriptor. Loop thread only; unchecked because a thread of the pool
/// carries it back to the loop.
package final class Dial: @unchecked Sendable {
    private let endpoint: Endpoint
    private let loop: EventLoop
    private var attempts: ConnectionAttempts?
    private var completion: ((Result<AsyncFD, IOError>) -> Void)?
    private var timer: EventLoop.Timer?
    private var stopLooking: (() -> Void)?

    /// - Parameters:
    ///   - timeout: for all of it. It does not interrupt the resolver, but ends the wait for its answer.
    ///   - completion: called once, not from within this call. The descriptor is the caller's to close.
    package init(
        _ endpoint: Endpoint, on loop: EventLoop, timeout: Duration,
        then completion: @escaping (Result<AsyncFD, IOError>) -> Void
    ) {
        self.endpoint = endpoint
        self.loop = loop
        self.completion = completion
        timer = loop.after(timeout) { [self] in finish(.failure(error(IOError.Code.timedOut))) }
        loop.soon { [self] in begin() }
    }

    /// Ends the attempt; `completion` is not called any more.
    package func cancel() {
        completion = nil
        finish(.failure(error(.cancelled)))
    }

    private func begin() {
        guard completion != nil else { return }
        switch endpoint {
        case .unix(let path), .unixDatagrams(let path):
            let address =
                path.hasPrefix("@")
                ? AsyncFD.Address.abstract(String(path.dropFirst())) : AsyncFD.Address.unix(FilePath(path))
            guard let address else { return finish(.failure(error(Errno.fileNameTooLong))) }
            reach([address])
        case .tcp(let host, let port), .udp(let host, let port):
            if let address = AsyncFD.Address(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)") {
                return reach([address])
            }
            stopLooking = loop.findAddresses(of: host, service: "\(port)") { [self] answer in
                stopLooking = nil
                switch answer {
                case .success(let addresses): reach(addresses.map(AsyncFD.Address.init))
                case .failure(let failure):
                    finish(
                        .failure(
                            IOError(
                                "connect", on: "\(endpoint) (\(String(cString: gai_strerror(failure.code))))",
                                .unresolved)))
                }
            }
        }
    }

    private func reach(_ addresses: [AsyncFD.Address]) {
        guard completion != nil else { return }
        if endpoint.isDatagrams { return finish(open(addresses)) }
        let attempts = ConnectionAttempts(label: "\(endpoint)", timeout: nil, waitsForBusyListener: false)
        self.attempts = attempts
        attempts.run(addresses) { [self] result in finish(result) }
    }

    /// A datagram socket is connected at once, or not at all.
    private func open(_ addresses: [AsyncFD.Address]) -> Result<CInt, IOError> {
        var failure = error(IOError.Code.unresolved)
        for address in addresses {
            switch Syscalls.socket(address.family, CInt(SOCK_DGRAM.rawValue)) {
            case .failure(let errno): failure = IOError("socket", on: "\(endpoint)", errno)
            case .success(let socket):
                guard let errno = Syscalls.connect(socket, address) else { return .success(socket) }
                Syscalls.close(socket)
                failure = error(errno)
            }
        }
        return .failure(failure)
    }

    private func finish(_ result: Result<CInt, IOError>) {
        stopLooking.take()?()
        if let timer { timer.cancel() }
        timer = nil
        let attempts = self.attempts.take()
        guard let completion = completion.take() else {
            if case .success(let socket) = result { Syscalls.close(socket) }
            attempts?.cancel()
            return
        }
        attempts?.cancel()
        completion(
            result.map { socket in
                if case .tcp = endpoint { Dial.keepAlive(socket) }
                return AsyncFD(socket: socket, label: "\(endpoint)")
            })
    }

    /// Detects a host that has vanished: half a minute after bytes that it does not acknowledge, or after a minute
    /// without any. Detects a host that takes nothing any more, too: half a minute without room for a byte ends the
    /// connection.
    private static func keepAlive(_ socket: CInt) {
        _ = Syscalls.setOption(socket, SocketOption.keepAlive.level, SocketOption.keepAlive.name, 1)
        for (name, value) in [
            (TCP_KEEPIDLE, CInt(30)), (TCP_KEEPINTVL, 10), (TCP_KEEPCNT, 3), (TCP_USER_TIMEOUT, 30_000),
        ] {
            _ = Syscalls.setOption(socket, CInt(IPPROTO_TCP), name, value)
        }
    }

    private func error(_ code: IOError.Code) -> IOError { IOError("connect", on: "\(endpoint)", code) }
    private func error(_ errno: Errno) -> IOError { IOError("connect", on: "\(endpoint)", errno) }
}

extension AsyncFD {
    /// The reason why a write to this connection would be lost, as far as the kernel knows: the other side has ended
    /// it, or it is broken. Loop thread.
    package var peerHasGone: IOError? {
        switch Syscalls.peek(descriptor.rawValue) {
        case .bytes(0): IOError("read", on: label, .endOfStream)
        case .failed(let errno): IOError("read", on: label, errno)
        case .bytes, .wouldBlock: nil
        }
    }

    /// Calls `body` once when the other side has ended the connection, or it is broken, and not when the descriptor is
    /// closed here. What the other side sends is discarded. Loop thread; `body` may be called from within this call.
    package func watchPeer(_ isDatagrams: Bool, _ body: @escaping (IOError) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { memory.deallocate() }
        for _ in 0..<16 {
            if isClosed { return }
            switch withUnsafePointer(
                to: iovec(iov_base: memory.baseAddress, iov_len: memory.count),
                { moveNow(.read, Vectors(start: $0, count: 1)) })
            {
            case .bytes(0) where !isDatagrams: return body(IOError("read", on: label, .endOfStream))
            case .bytes: continue
            case .failed(let errno): return body(IOError("read", on: label, errno))
            case .wouldBlock:
                do throws(IOError) {
                    try registration(for: .read)?.whenReady(.read) { [self] wake in
                        if case .ready = wake { watchPeer(isDatagrams, body) }
                    }
                } catch {
                    body(error)
                }
                return
            }
        }
        // The other side sends without pause: other tasks first.
        loop.soon { [self] in watchPeer(isDatagrams, body) }
    }
}
