// Names to addresses, by the system's own resolver: /etc/hosts, DNS, as nsswitch.conf configures it. getaddrinfo(3)
// blocks, so it runs on threads that do nothing else (NameLookups.swift).
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
    /// The addresses of `host`, for stream connections to `service`, in the order in which they should be tried (RFC
    /// 6724).
    ///
    ///     let addresses = try await EventLoop.resolve("example.org", service: "443")
    ///
    /// - Parameters:
    ///   - host: a name or a numeric address. Empty: all of this machine's addresses, for listening.
    ///   - service: a port number, or a name from `/etc/services`.
    /// At most four names are looked up at a time, on each loop, and each of them once: calls that ask for a name while
    /// it is being looked up share the answer. Others wait for their turn. On the current loop; outside of any, on the
    /// main loop.
    ///
    /// - Throws: `ResolveError`; `CancellationError` as soon as the task is cancelled, while the resolver finishes in
    ///   the background; `EventLoopError` if no loop runs.
    public static func resolve(_ host: String, service: String) async throws -> [ResolvedAddress] {
        try await onCurrentLoop("resolve") { loop in try await loop.resolveHere(host, service) }
    }

    private func resolveHere(_ host: String, _ service: String) async throws -> [ResolvedAddress] {
        let wait = NameWait(self)
        await parkTask {
            wait.begin(host, service, $0)
        } onCancel: {
            self.perform { wait.end(.failure(CancellationError())) }
        }
        return try wait.result.get()
    }

    /// Looks a name up for the layers above, and calls `done` with its addresses, not from within this call. Returns a
    /// closure that cancels the lookup: after it, `done` is not called any more. Loop thread.
    package func findAddresses(
        of host: String, service: String, then done: @escaping (Result<[ResolvedAddress], ResolveError>) -> Void
    ) -> () -> Void { names.find(host, service, then: done) }

    /// getaddrinfo(3): blocks.
    static func addresses(of host: String, service: String) throws(ResolveError) -> [ResolvedAddress] {
        try getAddresses(host, service)
    }
}

/// A task that waits for a name. Unchecked: loop thread only.
private final class NameWait: @unchecked Sendable {
    private let loop: EventLoop
    private var continuation: UnsafeContinuation<Void, Never>?
    private var giveUp: (() -> Void)?
    /// What the task gets to see.
    private(set) var result: Result<[ResolvedAddress], any Error> = .failure(CancellationError())

    init(_ loop: EventLoop) { self.loop = loop }

    func begin(_ host: String, _ service: String, _ continuation: UnsafeContinuation<Void, Never>) {
        guard !Task.isCancelled else { return continuation.resume() }
        self.continuation = continuation
        loop.waiters += 1
        giveUp = loop.names.find(host, service) { [self] in
            giveUp = nil
            end($0.mapError { $0 })
        }
    }

    func end(_ result: Result<[ResolvedAddress], any Error>) {
        guard let continuation = continuation.take() else { return }
        giveUp.take()?()
        self.result = result
        loop.waiters -= 1
        continuation.resume()
    }
}

#if DEBUG
/// A seam for tests: called with the host's name before the system's resolver is asked, and may block as long as that
/// one might. Nil: the system is asked; else the code of its failure.
package let resolverForTests = Locked<(@Sendable (String) -> CInt?)?>(nil)
#endif

private func getAddresses(_ host: String, _ service: String) throws(ResolveError) -> [ResolvedAddress] {
    #if DEBUG
    if let code = resolverForTests.withLock({ $0 })?(host) {
        throw ResolveError(host: host, service: service, code: code)
    }
    #endif
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
            family: entry.ai_family,
            bytes: [UInt8](UnsafeRawBufferPointer(start: entry.ai_addr, count: Int(entry.ai_addrlen))))
    }
}
