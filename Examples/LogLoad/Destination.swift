// `--to`: the destination of the records, and its handler.
import ArgumentParser
import AsyncLog
import SystemPackage

enum Destination {
    case standardOutput
    case standardError
    /// `/dev/null`: all the work except the kernel's.
    case null
    case file(String)
    /// A file that is rotated as the flags say.
    case rotated(String)
    /// TCP, UDP, a Unix socket.
    case socket(Endpoint)
    /// A syslog daemon.
    case syslog(Endpoint)

    static let list =
        "stdout, stderr, null, file:PATH, rotate:PATH, tcp:HOST:PORT, udp:HOST:PORT, unix:PATH, syslog:PATH, syslog:HOST:PORT (TCP; or syslog:udp:HOST:PORT)"

    static func parse(_ text: String) throws -> Destination {
        switch text {
        case "stdout": return .standardOutput
        case "stderr": return .standardError
        case "null": return .null
        default: break
        }
        let kind = text.prefix { $0 != ":" }
        let rest = String(text.dropFirst(kind.count + 1))
        switch kind {
        case "file" where !rest.isEmpty: return .file(rest)
        case "rotate" where !rest.isEmpty: return .rotated(rest)
        case "syslog" where rest.hasPrefix("/"): return .syslog(.unixDatagrams(rest))
        case "syslog":
            guard let endpoint = Endpoint(rest) ?? Endpoint("tcp:" + rest) else {
                throw ValidationError("\"\(rest)\" is no syslog daemon: PATH, HOST:PORT, udp:HOST:PORT")
            }
            return .syslog(endpoint)
        case "tcp", "udp", "unix", "unixgram":
            guard let endpoint = Endpoint(text) else {
                throw ValidationError("\"\(text)\" is no address: tcp:HOST:PORT, udp:HOST:PORT, unix:PATH")
            }
            return .socket(endpoint)
        default: throw ValidationError("\"\(text)\" is no destination: \(list)")
        }
    }

    var isRotated: Bool { if case .rotated = self { true } else { false } }
    var isSyslog: Bool { if case .syslog = self { true } else { false } }

    /// On the current loop; outside of any, on the main loop.
    func handler(_ options: LogLoad) throws -> BufferedHandler {
        switch options.format {
        case .text: try handler(options, TextFormatter())
        case .console: try handler(options, ConsoleFormatter(color: color))
        case .json: try handler(options, JSONFormatter())
        case .logfmt: try handler(options, LogfmtFormatter())
        case .msgpack: try handler(options, MessagePackFormatter())
        }
    }

    private var color: ConsoleFormatter.Color {
        switch self {
        case .standardOutput: .automatic(.standardOutput)
        case .standardError: .automatic(.standardError)
        default: .never
        }
    }

    private func handler(_ options: LogLoad, _ formatter: some Formatter) throws -> BufferedHandler {
        func stream(_ descriptor: AsyncFD) -> BufferedHandler {
            StreamHandler(
                descriptor, formatter: formatter, capacity: options.capacity, overflow: options.overflow.policy)
        }
        switch self {
        case .standardOutput: return stream(.standardOutput)
        case .standardError: return stream(.standardError)
        case .null:
            return stream(
                AsyncFD(
                    owning: try FileDescriptor.open("/dev/null", .writeOnly, options: .closeOnExec), label: "/dev/null")
            )
        case .file(let path):
            return try FileHandler(
                FilePath(path), formatter: formatter, capacity: options.capacity, overflow: options.overflow.policy)
        case .rotated(let path):
            return try FileHandler(
                FilePath(path), formatter: formatter, rotation: options.rotation.rotation, capacity: options.capacity,
                overflow: options.overflow.policy)
        case .syslog(let endpoint):
            return SyslogHandler(endpoint, spool: .memory(options.capacity), overflow: options.overflow.policy)
        case .socket(let endpoint):
            // A MessagePack record states its own end.
            return SocketHandler(
                endpoint, formatter: formatter, framing: options.format == .msgpack ? Framing.none : nil,
                spool: .memory(options.capacity),
                overflow: options.overflow.policy)
        }
    }
}
