// Records at random, with a preference for what is hard: edges of numbers, quotation marks, control characters, text
// beyond ASCII.
import AsyncLog
import TestSupport

extension SeededGenerator {
    mutating func text() -> String {
        let pieces = [
            "a", "Z", "0", " ", "=", "\"", "\\", "/", "{", "}", "[", ",", ":", "\n", "\r", "\t", "\0", "\u{1b}[31m",
            "\u{7f}", "\u{85}", "\u{9b}",
            "é",
            "ß", "中", "€", "😀", "\u{2028}", "\u{2029}", "\u{202e}", "\u{2066}", "\u{200e}", "\u{61c}", "\u{feff}",
            "\u{fffd}", "null", "true", "-1",
            "1e5", "inf", "nan", "word",
        ]
        return (0..<Int.random(in: 0...12, using: &self)).map { _ in pieces.randomElement(using: &self)! }.joined()
    }

    mutating func integer() -> Int64 {
        let edges: [Int64] = [
            0, 1, -1, 127, 128, -32, -33, -128, -129, 255, 256, 32_767, 65_535, 65_536, -32_769, .max, .min, 1 << 31,
            1 << 32, -1 << 31,
        ]
        return Bool.random(using: &self)
            ? edges.randomElement(using: &self)!
            : Int64(truncatingIfNeeded: next()) >> Int64.random(in: 0...63, using: &self)
    }

    mutating func double() -> Double {
        let edges = [
            0, -0.0, 1, 0.1, 1e21, 1e-7, 123_456.789, .pi, .greatestFiniteMagnitude, .leastNonzeroMagnitude, .nan,
            .infinity, -.infinity, 5e15,
        ]
        return Bool.random(using: &self) ? edges.randomElement(using: &self)! : Double(bitPattern: next())
    }

    mutating func value(depth: Int) -> KeptValue {
        switch Int.random(in: 0..<(depth > 0 ? 12 : 9), using: &self) {
        case 0: .null
        case 1: .bool(.random(using: &self))
        case 2: .int(integer())
        case 3: .uint(UInt64(Int64.max) + 1 + next() >> 1)
        case 4: .double(double())
        case 5: .text(text())
        case 6: .date(WallTime(nanoseconds: integer()))
        case 7: .duration(.nanoseconds(integer()))
        case 8: .bytes((0..<Int.random(in: 0...40, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) })
        case 9: .array((0..<Int.random(in: 0...20, using: &self)).map { _ in value(depth: depth - 1) })
        default: .object(fields(depth: depth - 1))
        }
    }

    mutating func fields(depth: Int) -> KeptFields {
        var fields = KeptFields()
        for index in 0..<Int.random(in: 0...9, using: &self) {
            let key =
                Bool.random(using: &self)
                ? ["time", "level", "message", "msg", "id"].randomElement(using: &self)! : text()
            // Every key once, so that it is clear what has to come out.
            if fields[key] == nil {
                fields = fields.adding(key, value(depth: depth))
            } else {
                fields = fields.adding("k\(index)", value(depth: depth))
            }
        }
        return fields
    }
}

extension KeptFields {
    func adding(_ key: String, _ value: KeptValue) -> KeptFields {
        KeptFields(keys.map { ($0, self[$0]!) } + [(key, value)])
    }
}

/// What was kept can be logged again.
extension KeptValue: LogValue {
    public func encode(to encoder: inout ValueEncoder) {
        switch self {
        case .null: encoder.encodeNull()
        case .bool(let value): encoder.encode(value)
        case .int(let value): encoder.encode(value)
        case .uint(let value): encoder.encode(value)
        case .double(let value): encoder.encode(value)
        case .float(let value): encoder.encode(value)
        case .text(let text): encoder.encode(text)
        case .date(let date): encoder.encode(date)
        case .duration(let duration): encoder.encode(duration)
        case .bytes(let bytes): bytes.withUnsafeBytes { encoder.encode(bytes: $0) }
        case .array(let values): encoder.encodeArray { for value in values { $0.append(value) } }
        case .object(let fields), .error(let fields):
            encoder.encodeObject { for key in fields.keys { $0[FieldKey(key)] = fields[key]! } }
        }
    }
}
