// Names to addresses, by the system's own resolver: /etc/hosts, DNS, whatever nsswitch.conf says. getaddrinfo(3) blocks, so it goes to the pool.
import Glibc

/// An address as the socket calls take it.
public struct ResolvedAddress: Sendable, Hashable {
    /// `AF_INET` or `AF_INET6`.
    public let family: CInt
    /// A `sockaddr_in` or `sockaddr_in6`, as `connect(2)` wants it.
    public let bytes: [UInt8]
}

/// A name could not be resolved.
public struct ResolveError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The name that was looked up.
    public let host: String
    /// The service or port that was looked up with it.
    public let service: String
    /// `EAI_NONAME`, `EAI_AGAIN`, … as `getaddrinfo(3)` lists them.
    public let code: CInt

    public var description: String { "resolve \(host):\(service): \(String(cString: gai_strerror(code)))" }
}

extension EventLoop {
    /// The addresses of `host`, for stream connections to `service`, in the order in which they should be tried (RFC 6724).
    ///
    ///     let addresses = try await EventLoop.resolve("example.org", service: "443")
    ///
    /// - Parameters:
    ///   - host: a name or a numeric address. Empty: all of this machine's addresses, for listening.
    ///   - service: a port number, or a name from `/etc/services`.
    /// - Throws: `ResolveError`; what `offload` throws. A cancelled call returns at once; the resolver finishes in the background.
    public static func resolve(_ host: String, service: String) async throws -> [ResolvedAddress] {
        try await offload(abandonOnCancel: true) { try addresses(of: host, service: service) }
    }

    /// getaddrinfo(3): blocks.
    package static func addresses(of host: String, service: String) throws(ResolveError) -> [ResolvedAddress] {
        try getAddresses(host, service)
    }
}

private func getAddresses(_ host: String, _ service: String) throws(ResolveError) -> [ResolvedAddress] {
    var hints = addrinfo()
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    hints.ai_flags = host.isEmpty ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host.isEmpty ? nil : host, service, &hints, &list)
    guard code == 0 else { throw ResolveError(host: host, service: service, code: code) }
    defer { freeaddrinfo(list) }
    return sequence(first: list) { $0?.pointee.ai_next }.prefix { $0 != nil }.map { entry in
        let entry = entry!.pointee
        return ResolvedAddress(
            family: entry.ai_family, bytes: [UInt8](UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))))
    }
}
