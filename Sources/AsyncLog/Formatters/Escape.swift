// What keeps one record on one line, and a terminal from being told what to do by whoever wrote the message.
//
// Escaped are the control characters: C0 (line feed, carriage return, escape, …), DEL, C1, the line and paragraph separators U+2028 and
// U+2029, and the characters that reorder text: U+061C, U+200E, U+200F, U+202A…U+202E, U+2066…U+2069 ("Trojan Source",
// CVE-2021-42574). Everything else is left alone: printable Unicode stays readable.
//
// The input is valid UTF-8, so every one of these begins with a byte below 20, with 7F, C2, D8 or E2; most texts have none of them.

enum Escape {
    /// An escaped character is at most this many times as long as the original: `\u{7f}` for one byte.
    static let expansion = 6

    /// True if `text` holds nothing that has to be escaped, or that might: then it can be copied as it is.
    static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let base = text.baseAddress else { return true }
        let bytes = UnsafeRawPointer(base)
        let high: UInt64 = 0x8080_8080_8080_8080
        let ones: UInt64 = 0x0101_0101_0101_0101
        var offset = 0
        // Eight bytes at a time: the high bit of a byte is set where it is below 20, or 7F, or not ASCII
        // (S. E. Anderson, "Bit Twiddling Hacks", hasless). A borrow can only raise a false alarm behind a true one.
        while offset + 8 <= text.count {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let below20 = (word &- ones &* 0x20) & ~word
            let isDelete = ((word ^ (ones &* 0x7F)) &- ones) & ~(word ^ (ones &* 0x7F))
            if (below20 | isDelete | word) & high != 0 { return false }
            offset += 8
        }
        while offset < text.count {
            if needsLook(base[offset]) { return false }
            offset += 1
        }
        return true
    }

    private static func needsLook(_ byte: UInt8) -> Bool { byte < 0x20 || byte >= 0x7F }

    /// Writes `text` with what is dangerous escaped; returns the number of bytes, at most `expansion * text.count`.
    static func write(_ text: UnsafeBufferPointer<UInt8>, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        var input = 0
        var output = 0
        while input < text.count {
            let byte = text[input]
            let (scalar, length) = dangerous(text, input)
            if length == 0 {
                memory[output] = byte
                input += 1
                output += 1
            } else {
                input += length
                output += writeEscape(scalar, to: memory + output)
            }
        }
        return output
    }

    /// The character at `index`, if it has to be escaped, and the number of its bytes; (0, 0) if not.
    private static func dangerous(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> (UInt32, Int) {
        let byte = text[index]
        guard needsLook(byte) else { return (0, 0) }
        func next(_ distance: Int) -> UInt32 { index + distance < text.count ? UInt32(text[index + distance]) : 0 }
        switch byte {
        case 0..<0x20, 0x7F: return (UInt32(byte), 1)
        case 0xC2 where (0x80...0x9F).contains(next(1)): return (next(1), 2)
        case 0xD8 where next(1) == 0x9C: return (0x061C, 2)
        case 0xE2:
            let scalar = 0x2000 | (next(1) & 0x3F) << 6 | (next(2) & 0x3F)
            switch scalar {
            case 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return (scalar, 3)
            default: return (0, 0)
            }
        default: return (0, 0)
        }
    }

    private static func writeEscape(_ scalar: UInt32, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        memory[0] = UInt8(ascii: "\\")
        switch scalar {
        case 0x09: memory[1] = UInt8(ascii: "t")
        case 0x0A: memory[1] = UInt8(ascii: "n")
        case 0x0D: memory[1] = UInt8(ascii: "r")
        default: return 1 + writeScalar(scalar, to: memory + 1)
        }
        return 2
    }

    /// `u{1b}`
    private static func writeScalar(_ scalar: UInt32, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        memory[0] = UInt8(ascii: "u")
        memory[1] = UInt8(ascii: "{")
        let digits = scalar > 0xFF ? 4 : 2
        for index in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: scalar >> UInt32(4 * (digits - 1 - index)) & 0xF)
            memory[2 + index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
        memory[2 + digits] = UInt8(ascii: "}")
        return 3 + digits
    }
}
