// Moments as text: `2026-11-22T08:27:00.123456Z` (RFC 3339). All but the fraction is computed once a second and kept.

/// How a moment is written.
public enum TimestampStyle: Sendable {
    /// `2026-11-22T08:27:00.123456Z`, with this many digits behind the point.
    case rfc3339(Precision = .microseconds)
    /// `08:27:00.123`: the time of day alone.
    case clock(Precision = .milliseconds)
    /// Since 1970-01-01T00:00:00Z: whole seconds, milliseconds, … as a number.
    case epoch(Precision = .nanoseconds)

    /// How many digits of a second, or which unit since 1970.
    public enum Precision: Int, Sendable {
        case seconds = 0
        case milliseconds = 3
        case microseconds = 6
        case nanoseconds = 9
    }
}

/// Writes moments; keeps the text of the last second.
struct Timestamp: Sendable {
    /// Enough for any style.
    static let maximumLength = 40

    let style: TimestampStyle
    let zone: LogTimeZone
    private var second = Int64.min
    /// `2026-11-22T08:27:00.`
    private var text = InlineArray<24, UInt8>(repeating: UInt8(ascii: "0"))
    /// `Z` or `+01:00`
    private var suffix = InlineArray<8, UInt8>(repeating: UInt8(ascii: "Z"))
    private var suffixLength = 1

    init(_ style: TimestampStyle = .rfc3339(), zone: LogTimeZone = .utc) {
        self.style = style
        self.zone = zone
    }

    /// True if the style writes a number.
    var isNumber: Bool {
        if case .epoch = style { return true }
        return false
    }

    /// Writes at most `maximumLength` bytes, and a few more behind them that do not count; returns the length. `time`
    /// is in nanoseconds since 1970-01-01T00:00:00Z.
    @inline(__always)
    mutating func write(_ time: Int64, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        switch style {
        case .rfc3339(let precision):
            let nanosecond = enter(time)
            text.span.withUnsafeBufferPointer { Memory.copy($0.baseAddress!, 20, to: memory) }
            let length = writeFraction(nanosecond, precision, to: memory)
            suffix.span.withUnsafeBufferPointer { Memory.copy($0.baseAddress!, 8, to: memory + length) }
            return length + suffixLength
        case .clock(let precision):
            let nanosecond = enter(time)
            text.span.withUnsafeBufferPointer { memory.update(from: $0.baseAddress! + 11, count: 9) }
            return writeFraction(nanosecond, precision, to: memory - 11) - 11
        case .epoch(let precision):
            let unit = [Int64(1_000_000_000), 1_000_000, 1000, 1][precision.rawValue / 3]
            return Decimal.write(Int(time.quotientFloored(by: unit).0), to: memory)
        }
    }

    /// Makes `text` that of the time's second; returns the rest.
    @inline(__always)
    private mutating func enter(_ time: Int64) -> Int {
        // Nearly always the same second or the next: cheaper than a division.
        var nanosecond = time &- second &* 1_000_000_000
        if second == .min || nanosecond < 0 || nanosecond >= 1_000_000_000 {
            let (newSecond, rest) = time.quotientFloored(by: 1_000_000_000)
            second = Int64(newSecond)
            nanosecond = Int64(rest)
            writeSecond()
        }
        return Int(truncatingIfNeeded: nanosecond)
    }

    /// Writes the digits behind the point at index 19; returns the index behind them.
    @inline(__always)
    private func writeFraction(
        _ nanosecond: Int, _ precision: TimestampStyle.Precision, to memory: UnsafeMutablePointer<UInt8>
    ) -> Int {
        switch precision {
        case .seconds: return 19
        case .milliseconds:
            let millisecond = nanosecond / 1_000_000
            Decimal.writePair(millisecond / 10, to: memory + 20)
            memory[22] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: millisecond % 10)
            return 23
        case .microseconds:
            let microsecond = UInt32(truncatingIfNeeded: nanosecond) / 1000
            let hundreds = microsecond / 100
            Decimal.writePair(Int(hundreds / 100), to: memory + 20)
            Decimal.writePair(Int(hundreds % 100), to: memory + 22)
            Decimal.writePair(Int(microsecond % 100), to: memory + 24)
            return 26
        case .nanoseconds:
            Decimal.writeExactly(UInt(nanosecond), digits: 9, to: memory + 20)
            return 29
        }
    }

    private mutating func writeSecond() {
        let offset = zone.offset(at: second)
        let (days, secondOfDay) = (second + Int64(offset)).quotientFloored(by: 86_400)
        let (year, month, day) = Timestamp.date(days)
        var span = text.mutableSpan
        span.withUnsafeMutableBufferPointer { text in
            let text = text.baseAddress!
            Decimal.writePair(year / 100, to: text)
            Decimal.writePair(year % 100, to: text + 2)
            text[4] = UInt8(ascii: "-")
            Decimal.writePair(month, to: text + 5)
            text[7] = UInt8(ascii: "-")
            Decimal.writePair(day, to: text + 8)
            text[10] = UInt8(ascii: "T")
            Decimal.writePair(secondOfDay / 3600, to: text + 11)
            text[13] = UInt8(ascii: ":")
            Decimal.writePair(secondOfDay / 60 % 60, to: text + 14)
            text[16] = UInt8(ascii: ":")
            Decimal.writePair(secondOfDay % 60, to: text + 17)
            text[19] = UInt8(ascii: ".")
        }
        writeSuffix(offset)
    }

    /// `Z` for UTC, else `+01:00`. An offset is whole minutes, less than a day: `LogTimeZone.offset`.
    private mutating func writeSuffix(_ offset: Int) {
        guard !zone.isUTC else { return }
        var span = suffix.mutableSpan
        span.withUnsafeMutableBufferPointer { text in
            let text = text.baseAddress!
            text[0] = offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")
            Decimal.writePair(abs(offset) / 3600, to: text + 1)
            text[3] = UInt8(ascii: ":")
            Decimal.writePair(abs(offset) / 60 % 60, to: text + 4)
        }
        suffixLength = 6
    }

    /// The civil date of a day counted from 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// civil_from_days). Int64 nanoseconds reach from 1677 to 2262, so years have four digits.
    static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = Int64(days + 719_468).quotientFloored(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// The other way: the day, counted from 1970-01-01, of a civil date (days_from_civil).
    static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = Int64(year).quotientFloored(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension Int64 {
    func quotientFloored(by divisor: Int64) -> (Int, Int) {
        var (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        if remainder < 0 {
            quotient -= 1
            remainder += divisor
        }
        return (Int(quotient), Int(remainder))
    }
}
