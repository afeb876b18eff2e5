// A handler that keeps records in memory, for tests of programs that log.
import EventLoop

/// Keeps the records that it is given, with their types, so that a test can look at them.
///
///     let memory = MemoryHandler()
///     let logger = Logger("test", level: .trace, handlers: [memory])
///     serve(request, logger)
///     #expect(memory.records.last?.fields["status"] == .int(200))
///
/// Records that other threads log are there as soon as the loop has taken them: after `await logger.flush()` at the
/// latest.
///
/// Unchecked as its superclass is; what it keeps is behind a lock, so that a test may look from any thread.
public final class MemoryHandler: Handler, @unchecked Sendable {
    private let kept = Locked<[KeptRecord]>([])
    private let capacity: Int

    /// - Parameters:
    ///   - levels: records of other levels are ignored.
    ///   - capacity: how many records are kept; of more the oldest go.
    public init(levels: ClosedRange<Level> = .trace ... .critical, capacity: Int = .max) {
        precondition(capacity > 0, "capacity: must be at least 1 record")
        self.capacity = capacity
        super.init(levels: levels)
    }

    override public func handle(_ record: borrowing Record) {
        let copy = KeptRecord(record)
        kept.withLock { kept in
            if kept.count >= capacity { kept.removeFirst(kept.count - capacity + 1) }
            kept.append(copy)
        }
    }

    /// What has been kept, oldest first. Any thread.
    public var records: [KeptRecord] { kept.withLock { $0 } }

    /// The messages alone. Any thread.
    public var messages: [String] { records.map(\.message) }

    /// Forgets what has been kept. Any thread.
    public func clear() { kept.withLock { $0 = [] } }
}

/// A copy of a record.
public struct KeptRecord: Sendable, Equatable {
    /// The record's level.
    public let level: Level
    /// When the logger was called.
    public let time: WallTime
    /// The logger's name.
    public let logger: String
    /// The message, interpolated.
    public let message: String
    /// The fields that count, in order: of the scope, of the logger, of the call.
    public let fields: KeptFields
    /// `Module/File.swift`
    public let file: String
    /// The function that logged.
    public let function: String
    /// Where in the file, counted from 1.
    public let line: Int

    /// Copies everything that the record refers to.
    public init(_ record: borrowing Record) {
        level = record.level
        time = record.time
        logger = String(record.logger)
        message = String(record.message)
        var fields = KeptFields()
        record.forEachField { fields.append(String($0.key), KeptValue($0.value)) }
        self.fields = fields
        file = String(record.callSite.file)
        function = String(record.callSite.function)
        line = Int(record.callSite.line)
    }
}

/// The fields of a kept record, in order.
public struct KeptFields: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    private var pairs: [Pair] = []

    private struct Pair: Sendable, Equatable {
        let key: String
        let value: KeptValue
    }

    /// No fields.
    public init() {}

    /// The fields in the order of the literal.
    public init(dictionaryLiteral elements: (String, KeptValue)...) { self.init(elements) }

    /// The fields in the order of the sequence.
    public init(_ pairs: some Sequence<(String, KeptValue)>) { self.pairs = pairs.map { Pair(key: $0, value: $1) } }

    init(_ fields: FieldList) {
        fields.forEachThatCounts { append(String($0.key), KeptValue($0.value)) }
    }

    mutating func append(_ key: String, _ value: KeptValue) { pairs.append(Pair(key: key, value: value)) }

    /// How many fields there are.
    public var count: Int { pairs.count }
    /// True if there are none.
    public var isEmpty: Bool { pairs.isEmpty }
    /// The keys, in order.
    public var keys: [String] { pairs.map(\.key) }

    /// The value with this key; nil if there is none.
    public subscript(key: String) -> KeptValue? { pairs.last { $0.key == key }?.value }
}

/// The value of a field, copied.
public enum KeptValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case int(Int64)
    /// What does not fit into an `Int64`.
    case uint(UInt64)
    case double(Double)
    case float(Float)
    case text(String)
    case date(WallTime)
    case duration(Duration)
    case bytes([UInt8])
    case array([KeptValue])
    case object(KeptFields)
    /// An object with `type`, `message` and perhaps `cause`.
    case error(KeptFields)

    init(_ value: FieldValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .uint(let value): self = .uint(value)
        case .double(let value): self = .double(value)
        case .float(let value): self = .float(value)
        case .text(let text): self = .text(String(text))
        case .date(let date): self = .date(date)
        case .duration(let nanoseconds): self = .duration(.nanoseconds(nanoseconds))
        case .bytes(let bytes): self = .bytes(Array(bytes))
        case .array(let values): self = .array(values.map { KeptValue($0) })
        case .object(let fields): self = .object(KeptFields(fields))
        case .error(let fields): self = .error(KeptFields(fields))
        }
    }
}
