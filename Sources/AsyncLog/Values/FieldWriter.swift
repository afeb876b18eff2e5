// Writing the fields of a record, or of an object within it.
import EventLoop

/// Writes fields one after the other.
///
///     logger.info("logged in") { fields in
///         fields["user"] = user.id
///         if let referrer { fields["referrer"] = referrer }
///     }
///
/// A key that is written twice has the value that was written last. Beyond `RecordLimits.fields`, only the first fields
/// are kept. Valid during the call that hands it over.
public struct FieldWriter: ~Copyable {
    let scratch: Scratch
    /// The place of the mask.
    let start: Int
    var mask = KeyMask.none
    /// How many fields may repeat a key, as far as the mask can tell.
    private var suspects = 0
    /// Up to this number of suspects, each is compared with the other fields as it comes; if there are more, all are
    /// compared when the object ends.
    private static let fewSuspects = 64
    /// The place of the next field. Bytes in the scratch beyond it are a value that was encoded ahead of its key:
    /// `fields["user"] = ["id": 7] as Fields`.
    var end: Int

    @inline(__always)
    init(_ scratch: Scratch) {
        self.scratch = scratch
        start = scratch.count
        _ = scratch.reserve(Encoding.maskSize)
        scratch.commit(Encoding.maskSize)
        end = scratch.count
    }

    /// Adds a field. Write-only: a field that has been written cannot be read back.
    public subscript<Value: LogValue>(key: FieldKey) -> Value {
        @available(*, unavailable, message: "a FieldWriter's fields can only be written")
        get { preconditionFailure("a FieldWriter's fields can only be written") }
        // Inlined into the caller, where the type is known: none of these tests remains there.
        @inlinable
        @inline(__always)
        set {
            if Value.self == Int.self {
                append(key, unsafeBitCast(newValue, to: Int.self))
            } else if Value.self == Double.self {
                append(key, unsafeBitCast(newValue, to: Double.self))
            } else if Value.self == Bool.self {
                append(key, unsafeBitCast(newValue, to: Bool.self))
            } else {
                append(key, newValue)
            }
        }
    }

    /// Adds an error: its type, its message, and the chain of its causes.
    public subscript(key: FieldKey) -> any Error {
        @available(*, unavailable, message: "a FieldWriter's fields can only be written")
        get { preconditionFailure("a FieldWriter's fields can only be written") }
        set { append(key, LoggedError(newValue)) }
    }

    /// Adds an object with fields of its own.
    public mutating func object(_ key: FieldKey, _ body: (inout FieldWriter) -> Void) {
        let begin = scratch.count
        write(key)
        var encoder = ValueEncoder(scratch)
        encoder.encodeObject(body)
        settle(begin)
    }

    /// Adds a list.
    public mutating func array(_ key: FieldKey, _ body: (inout ArrayWriter) -> Void) {
        let begin = scratch.count
        write(key)
        var encoder = ValueEncoder(scratch)
        encoder.encodeArray(body)
        settle(begin)
    }

    /// Adds a field whose value `body` writes.
    public mutating func value(_ key: FieldKey, _ body: (inout ValueEncoder) -> Void) {
        let begin = scratch.count
        write(key)
        var encoder = ValueEncoder(scratch)
        body(&encoder)
        encoder.finish()
        settle(begin)
    }

    /// Adds all of these fields.
    public mutating func append(contentsOf fields: Fields) {
        let begin = scratch.count
        fields.appendBody(to: scratch)
        append(bodyAt: begin)
    }

    @usableFromInline
    mutating func append<Value: LogValue>(_ key: FieldKey, _ value: Value) {
        let begin = scratch.count
        write(key)
        var encoder = ValueEncoder(scratch)
        value.encode(to: &encoder)
        encoder.finish()
        settle(begin)
    }

    @usableFromInline
    mutating func append(_ key: FieldKey, _ value: Int) {
        if key.literal == 0 || scratch.count != end { return append(key, other: value) }
        append(key.header, key.literal, .int, UInt64(bitPattern: Int64(value)))
    }

