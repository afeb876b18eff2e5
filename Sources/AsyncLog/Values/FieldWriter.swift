// Writing the fields of a record, or of an object within it.
import EventLoop

/// Takes fields one after the other.
///
///     logger.info("logged in") { fields in
///         fields["user"] = user.id
///         if let referrer { fields["referrer"] = referrer }
///     }
///
/// A key that is written twice has the value that was written last. Valid during the call that hands it over.
public struct FieldWriter: ~Copyable {
    let scratch: Scratch
    /// Where the mask stands.
    let start: Int
    private(set) var mask = KeyMask.none
    /// Where the next field goes. What stands in the scratch beyond is a value that was encoded ahead of its key: `fields["user"] = ["id": 7] as Fields`.
    private(set) var end: Int

    @inline(__always)
    init(_ scratch: Scratch) {
        self.scratch = scratch
        start = scratch.count
        _ = scratch.reserve(Encoding.maskSize)
        scratch.commit(Encoding.maskSize)
        end = scratch.count
    }

    /// Adds a field. Write-only: what has been written is not kept in a form that can be read back.
    public subscript<Value: LogValue>(key: FieldKey) -> Value {
        @available(*, unavailable, message: "fields can only be written")
        get { preconditionFailure("fields can only be written") }
        @inline(__always) set { append(key, newValue) }
    }

    /// Adds an error: its type, its message, and the chain of its causes.
    public subscript(key: FieldKey) -> any Error {
        @available(*, unavailable, message: "fields can only be written")
        get { preconditionFailure("fields can only be written") }
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

    @inline(__always)
    mutating func append<Value: LogValue>(_ key: FieldKey, _ value: Value) {
        let begin = scratch.count
        write(key)
        var encoder = ValueEncoder(scratch)
        value.encode(to: &encoder)
        encoder.finish()
        settle(begin)
    }

    /// For dictionary literals, whose values are of any type.
    mutating func append(_ elements: UnsafeBufferPointer<(FieldKey, any LogValue)>) {
        guard let base = elements.baseAddress else { return }
        // Each half of a pair where it stands, so that neither keys nor values are copied.
        var element = UnsafeRawPointer(base)
        let offset = (MemoryLayout<FieldKey>.size + 7) & ~7
        for _ in 0..<elements.count {
            let begin = scratch.count
            write(element.assumingMemoryBound(to: FieldKey.self).pointee)
            var encoder = ValueEncoder(scratch)
            (element + offset).assumingMemoryBound(to: (any LogValue).self).pointee.encode(to: &encoder)
            encoder.finish()
            settle(begin)
            element += MemoryLayout<(FieldKey, any LogValue)>.stride
        }
    }

    /// Makes the object that was just copied to the end, mask and all, part of this one.
    mutating func append(bodyAt begin: Int) {
        guard scratch.count - begin > Encoding.maskSize else { return scratch.rewind(to: end) }
        let added = Encoding.get(KeyMask.self, at: scratch.pointer(at: begin))
        if mask.intersects(added) { mask.hasRepeated = true }
        mask = mask | added
        settle(begin + Encoding.maskSize)
    }

    /// Moves what was written from `begin` on to where it belongs.
    @inline(__always)
    private mutating func settle(_ begin: Int) {
        if begin != end { scratch.moveEnd(from: begin, to: end) }
        end = scratch.count
    }

    /// Adds a field as it was encoded elsewhere.
    mutating func append(encoded bytes: UnsafeRawBufferPointer, key: Text) {
        let begin = scratch.count
        scratch.append(bytes.bindMemory(to: UInt8.self))
        add(KeyMask(key.bytes), begin)
        settle(begin)
    }

    /// Writes the mask. Call it once, at the end.
    @inline(__always)
    mutating func close() {
        scratch.rewind(to: end)
        Encoding.put(mask, at: scratch.pointer(at: start), 0)
    }

    @inline(__always)
    private mutating func write(_ key: borrowing FieldKey) {
        switch key.storage {
        case .literal(let literal):
            let memory = scratch.reserve(12)
            Encoding.put(UInt32(literal.utf8CodeUnitCount) | Encoding.staticKey, at: memory, 0)
            Encoding.put(UInt(bitPattern: literal.utf8Start), at: memory, 4)
            scratch.commit(12)
            add(KeyMask(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)), scratch.count - 12)
        case .dynamic(var text):
            text.withUTF8 { text in
                let memory = scratch.reserve(4 + text.count)
                Encoding.put(UInt32(text.count), at: memory, 0)
                if let base = text.baseAddress { (memory + 4).update(from: base, count: text.count) }
                scratch.commit(4 + text.count)
                add(KeyMask(text), scratch.count - 4 - text.count)
            }
        }
    }

    /// `begin` is where the key stands.
    @inline(__always)
    private mutating func add(_ key: KeyMask, _ begin: Int) {
        if mask.intersects(key) { markIfRepeated(begin) }
        mask = mask | key
    }

    @inline(never)
    private mutating func markIfRepeated(_ begin: Int) {
        var at = UnsafeRawPointer(scratch.pointer(at: begin))
        let key = Decoding.key(&at)
        let first = UnsafeRawPointer(scratch.pointer(at: start + Encoding.maskSize))
        let fields = FieldList(start: first, end: first + (end - start - Encoding.maskSize), mask: .all)
        for field in fields where field.key == key { mask.hasRepeated = true }
    }
}
