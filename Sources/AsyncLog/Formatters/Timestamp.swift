// RFC 3339 timestamps in UTC: `2026-11-22T08:27:00.123456Z`. The date is computed once a second and kept.

/// Writes times; remembers the last second's text.
struct Timestamp {
    /// Bytes of a timestamp.
    static let length = 27

    private var second = Int64.min
    /// `2026-11-22T08:27:00.`
    private var text = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))

    /// Writes `Timestamp.length` bytes. `time` is in nanoseconds since 1970-01-01T00:00:00Z.
    mutating func write(_ time: Int64, to memory: UnsafeMutablePointer<UInt8>) {
        // Nearly always the same second or the next: cheaper than a division.
        var nanosecond = time &- second &* 1_000_000_000
        if second == .min || nanosecond < 0 || nanosecond >= 1_000_000_000 {
            second = time >= 0 ? time / 1_000_000_000 : (time - 999_999_999) / 1_000_000_000
            nanosecond = time - second * 1_000_000_000
            writeSecond()
        }
        text.span.withUnsafeBufferPointer { memory.update(from: $0.baseAddress!, count: 20) }
        let microsecond = Int(truncatingIfNeeded: nanosecond) / 1000
        Decimal.writePair(microsecond / 10_000, to: memory + 20)
        Decimal.writePair(microsecond / 100 % 100, to: memory + 22)
        Decimal.writePair(microsecond % 100, to: memory + 24)
        memory[26] = UInt8(ascii: "Z")
    }

    private mutating func writeSecond() {
        let (days, secondOfDay) = second.quotientFloored(by: 86_400)
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
    }

    /// The civil date of a day counted from 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    /// Int64 nanoseconds reach from 1677 to 2262, so years have four digits.
    static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = Int64(days + 719_468).quotientFloored(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

extension Int64 {
    fileprivate func quotientFloored(by divisor: Int64) -> (Int, Int) {
        var (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        if remainder < 0 {
            quotient -= 1
            remainder += divisor
        }
        return (Int(quotient), Int(remainder))
    }
}
