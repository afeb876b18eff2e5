// Checkers of the formats' syntax. They share no code with the formatters.

/// One line feed, at the end; no control character.
func checkOneLine(_ line: [UInt8]) {
    precondition(line.last == 10 && line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "not one line")
    checkText(line)
}

/// Lines without control characters.
func checkLines(_ lines: [UInt8]) {
    precondition(lines.last == 10 && lines.allSatisfy { $0 == 10 || $0 >= 0x20 && $0 != 0x7F }, "control characters")
    checkText(lines)
}

/// Valid UTF-8 without C1 controls, line separators, and characters that reorder text.
private func checkText(_ bytes: [UInt8]) {
    precondition(String(validating: bytes, as: UTF8.self) != nil, "not UTF-8")
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
        switch scalar.value {
        case 0x80...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C:
            preconditionFailure("U+\(String(scalar.value, radix: 16)) is not escaped")
        default: break
        }
    }
}

/// One valid JSON object on one line (RFC 8259).
func checkJSON(_ line: [UInt8]) {
    checkOneLine(line)
    var reader = JSONReader(bytes: Array(line.dropLast()))
    reader.value()
    precondition(reader.at == reader.bytes.count, "something behind the object")
}

private struct JSONReader {
    let bytes: [UInt8]
    var at = 0

    func has(_ character: Unicode.Scalar) -> Bool { at < bytes.count && bytes[at] == UInt8(ascii: character) }

    mutating func expect(_ character: Unicode.Scalar) {
        precondition(has(character), "\(character) is missing at \(at) of \(String(decoding: bytes, as: UTF8.self))")
        at += 1
    }

    mutating func value() {
        switch at < bytes.count ? bytes[at] : 0 {
        case UInt8(ascii: "{"):
            list("{", "}") { reader in
                reader.string()
                reader.expect(":")
                reader.value()
            }
        case UInt8(ascii: "["): list("[", "]") { $0.value() }
        case UInt8(ascii: "\""): string()
        case UInt8(ascii: "t"): for character in "true".unicodeScalars { expect(character) }
        case UInt8(ascii: "f"): for character in "false".unicodeScalars { expect(character) }
        case UInt8(ascii: "n"): for character in "null".unicodeScalars { expect(character) }
        default: number()
        }
    }

    mutating func list(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ element: (inout JSONReader) -> Void) {
        expect(open)
        if !has(close) {
            element(&self)
            while has(",") {
                at += 1
                element(&self)
            }
        }
        expect(close)
    }

    mutating func string() {
        expect("\"")
        while !has("\"") {
            precondition(at < bytes.count && bytes[at] >= 0x20, "a text without an end")
            if has("\\") {
                at += 1
                if has("u") {
                    precondition(
                        bytes[at + 1...at + 4].allSatisfy {
                            ($0 >= 48 && $0 <= 57) || (($0 | 32) >= 97 && ($0 | 32) <= 102)
                        })
                    at += 4
                } else {
                    precondition("\"\\/bfnrt".utf8.contains(bytes[at]), "no such escape")
                }
            }
            at += 1
        }
        at += 1
    }

    mutating func number() {
        let digit: (UInt8) -> Bool = { $0 >= 48 && $0 <= 57 }
        func digits(_ reader: inout JSONReader) {
            precondition(
                reader.at < reader.bytes.count && digit(reader.bytes[reader.at]), "a digit is missing at \(reader.at)")
            while reader.at < reader.bytes.count, digit(reader.bytes[reader.at]) { reader.at += 1 }
        }
        if has("-") { at += 1 }
        if has("0") { at += 1 } else { digits(&self) }
        if has(".") {
            at += 1
            digits(&self)
        }
        if has("e") || has("E") {
            at += 1
            if has("-") || has("+") { at += 1 }
            digits(&self)
        }
    }
}

/// One MessagePack map and nothing behind it.
func checkMessagePack(_ bytes: [UInt8]) {
    var at = 0
    precondition(bytes[0] == 0xDE || bytes[0] == 0xDF || bytes[0] & 0xF0 == 0x80, "not a map")
    skip(bytes, &at)
    precondition(at == bytes.count, "something behind the map")
}

private func skip(_ bytes: [UInt8], _ at: inout Int) {
    let tag = bytes[at]
    at += 1
    func length(_ size: Int) -> Int {
        defer { at += size }
        return bytes[at..<at + size].reduce(0) { $0 << 8 | Int($1) }
    }
    func text(_ count: Int) {
        precondition(String(validating: bytes[at..<at + count], as: UTF8.self) != nil, "not UTF-8")
        at += count
    }
    func items(_ count: Int) { for _ in 0..<count { skip(bytes, &at) } }
    switch tag {
    case 0x00...0x7F, 0xE0...0xFF, 0xC0, 0xC2, 0xC3: break
    case 0x80...0x8F: items(2 * Int(tag & 15))
    case 0x90...0x9F: items(Int(tag & 15))
    case 0xA0...0xBF: text(Int(tag & 31))
    case 0xC4: at += length(1)
    case 0xC5: at += length(2)
    case 0xC6: at += length(4)
    case 0xC7:
        precondition(length(1) == 12 && bytes[at] == 0xFF, "not a timestamp")
        at += 13
    case 0xCA, 0xCE, 0xD2: at += 4
    case 0xCB, 0xCF, 0xD3: at += 8
    case 0xCC, 0xD0: at += 1
    case 0xCD, 0xD1: at += 2
    case 0xD7:
        precondition(bytes[at] == 0xFF, "not a timestamp")
        at += 9
    case 0xD9: text(length(1))
    case 0xDA: text(length(2))
    case 0xDB: text(length(4))
    case 0xDC: items(length(2))
    case 0xDD: items(length(4))
    case 0xDE: items(2 * length(2))
    case 0xDF: items(2 * length(4))
    default: preconditionFailure("no such type: \(tag)")
    }
    precondition(at <= bytes.count, "cut off")
}
