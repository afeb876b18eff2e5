// The line that a handler leaves when the program crashes, laid out beforehand.
//
// A signal handler can run no formatter. So the formatter writes the line while all is well, once for each signal, with a time and with counts
// that occur nowhere else; wherever they are found in what it wrote, in any of the ways in which they can be written, the crash handler
// fills in those that are true by then (LastWords.h). So the line is what the format says, whatever the format.
import CEventLoop
import EventLoop

enum LastWords {
    /// Lines for all signals; nil if the formatter throws. Loop thread.
    ///
    /// - Parameter timestamps: how the format writes times; nil if that is not known.
    static func make(_ timestamps: [Timestamp]?, _ layOut: (borrowing Record, inout LineBuffer) throws -> Void) -> OpaquePointer? {
        guard let words = cel_last_words_make() else { return nil }
        for (index, name) in names.enumerated() {
            let signal = Signal(name: name, number: signalNumber(index))
            guard let template = Template(signal, timestamps, layOut), template.add(to: words, index) else {
                cel_last_words_free(words)
                return nil
            }
        }
        return words
    }

    fileprivate struct Signal {
        let name: StaticString
        let number: Int
    }

    /// In the order of `cel_crash_signals`.
    private static let names: [StaticString] = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP", "SIGABRT", "SIGFPE"]

    private static func signalNumber(_ index: Int) -> Int {
        withUnsafeBytes(of: cel_crash_signals) { Int($0.load(fromByteOffset: index * MemoryLayout<CInt>.stride, as: CInt.self)) }
    }
}

/// A line with blanks.
private struct Template {
    private var text: [UInt8] = []
    private var blanks: [cel_blank] = []

    /// What the counts are while the line is laid out.
    private static let unwritten = 0xDEAD_BEEF
    private static let undelivered = 0xCAFE_BABE
    /// What the time is: 2222-02-03T04:05:06.987654321Z, and a later one.
    private static let moment: Int64 = 7_954_862_706_987_654_321
    private static let otherMoment: Int64 = moment + 40_271_123_456_789

    init?(_ signal: LastWords.Signal, _ timestamps: [Timestamp]?, _ layOut: (borrowing Record, inout LineBuffer) throws -> Void) {
        guard let found = Template.laidOut(signal, Template.moment, nil, timestamps, layOut) else { return nil }
        self = found
        guard timestamps == nil else { return }
        // Somebody else's format: it may write times in a way of its own. Then the line says with the time of its making when that was, and
        // in a field when the crash is.
        let other = Template.laidOut(signal, Template.otherMoment, nil, timestamps, layOut)
        if other?.literals == literals { return }
        guard let found = Template.laidOut(signal, WallClock.now, Template.moment, timestamps, layOut) else { return nil }
        self = found
    }

    private static func laidOut(
        _ signal: LastWords.Signal, _ time: Int64, _ crashed: Int64?, _ timestamps: [Timestamp]?,
        _ layOut: (borrowing Record, inout LineBuffer) throws -> Void
    ) -> Template? {
        var line = LineBuffer()
        var isLaidOut = false
        Record.make("crashed: \(signal.name)", .critical, Handler.voice, time, CallSite()) { fields in
            fields["signal"] = "\(signal.name)"
            fields["signal_number"] = signal.number
            fields["unwritten"] = unwritten
            fields["undelivered"] = undelivered
            if let crashed { fields["crashed"] = "\(Timestamp.text(crashed))" }
        } _: { record in
            isLaidOut = (try? layOut(record, &line)) != nil
        }
        guard isLaidOut else { return nil }
        return Template(Array(line.bytes), marks(crashed ?? time, timestamps))
    }

