// The keys of fields as they stand in the output: `,"path":`. A program has few, each of which it writes again and again.
//
// A key that is a literal is known by where it stands in the program. What a formatter made of it the first time is kept, and copied the next.

/// Loop thread only, like the formatter that has it; copies of a formatter share what is kept until one of them keeps more. A key that finds its place
/// taken takes it over.
struct KeyCache: @unchecked Sendable {  // the entries are written by a copy that has them for itself
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
    /// The storage's, so that looking does not count its references.
    private var entries: UnsafeMutablePointer<Entry>

    init() { entries = storage.entries }

    @inline(__always)
    private static func place(_ address: UInt) -> Int {
        Int(truncatingIfNeeded: (UInt64(address) &* 0x9E37_79B9_7F4A_7C15) >> 58)  // as in KeyHeader; six bits
    }

    /// Appends what was kept for the field's key. False: nothing was.
    @inline(__always)
    func append(_ field: Field, to line: inout LineBuffer) -> Bool {
        let address = UInt(bitPattern: field.key.bytes.baseAddress)
        let entry = entries + KeyCache.place(address)
        guard entry.pointee.key == address, entry.pointee.header == field.header.bits, line.textLimit == .max else { return false }
        line.ensure(40)
        let (from, to) = (UnsafeRawPointer(entry) + 24, UnsafeMutableRawPointer(line.cursor))
        to.storeBytes(of: from.loadUnaligned(as: SIMD4<UInt64>.self), as: SIMD4<UInt64>.self)
        to.storeBytes(of: from.loadUnaligned(fromByteOffset: 32, as: UInt64.self), toByteOffset: 32, as: UInt64.self)
        line.cursor += entry.pointee.count
        return true
    }

    /// Keeps what was appended for the field's key, from `begin` on, if it is a literal's and short enough.
    @inline(never)
    mutating func keep(_ field: Field, _ line: borrowing LineBuffer, from begin: Int) {
        assert(MemoryLayout<Entry>.offset(of: \.text) == 24)
        let text = line.bytes[begin...]
        guard field.header.isStatic, let base = field.key.bytes.baseAddress, text.count <= 40, line.textLimit == .max else { return }
        if !isKnownUniquelyReferenced(&storage) {
            storage = Storage(copying: storage)
            entries = storage.entries
        }
        var entry = Entry(key: UInt(bitPattern: base), header: field.header.bits, count: text.count)
        for (index, byte) in text.enumerated() { entry.text[index] = byte }
        entries[KeyCache.place(entry.key)] = entry
    }
}
