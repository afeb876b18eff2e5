// How severe a record is.

/// One element for each level, at its raw value. A test compares the count with that of `Level.allCases`.
typealias PerLevel<Element> = InlineArray<7, Element>

/// The severity of a record, and the threshold below which a logger or a handler ignores records.
public enum Level: UInt8, Sendable, CaseIterable, Comparable, CustomStringConvertible {
    case trace, debug, info, notice, warning, error, critical

    /// A threshold above every level: no record passes. For thresholds that are given as text.
    static let off: UInt8 = 7

    @inlinable
    public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

    /// `INFO`, as it stands in text output.
    public var description: String { label.description }

    /// The level with this name, in any case: the cases' own names, `warn`, `err`, `fatal`. Nil if there is none.
    public init?(name: some StringProtocol) {
        switch name.lowercased() {
        case "trace": self = .trace
        case "debug": self = .debug
        case "info": self = .info
        case "notice": self = .notice
        case "warning", "warn": self = .warning
        case "error", "err": self = .error
        case "critical", "fatal": self = .critical
        default: return nil
        }
    }

    /// `INFO`
    public var label: StaticString {
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

    /// `info`
    public var name: StaticString {
        switch self {
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        case .critical: "critical"
        }
    }
}
