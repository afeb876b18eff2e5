// How much a record matters.

/// The severity of a record, and the threshold below which a logger or a handler ignores records.
public enum Level: UInt8, Sendable, CaseIterable, Comparable, CustomStringConvertible {
    case trace, debug, info, notice, warning, error, critical

    public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

    /// `INFO`, as it stands in text output.
    public var description: String { label.description }

    var label: StaticString {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }
}
