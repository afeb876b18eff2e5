// Syslog messages: RFC 5424 with fields as structured data, RFC 3164, or the format of /dev/log.
//
//     <30>1 2026-11-22T08:27:00.123456Z host web 4711 web.db [fields@32473 user="7" ms="1.5"] user logged in
//     <30>Nov 22 09:27:00 host web[4711]: user logged in user=7 ms=1.5
//     <30>Nov 22 09:27:00 web[4711]: user logged in user=7 ms=1.5          (to /dev/log)
import EventLoop

/// The part of a system from which a syslog message comes (RFC 5424, table 1).
public enum SyslogFacility: UInt8, Sendable, CaseIterable {
    case kernel, user, mail, daemon, auth, syslog, printer, news, uucp, cron, authPrivate, ftp, ntp, audit, alert, clock
    case local0, local1, local2, local3, local4, local5, local6, local7
}

/// The kind of syslog messages.
public enum SyslogFormat: Sendable {
    /// RFC 5424: times with a zone and microseconds, and fields as structured data, which the receiver can search.
    case rfc5424
    /// RFC 3164, which every receiver knows: local time to the second, no year; fields follow the message, as
    /// `key=value`.
    case rfc3164
    /// The format of `syslog(3)` to /dev/log: RFC 3164 without the machine's name, which the receiver knows.
    case local
}

/// Formats records as syslog messages.
///
/// Control characters in messages and values are escaped (`\n`, `\u{1b}`), so that a receiver cannot take one message
/// for two. A character that RFC 5424 does not allow in a name becomes `_`. An object's fields are flattened
/// (`user.id`), a list becomes JSON. Names that become equal by that, or by being cut to 32 characters, are numbered:
/// `a_b`, `a_b_2`.
public struct SyslogFormatter: Formatter {
    private let format: SyslogFormat
    /// One for each level: `<30>1 ` or `<30>`.
    private let priorities: LevelTexts
    /// The text between the time and the message: ` host app 4711 `, ` host app[4711]: `.
    private let origin: PaddedText
    /// `[fields@32473`
    private let structuredData: PaddedText
    private let endsLine: Bool
    private var timestamp: Timestamp
    private var date: SyslogDate

    /// - Parameters:
    ///   - format: the kind of messages.
    ///   - facility: the part of the system from which they come.
    ///   - app: the program's name; by default the name by which it was started.
    ///   - host: the machine's name; by default its own name.
    ///   - structuredDataID: the name of the structured data that holds the fields: a name, `@`, and your private
    ///     enterprise number (RFC 5424, section 6.3.2). 32473 is the number for examples (RFC 5612).
    ///   - timeZone: the zone of times; by default UTC for RFC 5424, and the local zone for RFC 3164.
    ///   - endsLine: whether each message ends with a line feed: for files, and for streams without framing of their
    ///     own.
    public init(
        _ format: SyslogFormat = .rfc5424, facility: SyslogFacility = .user, app: String? = nil, host: String? = nil,
        structuredDataID: String = "fields@32473", timeZone: LogTimeZone? = nil, endsLine: Bool = true
    ) {
        self.format = format
        self.endsLine = endsLine
        let version = if case .rfc5424 = format { "1 " } else { "" }
        priorities = LevelTexts { "<\(facility.rawValue * 8 + $0.syslogSeverity)>\(version)" }
        let hostName = SyslogName.clean(host ?? SyslogFormatter.machine, limit: 255)
        let app = app ?? SyslogFormatter.program
        switch format {
        case .rfc5424:
            origin = PaddedText(" \(hostName) \(SyslogName.clean(app, limit: 48)) \(SyslogFormatter.process) ")
        case .rfc3164: origin = PaddedText(" \(hostName) \(SyslogName.tag(app))[\(SyslogFormatter.process)]: ")
        case .local: origin = PaddedText(" \(SyslogName.tag(app))[\(SyslogFormatter.process)]: ")
        }
        structuredData = PaddedText("[" + SyslogName.clean(structuredDataID, limit: 32, without: "=]\""))
        timestamp = Timestamp(.rfc3339(.microseconds), zone: timeZone ?? .utc)
        date = SyslogDate(timeZone ?? (try? .local()) ?? .utc)
    }

