// Parses directives, and points at the place where a text is no directive.
import AsyncFD

/// The text is not a list of directives.
///
///     "tarce" is not a level (trace, debug, info, notice, warning, error, critical, off, all)
///     info,db=tarce
///             ^^^^^
public struct DirectiveError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The text that was parsed.
    public let text: String
    /// The place of the error, in UTF-8 bytes from the beginning.
    public let range: Range<Int>
    /// Why the text cannot be parsed there.
    public let reason: String

    /// Three lines. Control characters and characters that reorder text are shown as blanks, so that the mark stands
    /// below its place.
    public var description: String { ([reason] + marked).joined(separator: "\n") }

    /// The text, and a line that marks the place.
    var marked: [String] {
        let before = String(decoding: text.utf8.prefix(range.lowerBound), as: UTF8.self)
        let marked = String(decoding: text.utf8.dropFirst(range.lowerBound).prefix(range.count), as: UTF8.self)
        return [
            DirectiveError.shown(text),
            String(repeating: " ", count: DirectiveError.shown(before).count)
                + String(repeating: "^", count: max(1, DirectiveError.shown(marked).count)),
        ]
    }

    /// Each such scalar becomes a blank of its own, even where two of them make one character.
    private static func shown(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars { line.unicodeScalars.append(VisibleText.acts(scalar) ? " " : scalar) }
        return line
    }
}

struct DirectiveParser {
    private let text: String
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    mutating func parse(into directives: inout Directives) throws(DirectiveError) {
        repeat {
            skipBlanks()
            // nothing between two commas is nothing
            guard at < bytes.count, bytes[at] != UInt8(ascii: ",") else { continue }
            try parseDirective(into: &directives)
        } while take(",")
        guard at == bytes.count else { throw error(at..<at + 1, "a comma is missing here") }
    }

    private mutating func parseDirective(into directives: inout Directives) throws(DirectiveError) {
        let begin = at
        let name = word(until: ",={}")
        var fields: [(key: String, value: String)] = []
        let hasFields = take("{")
        if hasFields { fields = try parseFields(from: at - 1) }
        skipBlanks()
        if take("=") {
            directives.add(name.text.isEmpty ? nil : name.text, fields, try level(word(until: ",")))
        } else if hasFields {
            throw error(at..<at + 1, "\"=\" and a level are missing here")
        } else if name.text.isEmpty {
            throw error(begin..<begin + 1, "a name or a level is missing here")
        } else {
            directives.add(nil, [], try level(name))
        }
    }

    private mutating func parseFields(from open: Int) throws(DirectiveError) -> [(key: String, value: String)] {
        var fields: [(key: String, value: String)] = []
        repeat {
            let key = word(until: ",={}")
            if key.text.isEmpty { throw error(at..<at + 1, "the name of a field is missing here") }
            guard take("=") else { throw error(at..<at + 1, "\"=\" and a value are missing here") }
            fields.append((key.text, try value()))
        } while take(",")
        guard take("}") else { throw error(open..<open + 1, "this brace is not closed") }
        return fields
    }

    private mutating func value() throws(DirectiveError) -> String {
        skipBlanks()
        let open = at
        guard take("\"") else { return word(until: ",{}").text }
        var value: [UInt8] = []
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
            if bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count { at += 1 }
            value.append(bytes[at])
            at += 1
        }
        guard take("\"") else { throw error(open..<open + 1, "this quotation mark is not closed") }
        skipBlanks()
        return String(decoding: value, as: UTF8.self)
    }

    private func level(_ word: (text: String, range: Range<Int>)) throws(DirectiveError) -> UInt8 {
        switch word.text.lowercased() {
        case "": throw error(word.range, "a level is missing here")
        case "off": return Level.off
        case "all": return 0
        default:
            if let level = Level(name: word.text) { return level.rawValue }
            throw error(
                word.range,
                "\"\(word.text)\" is not a level (trace, debug, info, notice, warning, error, critical, off, all)")
        }
    }

    // MARK: Characters

    /// The text up to one of `ends`, without the blanks around it.
    private mutating func word(until ends: StaticString) -> (text: String, range: Range<Int>) {
        skipBlanks()
        let begin = at
        let ends = UnsafeBufferPointer(start: ends.utf8Start, count: ends.utf8CodeUnitCount)
        while at < bytes.count, !ends.contains(bytes[at]) { at += 1 }
        var end = at
        while end > begin, isBlank(bytes[end - 1]) { end -= 1 }
        return (String(decoding: bytes[begin..<end], as: UTF8.self), begin..<end)
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    private mutating func skipBlanks() { while at < bytes.count, isBlank(bytes[at]) { at += 1 } }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    private func error(_ range: Range<Int>, _ reason: String) -> DirectiveError {
        DirectiveError(text: text, range: range, reason: VisibleText.escaped(reason))
    }
}
