// The values of flags: how each is written, and the message for an invalid one.
import ArgumentParser
import AsyncLog

/// `--format`
enum LogFormat: String, CaseIterable {
    case text, console, json, logfmt, msgpack

    static let list = allCases.map(\.rawValue).joined(separator: ", ")

    static func parse(_ text: String) throws -> LogFormat {
        guard let format = LogFormat(rawValue: text) else { throw ValidationError("\"\(text)\" is no format: \(list)") }
        return format
    }
}

/// `--overflow`
enum OverflowOption: Equatable {
    case suspend, dropNewest, dropOldest
    case shed(below: Level)
    /// Threads wait; tasks suspend.
    case block

    static let list =
        "suspend, drop-newest, drop-oldest, shed:LEVEL (what is below it is dropped), block (threads wait, too)"

    static func parse(_ text: String) throws -> OverflowOption {
        switch text {
        case "suspend": return .suspend
        case "drop-newest": return .dropNewest
        case "drop-oldest": return .dropOldest
        case "block": return .block
        default:
            guard text.hasPrefix("shed:") else { throw ValidationError("\"\(text)\" is no overflow policy: \(list)") }
            let name = text.dropFirst("shed:".count)
            guard let level = Level(name: name) else {
                throw ValidationError(
                    "\"\(name)\" is no level: \(Level.allCases.map { "\($0.name)" }.joined(separator: ", "))")
            }
            return .shed(below: level)
        }
    }

    var policy: Overflow {
        switch self {
        case .suspend: .suspend
        case .dropNewest: .dropNewest
        case .dropOldest: .dropOldest
        case .shed(let level): .shed(below: level)
        case .block: .block(upTo: .seconds(60))
        }
    }
}

/// `--flush`
enum FlushOption: String, ExpressibleByArgument, CaseIterable {
    case written, durable, none

    var mode: FlushMode? {
        switch self {
        case .written: .written
        case .durable: .durable
        case .none: nil
        }
    }
}
