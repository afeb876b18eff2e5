// A cache of the keys as they appear in the output: `,"path":`. A program has few keys, and writes each of them again
// and again.
//
// The address of a literal identifies the key. The formatter keeps the bytes of the first time, and copies them the
// next.

/// Loop thread only, like the formatter that owns it. Copies of a formatter share the entries until one of them adds an
/// entry. A key replaces another one at the same place.
struct KeyCache: @unchecked Sendable {  // only a copy that is the sole owner of the entries writes them
    private struct Entry {
        var key: UInt = 0
        var header: UInt64 = 0
        var count = 0
        var text = InlineArray<40, UInt8>(repeating: 0)
    }

    private final class Storage {
        let entries: UnsafeMutablePointer<Entry>

        init(copying other: Storage? = nil) {
            entries = .allocate(capacity: KeyCache.size)
            if let other {
                entries.initialize(from: other.entries, count: KeyCache.size)
            } else {
                entries.initialize(repeating: Entry(), count: KeyCache.size)
            }
        }

        deinit { entries.deallocate() }
    }

    private static let size = 64
    private var storage = Storage()
    /// The address of the storage's entries, so that a look-up does not count references.
    private var entries: UnsafeMutablePointer<Entry>

    init() { entries = storage.entries }

    @inline(__always)
    private static func place(_ address: UInt) -> Int {
        Int(truncatingIfNeeded: (UInt64(address) &* 0x9E37_79B9_7F4A_7C15) >> 58)  // as in KeyHeader; six bits
    }

    /// Appends the cached bytes of the field's key. Returns false if there are none.
    @inline(__always)
    func append(_ field: Field, to line: inout LineBuffer) -> Bool {
        let address = UInt(bitPattern: field.key.bytes.baseAddress)
        let entry = entries + KeyCache.place(address)
        guard entry.pointee.key == address, entry.pointee.header == field.header.bits, line.textLimit == .max else {
            return false
        }
        line.ensure(40)
        let (from, to) = (UnsafeRawPointer(entry) + 24, UnsafeMutableRawPointer(line.cursor))
        to.storeBytes(of: from.loadUnaligned(as: SIMD4<UInt64>.self), as: SIMD4<UInt64>.self)
        to.storeBytes(of: from.loadUnaligned(fromByteOffset: 32, as: UInt64.self), toByteOffset: 32, as: UInt64.self)
        line.cursor += entry.pointee.count
        return true
    }

    /// Caches the bytes that were appended for the field's key, from `begin` on, if the key is a literal and short
    /// enough.
    @inline(never)
    mutating func keep(_ field: Field, _ line: borrowing LineBuffer, from begin: Int) {
        assert(MemoryLayout<Entry>.offset(of: \.text) == 24)
        let text = line.bytes[begin...]
        guard field.header.isStatic, let base = field.key.bytes.baseAddress, text.count <= 40, line.textLimit == .max
        else { return }
        if !isKnownUniquelyReferenced(&storage) {
            storage = Storage(copying: storage)
            entries = storage.entries
        }
        var entry = Entry(key: UInt(bitPattern: base), header: field.header.bits, count: text.count)
        for (index, byte) in text.enumerated() { entry.text[index] = byte }
        entries[KeyCache.place(entry.key)] = entry
    }
}
