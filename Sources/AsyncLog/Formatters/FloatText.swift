// Floating-point numbers in decimal: the shortest text that reads back as the same number (R. Adams' Errol and
// SwiftDtoa, in the standard library), and texts with a fixed number of decimals. Written without a `String`, which
// would be on the heap from sixteen digits on.

enum FloatText {
    /// Enough for any `Double` in its shortest form.
    static let maximumLength = 32

    /// Writes the shortest text and returns the number of bytes: `0.1`, `5.0`, `1e-07`, `-inf`, `nan`.
    static func write<Value: BinaryFloatingPoint & TextOutputStreamable>(
        _ value: Value, to memory: UnsafeMutablePointer<UInt8>
    ) -> Int {
        if Value.self == Double.self, let length = writeShort(unsafeBitCast(value, to: Double.self), to: memory) {
            return length
        }
        var capture = Capture(memory: memory)
        // `snan`, `-nan` and `nan(0x7)` are no numbers to any parser.
        if value.isNaN { capture.write("nan") } else { value.write(to: &capture) }
        return capture.count
    }

    /// Counts, prices and sizes that are floating-point are mostly whole numbers, and measurements mostly have a few
    /// decimals. If the nearest number with six decimals is this one, its digits are the shortest: no two decimals of
    /// up to fifteen digits are the same `Double`.
    @inline(__always)
    private static func writeShort(_ value: Double, to memory: UnsafeMutablePointer<UInt8>) -> Int? {
        let magnitude = value.magnitude
        guard magnitude < 1e8, magnitude >= 1e-4 || value.bitPattern == 0 else { return nil }
        let scaled = UInt64(magnitude * 1e6 + 0.5)
        guard Double(scaled) / 1e6 == magnitude else { return nil }
        let (whole, fraction) = (scaled / 1_000_000, scaled % 1_000_000)
        var length = 0
        if value < 0 {
            memory[0] = UInt8(ascii: "-")
            length = 1
        }
        length &+= Decimal.write(UInt(whole), to: memory + length)
        memory[length] = UInt8(ascii: ".")
        guard fraction > 0 else {
            memory[length &+ 1] = UInt8(ascii: "0")
            return length &+ 2
        }
        return length &+ 1 &+ Decimal.writeFraction(UInt(fraction), digits: 6, to: memory + length + 1)
    }

    private struct Capture: TextOutputStream {
        let memory: UnsafeMutablePointer<UInt8>
        var count = 0

        mutating func write(_ text: String) {
            for byte in text.utf8 {
                memory[count] = byte
                count += 1
            }
        }

        // The standard library calls this for its own texts, if the stream has it; otherwise it calls `write`.
        // swift-format-ignore: NoLeadingUnderscores
        mutating func _writeASCII(_ bytes: UnsafeBufferPointer<UInt8>) {
            guard let base = bytes.baseAddress else { return }
            (memory + count).update(from: base, count: bytes.count)
            count += bytes.count
        }
    }

    /// Writes `value` with `decimals` digits behind the point, rounded half away from zero, as on paper: the digits of
    /// the shortest text are rounded.
    static func writeFixed(_ value: Double, decimals: Int, to append: (UInt8) -> Void) {
        guard value.isFinite else { return writeShortest(value, to: append) }
        let (digits, point) = digits(value.magnitude)
        let rounded = round(digits, at: point + decimals)
        let whole = point + (rounded.carried ? 1 : 0)
        if value.sign == .minus, rounded.digits.contains(where: { $0 != 0 }) { append(UInt8(ascii: "-")) }
        func digit(_ index: Int) -> UInt8 {
            UInt8(ascii: "0") + (rounded.digits.indices.contains(index) ? rounded.digits[index] : 0)
        }
        if whole <= 0 { append(UInt8(ascii: "0")) } else { for index in 0..<whole { append(digit(index)) } }
        guard decimals > 0 else { return }
        append(UInt8(ascii: "."))
        for index in whole..<whole + decimals { append(digit(index)) }
    }

    private static func writeShortest(_ value: Double, to append: (UInt8) -> Void) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { memory in
            for byte in memory[..<write(value, to: memory.baseAddress!)] { append(byte) }
        }
    }

    /// The significant digits of the shortest text and the place of the decimal point: 0.[digits] × 10^point.
    private static func digits(_ value: Double) -> (digits: [UInt8], point: Int) {
        var digits: [UInt8] = []
        var point: Int?
        var exponent = 0
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { memory in
            let text = memory[..<write(value, to: memory.baseAddress!)]
            let mantissa = text.prefix { $0 != UInt8(ascii: "e") }
            for byte in mantissa {
                if byte == UInt8(ascii: ".") { point = digits.count } else { digits.append(byte - UInt8(ascii: "0")) }
            }
            if mantissa.count < text.count {
                exponent = Int(String(decoding: text.dropFirst(mantissa.count + 1), as: UTF8.self)) ?? 0
            }
        }
        return (digits, (point ?? digits.count) + exponent)
    }

    /// Keeps the first `count` digits. `carried`: rounding has added a digit in front of the point.
    private static func round(_ digits: [UInt8], at count: Int) -> (digits: [UInt8], carried: Bool) {
        guard count < digits.count else { return (digits, false) }
        guard count >= 0 else { return ([], false) }
        var kept = Array(digits[..<count])
        guard digits[count] >= 5 else { return (kept, false) }
        for index in kept.indices.reversed() {
            kept[index] += 1
            if kept[index] < 10 { return (kept, false) }
            kept[index] = 0
        }
        return ([1] + kept, true)
    }
}
