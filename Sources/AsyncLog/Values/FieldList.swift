// Reading fields: what formatters and filters see.

/// A text in memory that it does not own: UTF-8, valid during the call that hands it over. `String(text)` copies it.
public struct Text: CustomStringConvertible {
    /// The UTF-8. Invalid after the call that hands the text over.
    public let bytes: UnsafeBufferPointer<UInt8>

    /// A view of these bytes, which must be UTF-8 and must outlive the view.
    @inlinable
    @inline(__always)
    public init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// A view of a text of the program; it stays valid.
    @inlinable
    @inline(__always)
    public init(_ text: StaticString) {
        bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// True if it has no bytes.
    public var isEmpty: Bool { bytes.isEmpty }
    public var description: String { String(self) }

    /// Compares byte by byte.
    @inline(__always)
    public static func == (a: Text, b: Text) -> Bool {
        guard a.bytes.count == b.bytes.count, let first = a.bytes.baseAddress, let second = b.bytes.baseAddress else {
            return a.bytes.isEmpty && b.bytes.isEmpty
        }
        return first == second || Memory.areEqual(first, second, a.bytes.count)
    }

    /// Compares byte by byte.
    public static func == (a: Text, b: StaticString) -> Bool { a == Text(b) }

    /// Compares byte by byte.
    public static func == (a: Text, b: String) -> Bool { a.bytes.elementsEqual(b.utf8) }
}

extension String {
    /// A copy.
    public init(_ text: Text) { self = String(decoding: text.bytes, as: UTF8.self) }
}

/// The value of a field, in memory that it does not own: valid during the call that hands it over.
public enum FieldValue {
    case null
    case bool(Bool)
    case int(Int64)
    /// A number that does not fit into an `Int64`.
    case uint(UInt64)
    case double(Double)
    case float(Float)
    case text(Text)
    case date(WallTime)
    /// In nanoseconds.
    case duration(Int64)
    case bytes(UnsafeRawBufferPointer)
    case array(ValueList)
    case object(FieldList)
    /// An object with `type`, `message` and perhaps `cause`.
    case error(FieldList)
}

/// A field, in memory that it does not own: valid during the call that hands it over.
public struct Field {
    /// The field's name.
    public let key: Text
    /// The key's length, hash and depth.
    let header: KeyHeader
    /// The encoded value. `value` decodes it.
    let encoded: UnsafeRawPointer

    /// The value. Each access decodes it again.
    public var value: FieldValue {
        var at = encoded
        return Decoding.value(&at, header.depth)
    }
}

/// The fields of a record, or of an object within it, in the order in which they were written. Valid during the call
/// that hands them over.
///
/// If a key occurs twice, the later field counts.
public struct FieldList: Sequence {
    let start: UnsafeRawPointer?
    let end: UnsafeRawPointer?
    private(set) var mask: KeyMask

    @inline(__always)
    init() { self.init(start: nil, end: nil, mask: .none) }

    @inline(__always)
    init(start: UnsafeRawPointer?, end: UnsafeRawPointer?, mask: KeyMask) {
        self.start = start
        self.end = end
        self.mask = mask
    }

    /// The fields of an object: mask and fields.
    ///
    /// - Parameter depth: how many objects and lists enclose the fields.
    init(body: UnsafeRawBufferPointer, depth: Int) {
        self.init(body: body)
        mask.depth = depth
    }

    /// The fields of the object that holds a record's own fields.
    init(body: UnsafeRawBufferPointer) {
        guard let base = body.baseAddress, body.count > Encoding.maskSize else {
            self.init()
            return
        }
        self.init(start: base + Encoding.maskSize, end: base + body.count, mask: Encoding.get(KeyMask.self, at: base))
    }

    @inline(__always)
    public var isEmpty: Bool { start == end }

    /// True if a key occurs twice. Nearly always false.
    public var hasRepeatedKeys: Bool { mask.hasRepeated }

    @inline(__always)
    public func makeIterator() -> Iterator { Iterator(cursor: start, end: end, depthBits: mask.depthBits) }

    /// Decodes one field after the other.
    public struct Iterator: IteratorProtocol {
        var cursor: UnsafeRawPointer?
        let end: UnsafeRawPointer?
        let depthBits: UInt64

        @inline(__always)
        public mutating func next() -> Field? {
            guard var at = cursor, at != end else { return nil }
            let (key, header) = Decoding.key(&at)
            cursor = at + Decoding.size(at)
            return Field(key: key, header: KeyHeader(bits: header.bits | depthBits), encoded: at)
        }
    }

    /// The value of the last field with this key.
    public subscript(key: String) -> FieldValue? {
        var found: FieldValue?
        for field in self where field.key == key { found = field.value }
        return found
    }

