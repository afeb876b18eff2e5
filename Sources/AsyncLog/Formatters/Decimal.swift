// Integers in decimal, two digits at a time (A. Alexandrescu, "Three Optimization Tips for C++", 2012).

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

    static func write(_ value: UInt, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        if value < 10 {
            memory[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value)
            return 1
        }
        if value < 100 {
            writePair(Int(truncatingIfNeeded: value), to: memory)
            return 2
        }
        let length = digits(value)
        var rest = value
        var end = length
        while rest >= 100 {
            end &-= 2
            writePair(Int(truncatingIfNeeded: rest % 100), to: memory + end)
            rest /= 100
        }
        if rest >= 10 {
            writePair(Int(truncatingIfNeeded: rest), to: memory)
        } else {
            memory[0] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest)
        }
        return length
    }

    /// Writes the digits behind a decimal point, without zeros at the end, and returns their number: 5000 of six digits is `005`.
    static func writeFraction(_ value: UInt, digits: Int, to memory: UnsafeMutablePointer<UInt8>) -> Int {
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

    /// Four steps for one division.
    @inline(__always)
    private static func digits(_ value: UInt) -> Int {
        var count = 1
        var rest = value
        while true {
            if rest < 10 { return count }
            if rest < 100 { return count &+ 1 }
            if rest < 1000 { return count &+ 2 }
            if rest < 10_000 { return count &+ 3 }
            rest /= 10_000
            count &+= 4
        }
    }
}
