// `2026-11-22T08:27:00.123456Z INFO app: Hello world ! user=7`: one record, one line.

/// Formats records as lines of text. Control characters, and characters that reorder text, are escaped, so that one
/// record is one line and no message can control a terminal.
public struct TextFormatter: Formatter {
    private let pieces: [TextPattern.Piece]
    private var patternTimestamps: [Timestamp]
    /// The pattern is the standard one, for which there is a faster path.
    private let isStandard: Bool
    private var timestamp: Timestamp
    /// ` INFO `: one set for all formatters; a copy of the reference saves the check whether the set has been made.
    private let levels = TextFormatter.levels

    /// - Parameters:
    ///   - pattern: the parts of a line.
    ///   - timeZone: the zone of times.
    public init(pattern: TextPattern = .standard, timeZone: LogTimeZone = .utc) {
        pieces = pattern.pieces
        patternTimestamps = pattern.times.map { Timestamp($0, zone: timeZone) }
        isStandard = false
        timestamp = Timestamp(.rfc3339(), zone: timeZone)
    }

    /// Lines like `2026-11-22T08:27:00.123456Z INFO app: Hello world ! user=7`.
    public init(timeZone: LogTimeZone = .utc) {
        pieces = []
        patternTimestamps = []
        isStandard = true
        timestamp = Timestamp(.rfc3339(), zone: timeZone)
    }

    public var callSiteParts: CallSite.Parts {
        pieces.reduce(into: []) { parts, piece in
            switch piece.part {
            case .file: parts.insert(.file)
            case .function: parts.insert(.function)
            case .module: parts.insert(.module)
            default: break
            }
        }
    }

    public mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        if isStandard { return formatStandard(record, to: &line) }
        for piece in pieces {
            let begin = line.count
            format(piece.part, record, to: &line)
            if piece.width != 0 { TextFormatter.fill(&line, from: begin, to: piece.width) }
        }
        line.append("\n")
    }

    @inline(__always)
    private mutating func formatStandard(_ record: borrowing Record, to line: inout LineBuffer) {
        line.ensure(Timestamp.maximumLength + 16)
        line.cursor += timestamp.write(record.time.nanoseconds, to: line.cursor)
        line.append(levels[record.level])
        if record.isNamePlain { line.append(record.logger.bytes) } else { line.appendEscaped(record.logger) }
        line.appendPair(":", " ")
        line.appendEscaped(record.message)
        if record.hasFields { LogfmtText.appendFields(of: record, reserved: nil, names: [], to: &line) }
        line.append(UInt8(ascii: "\n"))
    }

    private static let levels = LevelTexts { " \($0.label) " }

    private mutating func format(_ part: TextPattern.Part, _ record: borrowing Record, to line: inout LineBuffer) {
        switch part {
        case .text(let bytes): bytes.withUnsafeBufferPointer { line.append($0) }
        case .time(let index):
            line.ensure(Timestamp.maximumLength)
            line.cursor += patternTimestamps[index].write(record.time.nanoseconds, to: line.cursor)
        case .level(.upper): line.append(record.level.label)
        case .level(.lower): line.append(record.level.name)
        case .level(.initial): line.append(record.level.label.utf8Start[0])
        case .logger: line.appendEscaped(record.logger)
        case .message: line.appendEscaped(record.message)
        case .fields: LogfmtText.appendFields(of: record, reserved: nil, names: [], to: &line)
        case .file: line.appendEscaped(record.callSite.file)
        case .line: line.append(Int64(record.callSite.line))
        case .function: line.appendEscaped(record.callSite.function)
        case .module: line.appendEscaped(record.callSite.module)
        case .sequence: line.append(line.sequence)
        }
    }

    private static func fill(_ line: inout LineBuffer, from begin: Int, to width: Int) {
        let missing = abs(width) - UnsafeRawBufferPointer(rebasing: line.bytes[begin...]).count { $0 & 0xC0 != 0x80 }
        guard missing > 0 else { return }
        let length = line.count - begin
        line.appendBlanks(missing)
        guard width < 0 else { return }
        line.overwrite(begin) { text in
            (text + missing).update(from: text, count: length)
            text.update(repeating: UInt8(ascii: " "), count: missing)
        }
    }
}

extension TextFormatter: TimedFormatter {
    var timestamps: [Timestamp] { isStandard ? [timestamp] : patternTimestamps }
}