    /// Each field with its encoding.
    func forEachEncoded(_ body: (Field, UnsafeRawBufferPointer) -> Void) {
        var iterator = makeIterator()
        while let begin = iterator.cursor, let field = iterator.next() {
            body(field, UnsafeRawBufferPointer(start: begin, count: iterator.cursor! - begin))
        }
    }

    func contains(_ key: Text) -> Bool {
        mask.intersects(KeyMask(key)) && contains { $0.key == key }
    }
}

/// The elements of a list. Valid during the call that hands them over.
public struct ValueList: Sequence {
    let start: UnsafeRawPointer
    let end: UnsafeRawPointer
    /// How many objects and lists enclose the elements.
    let depth: Int

    public func makeIterator() -> Iterator { Iterator(cursor: start, end: end, depth: depth) }

    /// Decodes one element after the other.
    public struct Iterator: IteratorProtocol {
        var cursor: UnsafeRawPointer
        let end: UnsafeRawPointer
        let depth: Int

        public mutating func next() -> FieldValue? { cursor == end ? nil : Decoding.value(&cursor, depth) }
    }
}

/// The counterpart of Encoding.swift. It reads only what was written there, in this process.
enum Decoding {
    @inline(__always)
    static func key(_ at: inout UnsafeRawPointer) -> (Text, KeyHeader) {
        let header = KeyHeader(bits: Encoding.get(UInt64.self, at: at))
        if header.isStatic {
            let pointer = UnsafePointer<UInt8>(bitPattern: Encoding.get(UInt.self, at: at, 8))
            at += 16
            return (Text(UnsafeBufferPointer(start: pointer, count: header.count)), header)
        }
        let pointer = (at + 8).assumingMemoryBound(to: UInt8.self)
        at += 8 + header.count
        return (Text(UnsafeBufferPointer(start: pointer, count: header.count)), header)
    }

    /// How many bytes the value at this place takes, including its kind.
    @inline(__always)
    static func size(_ at: UnsafeRawPointer) -> Int {
        let size = Int(truncatingIfNeeded: ValueKind.sizes >> (4 * UInt64(Encoding.get(UInt8.self, at: at))) & 15)
        return size < 15 ? 1 &+ size : 5 &+ Int(Encoding.get(UInt32.self, at: at, 1))
    }

    /// Hands out no deeply nested values, so that the recursion of a formatter, a filter or a handler ends in time.
    ///
    /// - Parameter depth: how many objects and lists enclose the value.
    static func value(_ at: inout UnsafeRawPointer, _ depth: Int) -> FieldValue {
        let kind = ValueKind(rawValue: Encoding.get(UInt8.self, at: at))
        at += 1
        switch kind {
        case .null: return .null
        case .false: return .bool(false)
        case .true: return .bool(true)
        case .int: return .int(take(Int64.self, &at))
        case .uint: return .uint(take(UInt64.self, &at))
        case .double: return .double(take(Double.self, &at))
        case .float: return .float(take(Float.self, &at))
        case .date: return .date(WallTime(nanoseconds: take(Int64.self, &at)))
        case .duration: return .duration(take(Int64.self, &at))
        case .text:
            let bytes = block(&at)
            return .text(
                Text(
                    UnsafeBufferPointer(
                        start: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count: bytes.count)))
        case .staticText:
            let count = Int(take(UInt32.self, &at))
            return .text(
                Text(UnsafeBufferPointer(start: UnsafePointer(bitPattern: take(UInt.self, &at)), count: count)))
        case .bytes: return .bytes(block(&at))
        case .array, .object, .error:
            let bytes = block(&at)
            guard depth < RecordLimits.nesting else { return .text(Text(RecordLimits.nestingMark)) }
            if kind == .object { return .object(FieldList(body: bytes, depth: depth + 1)) }
            if kind == .error { return .error(FieldList(body: bytes, depth: depth + 1)) }
            return .array(ValueList(start: bytes.baseAddress!, end: bytes.baseAddress! + bytes.count, depth: depth + 1))
        case nil: preconditionFailure("an encoded value must begin with a kind")
        }
    }

    @inline(__always)
    static func take<Value: BitwiseCopyable>(_ type: Value.Type, _ at: inout UnsafeRawPointer) -> Value {
        defer { at += MemoryLayout<Value>.size }
        return Encoding.get(Value.self, at: at)
    }

    @inline(__always)
    static func block(_ at: inout UnsafeRawPointer) -> UnsafeRawBufferPointer {
        let count = Int(take(UInt32.self, &at))
        defer { at += count }
        return UnsafeRawBufferPointer(start: at, count: count)
    }
}
