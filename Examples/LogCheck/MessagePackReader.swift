// MessagePack maps, one behind the other (https://github.com/msgpack/msgpack/blob/master/spec.md), as far as logs need
// them.

/// Reads records from the beginning of a buffer.
struct MessagePackReader {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    enum Outcome {
        case entry(Entry, size: Int)
        /// The buffer ends within the record.
        case incomplete
        /// No record: the number of bytes until one may begin.
        case garbage(size: Int)
    }

    private enum Trouble: Error { case incomplete, garbage }

    private enum Value {
        case text(String)
        case number(Int)
        case other
    }

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    static func next(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        var reader = MessagePackReader(bytes)
        do {
            let entry = try reader.record()
            // A record that is cut short ends with the beginning of the next one.
            if case .torn = entry, let next = beginning(in: bytes, from: 1), next < reader.at {
                return .garbage(size: next)
            }
            return .entry(entry, size: reader.at)
        } catch Trouble.incomplete {
            // A record that begins within this one shows that this one will never be complete.
            if let next = beginning(in: bytes, from: 1) { return .garbage(size: next) }
            return .incomplete
        } catch {
            return .garbage(size: beginning(in: bytes, from: 1) ?? bytes.count)
        }
    }

    /// Where a record may begin: at a map whose first key is `time`, a timestamp.
    private static func beginning(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let key: [UInt8] = [0xA4] + Array("time".utf8) + [0xD7, 0xFF]
        guard bytes.count > start + 10 else { return nil }
        for at in start..<(bytes.count - 9) where bytes[at] == 0xDE && bytes[(at + 3)...].starts(with: key) {
            return at
        }
        return nil
    }

    private mutating func record() throws(Trouble) -> Entry {
        guard let tag = bytes.first else { throw .incomplete }
        at = 1
        let count: Int
        switch tag {
        case 0xDE: count = Int(try unsigned(2))
        case 0xDF: count = Int(try unsigned(4))
        default: throw .garbage
        }
        var fields = Entry.Fields()
        for _ in 0..<count {
            guard case .text(let key) = try value() else { throw .garbage }
            switch try value() {
            case .text(let text): fields.texts[key] = text
            case .number(let number): fields.numbers[key] = number
            case .other: break
            }
        }
        fields.logger = fields.texts["logger"] ?? ""
        fields.message = fields.texts["message"] ?? ""
        return Entry(fields)
    }

    private mutating func value() throws(Trouble) -> Value {
        let tag = UInt8(try unsigned(1))
        switch tag {
        case 0x00...0x7F: return .number(Int(tag))
        case 0xE0...0xFF: return .number(Int(Int8(bitPattern: tag)))
        case 0xA0...0xBF: return .text(try text(Int(tag & 31)))
        case 0xD9: return .text(try text(Int(try unsigned(1))))
        case 0xDA: return .text(try text(Int(try unsigned(2))))
        case 0xDB: return .text(try text(Int(try unsigned(4))))
        case 0xCC: return .number(Int(try unsigned(1)))
        case 0xCD: return .number(Int(try unsigned(2)))
        case 0xCE: return .number(Int(try unsigned(4)))
        case 0xCF: return .number(Int(truncatingIfNeeded: try unsigned(8)))
        case 0xD0: return .number(Int(Int8(truncatingIfNeeded: try unsigned(1))))
        case 0xD1: return .number(Int(Int16(truncatingIfNeeded: try unsigned(2))))
        case 0xD2: return .number(Int(Int32(truncatingIfNeeded: try unsigned(4))))
        case 0xD3: return .number(Int(Int64(truncatingIfNeeded: try unsigned(8))))
        case 0xC0, 0xC2, 0xC3: return .other
        case 0xCA: try skip(4)
        case 0xCB: try skip(8)
        case 0xD6: try skip(5)
        case 0xD7: try skip(9)
        case 0xC7: try skip(Int(try unsigned(1)) + 1)
        default: throw .garbage  // lists, maps and bytes: LogLoad writes none
        }
        return .other
    }

    private mutating func unsigned(_ size: Int) throws(Trouble) -> UInt64 {
        guard at + size <= bytes.count else { throw .incomplete }
        defer { at += size }
        return bytes[at..<at + size].reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func skip(_ size: Int) throws(Trouble) {
        guard at + size <= bytes.count else { throw .incomplete }
        at += size
    }

    private mutating func text(_ size: Int) throws(Trouble) -> String {
        guard at + size <= bytes.count else { throw .incomplete }
        defer { at += size }
        return String(decoding: bytes[at..<at + size], as: UTF8.self)
    }
}
