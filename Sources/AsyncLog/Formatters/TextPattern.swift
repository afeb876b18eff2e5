// The pattern of a text line: `{time} {level:<8} {logger}: {message}{fields}`.

/// The parts of a line of text.
///
///     try TextPattern("{time:ms} {level:<8} [{logger}] {message}{fields}")
///
/// Text stands for itself, `{{` and `}}` for braces, and a name in braces for a part of the record:
///
/// | part | is |
/// |---|---|
/// | `time` | when; `time:s`, `time:ms`, `time:us`, `time:ns` say how finely (microseconds, if nothing does) |
/// | `clock` | the time of day alone; `clock:s`, `clock:ms`, … |
/// | `epoch` | a number since 1970 in nanoseconds; `epoch:s`, `epoch:ms`, … |
/// | `level` | `INFO`; `level:lower` is `info`, `level:1` is `I` |
/// | `logger` | the logger's full name |
/// | `message` | the message |
/// | `fields` | ` key=value` for each field, each with a blank in front |
/// | `file`, `line`, `function` | where the logger was called |
/// | `source` | the module that called it |
/// | `sequence` | the record's number in its handler's output |
///
/// `<n` fills a part up with blanks on the right to n characters, `>n` on the left: `{logger:>20}`.
public struct TextPattern: Sendable {
    enum Part: Sendable {
        case text([UInt8])
        case time(Int)
        case level(LevelStyle)
        case logger, message, fields, file, line, function, module, sequence
    }

    enum LevelStyle: Sendable { case upper, lower, initial }

    struct Piece: Sendable {
        var part: Part
        /// In characters; a negative width fills up on the left.
        var width = 0
    }

    private(set) var pieces: [Piece] = []
    /// The styles to which `Part.time` refers by index.
    private(set) var times: [TimestampStyle] = []

    /// `{time} {level} {logger}: {message}{fields}`
    public static let standard = TextPattern(
        pieces: [.time(0), .text([32]), .level(.upper), .text([32]), .logger, .text([58, 32]), .message, .fields].map {
            Piece(part: $0)
        },
        times: [.rfc3339()])

    private init(pieces: [Piece], times: [TimestampStyle]) {
        self.pieces = pieces
        self.times = times
    }

    /// Parses a pattern.
    ///
    /// - Throws: `PatternError`, which points at the place.
    public init(_ text: String) throws(PatternError) {
        let bytes = Array(text.utf8)
        var literal: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let byte = bytes[at]
            let isDoubled = at + 1 < bytes.count && bytes[at + 1] == byte
            if byte == UInt8(ascii: "{"), !isDoubled {
                guard let end = bytes[at...].firstIndex(of: UInt8(ascii: "}")) else {
                    throw PatternError(text: text, offset: at, reason: "this brace is not closed")
                }
                if !literal.isEmpty { pieces.append(Piece(part: .text(literal))) }
                literal = []
                try add(
                    String(decoding: bytes[at + 1..<end], as: UTF8.self),
                    PatternError(text: text, offset: at + 1, reason: ""))
                at = end + 1
            } else {
                if byte == UInt8(ascii: "}"), !isDoubled {
                    throw PatternError(text: text, offset: at, reason: "this brace was not opened; \"}}\" is a brace")
                }
                literal.append(byte)
                at += byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") ? 2 : 1
            }
        }
        if !literal.isEmpty { pieces.append(Piece(part: .text(literal))) }
    }

    private mutating func add(_ text: String, _ place: PatternError) throws(PatternError) {
        let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var options = Array(words.dropFirst())
        var piece = Piece(part: .message)
        if let last = options.last, last.hasPrefix("<") || last.hasPrefix(">") {
            guard let width = Int(last.dropFirst()), (0...1000).contains(width) else {
                throw place.because("\"\(last)\" is not a width: <n or >n")
            }
            piece.width = last.hasPrefix(">") ? -width : width
            options.removeLast()
        }
        guard options.count <= 1 else { throw place.because("\"\(text)\" says more than one can take in") }
        piece.part = try part(words[0], options.first, place)
        pieces.append(piece)
    }

    private mutating func part(_ name: String, _ option: String?, _ place: PatternError) throws(PatternError) -> Part {
        switch name {
        case "time": return .time(add(.rfc3339(try precision(option, .microseconds, place))))
        case "clock": return .time(add(.clock(try precision(option, .milliseconds, place))))
        case "epoch": return .time(add(.epoch(try precision(option, .nanoseconds, place))))
        case "level":
            switch option {
            case nil: return .level(.upper)
            case "lower": return .level(.lower)
            case "1": return .level(.initial)
            default: throw place.because("\"\(option!)\" is no way to write a level: lower, 1")
            }
        default: break
        }
        if let option { throw place.because("\"\(name)\" has no option \"\(option)\"") }
        switch name {
        case "logger": return .logger
        case "message": return .message
        case "fields": return .fields
        case "file": return .file
        case "line": return .line
        case "function": return .function
        case "source": return .module
        case "sequence": return .sequence
        default:
            throw place.because(
                "\"\(name)\" is no part of a record: time, clock, epoch, level, logger, message, fields, file, line, function, source, sequence"
            )
        }
    }

    private mutating func add(_ style: TimestampStyle) -> Int {
        times.append(style)
        return times.count - 1
    }

    private func precision(
        _ option: String?, _ usual: TimestampStyle.Precision, _ place: PatternError
    ) throws(PatternError) -> TimestampStyle.Precision {
        switch option {
        case nil: return usual
        case "s": return .seconds
        case "ms": return .milliseconds
        case "us": return .microseconds
        case "ns": return .nanoseconds
        default: throw place.because("\"\(option!)\" is no unit of time: s, ms, us, ns")
        }
    }
}

/// The text is not a pattern.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The pattern, as it was given.
    public let text: String
    /// The place of the error, in UTF-8 bytes from the beginning.
    public let offset: Int
    /// Why the pattern cannot be parsed there.
    public let reason: String

    public var description: String {
        "\(reason)\n\(text)\n\(String(repeating: " ", count: String(decoding: text.utf8.prefix(offset), as: UTF8.self).count))^"
    }

    fileprivate func because(_ reason: String) -> PatternError {
        PatternError(text: text, offset: offset, reason: reason)
    }
}
