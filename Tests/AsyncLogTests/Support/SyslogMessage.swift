// A parser of RFC 5424, written from its ABNF (section 6), as strict as that is. It knows nothing of the formatter.

/// A syslog message, taken apart.
struct SyslogMessage {
    var priority = 0
    var timestamp = ""
    var host: String?
    var app: String?
    var process: String?
    var id: String?
    /// Name and parameters of each element, in order.
    var structuredData: [(id: String, parameters: [(name: String, value: String)])] = []
    var message: String?

    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    init(_ text: some Sequence<UInt8>) throws {
        var rest = Array(text)[...]

        func next() throws -> UInt8 {
            guard let byte = rest.popFirst() else { throw Malformed(description: "the message ends early") }
            return byte
        }
        func expect(_ expected: Unicode.Scalar) throws {
            let byte = try next()
            guard byte == UInt8(ascii: expected) else {
                throw Malformed(description: "\(UnicodeScalar(byte)) instead of \(expected) before \(rest.count)")
            }
        }
        /// `1*n` printable ASCII characters, up to a blank; nil for NILVALUE.
        func word(_ limit: Int) throws -> String? {
            let word = rest.prefix { (33...126).contains($0) }
            rest = rest.dropFirst(word.count)
            guard (1...limit).contains(word.count) else {
                throw Malformed(description: "a name of \(word.count) bytes, of \(limit) at most")
            }
            let text = String(decoding: word, as: UTF8.self)
            return text == "-" ? nil : text
        }
        /// SD-NAME
        func name() throws -> String {
            let name = rest.prefix { (33...126).contains($0) && $0 != 61 && $0 != 93 && $0 != 34 }
            rest = rest.dropFirst(name.count)
            guard (1...32).contains(name.count) else {
                throw Malformed(description: "an SD-NAME of \(name.count) bytes")
            }
            return String(decoding: name, as: UTF8.self)
        }
        func value() throws -> String {
            var bytes: [UInt8] = []
            try expect("\"")
            while true {
                let byte = try next()
                switch byte {
                case UInt8(ascii: "\""):
                    guard let text = String(validating: bytes, as: UTF8.self) else {
                        throw Malformed(description: "a value that is not UTF-8")
                    }
                    return text
                case UInt8(ascii: "]"): throw Malformed(description: "a ] that is not escaped")
                case UInt8(ascii: "\\"):
                    let escaped = try next()
                    guard [34, 92, 93].contains(escaped) else {
                        throw Malformed(description: "an escape of \(UnicodeScalar(escaped))")
                    }
                    bytes.append(escaped)
                default: bytes.append(byte)
                }
            }
        }

        try expect("<")
        let digits = rest.prefix { (48...57).contains($0) }
        rest = rest.dropFirst(digits.count)
        guard (1...3).contains(digits.count), let number = Int(String(decoding: digits, as: UTF8.self)), number <= 191
        else {
            throw Malformed(description: "PRI")
        }
        priority = number
        try expect(">")
        try expect("1")
        try expect(" ")
        guard let time = try word(32) else { throw Malformed(description: "no time") }
        timestamp = time
        try expect(" ")
        host = try word(255)
        try expect(" ")
        app = try word(48)
        try expect(" ")
        process = try word(128)
        try expect(" ")
        id = try word(32)
        try expect(" ")
        if rest.first == UInt8(ascii: "-") {
            rest = rest.dropFirst()
        } else {
            repeat {
                try expect("[")
                let id = try name()
                var parameters: [(name: String, value: String)] = []
                while rest.first == UInt8(ascii: " ") {
                    rest = rest.dropFirst()
                    let name = try name()
                    try expect("=")
                    parameters.append((name, try value()))
                }
                try expect("]")
                structuredData.append((id, parameters))
            } while rest.first == UInt8(ascii: "[")
        }
        guard !rest.isEmpty else { return }
        try expect(" ")
        guard let text = String(validating: rest, as: UTF8.self) else {
            throw Malformed(description: "a message that is not UTF-8")
        }
        message = text
    }
}
