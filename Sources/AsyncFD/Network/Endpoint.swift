// Where a program sends records: a host and a port, or a Unix socket; as a stream, or as datagrams.
import EventLoop
import SystemPackage

/// A place that can be connected to.
///
///     Endpoint.tcp("logs.example.com", port: 5170)
///     Endpoint("udp:[::1]:514")
///     Endpoint("unixgram:/dev/log")
public enum Endpoint: Sendable, Hashable {
    /// A host, by name or address, over TCP.
    case tcp(String, port: UInt16)
    /// A host, by name or address, over UDP: each record is a datagram.
    case udp(String, port: UInt16)
    /// A Unix socket of streams: a path, or, behind an `@`, a name in the abstract namespace (unix(7)).
    case unix(String)
    /// A Unix socket of datagrams, as `/dev/log` is one.
    case unixDatagrams(String)

    /// Whether each write arrives as one message.
    public var isDatagrams: Bool {
        switch self {
        case .udp, .unixDatagrams: true
        case .tcp, .unix: false
        }
    }
}

extension Endpoint: LosslessStringConvertible {
    /// As `description` writes it: `tcp:host:port`, `udp:host:port`, `unix:path`, `unixgram:path`. An IPv6 address
    /// stands in brackets.
    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = text[text.index(after: colon)...]
        switch text[..<colon] {
        case "unix" where !rest.isEmpty: self = .unix(String(rest))
        case "unixgram" where !rest.isEmpty: self = .unixDatagrams(String(rest))
        case "tcp", "udp":
            guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]) else {
                return nil
            }
            var host = rest[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") {
                host = host.dropFirst().dropLast()
            } else if host.contains(":") {
                return nil
            }
            guard !host.isEmpty else { return nil }
            self = text.hasPrefix("tcp") ? .tcp(String(host), port: port) : .udp(String(host), port: port)
        default: return nil
        }
    }

    public var description: String {
        func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }
        return switch self {
        case .tcp(let host, let port): "tcp:\(bracketed(host)):\(port)"
        case .udp(let host, let port): "udp:\(bracketed(host)):\(port)"
        case .unix(let path): "unix:\(path)"
        case .unixDatagrams(let path): "unixgram:\(path)"
        }
    }
}
