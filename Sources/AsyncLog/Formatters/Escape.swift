// Escaping: one record stays on one line, and no message can control a terminal.
//
// Escaped are the control characters: C0 (line feed, carriage return, escape, …), DEL, C1, the line and paragraph
// separators U+2028 and U+2029, and the characters that reorder text: U+061C, U+200E, U+200F, U+202A…U+202E,
// U+2066…U+2069 ("Trojan Source", CVE-2021-42574). Everything else stays as it is: printable Unicode stays readable. In
// text they become `\n` or `\u{1b}`; in JSON, which also escapes the quotation mark and the backslash, they become `\n`
// or `\u001b`, which every parser turns back.
//
// The input is valid UTF-8, so each of these characters begins with a byte below 20, with 7F, C2, D8 or E2. Most texts
// have none of them.

enum Escape {
    enum Style {
        /// One line of text.
        case text
        /// Between the quotation marks of a JSON string.
        case json
    }

    /// The longest escape: `\u{2028}`.
    private static let longest = 8

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let high: UInt64 = 0x8080_8080_8080_8080

    /// Copies the text and returns whether all of it is printable ASCII, as nearly all texts are. If it is not, the
    /// caller copies it again with `copyPrefix`.
    @inline(__always)
    private static func copyPlain(
        _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>, _ style: Style
    ) -> Bool {
        let (from, to) = (UnsafeRawPointer(source), UnsafeMutableRawPointer(target))
        if count >= 16 {
            var found = SIMD2<UInt64>(repeating: 0)
            let last = count &- 16
            var offset = 0
            while true {
                let block = from.loadUnaligned(fromByteOffset: offset, as: SIMD2<UInt64>.self)
                to.storeBytes(of: block, toByteOffset: offset, as: SIMD2<UInt64>.self)
                found |= special(block, style)
                if offset == last { break }
                // The last block overlaps the one before it.
                offset = min(offset &+ 16, last)
            }
            return (found[0] | found[1]) & high == 0
        }
        if count >= 8 {
            let (first, second) = (
                from.loadUnaligned(as: UInt64.self), from.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            )
            to.storeBytes(of: first, as: UInt64.self)
            to.storeBytes(of: second, toByteOffset: count &- 8, as: UInt64.self)
            return (special(first, style) | special(second, style)) & high == 0
        }
        if count >= 4 {
            let (first, second) = (
                from.loadUnaligned(as: UInt32.self), from.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            )
            to.storeBytes(of: first, as: UInt32.self)
            to.storeBytes(of: second, toByteOffset: count &- 4, as: UInt32.self)
            return special(UInt64(first) | UInt64(second) << 32, style) & high == 0
        }
        guard count > 0 else { return true }
        let (first, middle, last) = (source[0], source[count / 2], source[count &- 1])
        target[0] = first
        target[count / 2] = middle
        target[count &- 1] = last
        return special(UInt64(first) | UInt64(middle) << 8 | UInt64(last) << 16 | ones &* 0x20 << 24, style) & high == 0
    }

    /// The high bits tell whether one of the bytes is not ASCII, or needs a look: bytes below 20 borrow, 7F carries, a
    /// byte that is equal becomes zero and borrows. Borrows and carries reach other bytes, but only if the answer is
    /// yes anyway.
    @inline(__always)
    private static func special(_ word: UInt64, _ style: Style) -> UInt64 {
        var found = (word &- ones &* 0x20) | (word &+ ones) | word
        if case .json = style { found |= ((word ^ ones &* 0x22) &- ones) | ((word ^ ones &* 0x5C) &- ones) }
        return found
    }

    /// The same for sixteen bytes.
    @inline(__always)
    private static func special(_ block: SIMD2<UInt64>, _ style: Style) -> SIMD2<UInt64> {
        func all(_ byte: UInt64) -> SIMD2<UInt64> { SIMD2(repeating: ones &* byte) }
        var found = (block &- all(0x20)) | (block &+ all(1)) | block
        if case .json = style { found |= ((block ^ all(0x22)) &- all(1)) | ((block ^ all(0x5C)) &- all(1)) }
        return found
    }

    /// Copies eight bytes at a time until one needs a look; returns how many were copied. The target has room for
    /// `count` bytes and eight more.
    @inline(__always)
    private static func copyPrefix(
        _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>, _ style: Style
    ) -> Int {
        let (from, to) = (UnsafeRawPointer(source), UnsafeMutableRawPointer(target))
        var offset = 0
        while offset + 8 <= count {
            let word = from.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            to.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
            let found = needLook(word, style)
            if found != 0 { return offset + found.trailingZeroBitCount >> 3 }
            offset += 8
        }
        let left = count - offset
        guard left > 0 else { return count }
        if offset > 0 {
            // The last eight bytes, overlapping the block before: the bytes that were looked at already are known to be
            // plain.
            let word = from.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            to.storeBytes(of: word, toByteOffset: count - 8, as: UInt64.self)
            let found = needLook(word, style)
            return found == 0 ? count : count - 8 + found.trailingZeroBitCount >> 3
        }
        while offset < count {
            let byte = source[offset]
            if needsLook(byte, style) { return offset }
            target[offset] = byte
            offset += 1
        }
        return count
    }

