// The fields of a dictionary, in the order of their keys, so that equal dictionaries look alike from run to run.
//
// The fields are encoded in the dictionary's order, and a note of each has its place and the beginning of its key. As
// long as there are few, each note is inserted in its order; many notes are sorted at the end. The fields themselves
// move once, at the end, and not at all if they were in order.
import EventLoop

/// The note of one field.
package struct SortedField: BitwiseCopyable {
    /// The key's first eight bytes as a number, so that most comparisons compare numbers.
    fileprivate let prefix: UInt64
    /// The field's place in the scratch.
    fileprivate let start: UInt32
    fileprivate var size: UInt32
    fileprivate let keyCount: UInt32
}

/// The fields of one dictionary.
package struct SortedFields: ~Copyable {
    private let fields: UnsafeMutableBufferPointer<SortedField>
    private var count = 0
    private var last = 0
    private var isSorted = true
    /// Beyond this number, notes are sorted at the end.
    private static let few = 32

    /// - Parameter memory: room for a note of each field.
    package init(_ memory: UnsafeMutableBufferPointer<SortedField>) { fields = memory }

    /// - Parameter key: this function may read beyond its end.
    @inline(__always)
    fileprivate mutating func insert(
        start: Int, size: Int, key: UnsafePointer<UInt8>, count keyCount: Int, _ scratch: Scratch
    ) {
        var prefix = UInt64(bigEndian: UnsafeRawPointer(key).loadUnaligned(as: UInt64.self))
        if keyCount < 8 { prefix &= keyCount == 0 ? 0 : ~0 << UInt64(64 &- 8 &* keyCount) }
        let field = SortedField(
            prefix: prefix, start: UInt32(truncatingIfNeeded: start), size: UInt32(truncatingIfNeeded: size),
            keyCount: UInt32(truncatingIfNeeded: keyCount))
        var place = count
        while place > 0, count < SortedFields.few, precedes(field, fields[place &- 1], scratch) {
            fields[place] = fields[place &- 1]
            place &-= 1
        }
        if place < count || count >= SortedFields.few { isSorted = false }
        fields[place] = field
        last = place
        count &+= 1
    }

    /// The value of the last inserted field ends here.
    fileprivate mutating func extendLast(to end: Int) {
        fields[last].size = UInt32(truncatingIfNeeded: end) &- fields[last].start
    }

    @inline(__always)
    private func precedes(_ a: SortedField, _ b: SortedField, _ scratch: Scratch) -> Bool {
        a.prefix != b.prefix ? a.prefix < b.prefix : precedesBeyondPrefix(a, b, scratch)
    }

    @inline(never)
    private func precedesBeyondPrefix(_ a: SortedField, _ b: SortedField, _ scratch: Scratch) -> Bool {
        func key(_ field: SortedField) -> UnsafeBufferPointer<UInt8> {
            scratch.bytes(from: Int(field.start) + Encoding.textKeyHeader, count: Int(field.keyCount))
        }
        return key(a).lexicographicallyPrecedes(key(b))
    }

    /// Moves the fields, which are the last bytes of the scratch, into their order. Call it once, at the end.
    fileprivate func settle(_ scratch: Scratch) {
        guard !isSorted else { return }
        if count > SortedFields.few {
            var all = UnsafeMutableBufferPointer(rebasing: fields[..<count])
            all.sort { precedes($0, $1, scratch) }
        }
        let end = scratch.count
        let begin = fields[..<count].reduce(end) { min($0, Int($1.start)) }
        let copy = scratch.reserve(end - begin)
        var to = copy
        for field in fields[..<count] {
            Memory.copy(UnsafePointer(scratch.pointer(at: Int(field.start))), Int(field.size), to: to)
            to += Int(field.size)
        }
        Memory.copy(UnsafePointer(copy), end - begin, to: scratch.pointer(at: begin))
    }
}

extension FieldWriter {
    /// Adds a field of a dictionary.
    package mutating func append(_ key: String, _ value: String, _ order: inout SortedFields) {
        let written: Void?? = key.utf8.withContiguousStorageIfAvailable { key in
            value.utf8.withContiguousStorageIfAvailable { value in
                write(key, 5 &+ value.count, &order) { memory in
                    memory[0] = ValueKind.text.rawValue
                    Encoding.put(UInt32(value.count), at: memory, 1)
                    if let base = value.baseAddress { Memory.copy(base, value.count, to: memory + 5) }
                }
            }
        }
        precondition(written != nil && written! != nil, "a String on Linux must be contiguous UTF-8")
        closeField()
    }

    /// Adds a field of a dictionary.
    package mutating func append(_ key: String, _ value: Int, _ order: inout SortedFields) {
        let written: Void? = key.utf8.withContiguousStorageIfAvailable { key in
            write(key, 9, &order) { memory in
                memory[0] = ValueKind.int.rawValue
                Encoding.put(value, at: memory, 1)
            }
        }
        precondition(written != nil, "a String on Linux must be contiguous UTF-8")
        closeField()
    }

    /// Adds a field of a dictionary whose value `body` writes.
    package mutating func append(_ key: String, _ order: inout SortedFields, value body: (inout ValueEncoder) -> Void) {
        let written: Void? = key.utf8.withContiguousStorageIfAvailable { write($0, 0, &order) { _ in } }
        precondition(written != nil, "a String on Linux must be contiguous UTF-8")
        var encoder = ValueEncoder(scratch)
        body(&encoder)
        encoder.finish()
        order.extendLast(to: scratch.count)
        closeField()
    }

    /// Moves the fields of a dictionary into their order. They must be the last fields that were written.
    package mutating func settle(_ order: borrowing SortedFields) { order.settle(scratch) }

    /// Writes a key and `size` bytes of value in one step.
    @inline(__always)
    private mutating func write(
        _ key: UnsafeBufferPointer<UInt8>, _ size: Int, _ order: inout SortedFields,
        _ value: (UnsafeMutablePointer<UInt8>) -> Void
    ) {
        scratch.rewind(to: end)
        let head = Encoding.textKeyHeader &+ key.count
        // `insert` reads the beginning of the key as one word, however short the key is.
        let memory = scratch.reserve(head &+ size &+ 8)
        let text = memory + Encoding.textKeyHeader
        if let base = key.baseAddress { Memory.copy(base, key.count, to: text) }
        value(memory + head)
        scratch.commit(head &+ size)
        order.insert(start: end, size: head &+ size, key: text, count: key.count, scratch)
        note(key, at: memory)
    }
}