    public mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        line.append(priorities[record.level])
        line.ensure(Timestamp.maximumLength)
        switch format {
        case .rfc5424:
            line.cursor += timestamp.write(record.time.nanoseconds, to: line.cursor)
            line.append(origin)
            SyslogName.append(record.logger, limit: 32, to: &line)
            line.append(" ")
            appendStructuredData(record, to: &line)
            if !record.message.isEmpty {
                line.append(" ")
                line.appendEscaped(record.message)
            }
        case .rfc3164, .local:
            line.cursor += date.write(record.time.nanoseconds, to: line.cursor)
            line.append(origin)
            line.appendEscaped(record.message)
            LogfmtText.appendFields(of: record, reserved: nil, names: [], to: &line)
        }
        if endsLine { line.append("\n") }
    }

    /// `[fields@32473 user="7"]`, or `-`.
    private func appendStructuredData(_ record: borrowing Record, to line: inout LineBuffer) {
        let begin = line.count
        line.append(structuredData)
        let empty = line.count
        var keys: UniqueKeys?
        line.appendFields(of: record) { field, line in
            SyslogFormatter.append(field.key, "", field.value, &keys, to: &line)
        }
        guard line.count > empty else {
            line.cut(to: begin)
            line.append("-")
            return
        }
        if !line.keyChanges.isEmpty, line.keyChanges.mayCollide(in: record) {
            line.cut(to: empty)
            var keys: UniqueKeys? = UniqueKeys(limit: SyslogFormatter.longestKey)
            record.forEachField { SyslogFormatter.append($0.key, "", $0.value, &keys, to: &line) }
        }
        line.keyChanges = []
        line.append("]")
    }

    private static let longestKey = 32

    /// Writes ` key="value"`.
    ///
    /// - Parameter keys: the keys that have been written, if each must be unique.
    private static func append(
        _ key: Text, _ prefix: String, _ value: FieldValue, _ keys: inout UniqueKeys?, to line: inout LineBuffer
    ) {
        switch value {
        case .object(let fields) where !fields.isEmpty: appendObject(key, prefix, fields, &keys, to: &line)
        case .error(let fields) where !fields.isEmpty: appendObject(key, prefix, fields, &keys, to: &line)
        default:
            line.append(" ")
            if prefix.isEmpty, keys == nil {
                if !SyslogName.append(key, limit: longestKey, to: &line) { line.keyChanges.insert(.repaired) }
            } else {
                let full = prefix + String(key)
                let name = SyslogName.clean(full, limit: longestKey)
                if name != full { line.keyChanges.insert(.repaired) }
                line.append(keys?.claim(name) ?? name)
            }
            line.append("=\"")
            let begin = line.count
            SyslogFormatter.append(value, to: &line)
            line.escapeParameter(from: begin)
            line.append("\"")
        }
    }

    private static func appendObject(
        _ key: Text, _ prefix: String, _ fields: FieldList, _ keys: inout UniqueKeys?, to line: inout LineBuffer
    ) {
        line.keyChanges.insert(.flattened)
        let inner = prefix + String(key) + "."
        fields.forEachThatCounts { append($0.key, inner, $0.value, &keys, to: &line) }
    }

    private static func append(_ value: FieldValue, to line: inout LineBuffer) {
        switch value {
        case .text(let text): line.appendEscaped(text)
        case .array, .object, .error: JSONText.append(value, to: &line, dates: nil)
        default: LogfmtText.append(value, to: &line)
        }
    }

    public var callSiteParts: CallSite.Parts { [] }

    /// The style of times, if the crash handler can write it.
    var timestamps: [Timestamp]? { if case .rfc5424 = format { [timestamp] } else { nil } }

    private static let machine = ProcessNames.host
    private static let program = ProcessNames.program
    private static let process = "\(ProcessNames.processID)"
}