    @usableFromInline
    mutating func append(_ key: FieldKey, _ value: Double) {
        if key.literal == 0 || scratch.count != end { return append(key, other: value) }
        append(key.header, key.literal, .double, value.bitPattern)
    }

    @usableFromInline
    mutating func append(_ key: FieldKey, _ value: Bool) {
        if key.literal == 0 || scratch.count != end { return append(key, other: value) }
        append(key.header, key.literal, value ? .true : .false, 0)
    }

    /// Adds a field with a static key and a value that fits into a register, in one step. `end` is the end of the
    /// scratch.
    @inline(__always)
    mutating func append(_ header: KeyHeader, _ literal: UInt, _ kind: ValueKind, _ bits: UInt64) {
        let memory = scratch.reserve(25)
        Encoding.put(header.bits, at: memory, 0)
        Encoding.put(literal, at: memory, 8)
        memory[16] = kind.rawValue
        Encoding.put(bits, at: memory, 17)
        scratch.commit(kind == .true || kind == .false ? 17 : 25)
        add(header, end)
        end = scratch.count
    }

    /// Adds a text in the same way. It reads the text in place, so that its references are not counted.
    @inline(__always)
    private mutating func append(_ header: KeyHeader, _ literal: UInt, _ text: UnsafePointer<String>) {
        let isContiguous: Void? = text.pointee.utf8.withContiguousStorageIfAvailable { text in
            let memory = scratch.reserve(21 &+ text.count)
            Encoding.put(header.bits, at: memory, 0)
            Encoding.put(literal, at: memory, 8)
            memory[16] = ValueKind.text.rawValue
            Encoding.put(UInt32(text.count), at: memory, 17)
            if let base = text.baseAddress { Memory.copy(base, text.count, to: memory + 21) }
            scratch.commit(21 &+ text.count)
        }
        precondition(isContiguous != nil, "a String on Linux must be contiguous UTF-8")
        add(header, end)
        end = scratch.count
    }

    @inline(never)
    private mutating func append<Value: LogValue>(_ key: FieldKey, other value: Value) { append(key, value) }

    /// The conversion of the value may be code of the program, which may make fields and log.
    @inline(never)
    private mutating func append(any value: any LogValue, _ key: FieldKey) {
        let state = scratch.beginFields()
        append(key, other: value)
        scratch.endFields(state)
    }

    /// For dictionary literals, whose values are of any type. Values of the usual types are read in place; the others
    /// encode themselves.
    mutating func append(_ elements: UnsafeBufferPointer<(FieldKey, any LogValue)>) {
        guard let base = elements.baseAddress else { return }
        // Reads both halves of a pair in place, so that neither keys nor values are copied.
        var element = UnsafeRawPointer(base)
        let offset = (MemoryLayout<FieldKey>.size + 7) & ~7
        for _ in 0..<elements.count {
            let key = element.assumingMemoryBound(to: FieldKey.self)
            let value = element + offset
            let type = value.assumingMemoryBound(to: ExistentialContainer.self).pointee.type
            let (header, literal) = (key.pointee.header, key.pointee.literal)
            if literal == 0 || scratch.count != end {
                append(any: value.assumingMemoryBound(to: (any LogValue).self).pointee, key.pointee)
            } else if type == Int.self {
                append(header, literal, .int, value.assumingMemoryBound(to: UInt64.self).pointee)
            } else if type == String.self {
                append(header, literal, value.assumingMemoryBound(to: String.self))
            } else if type == Double.self {
                append(header, literal, .double, value.assumingMemoryBound(to: UInt64.self).pointee)
            } else if type == Bool.self {
                append(header, literal, value.assumingMemoryBound(to: Bool.self).pointee ? .true : .false, 0)
            } else {
                append(any: value.assumingMemoryBound(to: (any LogValue).self).pointee, key.pointee)
            }
            element += MemoryLayout<(FieldKey, any LogValue)>.stride
        }
    }

