// For a reader at a terminal: the time of day, the level in colour, the messages in one column, and readable errors.
//
//     08:27:00.123 INFO     app     user logged in                  user=7 ms=1.5
//     08:27:00.124 ERROR    app.db  cannot reach the database       host=db1
//                                   ╰ DatabaseError: no route to host
//                                     ╰ caused by POSIXError: EHOSTUNREACH
import AsyncFD
import EventLoop

/// Formats records for a terminal. Control characters in messages are escaped; the colours are the formatter's own.
public struct ConsoleFormatter: Formatter {
    /// Whether the output has colour.
    public enum Color: Sendable {
        /// Colour on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; elsewhere if `FORCE_COLOR` or
        /// `CLICOLOR_FORCE` is set.
        case automatic(AsyncFD)
        case always
        case never
    }

    private let isColored: Bool
    private let width: Int?
    private let messageWidth: Int
    private var timestamp: Timestamp
    /// The width to which loggers' names are filled up: that of the longest one so far.
    private var nameWidth = 0
    private static let longestName = 24
    private static let levelWidth = 8

    /// - Parameters:
    ///   - color: whether the output has colour.
    ///   - width: fields that would reach beyond this column go on lines of their own. By default the environment
    ///     variable `COLUMNS`; without it, lines have no limit.
    ///   - messageWidth: the width to which shorter messages are filled up in front of their fields.
    ///   - time: the style of times.
    ///   - timeZone: the zone of times.
    public init(
        color: Color = .automatic(.standardError), width: Int? = nil, messageWidth: Int = 40,
        time: TimestampStyle = .clock(),
        timeZone: LogTimeZone = .utc
    ) {
        isColored = ConsoleFormatter.isColored(color)
        self.width = width ?? environmentVariable("COLUMNS").flatMap { Int($0) }
        self.messageWidth = max(0, messageWidth)
        timestamp = Timestamp(time, zone: timeZone)
    }

    public var callSiteParts: CallSite.Parts { [] }

