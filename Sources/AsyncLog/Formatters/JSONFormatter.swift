// One JSON object per line (JSON Lines, NDJSON).
//
//     {"time":"2026-11-22T08:27:00.123456Z","level":"info","logger":"app","message":"user logged in","user":7,"ms":1.5}
//
// The text that is the same in each record is laid out when the formatter is made.

/// Formats records as JSON, one object per line. The order of keys is stable: time, level, logger, message, the other
/// included parts, the extra fields, then the fields of the scope, of the logger, and of the call.
///
///     JSONFormatter(
///         time: .rfc3339(.milliseconds), include: .standard.union(.source), extra: ["service": "api"],
///         fields: .nested("data"))
public struct JSONFormatter: Formatter {
    /// Which parts of a record appear beside its fields.
    public struct Parts: OptionSet, Sendable {
        /// One bit for each part.
        public let rawValue: UInt8
        /// Makes a set of parts from its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// When the logger was called.
        public static let time = Parts(rawValue: 1)
        /// The level's name.
        public static let level = Parts(rawValue: 2)
        /// The logger's name.
        public static let logger = Parts(rawValue: 4)
        /// The message.
        public static let message = Parts(rawValue: 8)
        /// `file`, `line` and `function`.
        public static let source = Parts(rawValue: 16)
        /// The record's number in its handler's output.
        public static let sequence = Parts(rawValue: 32)

        /// Time, level, logger and message.
        public static let standard: Parts = [.time, .level, .logger, .message]
    }

    /// Where a record's fields go.
    public enum FieldPlacement: Sendable {
        /// Beside `time`, `level`, …; a field with one of these names gets a `_` behind its name. So does one with the
        /// name `time_`, `time__`, …, so that no two keys are the same.
        case flat
        /// Into an object with this key.
        case nested(String)
    }

    /// The keys of the parts. `JSONFormatter.Keys(time: "@timestamp", message: "msg")`
    public struct Keys: Sendable {
        /// The key of each part.
        public var time, level, logger, message, file, line, function, sequence: String

        /// The usual keys, except for those that are given.
        public init(
            time: String = "time", level: String = "level", logger: String = "logger", message: String = "message",
            file: String = "file",
            line: String = "line", function: String = "function", sequence: String = "sequence"
        ) {
            self.time = time
            self.level = level
            self.logger = logger
            self.message = message
            self.file = file
            self.line = line
            self.function = function
            self.sequence = sequence
        }
    }

    private let parts: Parts
    private var timestamp: Timestamp
    private let dates: DateStyle
    private let exclude: ExcludedKeys
    private let reserved: YieldingKeys
    private var keyCache = KeyCache()

    // Finished pieces of text.
    private let beforeTime: PaddedText
    private let beforeLogger: PaddedText
    private let beforeMessage: PaddedText
    private let beforeFile: PaddedText
    private let beforeLine: PaddedText
    private let beforeFunction: PaddedText
    private let beforeSequence: PaddedText
    /// One for each level: `,"level":"info"`.
    private let levels: LevelTexts
    /// The extra fields, and, for nested fields, the beginning of their object.
    private let beforeFields: PaddedText
    private let end: PaddedText
    /// True if nothing precedes the first field.
    private let fieldsBegin: Bool