    /// The high bit of each byte that needs a look (S. E. Anderson, "Bit Twiddling Hacks", hasless and haszero). A
    /// borrow can raise a false alarm, but only behind a true one: the lowest bit is right.
    @inline(__always)
    private static func needLook(_ word: UInt64, _ style: Style) -> UInt64 {
        var found = (word &- ones &* 0x20) & ~word
        found |= zero(word ^ ones &* 0x7F)
        if case .json = style { found |= zero(word ^ ones &* 0x22) | zero(word ^ ones &* 0x5C) }
        if word & high != 0 {
            found |= zero(word ^ ones &* 0xC2) | zero(word ^ ones &* 0xD8) | zero(word ^ ones &* 0xE2)
        }
        return found & high
    }

    @inline(__always)
    private static func zero(_ word: UInt64) -> UInt64 { (word &- ones) & ~word }

    @inline(__always)
    private static func needsLook(_ byte: UInt8, _ style: Style) -> Bool {
        if byte < 0x20 || byte == 0x7F || byte == 0xC2 || byte == 0xD8 || byte == 0xE2 { return true }
        if case .json = style { return byte == 0x22 || byte == 0x5C }
        return false
    }

    /// True if no byte of `text` has to be escaped.
    static func isPlain(_ text: UnsafeBufferPointer<UInt8>, _ style: Style = .json) -> Bool {
        text.indices.allSatisfy { !needsLook(text[$0], style) || character(text, $0, style).length == 0 }
    }

    /// Appends `text`, escaped.
    @inline(__always)
    static func append(_ text: UnsafeBufferPointer<UInt8>, to line: inout LineBuffer, _ style: Style) {
        guard let source = text.baseAddress else { return }
        line.ensure(text.count)
        if copyPlain(source, text.count, to: line.cursor, style) {
            line.cursor += text.count
        } else {
            appendSpecial(text, to: &line, style)
        }
    }

    @inline(never)
    private static func appendSpecial(_ text: UnsafeBufferPointer<UInt8>, to line: inout LineBuffer, _ style: Style) {
        var input = copyPrefix(text.baseAddress!, text.count, to: line.cursor, style)
        line.cursor += input
        while input < text.count {
            line.ensure(longest + text.count - input)
            let (scalar, length) = character(text, input, style)
            if length == 0 {
                line.cursor[0] = text[input]
                line.cursor += 1
                input += 1
            } else {
                line.cursor += writeEscape(scalar, to: line.cursor, style)
                input += length
            }
            let done = copyPrefix(text.baseAddress! + input, text.count - input, to: line.cursor, style)
            line.cursor += done
            input += done
        }
    }

    /// The character at `index`, if it has to be escaped, and the number of its bytes; (0, 0) if not.
    private static func character(_ text: UnsafeBufferPointer<UInt8>, _ index: Int, _ style: Style) -> (
        scalar: UInt32, length: Int
    ) {
        let byte = text[index]
        func next(_ distance: Int) -> UInt32 { index + distance < text.count ? UInt32(text[index + distance]) : 0 }
        switch byte {
        case 0..<0x20, 0x7F: return (UInt32(byte), 1)
        case 0x22, 0x5C:
            if case .json = style { return (UInt32(byte), 1) }
            return (0, 0)
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

    private static func writeEscape(_ scalar: UInt32, to memory: UnsafeMutablePointer<UInt8>, _ style: Style) -> Int {
        memory[0] = UInt8(ascii: "\\")
        switch scalar {
        case 0x09: memory[1] = UInt8(ascii: "t")
        case 0x0A: memory[1] = UInt8(ascii: "n")
        case 0x0D: memory[1] = UInt8(ascii: "r")
        case 0x22, 0x5C: memory[1] = UInt8(scalar)
        default:
            memory[1] = UInt8(ascii: "u")
            switch style {
            case .json: return 2 + writeHex(scalar, digits: 4, to: memory + 2)
            case .text:
                memory[2] = UInt8(ascii: "{")
                let digits = writeHex(scalar, digits: scalar > 0xFF ? 4 : 2, to: memory + 3)
                memory[3 + digits] = UInt8(ascii: "}")
                return 4 + digits
            }
        }
        return 2
    }

    private static func writeHex(_ value: UInt32, digits: Int, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        for index in 0..<digits {
            memory[index] = hexDigit(UInt8(truncatingIfNeeded: value >> UInt32(4 * (digits - 1 - index)) & 0xF))
        }
        return digits
    }

    static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

// MARK: Texts of any length

extension LineBuffer {
    /// Appends a text on one line, with control characters, and characters that reorder text, escaped (`\n`, `\u{1b}`).
    @inline(__always)
    public mutating func appendEscaped(_ text: Text) { appendEscaped(text, .text) }

    @inline(__always)
    mutating func appendEscaped(_ text: Text, _ style: Escape.Style) {
        if text.bytes.count > textLimit { return appendCut(text, style) }
        Escape.append(text.bytes, to: &self, style)
    }

    /// `the beginning…[2048 bytes cut]`
    @inline(never)
    private mutating func appendCut(_ text: Text, _ style: Escape.Style) {
        let kept = Text.boundary(text.bytes, textLimit)
        Escape.append(UnsafeBufferPointer(rebasing: text.bytes[..<kept]), to: &self, style)
        append("…[")
        append(UInt64(text.bytes.count - kept))
        append(" bytes cut]")
    }
}

extension Text {
    /// The largest index up to `limit` at which a character begins.
    static func boundary(_ bytes: UnsafeBufferPointer<UInt8>, _ limit: Int) -> Int {
        var index = min(limit, bytes.count)
        while index > 0, index < bytes.count, bytes[index] & 0xC0 == 0x80 { index -= 1 }
        return index
    }
}
