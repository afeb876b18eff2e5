// Durations for a reader: `820ns`, `1.5ms`, `12.75s`. Exact to the nanosecond.

enum DurationText {
    static let maximumLength = 32

    /// Writes the duration in the largest unit that is not larger than it, and returns the number of bytes.
    static func write(_ nanoseconds: Int64, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        switch nanoseconds.magnitude {
        case 0..<1000:
            let length = Decimal.write(Int(nanoseconds), to: memory)
            return length + put("ns", at: memory + length)
        case ..<1_000_000: return write(nanoseconds, unit: 1000, digits: 3, "us", to: memory)
        case ..<1_000_000_000: return write(nanoseconds, unit: 1_000_000, digits: 6, "ms", to: memory)
        default: return write(nanoseconds, unit: 1_000_000_000, digits: 9, "s", to: memory)
        }
    }

    /// Writes seconds as a decimal number: `0.0015`.
    static func writeSeconds(_ nanoseconds: Int64, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        write(nanoseconds, unit: 1_000_000_000, digits: 9, "", to: memory)
    }

    private static func write(
        _ value: Int64, unit: UInt64, digits: Int, _ name: StaticString, to memory: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var length = 0
        if value < 0 {
            memory[0] = UInt8(ascii: "-")
            length = 1
        }
        let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: unit)
        length += Decimal.write(UInt(whole), to: memory + length)
        if fraction > 0 {
            memory[length] = UInt8(ascii: ".")
            length += 1 + Decimal.writeFraction(UInt(fraction), digits: digits, to: memory + length + 1)
        }
        return length + put(name, at: memory + length)
    }

    private static func put(_ text: StaticString, at memory: UnsafeMutablePointer<UInt8>) -> Int {
        memory.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        return text.utf8CodeUnitCount
    }
}

extension Duration {
    /// The duration in nanoseconds, rounded towards zero; at most ±292 years.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, tooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, alsoTooLong) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return tooLong || alsoTooLong ? (seconds < 0 ? .min : .max) : sum
    }
}
