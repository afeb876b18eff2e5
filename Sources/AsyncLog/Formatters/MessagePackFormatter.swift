// One MessagePack map per record (https://github.com/msgpack/msgpack/blob/master/spec.md): for machines, half as long
// as JSON, and exact: bytes are bytes, and moments are of the timestamp extension type.
//
// Maps are written with 16- or 32-bit counts, which are filled in when the number of entries is known.

/// Formats records as MessagePack maps, one behind the other, with the keys `time` (timestamp extension, type -1),
/// `level`, `logger`, `message`, and then the fields. A field with one of these names gets a `_` behind its name; so
/// does one with the name `time_`, `time__`, …, so that no two keys are the same.
public struct MessagePackFormatter: Formatter {
    private let includesSource: Bool
    private let includesSequence: Bool
    private let reserved: YieldingKeys

    /// Nil: a record may contain any byte.
    public var recordEnd: UInt8? { nil }

    /// - Parameters:
    ///   - source: whether `file`, `line` and `function` appear.
    ///   - sequence: whether the record's number in its handler's output appears.
    public init(source: Bool = false, sequence: Bool = false) {
        includesSource = source
        includesSequence = sequence
        reserved = YieldingKeys(
            ["time", "level", "logger", "message"] + (source ? ["file", "line", "function"] : [])
                + (sequence ? ["sequence"] : []))
    }

    public var callSiteParts: CallSite.Parts { includesSource ? [.file, .function] : [] }

    public func format(_ record: borrowing Record, to line: inout LineBuffer) {
        let begin = line.count
        var count = 4
        line.append(0xDE as UInt8)
        line.appendBig(0 as UInt16)
        append("time", .date(record.time), &line)
        append("level", .text(Text(record.level.name)), &line)
        append("logger", .text(record.logger), &line)
        append("message", .text(record.message), &line)
        if includesSource {
            append("file", .text(record.callSite.file), &line)
            append("line", .int(Int64(record.callSite.line)), &line)
            append("function", .text(record.callSite.function), &line)
            count += 3
        }
        if includesSequence {
            append("sequence", .uint(line.sequence), &line)
            count += 1
        }
        record.forEachField { field in
            MessagePackText.appendKey(field.key, suffix: reserved.contains(field) ? "_" : "", to: &line)
            MessagePackText.append(field.value, to: &line)
            count += 1
        }
        if count > 0xFFFF {
            // The map has more fields than its kind can count. This is rare, so the bytes may be moved.
            line.insert(2, at: begin + 1)
            line.overwrite(begin) {
                $0[0] = 0xDF
                Encoding.put(UInt32(count).bigEndian, at: $0, 1)
            }
        } else {
            line.overwrite(begin) { Encoding.put(UInt16(count).bigEndian, at: $0, 1) }
        }
    }

    private func append(_ key: StaticString, _ value: FieldValue, _ line: inout LineBuffer) {
        MessagePackText.append(Text(key), to: &line)
        MessagePackText.append(value, to: &line)
    }
}

/// Values as MessagePack.
enum MessagePackText {
    static func append(_ value: FieldValue, to line: inout LineBuffer) {
        switch value {
        case .null: line.append(0xC0 as UInt8)
        case .bool(let value): line.append((value ? 0xC3 : 0xC2) as UInt8)
        case .int(let value) where value < 0: appendNegative(value, &line)
        case .int(let value): appendUnsigned(UInt64(value), &line)
        case .uint(let value): appendUnsigned(value, &line)
        case .double(let value):
            line.append(0xCB as UInt8)
            line.appendBig(value.bitPattern)
        case .float(let value):
            line.append(0xCA as UInt8)
            line.appendBig(value.bitPattern)
        case .text(let text): append(text, to: &line)
        case .date(let date): append(date, to: &line)
        case .duration(let nanoseconds): append(.double(Double(nanoseconds) / 1e9), to: &line)
        case .bytes(let bytes):
            let bytes = line.limited(bytes)
            header(bytes.count, short: nil, eight: 0xC4, sixteen: 0xC5, thirtyTwo: 0xC6, &line)
            line.append(bytes.bindMemory(to: UInt8.self))
        case .array(let values):
            let count = values.reduce(0) { count, _ in count + 1 }
            header(count, short: (0x90, 15), eight: nil, sixteen: 0xDC, thirtyTwo: 0xDD, &line)
            for value in values { append(value, to: &line) }
        case .object(let fields), .error(let fields):
            var count = 0
            fields.forEachThatCounts { _ in count += 1 }
            header(count, short: (0x80, 15), eight: nil, sixteen: 0xDE, thirtyTwo: 0xDF, &line)
            fields.forEachThatCounts { field in
                appendKey(field.key, suffix: "", to: &line)
                append(field.value, to: &line)
            }
        }
    }

