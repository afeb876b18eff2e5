// `--to`: where the records go, and the handler that takes them there.
import ArgumentParser
import AsyncLog
import SystemPackage

enum Destination: Equatable {
    case standardOutput
    case standardError
    /// `/dev/null`: all the work but the kernel's.
    case null

    static let list = "stdout, stderr, null"

    static func parse(_ text: String) throws -> Destination {
        switch text {
        case "stdout": return .standardOutput
        case "stderr": return .standardError
        case "null": return .null
        default: throw ValidationError("\"\(text)\" is no destination: \(list)")
        }
    }

    /// On the current loop; outside of any, on the main loop.
    func handler(_ options: LogLoad) throws -> BufferedHandler {
        switch self {
        case .standardOutput: stream(.standardOutput, options)
        case .standardError: stream(.standardError, options)
        case .null: stream(AsyncFD(owning: try FileDescriptor.open("/dev/null", .writeOnly, options: .closeOnExec), label: "/dev/null"), options)
        }
    }

    private func stream(_ descriptor: AsyncFD, _ options: LogLoad) -> BufferedHandler {
        func handler(_ formatter: some Formatter) -> BufferedHandler {
            StreamHandler(descriptor, formatter: formatter, capacity: options.capacity, overflow: options.overflow.policy)
        }
        return switch options.format {
        case .text: handler(TextFormatter())
        case .console: handler(ConsoleFormatter(color: .automatic(descriptor)))
        case .json: handler(JSONFormatter())
        case .logfmt: handler(LogfmtFormatter())
        case .msgpack: handler(MessagePackFormatter())
        }
    }
}
