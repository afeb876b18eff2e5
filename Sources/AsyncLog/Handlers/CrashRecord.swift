// The record that a handler's log gets when the program crashes, laid out beforehand.
//
// A signal handler can run no formatter. So the formatter lays the record out while all is well, once for each signal,
// with a time and with counts that occur nowhere else. Wherever they are found in the output, in any of the ways in
// which they can be written, it gets a placeholder, and the crash handler fills in what is true by then
// (CrashRecord.h). So the record has the handler's format, whatever the format is.
import CAsyncFD
import CAsyncLog
import EventLoop

enum CrashRecord {
    /// Lines for all signals; nil if the formatter throws. Loop thread.
    ///
    /// - Parameter timestamps: how the format writes times; nil if that is not known.
    static func make(
        _ timestamps: [Timestamp]?, _ layOut: (borrowing Record, inout LineBuffer) throws -> Void
    ) -> UnsafeMutablePointer<cfd_crash_record>? {
        guard let record = clog_crash_record_make() else { return nil }
        for (index, signal) in signals.enumerated() {
            guard let template = Template(signal, timestamps, layOut), template.add(to: record, index) else {
                clog_crash_record_free(record)
                return nil
            }
        }
        return clog_crash_record_base(record)
    }

    fileprivate struct Signal {
        let name: String
        let number: Int
    }

    /// All of `cfd_crash_signals`, in their order.
    private static var signals: [Signal] {
        withUnsafeBytes(of: cfd_crash_signals) { table in
            table.bindMemory(to: cfd_crash_signal.self).map {
                Signal(name: String(cString: $0.name), number: Int($0.number))
            }
        }
    }
}

/// A line with placeholders.
private struct Template {
    private var text: [UInt8] = []
    private var placeholders: [clog_placeholder] = []

    /// What the counts are while the line is laid out.
    private static let unwritten = 0xDEAD_BEEF
    private static let undelivered = 0xCAFE_BABE
    /// What the time is: 2222-02-03T04:05:06.987654321Z, and a later one.
    private static let moment: Int64 = 7_954_862_706_987_654_321
    private static let otherMoment: Int64 = moment + 40_271_123_456_789

    init?(
        _ signal: CrashRecord.Signal, _ timestamps: [Timestamp]?,
        _ layOut: (borrowing Record, inout LineBuffer) throws -> Void
    ) {
        guard let found = Template.laidOut(signal, Template.moment, nil, timestamps, layOut) else { return nil }
        self = found
        guard timestamps == nil else { return }
        // A user's own format: it may write times in a way of its own. Then the line says with the time of its making
        // when that was, and in a field when the crash is.
        let other = Template.laidOut(signal, Template.otherMoment, nil, timestamps, layOut)
        if other?.literals == literals { return }
        guard let found = Template.laidOut(signal, WallClock.now, Template.moment, timestamps, layOut) else {
            return nil
        }
        self = found
    }

    private static func laidOut(
        _ signal: CrashRecord.Signal, _ time: Int64, _ crashed: Int64?, _ timestamps: [Timestamp]?,
        _ layOut: (borrowing Record, inout LineBuffer) throws -> Void
    ) -> Template? {
        var line = LineBuffer()
        var isLaidOut = false
        Record.make("crashed: \(signal.name)", .critical, Handler.internalLogger, time, CallSite()) { fields in
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

    /// Leaves placeholders where marks are; of several that begin at the same place, the longest.
    private init(_ line: [UInt8], _ marks: [Mark]) {
        text = line
        let marks = marks.sorted { $0.text.count > $1.text.count }
        var at = 0
        if let digits = Template.octetCount(line) {
            var placeholder = Template.placeholder(clog_placeholder_octets)
            placeholder.length = Int32(digits)
            placeholders.append(placeholder)
            at = digits
        }
        while at < line.count {
            guard let mark = marks.first(where: { line[at...].starts(with: $0.text) }) else {
                at += 1
                continue
            }
            var placeholder = mark.placeholder
            placeholder.offset = Int32(at)
            placeholder.length = Int32(mark.text.count)
            placeholders.append(placeholder)
            at += mark.text.count
        }
    }

    /// How many digits stand in front that say, with a space behind them, how long the rest is.
    private static func octetCount(_ line: [UInt8]) -> Int? {
        let digits = line.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }.count
        guard digits > 0, digits < line.count, line[digits] == UInt8(ascii: " ") else { return nil }
        return Int(String(decoding: line[..<digits], as: UTF8.self)) == line.count - digits - 1 ? digits : nil
    }

    /// What stands between the placeholders.
    private var literals: [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var done = 0
        for placeholder in placeholders {
            pieces.append(text[done..<Int(placeholder.offset)])
            done = Int(placeholder.offset + placeholder.length)
        }
        return pieces + [text[done...]]
    }

    func add(to record: OpaquePointer, _ index: Int) -> Bool {
        clog_crash_record_add(record, CInt(index), text, text.count, placeholders, CInt(placeholders.count)) != 0
    }

    // MARK: What is looked for

    private struct Mark {
        let text: [UInt8]
        let placeholder: clog_placeholder
    }

    private static func marks(_ time: Int64, _ timestamps: [Timestamp]?) -> [Mark] {
        var marks = (timestamps ?? usualTimestamps).map { Mark(text: $0.bytes(time), placeholder: $0.placeholder) }
        let (seconds, nanoseconds) = time.quotientFloored(by: 1_000_000_000)
        marks.append(
            Mark(
                text: binary(UInt64(nanoseconds) << 34 | UInt64(seconds)),
                placeholder: placeholder(clog_placeholder_epoch_binary)))
        for (value, count) in [(unwritten, clog_placeholder_unwritten), (undelivered, clog_placeholder_undelivered)] {
            marks.append(Mark(text: Array("\(value)".utf8), placeholder: placeholder(clog_placeholder_decimal, count)))
            marks.append(Mark(text: binary(UInt32(value)), placeholder: placeholder(clog_placeholder_binary, count)))
        }
        return marks
    }

    private static func binary(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    private static func placeholder(
        _ kind: clog_placeholder_kind, _ count: clog_placeholder_count = clog_placeholder_unwritten
    ) -> clog_placeholder {
        var placeholder = clog_placeholder()
        placeholder.kind = kind
        placeholder.count = count
        return placeholder
    }

    /// How a user's own format may be expected to write times.
    private static let usualTimestamps: [Timestamp] = [.seconds, .milliseconds, .microseconds, .nanoseconds].flatMap {
        (precision: TimestampStyle.Precision) in
        [Timestamp(.rfc3339(precision)), Timestamp(.clock(precision)), Timestamp(.epoch(precision))]
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
    fileprivate var placeholder: clog_placeholder {
        var placeholder = clog_placeholder()
        switch style {
        case .rfc3339(let precision):
            (placeholder.kind, placeholder.digits) = (clog_placeholder_rfc3339, Int32(precision.rawValue))
        case .clock(let precision):
            (placeholder.kind, placeholder.digits) = (clog_placeholder_clock, Int32(precision.rawValue))
        case .epoch(let precision):
            (placeholder.kind, placeholder.digits) = (clog_placeholder_epoch, Int32(precision.rawValue))
        }
        placeholder.utc_offset = isNumber ? 0 : Int32(zone.offset(at: WallClock.now / 1_000_000_000))
        placeholder.is_utc = zone.isUTC ? 1 : 0
        return placeholder
    }
}