    static func append(_ text: Text, to line: inout LineBuffer) {
        if text.bytes.count > line.textLimit { return appendCut(text, &line) }
        header(text.bytes.count, short: (0xA0, 31), eight: 0xD9, sixteen: 0xDA, thirtyTwo: 0xDB, &line)
        line.append(text.bytes)
    }

    @inline(never)
    private static func appendCut(_ text: Text, _ line: inout LineBuffer) {
        let kept = Text.boundary(text.bytes, line.textLimit)
        let mark = "…[\(text.bytes.count - kept) bytes cut]"
        header(kept + mark.utf8.count, short: (0xA0, 31), eight: 0xD9, sixteen: 0xDA, thirtyTwo: 0xDB, &line)
        line.append(UnsafeBufferPointer(rebasing: text.bytes[..<kept]))
        line.append(mark)
    }

    /// Writes a key, with its suffix, and, if the line's texts must be cut, with a mark that makes it unique.
    static func appendKey(_ key: Text, suffix: StaticString, to line: inout LineBuffer) {
        let (kept, mark) = line.textLimit == .max ? (key.bytes, "") : line.limitedKey(key)
        header(
            kept.count + mark.utf8.count + suffix.utf8CodeUnitCount, short: (0xA0, 31), eight: 0xD9, sixteen: 0xDA,
            thirtyTwo: 0xDB, &line)
        line.append(kept)
        line.append(mark)
        line.append(suffix)
    }

    /// Writes the timestamp extension: 64 bits (30 of nanoseconds, 34 of seconds) if the seconds fit, else 96.
    private static func append(_ date: WallTime, to line: inout LineBuffer) {
        let (seconds, nanoseconds) = date.nanoseconds.quotientFloored(by: 1_000_000_000)
        if seconds >= 0, seconds < 1 << 34 {
            line.append(0xD7 as UInt8)
            line.append(0xFF as UInt8)
            line.appendBig(UInt64(nanoseconds) << 34 | UInt64(seconds))
        } else {
            line.append(0xC7 as UInt8)
            line.append(12 as UInt8)
            line.append(0xFF as UInt8)
            line.appendBig(UInt32(nanoseconds))
            line.appendBig(UInt64(bitPattern: Int64(seconds)))
        }
    }

    private static func appendUnsigned(_ value: UInt64, _ line: inout LineBuffer) {
        switch value {
        case ..<0x80: line.append(UInt8(value))
        case ..<0x100:
            line.append(0xCC as UInt8)
            line.append(UInt8(value))
        case ..<0x1_0000:
            line.append(0xCD as UInt8)
            line.appendBig(UInt16(value))
        case ..<0x1_0000_0000:
            line.append(0xCE as UInt8)
            line.appendBig(UInt32(value))
        default:
            line.append(0xCF as UInt8)
            line.appendBig(value)
        }
    }

    private static func appendNegative(_ value: Int64, _ line: inout LineBuffer) {
        switch value {
        case (-32)...: line.append(UInt8(bitPattern: Int8(value)))
        case Int64(Int8.min)...:
            line.append(0xD0 as UInt8)
            line.append(UInt8(bitPattern: Int8(value)))
        case Int64(Int16.min)...:
            line.append(0xD1 as UInt8)
            line.appendBig(UInt16(bitPattern: Int16(value)))
        case Int64(Int32.min)...:
            line.append(0xD2 as UInt8)
            line.appendBig(UInt32(bitPattern: Int32(value)))
        default:
            line.append(0xD3 as UInt8)
            line.appendBig(UInt64(bitPattern: value))
        }
    }

    private static func header(
        _ count: Int, short: (tag: UInt8, limit: Int)?, eight: UInt8?, sixteen: UInt8, thirtyTwo: UInt8,
        _ line: inout LineBuffer
    ) {
        if let short, count <= short.limit {
            line.append(short.tag | UInt8(count))
        } else if let eight, count <= 0xFF {
            line.append(eight)
            line.append(UInt8(count))
        } else if count <= 0xFFFF {
            line.append(sixteen)
            line.appendBig(UInt16(count))
        } else {
            line.append(thirtyTwo)
            line.appendBig(UInt32(count))
        }
    }
}

extension LineBuffer {
    /// Big-endian.
    fileprivate mutating func appendBig<Value: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: Value) {
        ensure(MemoryLayout<Value>.size)
        Encoding.put(value.bigEndian, at: cursor, 0)
        cursor += MemoryLayout<Value>.size
    }

    /// Inserts a gap.
    fileprivate mutating func insert(_ size: Int, at offset: Int) {
        let length = count - offset
        appendBlanks(size)
        overwrite(offset) { ($0 + size).update(from: $0, count: length) }
    }
}

extension MessagePackFormatter: TimedFormatter {
    var timestamps: [Timestamp] { [] }
}
