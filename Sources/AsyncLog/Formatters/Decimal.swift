// Integers in decimal: eight digits at once, computed in the lanes of one register and without a branch (P. Khuong,
// "How to print integers really fast", 2017); if the number of digits is known, two at a time (A. Alexandrescu, "Three
// Optimization Tips for C++", 2012).

enum Decimal {
    /// The length of Int.min, the longest.
    static let maximumLength = 20

    private static let pairs: StaticString =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

    /// Writes `value` and returns the number of bytes.
    @inline(__always)
    static func write(_ value: Int, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 0 else { return write(value.magnitude, to: memory) }
        memory[0] = UInt8(ascii: "-")
        return 1 + write(value.magnitude, to: memory + 1)
    }

    /// Writes `value` and returns the number of bytes. The memory must have room for `maximumLength`; the function may
    /// also write the bytes behind the digits.
    @inline(__always)
    static func write(_ value: UInt, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 100_000_000 else { return writeLong(value, to: memory) }
        let digits = eightDigits(value)
        // The first digits are in the lowest bytes. The last one stays, even if it is a zero.
        let zeros = (digits | 1 << 56).trailingZeroBitCount & ~7
        put((digits | zeroDigits) >> UInt64(truncatingIfNeeded: zeros), to: memory)
        return 8 &- zeros >> 3
    }

    @inline(never)
    private static func writeLong(_ value: UInt, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        let (high, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
        let length = write(high, to: memory)
        put(eightDigits(low) | zeroDigits, to: memory + length)
        return length + 8
    }

    /// The digits' values, the first one in the lowest byte.
    ///
    /// - Precondition: `value` is below 100,000,000.
    @inline(__always)
    private static func eightDigits(_ value: UInt) -> UInt64 {
        let value = UInt64(truncatingIfNeeded: value)
        // Two lanes of four digits, then four of two, then eight. A quotient by 100 or 10 is a product that is exact
        // for so few digits.
        let high = value / 10_000
        let fours = high | (value &- high &* 10_000) << 32
        let hundreds = (fours &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let pairs = (fours &- hundreds &* 100) << 16 | hundreds
        let tens = (pairs &* 103) >> 10 & 0x000F_000F_000F_000F
        return tens | (pairs &- tens &* 10) << 8
    }

    /// `00000000`
    private static let zeroDigits: UInt64 = 0x3030_3030_3030_3030

    @inline(__always)
    private static func put(_ digits: UInt64, to memory: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(memory).storeBytes(of: digits.littleEndian, as: UInt64.self)
    }

    /// Writes the digits behind a decimal point, without zeros at the end, and returns their number: 5000 of six digits
    /// is `005`.
    static func writeFraction(_ value: UInt, digits: Int, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        if digits <= 8 {
            let fraction = eightDigits(value) >> UInt64(truncatingIfNeeded: 8 &* (8 &- digits))
            put(fraction | zeroDigits, to: memory)
            return max(1, 8 &- fraction.leadingZeroBitCount >> 3)
        }
        writeExactly(value, digits: digits, to: memory)
        var length = digits
        while length > 1, memory[length - 1] == UInt8(ascii: "0") { length -= 1 }
        return length
    }

    /// Writes exactly that many digits, with zeros in front.
    static func writeExactly(_ value: UInt, digits: Int, to memory: UnsafeMutablePointer<UInt8>) {
        var rest = value
        var index = digits
        while index >= 2 {
            index &-= 2
            writePair(Int(truncatingIfNeeded: rest % 100), to: memory + index)
            rest /= 100
        }
        if index == 1 { memory[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10) }
    }

    /// Writes 0…99 as two digits.
    @inline(__always)
    static func writePair(_ value: Int, to memory: UnsafeMutablePointer<UInt8>) {
        let pair = UnsafeRawPointer(pairs.utf8Start + 2 &* value).loadUnaligned(as: UInt16.self)
        UnsafeMutableRawPointer(memory).storeBytes(of: pair, as: UInt16.self)
    }
}