    /// Makes the object that was just copied to the end, mask and all, part of this one.
    mutating func append(bodyAt begin: Int) {
        guard scratch.count - begin > Encoding.maskSize else { return scratch.rewind(to: end) }
        let added = Encoding.get(KeyMask.self, at: scratch.pointer(at: begin))
        if mask.intersects(added) { mask.hasRepeated = true }
        if mask.intersects(added) || scratch.count - begin > KeyIndex.worthwhile {
            suspects += fields(from: begin + Encoding.maskSize, to: scratch.count).reduce(0) { count, _ in count + 1 }
        }
        mask = mask | added
        settle(begin + Encoding.maskSize)
    }

    /// Moves the bytes from `begin` on to the end of this object.
    @inline(__always)
    private mutating func settle(_ begin: Int) {
        if begin != end { move(begin) }
        end = scratch.count
    }

    private func move(_ begin: Int) {
        precondition(scratch.owns(end), "a FieldWriter must not be used while another record is being written")
        scratch.moveEnd(from: begin, to: end)
    }

    /// Adds a field that was encoded elsewhere.
    mutating func append(encoded bytes: UnsafeRawBufferPointer, _ header: KeyHeader) {
        let begin = scratch.count
        scratch.append(bytes.bindMemory(to: UInt8.self))
        add(header, begin)
        settle(begin)
    }

    /// Writes the mask. Call it once, at the end.
    @inline(__always)
    mutating func close() {
        precondition(scratch.owns(start), "a FieldWriter must not be used while another record is being written")
        scratch.rewind(to: end)
        if suspects > FieldWriter.fewSuspects { examine() }
        Encoding.put(mask, at: scratch.pointer(at: start), 0)
    }

    @inline(__always)
    private mutating func write(_ key: borrowing FieldKey) {
        let begin = scratch.count
        guard key.literal != 0 else { return write(dynamic: key, begin) }
        let memory = scratch.reserve(16)
        Encoding.put(key.header.bits, at: memory, 0)
        Encoding.put(key.literal, at: memory, 8)
        scratch.commit(16)
        add(key.header, begin)
    }

    @inline(never)
    private mutating func write(dynamic key: borrowing FieldKey, _ begin: Int) {
        Encoding.put(key.header.bits, at: scratch.reserve(8), 0)
        scratch.commit(8)
        key.own?.withUnsafeBufferPointer { scratch.append($0) }
        add(key.header, begin)
    }

    /// Writes the header of a key that has been copied to the end of the last field.
    @inline(__always)
    mutating func note(_ key: UnsafeBufferPointer<UInt8>, at memory: UnsafeMutablePointer<UInt8>) {
        let header = KeyHeader(key, isStatic: false)
        Encoding.put(header.bits, at: memory, 0)
        add(header, end)
    }

    /// Ends a field: the bytes written since the last one belong to it.
    @inline(__always)
    mutating func closeField() { end = scratch.count }

    /// - Parameter begin: the place of the key.
    @inline(__always)
    private mutating func add(_ header: KeyHeader, _ begin: Int) {
        let key = KeyMask(header)
        if mask.intersects(key) { markIfRepeated(begin) }
        mask = mask | key
    }

    @inline(never)
    private mutating func markIfRepeated(_ begin: Int) {
        suspects += 1
        guard suspects <= FieldWriter.fewSuspects else { return }
        var at = UnsafeRawPointer(scratch.pointer(at: begin))
        let (key, _) = Decoding.key(&at)
        for field in fields(from: start + Encoding.maskSize, to: end) where field.key == key { mask.hasRepeated = true }
    }

    /// Valid until the next append.
    func fields(from begin: Int, to end: Int) -> FieldList {
        let first = UnsafeRawPointer(scratch.pointer(at: begin))
        return FieldList(start: first, end: first + (end - begin), mask: .all)
    }
}
