// Writing one value, straight into the thread's scratch; Encoding.swift has the layout.
import EventLoop

/// Writes the value of one field.
///
/// A `LogValue` calls exactly one of the functions, once. If it calls several, the last one counts; if it calls none,
/// the value is null. Valid during the call that hands it over.
public struct ValueEncoder: ~Copyable {
    let scratch: Scratch
    let start: Int
    /// The end of the value. Bytes beyond it were encoded ahead of their use, and are no longer needed.
    private var end: Int

    @inline(__always)
    init(_ scratch: Scratch) {
        self.scratch = scratch
        start = scratch.count
        scratch.reserve(1)[0] = ValueKind.null.rawValue
        scratch.commit(1)
        end = start + 1
    }

    /// Call it once, at the end.
    @inline(__always)
    func finish() { scratch.rewind(to: end) }

    // MARK: Scalars

    /// No value: `null`.
    public mutating func encodeNull() { restart(.null, 0) }

    /// `true` or `false`.
    public mutating func encode(_ value: Bool) { restart(value ? .true : .false, 0) }

    /// An integer of any size that fits into a register.
    @inlinable
    @inline(__always)
    public mutating func encode(_ value: some FixedWidthInteger) {
        if let small = Int64(exactly: value) {
            encodeInt(small)
        } else if let large = UInt64(exactly: value) {
            encodeInt(large)
        } else {
            encode(String(value))
        }
    }

    /// A number.
    public mutating func encode(_ value: Double) { put(.double, value) }

    /// A number, with no more digits than a `Float` has.
    public mutating func encode(_ value: Float) { put(.float, value) }

    /// A moment: nanoseconds since 1970-01-01T00:00:00Z.
    public mutating func encode(_ value: WallTime) { put(.date, value.nanoseconds) }

    /// A span of time, kept to the nanosecond.
    public mutating func encode(_ value: Duration) { put(.duration, value.wholeNanoseconds) }

    // MARK: Texts

    /// A text of the program: it is not copied.
    public mutating func encode(_ value: StaticString) {
        guard value.hasPointerRepresentation else { return encode(value.description) }
        let memory = restart(.staticText, 12)
        Encoding.put(UInt32(value.utf8CodeUnitCount), at: memory, 0)
        Encoding.put(UInt(bitPattern: value.utf8Start), at: memory, 4)
    }

    /// A text, which is copied.
    public mutating func encode(_ value: String) {
        var value = value
        value.withUTF8 { encode(.text, UnsafeRawBufferPointer($0)) }
    }

    /// A text, which is copied.
    public mutating func encode(_ value: Substring) {
        var value = value
        value.withUTF8 { encode(.text, UnsafeRawBufferPointer($0)) }
    }

    /// Raw bytes.
    public mutating func encode(bytes: UnsafeRawBufferPointer) { encode(.bytes, bytes) }

    // MARK: Composites

    /// An object with fields of its own.
    ///
    ///     encoder.encodeObject { $0["id"] = id; $0["name"] = name }
    public mutating func encodeObject(_ body: (inout FieldWriter) -> Void) { encodeObject(.object, body) }

    /// A list.
    ///
    ///     encoder.encodeArray { for tag in tags { $0.append(tag) } }
    public mutating func encodeArray(_ body: (inout ArrayWriter) -> Void) {
        guard scratch.nesting < RecordLimits.nesting else { return encode(RecordLimits.nestingMark) }
        restart(.array, 4)
        let begin = scratch.count
        scratch.nesting += 1
        var writer = ArrayWriter(scratch)
        body(&writer)
        scratch.nesting -= 1
        scratch.rewind(to: writer.end)
        close(begin)
    }

    /// Fields that were written before.
    public mutating func encode(_ value: Fields) {
        // The fields may have been encoded right here, ahead of this call: they are moved before anything overwrites
        // them.
        let body = scratch.count
        value.appendBody(to: scratch)
        let size = scratch.count - body
        _ = scratch.reserve(5)
        scratch.commit(5)
        scratch.move(from: body, count: size, to: start + 5)
        let memory = scratch.pointer(at: start)
        memory[0] = ValueKind.object.rawValue
        Encoding.put(UInt32(size), at: memory, 1)
        end = start + 5 + size
        scratch.rewind(to: end)
    }

    /// A mark in place of a value.
    mutating func encodeRedacted(_ value: some LogValue) {
        value.encode(to: &self)
        let hash = Redaction.hash(scratch.bytes(from: start, count: scratch.count - start))
        encode("<private \(String(hash, radix: 16))>")
    }

    // MARK: Implementation

    /// Values that are nested too deeply are not encoded, so that a value that contains itself, or one that a client
    /// built to overflow the stack, ends.
    mutating func encodeObject(_ kind: ValueKind, _ body: (inout FieldWriter) -> Void) {
        guard scratch.nesting < RecordLimits.nesting else { return encode(RecordLimits.nestingMark) }
        restart(kind, 4)
        let begin = scratch.count
        scratch.nesting += 1
        var writer = FieldWriter(scratch)
        body(&writer)
        scratch.nesting -= 1
        writer.close()
        close(begin)
    }

    private mutating func close(_ begin: Int) {
        end = scratch.count
        Encoding.put(UInt32(scratch.count - begin), at: scratch.pointer(at: begin - 4), 0)
    }

    @usableFromInline
    mutating func encodeInt(_ value: Int64) { put(.int, value) }

    @usableFromInline
    mutating func encodeInt(_ value: UInt64) { put(.uint, value) }

    @inline(__always)
    private mutating func put<Value: BitwiseCopyable>(_ kind: ValueKind, _ value: Value) {
        Encoding.put(value, at: restart(kind, MemoryLayout<Value>.size), 0)
    }

    private mutating func encode(_ kind: ValueKind, _ bytes: UnsafeRawBufferPointer) {
        let memory = restart(kind, 4 + bytes.count)
        Encoding.put(UInt32(bytes.count), at: memory, 0)
        if let base = bytes.baseAddress {
            UnsafeMutableRawPointer(memory + 4).copyMemory(from: base, byteCount: bytes.count)
        }
    }

    /// Begins a value of this kind with `size` bytes behind the kind, in place of what was written before.
    @inline(__always)
    @discardableResult
    private mutating func restart(_ kind: ValueKind, _ size: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(scratch.owns(start), "a ValueEncoder must not be used while another record is being written")
        scratch.rewind(to: start)
        let memory = scratch.reserve(1 + size)
        memory[0] = kind.rawValue
        scratch.commit(1 + size)
        end = start + 1 + size
        return memory + 1
    }
}

/// Writes the elements of a list.
public struct ArrayWriter: ~Copyable {
    private let scratch: Scratch
    /// The place of the next element.
    private(set) var end: Int

    init(_ scratch: Scratch) {
        self.scratch = scratch
        end = scratch.count
    }

    /// Adds an element at the end.
    public mutating func append(_ value: some LogValue) {
        let begin = scratch.count
        var encoder = ValueEncoder(scratch)
        value.encode(to: &encoder)
        encoder.finish()
        if begin != end {
            precondition(scratch.owns(end), "an ArrayWriter must not be used while another record is being written")
            scratch.moveEnd(from: begin, to: end)
        }
        end = scratch.count
    }
}