    public mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        let begin = line.count
        var keys: UniqueKeys?
        format(record, &keys, to: &line)
        if line.keyChanges.contains(.repaired) {
            line.cut(to: begin)
            keys = UniqueKeys()
            format(record, &keys, to: &line)
        }
        line.keyChanges = []
    }

    /// - Parameter keys: the keys that have been written, if each must be unique.
    private mutating func format(_ record: borrowing Record, _ keys: inout UniqueKeys?, to line: inout LineBuffer) {
        let begin = line.count
        var column = Column()
        paint(.dim, &line) { line in
            line.ensure(Timestamp.maximumLength)
            line.cursor += timestamp.write(record.time.nanoseconds, to: line.cursor)
        }
        line.append(" ")
        paint(ConsoleFormatter.color(record.level), &line) { $0.append(record.level.label) }
        line.appendBlanks(ConsoleFormatter.levelWidth - record.level.label.utf8CodeUnitCount + 1)
        column.count(line, from: begin)
        let nameBegin = line.count
        line.appendEscaped(record.logger)
        let name = ConsoleFormatter.characters(line, from: nameBegin)
        // The name of the library's own logger does not widen the column.
        if record.core.toOpaque() != Unmanaged.passUnretained(Handler.internalLogger).toOpaque() {
            nameWidth = max(nameWidth, min(name, ConsoleFormatter.longestName))
        }
        line.appendBlanks(max(0, nameWidth - name) + 2)
        column.count(line, from: nameBegin)
        let indent = column.value
        let messageBegin = line.count
        paint(record.level >= .warning ? .bold : .plain, &line) { $0.appendEscaped(record.message) }
        column.count(line, from: messageBegin)
        let fieldColumn = indent + messageWidth
        var isFirst = true
        record.forEachField { field in
            if case .error = field.value { return }
            let fieldBegin = line.count
            if isFirst, column.value < fieldColumn { line.appendBlanks(fieldColumn - column.value) }
            line.append(" ")
            paint(.cyan, &line) { line in
                if keys == nil {
                    LogfmtText.appendKey(field.key, to: &line)
                } else {
                    line.append(keys!.claim(LogfmtText.repaired(field.key, for: &line)))
                }
            }
            append(field, to: &line)
            var after = column
            after.count(line, from: fieldBegin)
            if let width, after.value > width, column.value > indent + 2, !isFirst || column.value > indent {
                line.break(at: fieldBegin, indent: indent + 1)
                after = Column(value: indent + 1)
                after.count(line, from: fieldBegin + 1 + indent + 1)
            }
            column = after
            isFirst = false
        }
        line.append("\n")
        record.forEachField { field in
            if case .error(let error) = field.value {
                append(error, named: field.key, indent: indent, depth: 0, to: &line)
            }
        }
    }

    private func append(_ field: Field, to line: inout LineBuffer) {
        paint(.dim, &line) { $0.append("=") }
        switch field.value {
        case .object, .error:
            // Nested objects are JSON: a prefix for each inner key would be hard to read.
            JSONText.append(field.value, to: &line, dates: nil)
        default: LogfmtText.append(field.value, to: &line)
        }
    }

    /// `╰ DatabaseError: no route to host`, and its causes below.
    private func append(_ error: FieldList, named key: Text, indent: Int, depth: Int, to line: inout LineBuffer) {
        line.appendBlanks(indent + 2 * depth)
        line.append("╰ ")
        if depth > 0 {
            line.append("caused by ")
        } else if !(key == "error") {
            line.appendEscaped(key)
            line.append(": ")
        }
        if case .text(let type) = error["type"] { paint(.red, &line) { $0.appendEscaped(type) } }
        if case .text(let message) = error["message"], !message.isEmpty {
            line.append(": ")
            line.appendEscaped(message)
        }
        line.append("\n")
        if case .error(let cause) = error["cause"] {
            append(cause, named: key, indent: indent, depth: depth + 1, to: &line)
        }
    }

    // MARK: Colours

    private enum Style: String {
        case plain = ""
        case dim = "2"
        case bold = "1"
        case red = "31"
        case cyan = "36"
        case gray = "90"
        case green = "32"
        case blue = "34"
        case yellow = "33"
        case boldRed = "1;31"
        case inverse = "1;37;41"
    }

    private static func color(_ level: Level) -> Style {
        switch level {
        case .trace: .gray
        case .debug: .blue
        case .info: .green
        case .notice: .cyan
        case .warning: .yellow
        case .error: .boldRed
        case .critical: .inverse
        }
    }

    private func paint(_ style: Style, _ line: inout LineBuffer, _ body: (inout LineBuffer) -> Void) {
        guard isColored, style != .plain else { return body(&line) }
        line.append("\u{1b}[")
        line.append(style.rawValue)
        line.append("m")
        body(&line)
        line.append("\u{1b}[0m")
    }

    /// https://no-color.org, https://force-color.org, https://bixense.com/clicolors
    private static func isColored(_ color: Color) -> Bool {
        switch color {
        case .always: return true
        case .never: return false
        case .automatic(let descriptor):
            if let value = environmentVariable("NO_COLOR"), !value.isEmpty { return false }
            if let value = environmentVariable("FORCE_COLOR"), !value.isEmpty { return true }
            if let value = environmentVariable("CLICOLOR_FORCE"), !value.isEmpty, value != "0" { return true }
            return descriptor.kind == .terminal && environmentVariable("TERM") != "dumb"
        }
    }

    // MARK: Columns

    /// The number of characters on the line so far.
    private struct Column {
        var value = 0

        mutating func count(_ line: borrowing LineBuffer, from begin: Int) {
            value += ConsoleFormatter.characters(line, from: begin)
        }
    }

    /// Counts visible characters: not the colours.
    private static func characters(_ line: borrowing LineBuffer, from begin: Int) -> Int {
        var count = 0
        var isEscape = false
        for byte in line.bytes[begin...] {
            if isEscape {
                isEscape = byte != UInt8(ascii: "m")
            } else if byte == 0x1B {
                isEscape = true
            } else if byte & 0xC0 != 0x80 {
                count += 1
            }
        }
        return count
    }
}

extension LineBuffer {
    /// Moves the bytes from `offset` on to a new line, without the blanks in front of them.
    fileprivate mutating func `break`(at offset: Int, indent: Int) {
        let moved = Array(bytes[offset...].drop { $0 == UInt8(ascii: " ") })
        cut(to: offset)
        append("\n")
        appendBlanks(indent)
        moved.withUnsafeBufferPointer { append($0) }
    }
}

extension ConsoleFormatter: TimedFormatter {
    var timestamps: [Timestamp] { [timestamp] }
}