    /// - Parameters:
    ///   - time: the style of times, of records and in fields.
    ///   - timeZone: the zone of times.
    ///   - include: the parts that appear beside the fields.
    ///   - keys: the keys of the parts. If two keys, of parts or of `extra`, are equal, the later one gets a `_` behind
    ///     its name.
    ///   - exclude: fields with these keys are left out.
    ///   - extra: fields that all records have.
    ///   - fields: the place of the fields.
    public init(
        time: TimestampStyle = .rfc3339(), timeZone: LogTimeZone = .utc, include: Parts = .standard,
        keys: Keys = Keys(), exclude: [String] = [],
        extra: Fields = .none, fields: FieldPlacement = .flat
    ) {
        parts = include
        timestamp = Timestamp(time, zone: timeZone)
        let dates = DateStyle(timestamp)
        self.dates = dates
        self.exclude = ExcludedKeys(exclude)
        var names: [String] = []
        func lead(_ key: String) -> String {
            var key = key
            while names.contains(key) { key += "_" }
            names.append(key)
            return (names.count == 1 ? "{" : ",") + JSONFormatter.quoted(key) + ":"
        }
        let quote = timestamp.isNumber ? "" : "\""
        beforeTime = PaddedText(include.contains(.time) ? lead(keys.time) + quote : "")
        let levelKey = include.contains(.level) ? quote.prefix(include.contains(.time) ? 1 : 0) + lead(keys.level) : ""
        let closeTime = include.contains(.time) && !include.contains(.level) ? quote : ""
        levels = LevelTexts { include.contains(.level) ? levelKey + "\"\($0.name)\"" : closeTime }
        beforeLogger = PaddedText(include.contains(.logger) ? lead(keys.logger) + "\"" : "")
        beforeMessage = PaddedText(
            include.contains(.message) ? (include.contains(.logger) ? "\"" : "") + lead(keys.message) + "\"" : "")
        let closeText = include.contains(.message) || include.contains(.logger) ? "\"" : ""
        beforeFile = PaddedText(include.contains(.source) ? closeText + lead(keys.file) : "")
        beforeLine = PaddedText(include.contains(.source) ? lead(keys.line) : "")
        beforeFunction = PaddedText(include.contains(.source) ? lead(keys.function) : "")
        beforeSequence = PaddedText(
            include.contains(.sequence) ? (include.contains(.source) ? "" : closeText) + lead(keys.sequence) : "")
        let isOpen = !include.contains(.source) && !include.contains(.sequence)

        var before = isOpen ? closeText : ""
        let bound = BoundFields(extra, in: nil, loop: nil)
        bound.list.forEachThatCounts { field in
            var line = LineBuffer()
            JSONText.append(field.value, to: &line, dates: dates)
            before += lead(String(field.key)) + String(decoding: line.bytes, as: UTF8.self)
        }
        switch fields {
        case .flat:
            fieldsBegin = names.isEmpty
            end = PaddedText("}\n")
            if names.isEmpty { before += "{" }
            reserved = YieldingKeys(names)
        case .nested(let key):
            before += lead(key) + "{"
            fieldsBegin = true
            end = PaddedText("}}\n")
            reserved = YieldingKeys([])
        }
        beforeFields = PaddedText(before)
    }

    public var callSiteParts: CallSite.Parts { parts.contains(.source) ? [.file, .function] : [] }

    public mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        line.ensure(256 + Timestamp.maximumLength)
        if parts.contains(.time) {
            line.append(beforeTime)
            line.cursor += timestamp.write(record.time.nanoseconds, to: line.cursor)
        }
        line.append(levels[record.level])
        if parts.contains(.logger) {
            line.append(beforeLogger)
            if record.isNamePlain { line.append(record.logger.bytes) } else { line.appendEscaped(record.logger, .json) }
        }
        if parts.contains(.message) {
            line.append(beforeMessage)
            line.appendEscaped(record.message, .json)
        }
        if !parts.isDisjoint(with: [.source, .sequence]) { appendSource(record, &line) }
        line.append(beforeFields)
        let begin = line.count
        line.appendFields(of: record) { field, line in
            if !keyCache.append(field, to: &line), !appendKey(field, &line) { return }
            JSONText.append(field, to: &line, dates: dates)
        }
        if fieldsBegin, line.count > begin { line.remove(at: begin) }  // the comma in front of the first
        line.append(end)
    }

    /// Writes `,"key":`. Returns false if the field is left out.
    @inline(never)
    private mutating func appendKey(_ field: Field, _ line: inout LineBuffer) -> Bool {
        if exclude.contains(field) { return false }
        let begin = line.count
        line.appendPair(",", "\"")
        line.appendKey(field.key, .json)
        if reserved.contains(field) { for _ in 0..<reserved.underscores { line.append(UInt8(ascii: "_")) } }
        line.appendPair("\"", ":")
        keyCache.keep(field, line, from: begin)
        return true
    }

    private func appendSource(_ record: borrowing Record, _ line: inout LineBuffer) {
        if parts.contains(.source) {
            line.append(beforeFile)
            JSONText.append(record.callSite.file, to: &line)
            line.append(beforeLine)
            line.append(Int64(record.callSite.line))
            line.append(beforeFunction)
            JSONText.append(record.callSite.function, to: &line)
        }
        if parts.contains(.sequence) {
            line.append(beforeSequence)
            line.append(line.sequence)
        }
    }

    private static func quoted(_ text: String) -> String {
        var text = text
        var line = LineBuffer()
        text.withUTF8 { JSONText.append(Text($0), to: &line) }
        return String(decoding: line.bytes, as: UTF8.self)
    }
}

extension JSONFormatter: TimedFormatter {
    var timestamps: [Timestamp] { [timestamp] }
}
