// `time=2026-11-22T08:27:00.123456Z level=info logger=app msg="user logged in" user=7`: logfmt, as Heroku and Go's slog
// write it.

/// Formats records as logfmt: pairs of key and value, separated by blanks, one record per line. LogfmtText.swift has
/// the grammar.
///
/// A field with the name of one of the format's own keys becomes `fields.level`. Keys that become equal for other
/// reasons (`a b` and `a_b`, or `o.x` beside an object `o` with `x`) are numbered: `a_b`, `a_b_2`.
public struct LogfmtFormatter: Formatter {
    private var timestamp: Timestamp
    private let includesSource: Bool
    private let reserved: ReservedKeys
    /// The keys in front of the fields, as they are written.
    private let names: [String]
    private let extra: PaddedText

    /// - Parameters:
    ///   - time: the style of times.
    ///   - timeZone: the zone of times.
    ///   - source: whether `file`, `line` and `function` appear.
    ///   - extra: fields that all records have.
    public init(
        time: TimestampStyle = .rfc3339(), timeZone: LogTimeZone = .utc, source: Bool = false, extra: Fields = .none
    ) {
        timestamp = Timestamp(time, zone: timeZone)
        includesSource = source
        let bound = BoundFields(extra, in: nil, loop: nil)
        let parts = ["time", "level", "logger", "msg"] + (source ? ["file", "line", "function"] : [])
        var line = LineBuffer()
        var keys = UniqueKeys(parts)
        bound.list.forEachThatCounts { LogfmtText.append($0.key, "", $0.value, &keys, to: &line) }
        names = keys.names
        reserved = ReservedKeys(names + bound.list.map { String($0.key) })
        self.extra = PaddedText(String(decoding: line.bytes, as: UTF8.self))
    }

    public var callSiteParts: CallSite.Parts { includesSource ? [.file, .function] : [] }

    public mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        line.ensure(Timestamp.maximumLength + 64)
        line.append("time=")
        line.cursor += timestamp.write(record.time.nanoseconds, to: line.cursor)
        line.append(" level=")
        line.append(record.level.name)
        line.append(" logger=")
        LogfmtText.append(.text(record.logger), to: &line)
        line.append(" msg=")
        LogfmtText.append(.text(record.message), to: &line)
        if includesSource {
            line.append(" file=")
            LogfmtText.append(.text(record.callSite.file), to: &line)
            line.append(" line=")
            line.append(Int64(record.callSite.line))
            line.append(" function=")
            LogfmtText.append(.text(record.callSite.function), to: &line)
        }
        line.append(extra)
        LogfmtText.appendFields(of: record, reserved: reserved, names: names, to: &line)
        line.append("\n")
    }
}

extension LogfmtFormatter: TimedFormatter {
    var timestamps: [Timestamp] { [timestamp] }
}
