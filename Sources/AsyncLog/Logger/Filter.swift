// Whether a record goes on: filters of loggers and of handlers.

/// A condition that records must meet. The event loop's thread evaluates it for each record that has passed the level.
///
///     handler.add(Filter { $0.level != .notice })
///     handler.add(.name("net"))
public struct Filter: Sendable {
    private let body: @Sendable (borrowing Record) -> Bool

    /// - Parameter body: returns whether the record goes on. It must not wait. The logger or handler that has the
    ///   filter does not see what `body` itself logs.
    public init(_ body: @escaping @Sendable (borrowing Record) -> Bool) { self.body = body }

    /// Records of the logger with this full name and of those below it, as Python's `Filter(name)` has it.
    public static func name(_ name: String) -> Filter {
        let name = Array(name.utf8)
        return Filter { record in
            let logger = record.logger.bytes
            guard logger.starts(with: name) else { return false }
            return name.isEmpty || logger.count == name.count || logger[name.count] == UInt8(ascii: ".")
        }
    }

    /// Records of these levels.
    public static func levels(_ levels: ClosedRange<Level>) -> Filter { Filter { levels.contains($0.level) } }

    /// Records that have a field with this key whose value is written like `value`.
    public static func field(_ key: String, _ value: String) -> Filter {
        Filter { record in record.value(key)?.reads(value) ?? false }
    }

    /// The records that `filter` refuses.
    public static prefix func ! (filter: Filter) -> Filter { Filter { !filter.body($0) } }

    @inline(__always)
    func callAsFunction(_ record: borrowing Record) -> Bool { body(record) }
}

extension FieldValue {
    /// The text, if the value is one.
    public var text: String? {
        if case .text(let text) = self { return String(text) }
        return nil
    }

    /// True if the value is written like this: a text is that text, a number that number, `true`, `false`, `null`.
    func reads(_ text: String) -> Bool {
        switch self {
        case .text(let value): return value == text
        case .int(let value): return Int64(text) == value
        case .uint(let value): return UInt64(text) == value
        case .double(let value): return Double(text) == value
        case .float(let value): return Float(text) == value
        case .bool(let value): return text == (value ? "true" : "false")
        case .null: return text == "null"
        case .date, .duration, .bytes, .array, .object, .error: return false
        }
    }
}
