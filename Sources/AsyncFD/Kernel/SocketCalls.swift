// The system calls that only sockets have. Like those of Syscalls.swift: repeated when interrupted, would-block a
// value.
import CAsyncFD
import Glibc
import SystemPackage

extension Syscalls {
    /// socket(2), non-blocking, close-on-exec.
    static func socket(_ family: CInt, _ type: CInt) -> Result<CInt, Errno> {
        retried { Glibc.socket(family, type | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0) }.flatMap(
            above2)
    }

    static func socketPair(_ type: CInt, isBlocking: Bool) -> Result<(CInt, CInt), Errno> {
        var ends: (CInt, CInt) = (-1, -1)
        let flags = CInt(SOCK_CLOEXEC.rawValue) | (isBlocking ? 0 : CInt(SOCK_NONBLOCK.rawValue))
        let made = retried {
            withUnsafeMutableBytes(of: &ends) {
                socketpair(AF_UNIX, type | flags, 0, $0.assumingMemoryBound(to: CInt.self).baseAddress)
            }
        }
        return made.flatMap { _ in bothAbove2(ends) }
    }

    static func bind(_ descriptor: CInt, _ address: AsyncFD.Address) -> Errno? {
        address.withSocketAddress { name, length in retried { Glibc.bind(descriptor, name, length) }.errno }
    }

    static func listen(_ descriptor: CInt, _ backlog: CInt) -> Errno? {
        retried { Glibc.listen(descriptor, backlog) }.errno
    }

    /// connect(2). EINPROGRESS: wait for writability, then ask `pendingError`.
    ///
    /// Not repeated when interrupted: the kernel goes on connecting, as if it had said EINPROGRESS (connect(2)).
    static func connect(_ descriptor: CInt, _ address: AsyncFD.Address) -> Errno? {
        let result = address.withSocketAddress { name, length in
            retried(repeating: false) { Glibc.connect(descriptor, name, length) }.errno
        }
        return result == .interrupted ? .nowInProgress : result
    }

    /// accept4(2), non-blocking, close-on-exec.
    static func accept(_ descriptor: CInt) -> Result<CInt, Errno> {
        retried { cfd_accept(descriptor, nil, nil) }.flatMap(above2)
    }

    static func shutdown(_ descriptor: CInt, _ how: CInt) -> Errno? {
        retried { Glibc.shutdown(descriptor, how) }.errno
    }

    static func localAddress(_ descriptor: CInt) -> Result<AsyncFD.Address, Errno> { address(descriptor, getsockname) }

    static func peerAddress(_ descriptor: CInt) -> Result<AsyncFD.Address, Errno> { address(descriptor, getpeername) }

    private static func address(
        _ descriptor: CInt, _ call: (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> Result<AsyncFD.Address, Errno> {
        var result: Result<CInt, Errno> = .failure(.invalidArgument)
        let address = AsyncFD.Address.filled { name, length in
            result = retried { call(descriptor, name, &length) }
            return result.errno == nil
        }
        return result.map { _ in address }
    }

    static func option(_ descriptor: CInt, _ level: CInt, _ name: CInt) -> Result<CInt, Errno> {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return retried { getsockopt(descriptor, level, name, &value, &length) }.map { _ in value }
    }

    /// Whether it is a socket for a plain stream of TCP (not of MPTCP).
    static func isTCP(_ descriptor: CInt) -> Bool {
        option(descriptor, SOL_SOCKET, SO_PROTOCOL) == .success(CInt(IPPROTO_TCP))
    }

    static func setOption(_ descriptor: CInt, _ level: CInt, _ name: CInt, _ value: CInt) -> Errno? {
        var value = value
        return retried { setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<CInt>.size)) }.errno
    }

    /// SO_ERROR: what has become of a connection attempt. Nil: it is established.
    static func pendingError(_ descriptor: CInt) -> Errno? {
        switch option(descriptor, SOL_SOCKET, SO_ERROR) {
        case .success(0): nil
        case .success(let code): Errno(rawValue: code)
        case .failure(let errno): errno
        }
    }
}
