// The memory layout of fields: one after the other, in the order in which they were written, behind the message in the
// thread's scratch.
//
//     object   = mask (16 bytes), field…
//     field    = key, value
//     key      = header (8 bytes: length, hash, and whether it is static), then a pointer (static) or the bytes
//     value    = kind (1 byte), then, by kind:
//                null, false, true          nothing
//                int, uint, double, date, duration   8 bytes; float 4
//                text                       length (4), bytes
//                staticText                 length (4), pointer
//                bytes                      length (4), bytes
//                array                      length (4), value…
//                object, error              length (4), object
//
// Nothing is aligned. Everything is in the machine's byte order, because it never leaves the process. A static key or
// text is a pointer into the program, which stays valid, so that a copy of a record for another thread copies the
// pointer.
//
// The mask is a Bloom filter of the keys: two words, in each of which a key has one bit (by its length and its first,
// middle and last byte). If the masks of two objects have no bit in common in one of the words, no key is in both: this
// excludes duplicate keys for the price of two `&`. The upper byte of the first word has other uses. (B. H. Bloom,
// "Space/Time Trade-offs in Hash Coding with Allowable Errors", 1970.)

@usableFromInline
enum ValueKind: UInt8, CaseIterable, Sendable {
    case null, `false`, `true`, int, uint, double, float, text, staticText, date, duration, bytes, array, object, error

    /// How many bytes follow the kind. Nil: a length of four bytes follows, then as many bytes as it states.
    var size: Int? {
        switch self {
        case .null, .false, .true: 0
        case .float: 4
        case .int, .uint, .double, .date, .duration: 8
        case .staticText: 12
        case .text, .bytes, .array, .object, .error: nil
        }
    }

    /// `size` of all kinds in one number, so that a reader needs no branch: four bits for each kind, 15 for nil. A test
    /// compares it with `size`.
    static let sizes: UInt64 = 0xFFFF_88CF_4888_000
}

/// The header of a key: its length in the lower half, twelve bits of hash in the upper one, and whether it is static in
/// the sign.
///
/// For a literal the compiler computes all of it.
@usableFromInline
struct KeyHeader: BitwiseCopyable, Sendable {
    @usableFromInline let bits: UInt64

    @inline(__always)
    init(bits: UInt64) { self.bits = bits }

    @inlinable
    @inline(__always)
    init(_ key: UnsafeBufferPointer<UInt8>, isStatic: Bool) {
        let count = key.count
        var bytes: UInt64 = 0
        if let base = key.baseAddress, count > 0 {
            bytes =
                UInt64(base[0]) | UInt64(base[count / 2]) << 8 | UInt64(base[count &- 1]) << 16 | UInt64(
                    truncatingIfNeeded: count) << 24
        }
        let mixed = bytes &* 0x9E37_79B9_7F4A_7C15  // multiplicative hashing: D. Knuth, TAOCP 6.4
        bits = UInt64(UInt32(truncatingIfNeeded: count)) | (mixed >> 52) << 32 | (isStatic ? 1 << 63 : 0)
    }

    @inline(__always)
    var count: Int { Int(UInt32(truncatingIfNeeded: bits)) }

    @inline(__always)
    var isStatic: Bool { Int64(bitPattern: bits) < 0 }

    @inline(__always)
    var hash: UInt64 { bits >> 32 & 0xFFF }

    /// Of a key that has been read: how many objects and lists enclose its field. It is between hash and sign, where a
    /// written key has nothing, so that a field fits into registers.
    @inline(__always)
    var depth: Int { Int(bits >> 44 & 0x7F) }
}

/// The keys that an object may have.
struct KeyMask: BitwiseCopyable {
    private var first: UInt64
    private var second: UInt64

    /// Set in an object's mask if one of its keys occurs twice.
    private static let repeated: UInt64 = 1 << 63
    /// The bits that stand for keys.
    private static let keys: UInt64 = 1 << 56 - 1

    static let none = KeyMask(first: 0, second: 0)
    /// The mask of an object with unknown keys.
    static let all = KeyMask(first: keys, second: .max)

    private init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    /// The mask of one key.
    @inline(__always)
    init(_ key: KeyHeader) {
        let hash = key.hash
        self.init(first: 1 << min(hash >> 6, 55), second: 1 << (hash & 63))
    }

    @inline(__always)
    init(_ key: Text) { self.init(KeyHeader(key.bytes, isStatic: false)) }

    @inline(__always)
    func intersects(_ other: KeyMask) -> Bool { first & other.first & KeyMask.keys != 0 && second & other.second != 0 }

    @inline(__always)
    static func | (a: KeyMask, b: KeyMask) -> KeyMask { KeyMask(first: a.first | b.first, second: a.second | b.second) }

    /// Of an object that has been read: how many objects and lists enclose it. Up to 127.
    @inline(__always)
    var depth: Int {
        get { Int(first >> 56 & 0x7F) }
        set { first = first & ~(0x7F << 56) | UInt64(newValue) << 56 }
    }

    /// The depth, at the place where `KeyHeader` has it.
    @inline(__always)
    var depthBits: UInt64 { first >> 12 & 0x7F << 44 }

    @inline(__always)
    var hasRepeated: Bool {
        get { first & KeyMask.repeated != 0 }
        set { if newValue { first |= KeyMask.repeated } else { first &= ~KeyMask.repeated } }
    }
}

enum Encoding {
    static let maskSize = 16
    /// The size of the header of a key that was made at run time.
    static let textKeyHeader = 8

    @inline(__always)
    static func put<Value: BitwiseCopyable>(_ value: Value, at memory: UnsafeMutablePointer<UInt8>, _ offset: Int) {
        UnsafeMutableRawPointer(memory).storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    @inline(__always)
    static func get<Value: BitwiseCopyable>(_ type: Value.Type, at memory: UnsafeRawPointer, _ offset: Int = 0) -> Value
    {
        memory.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }
}