extension Level {
    /// RFC 5424, table 2.
    fileprivate var syslogSeverity: UInt8 {
        switch self {
        case .critical: 2
        case .error: 3
        case .warning: 4
        case .notice: 5
        case .info: 6
        case .debug, .trace: 7
        }
    }
}

/// Names in syslog messages: printable ASCII without blanks, of limited length.
enum SyslogName {
    static func clean(_ name: String, limit: Int, without excluded: String = "=]\"") -> String {
        let bytes = name.utf8.prefix(limit).map {
            isAllowed($0) && !excluded.utf8.contains($0) ? $0 : UInt8(ascii: "_")
        }
        return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
    }

    /// RFC 3164's TAG: any character but a letter or a digit ends it. Receivers are less strict.
    static func tag(_ name: String) -> String { clean(name, limit: 32, without: ":[]\"=") }

    /// Appends the name like `clean`, without making a string. Returns false if the name had to be changed.
    @inline(__always)
    @discardableResult
    static func append(_ name: Text, limit: Int, to line: inout LineBuffer) -> Bool {
        guard !name.isEmpty else {
            line.append("-")
            return false
        }
        var isUnchanged = name.bytes.count <= limit
        for byte in name.bytes.prefix(limit) {
            let isPlain =
                isAllowed(byte) && byte != UInt8(ascii: "=") && byte != UInt8(ascii: "]") && byte != UInt8(ascii: "\"")
            line.append(isPlain ? byte : UInt8(ascii: "_"))
            if !isPlain { isUnchanged = false }
        }
        return isUnchanged
    }

    private static func isAllowed(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }
}

extension LineBuffer {
    /// Puts a backslash before each `"`, `\` and `]` behind `begin` (RFC 5424, section 6.3.3).
    fileprivate mutating func escapeParameter(from begin: Int) {
        func needsEscape(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "]")
        }
        let end = count
        let more = UnsafeRawBufferPointer(rebasing: bytes[begin...]).count(where: needsEscape)
        guard more > 0 else { return }
        ensure(more)
        cursor += more
        // From the end, so that no byte is overwritten before it has been moved.
        overwrite(0) { text in
            var (from, to) = (end, end + more)
            while from < to {
                from -= 1
                to -= 1
                text[to] = text[from]
                if needsEscape(text[from]) {
                    to -= 1
                    text[to] = UInt8(ascii: "\\")
                }
            }
        }
    }
}

/// `Nov 22 09:27:00`, computed once a second.
struct SyslogDate: Sendable {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].map
    { Array($0.utf8) }

    private let zone: LogTimeZone
    private var second = Int64.min
    private var text = InlineArray<16, UInt8>(repeating: UInt8(ascii: " "))

    init(_ zone: LogTimeZone) { self.zone = zone }

    /// Writes 15 bytes, and one more that does not count; returns 15. `time` is in nanoseconds since
    /// 1970-01-01T00:00:00Z.
    mutating func write(_ time: Int64, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        let now = Int64(time.quotientFloored(by: 1_000_000_000).0)
        if now != second { writeSecond(now) }
        text.span.withUnsafeBufferPointer { Memory.copy($0.baseAddress!, 16, to: memory) }
        return 15
    }

    private mutating func writeSecond(_ now: Int64) {
        second = now
        let (days, secondOfDay) = (now + Int64(zone.offset(at: now))).quotientFloored(by: 86_400)
        let (_, month, day) = Timestamp.date(days)
        var span = text.mutableSpan
        span.withUnsafeMutableBufferPointer { text in
            let text = text.baseAddress!
            for index in 0..<3 { text[index] = SyslogDate.months[month - 1][index] }
            Decimal.writePair(day, to: text + 4)
            if day < 10 { text[4] = UInt8(ascii: " ") }
            Decimal.writePair(secondOfDay / 3600, to: text + 7)
            text[9] = UInt8(ascii: ":")
            Decimal.writePair(secondOfDay / 60 % 60, to: text + 10)
            text[12] = UInt8(ascii: ":")
            Decimal.writePair(secondOfDay % 60, to: text + 13)
        }
    }
}
