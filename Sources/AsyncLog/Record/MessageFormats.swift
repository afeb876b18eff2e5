// How an interpolated value is laid out in a message: number formats and alignment.

/// How an interpolated integer is written.
public struct IntegerFormat: Sendable {
    let radix: Int
    let minimumDigits: Int
    let isUppercase: Bool
    let prefix: StaticString

    /// `1234`
    public static let decimal = decimal()

    /// `0042` with four digits at least.
    public static func decimal(minimumDigits: Int = 1) -> IntegerFormat {
        IntegerFormat(radix: 10, minimumDigits: minimumDigits, isUppercase: false, prefix: "")
    }

    /// `ff`
    public static let hex = hex()

    /// `0x00ff` with four digits at least and the prefix.
    public static func hex(minimumDigits: Int = 1, uppercase: Bool = false, prefix: Bool = false) -> IntegerFormat {
        IntegerFormat(radix: 16, minimumDigits: minimumDigits, isUppercase: uppercase, prefix: prefix ? "0x" : "")
    }

    /// `644`
    public static let octal = IntegerFormat(radix: 8, minimumDigits: 1, isUppercase: false, prefix: "")

    /// `1010`
    public static let binary = IntegerFormat(radix: 2, minimumDigits: 1, isUppercase: false, prefix: "")

    /// Calls `body` with each digit, the least significant one first. Returns their number.
    func digits(_ magnitude: UInt64, _ body: (UInt8) -> Void) -> Int {
        var rest = magnitude
        var count = 0
        repeat {
            let digit = UInt8(truncatingIfNeeded: rest % UInt64(radix))
            body(
                digit < 10
                    ? UInt8(ascii: "0") + digit : (isUppercase ? UInt8(ascii: "A") : UInt8(ascii: "a")) + digit - 10)
            rest /= UInt64(radix)
            count += 1
        } while rest > 0 || count < minimumDigits
        return count
    }
}

/// How an interpolated floating-point number is written.
public struct FloatFormat: Sendable {
    let decimals: Int?

    /// The shortest text that reads back as the same number.
    public static let shortest = FloatFormat(decimals: nil)

    /// `3.14` with two decimals.
    public static func fixed(_ decimals: Int) -> FloatFormat { FloatFormat(decimals: max(0, min(decimals, 100))) }
}

/// The minimum width of an interpolated value, in characters, and the side on which blanks fill it up.
public struct TextAlignment: Sendable {
    let columns: Int
    let isRight: Bool

    /// No minimum width.
    public static let none = TextAlignment(columns: 0, isRight: false)
    /// At least this many columns, with blanks behind the value.
    public static func left(_ columns: Int) -> TextAlignment { TextAlignment(columns: columns, isRight: false) }
    /// At least this many columns, with blanks in front of the value.
    public static func right(_ columns: Int) -> TextAlignment { TextAlignment(columns: columns, isRight: true) }
}
