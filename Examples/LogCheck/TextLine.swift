// Lines of text: each format has its own beginning; the fields at the end are `key=value` in all of them.
import Foundation

struct TextLine {
    /// Reads the logger and the message from the part before the fields; nil if that part does not match the format.
    typealias Head = @Sendable (Substring) -> (logger: Substring, message: Substring)?

    private let text: String

    init(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        self.text = text.utf8.contains(0x1B) ? text.replacing(/\u{1b}\[[0-9;]*m/, with: "") : text
    }

    func entry(head: Head) -> Entry {
        var fields = Entry.Fields()
        var rest = text[...]
        // Fields, from the end: only quoted values of LogLoad and the logger contain blanks.
        while let blank = rest.lastIndex(of: " "), let equals = rest[blank...].firstIndex(of: "=") {
            let key = String(rest[rest.index(after: blank)..<equals])
            if TextLine.heads.contains(key) { break }
            let value = rest[rest.index(after: equals)...]
            if let number = Int(value) {
                fields.numbers[key] = number
            } else {
                fields.texts[key] = value == "\"\"" ? "" : String(value)
            }
            rest = rest[..<blank]
            if key == "seq" || key == "dropped" || key == "signal" { break }
        }
        guard let (logger, message) = head(rest) else { return .torn(text) }
        fields.logger = String(logger)
        fields.message = message.trimmingCharacters(in: .whitespaces)
        return Entry(fields)
    }

    /// Keys that are not fields.
    private static let heads: Set<String> = ["time", "level", "logger", "msg"]

    /// `2026-11-22T08:27:00.123456Z INFO load: read request 1`
    static let text: Head = { head in
        guard hasForm(head, "0000-00-00T00:00:00.000000Z "), let colon = head.firstRange(of: ": ") else { return nil }
        let front = head[..<colon.lowerBound].split(separator: " ")
        return front.count == 3 ? (front[2], head[colon.upperBound...]) : nil
    }

    /// `08:27:00.123 INFO     load  read request 1`
    static let console: Head = { head in
        guard hasForm(head, "00:00:00.000 ") else { return nil }
        let words = head.split(separator: " ", maxSplits: 3)
        return words.count == 4 ? (words[2], words[3]) : nil
    }

    /// `time=2026-11-22T08:27:00.123456Z level=info logger=load msg="read request 1"`
    static let logfmt: Head = { head in
        guard hasForm(head, "time=0000-00-00T00:00:00.000000Z "), let logger = head.firstRange(of: " logger="),
            let message = head.firstRange(of: " msg=")
        else { return nil }
        let text = head[message.upperBound...]
        guard text.hasPrefix("\""), text.hasSuffix("\""), text.count > 1, logger.upperBound < message.lowerBound else {
            return nil
        }
        return (head[logger.upperBound..<message.lowerBound], text.dropFirst().dropLast())
    }

    /// True if the text begins like `form`, with any digits for its zeros.
    private static func hasForm(_ text: Substring, _ form: StaticString) -> Bool {
        let bytes = text.utf8.prefix(form.utf8CodeUnitCount)
        guard bytes.count == form.utf8CodeUnitCount else { return false }
        return zip(bytes, UnsafeBufferPointer(start: form.utf8Start, count: form.utf8CodeUnitCount)).allSatisfy {
            byte, form in
            form == UInt8(ascii: "0") ? byte >= 0x30 && byte <= 0x39 : byte == form
        }
    }
}

/// One JSON object.
enum JSONLine {
    static func entry(_ line: UnsafeRawBufferPointer) -> Entry {
        let data = Data(
            bytesNoCopy: UnsafeMutableRawPointer(mutating: line.baseAddress!), count: line.count, deallocator: .none)
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            return .torn(String(decoding: line, as: UTF8.self))
        }
        var fields = Entry.Fields()
        for (key, value) in object {
            if let text = value as? String {
                fields.texts[key] = text
            } else if let number = value as? Int {
                fields.numbers[key] = number
            }
        }
        fields.logger = fields.texts["logger"] ?? ""
        fields.message = fields.texts["message"] ?? ""
        return Entry(fields)
    }
}