    /// Leaves blanks where marks are; of several that begin at the same place, the longest.
    private init(_ line: [UInt8], _ marks: [Mark]) {
        text = line
        let marks = marks.sorted { $0.text.count > $1.text.count }
        var at = 0
        if let digits = Template.octetCount(line) {
            var blank = Template.blank(cel_blank_octets)
            blank.length = Int32(digits)
            blanks.append(blank)
            at = digits
        }
        while at < line.count {
            guard let mark = marks.first(where: { line[at...].starts(with: $0.text) }) else {
                at += 1
                continue
            }
            var blank = mark.blank
            blank.offset = Int32(at)
            blank.length = Int32(mark.text.count)
            blanks.append(blank)
            at += mark.text.count
        }
    }

    /// How many digits stand in front that say, with a blank behind them, how long the rest is.
    private static func octetCount(_ line: [UInt8]) -> Int? {
        let digits = line.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }.count
        guard digits > 0, digits < line.count, line[digits] == UInt8(ascii: " ") else { return nil }
        return Int(String(decoding: line[..<digits], as: UTF8.self)) == line.count - digits - 1 ? digits : nil
    }

    /// What stands between the blanks.
    private var literals: [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var done = 0
        for blank in blanks {
            pieces.append(text[done..<Int(blank.offset)])
            done = Int(blank.offset + blank.length)
        }
        return pieces + [text[done...]]
    }

    func add(to words: OpaquePointer, _ index: Int) -> Bool {
        cel_last_words_add(words, CInt(index), text, text.count, blanks, CInt(blanks.count)) != 0
    }

    // MARK: What is looked for

    private struct Mark {
        let text: [UInt8]
        let blank: cel_blank
    }

    private static func marks(_ time: Int64, _ timestamps: [Timestamp]?) -> [Mark] {
        var marks = (timestamps ?? usualTimestamps).map { Mark(text: $0.bytes(time), blank: $0.blank) }
        let (seconds, nanoseconds) = time.quotientFloored(by: 1_000_000_000)
        marks.append(Mark(text: binary(UInt64(nanoseconds) << 34 | UInt64(seconds)), blank: blank(cel_blank_epoch_binary)))
        for (value, count) in [(unwritten, cel_blank_unwritten), (undelivered, cel_blank_undelivered)] {
            marks.append(Mark(text: Array("\(value)".utf8), blank: blank(cel_blank_decimal, count)))
            marks.append(Mark(text: binary(UInt32(value)), blank: blank(cel_blank_binary, count)))
        }
        return marks
    }

    private static func binary(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    private static func blank(_ kind: cel_blank_kind, _ count: cel_blank_count = cel_blank_unwritten) -> cel_blank {
        var blank = cel_blank()
        blank.kind = kind
        blank.count = count
        return blank
    }

    /// How somebody else's format may be expected to write times.
    private static let usualTimestamps: [Timestamp] = [.seconds, .milliseconds, .microseconds, .nanoseconds].flatMap {
        (precision: TimestampStyle.Precision) in [Timestamp(.rfc3339(precision)), Timestamp(.clock(precision)), Timestamp(.epoch(precision))]
    }
}

extension Timestamp {
    fileprivate static func text(_ time: Int64) -> String { String(decoding: Timestamp().bytes(time), as: UTF8.self) }

    fileprivate func bytes(_ time: Int64) -> [UInt8] {
        var timestamp = self
        return [UInt8](unsafeUninitializedCapacity: Timestamp.maximumLength + 32) { buffer, count in
            count = timestamp.write(time, to: buffer.baseAddress!)
        }
    }

    /// How the crash handler writes a time as this does. It keeps the offset from UTC that holds now.
    fileprivate var blank: cel_blank {
        var blank = cel_blank()
        switch style {
        case .rfc3339(let precision): (blank.kind, blank.digits) = (cel_blank_rfc3339, Int32(precision.rawValue))
        case .clock(let precision): (blank.kind, blank.digits) = (cel_blank_clock, Int32(precision.rawValue))
        case .epoch(let precision): (blank.kind, blank.digits) = (cel_blank_epoch, Int32(precision.rawValue))
        }
        blank.utc_offset = isNumber ? 0 : Int32(zone.offset(at: WallClock.now / 1_000_000_000))
        blank.is_utc = zone.isUTC ? 1 : 0
        return blank
    }
}
