// How fields lie in memory: one after the other, in the order in which they were written, behind the message in the thread's scratch.
//
//     object   = mask (8 bytes), field…
//     field    = key, value
//     key      = length (4 bytes; the sign bit says static), then a pointer (static) or the bytes
//     value    = kind (1 byte), then what the kind says:
//                null, false, true          nothing
//                int, uint, double, date, duration   8 bytes; float 4
//                text                       length (4), bytes
//                staticText                 length (4), pointer
//                bytes                      length (4), bytes
//                array                      length (4), value…
//                object, error              length (4), object
//
// Nothing is aligned, everything is in the machine's byte order: it never leaves the process. A static key or text is a pointer into
// the program, valid for good, so that copying a record to another thread copies the pointer.
//
// The mask has one bit set for each key (by length and first and last byte). If two masks have no bit in common no key is in both:
// that is how duplicate keys are excluded for the price of one `&`.

@usableFromInline
enum ValueKind: UInt8 {
    case null, `false`, `true`, int, uint, double, float, text, staticText, date, duration, bytes, array, object, error
}

enum KeyMask {
    /// The bit of a key.
    @inline(__always)
    static func bit(_ key: UnsafeBufferPointer<UInt8>) -> UInt64 {
        guard key.count > 0 else { return 1 }
        let mixed = UInt32(truncatingIfNeeded: key.count) &* 31 &+ UInt32(key[0]) &* 7 &+ UInt32(key[key.count - 1])
        return 1 << UInt64(min(mixed &* 0x9E37_79B1 >> 26, 62))  // multiplicative hashing: D. Knuth, TAOCP 6.4
    }

    static func bit(_ key: StaticString) -> UInt64 { bit(UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)) }
}

enum Encoding {
    static let maskSize = 8
    static let staticKey: UInt32 = 1 << 31

    @inline(__always)
    static func put<Value: BitwiseCopyable>(_ value: Value, at memory: UnsafeMutablePointer<UInt8>, _ offset: Int) {
        UnsafeMutableRawPointer(memory).storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    @inline(__always)
    static func get<Value: BitwiseCopyable>(_ type: Value.Type, at memory: UnsafeRawPointer, _ offset: Int = 0) -> Value {
        memory.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }
}
