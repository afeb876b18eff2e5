// The buffer into which a formatter writes: memory that grows, and that the handler keeps from record to record.
//
// A record is laid out here first and copied to the handler's buffer when its size is known. So it goes in whole or not
// at all, whatever the formatter does, and the copy of a hundred bytes costs less than a check of the bound for each
// piece.

/// The line (or other unit of the format) of one record while it is being written.
///
/// A formatter appends bytes. `append(_: String)` and its siblings write them unchanged; `appendEscaped` escapes
/// control characters.
public struct LineBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var limit: UnsafeMutablePointer<UInt8>
    @usableFromInline var cursor: UnsafeMutablePointer<UInt8>

    /// The record's number in its handler's output, counted from 1 without gaps; dropped records have numbers, too. 0
    /// for a report of the handler itself.
    public internal(set) var sequence: UInt64 = 0

    /// Longer texts are cut, so that the whole line stays within the handler's limit. Nearly always `Int.max`.
    public internal(set) var textLimit = Int.max {
        didSet { markedKeys = 0 }
    }

    /// How keys were changed since a formatter last looked (UniqueKeys.swift).
    var keyChanges: KeyChanges = []
    /// How many keys have a mark.
    var markedKeys = 0

    /// The handler for which layouts of bound fields are kept; nil: they are not kept.
    var layoutOwner: LayoutOwner?

    /// Beyond the reserved bytes there is always room for a few more, so that short texts can be copied in words.
    @usableFromInline static let slack = 32
    /// After a giant line, memory beyond this is given back.
    private static let keptCapacity = 65_536

    /// Empty, with room for a line of usual length.
    public init() {
        base = .allocate(capacity: 1024)
        cursor = base
        limit = base + 1024 - LineBuffer.slack
    }

    deinit { base.deallocate() }

    // MARK: What has been written

    /// How many bytes have been written.
    public var count: Int { cursor - base }

    /// The written bytes. Valid until the next append.
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Removes all bytes.
    @inline(__always)
    public mutating func clear() {
        cursor = base
        if limit - base > LineBuffer.keptCapacity { shrink() }
    }

    private mutating func shrink() {
        let (sequence, textLimit, layoutOwner) = (sequence, textLimit, layoutOwner)
        self = LineBuffer()
        self.sequence = sequence
        self.textLimit = textLimit
        self.layoutOwner = layoutOwner
    }

    // MARK: Appending

    /// Makes room for `size` bytes at `cursor`.
    @inline(__always)
    mutating func ensure(_ size: Int) {
        if limit - cursor < size { grow(size) }
    }

    @inline(never)
    private mutating func grow(_ size: Int) {
        let count = cursor - base
        let capacity = max((limit - base) * 2, count + size) + LineBuffer.slack
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
        cursor = base + count
        limit = base + capacity - LineBuffer.slack
    }

    /// Appends one byte.
    @inline(__always)
    public mutating func append(_ byte: UInt8) {
        ensure(1)
        cursor[0] = byte
        cursor += 1
    }

    /// Appends bytes unchanged.
    @inline(__always)
    public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress else { return }
        ensure(bytes.count)
        Memory.copy(source, bytes.count, to: cursor)
        cursor += bytes.count
    }

    /// Appends a text unchanged. For texts without control characters.
    @inline(__always)
    public mutating func append(_ text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a text unchanged. For texts without control characters.
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// Appends an integer in decimal.
    @inline(__always)
    public mutating func append(_ value: Int64) {
        ensure(Decimal.maximumLength)
        cursor += Decimal.write(Int(value), to: cursor)
    }

    /// Appends an integer in decimal.
    public mutating func append(_ value: UInt64) {
        ensure(Decimal.maximumLength)
        cursor += Decimal.write(UInt(value), to: cursor)
    }

    /// Appends the shortest text that reads back as the same number.
    public mutating func append(_ value: Double) {
        ensure(FloatText.maximumLength)
        cursor += FloatText.write(value, to: cursor)
    }

    /// Appends the shortest text that reads back as the same number.
    public mutating func append(_ value: Float) {
        ensure(FloatText.maximumLength)
        cursor += FloatText.write(value, to: cursor)
    }

    /// Appends blanks.
    public mutating func appendBlanks(_ count: Int) {
        guard count > 0 else { return }
        ensure(count)
        cursor.update(repeating: UInt8(ascii: " "), count: count)
        cursor += count
    }

    /// Appends `bytes` in hexadecimal.
    mutating func appendHex(_ bytes: UnsafeRawBufferPointer) {
        ensure(2 * bytes.count)
        for byte in bytes {
            cursor[0] = Escape.hexDigit(byte >> 4)
            cursor[1] = Escape.hexDigit(byte & 15)
            cursor += 2
        }
    }

    /// Overwrites bytes at `offset`.
    mutating func overwrite(_ offset: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Void) { body(base + offset) }

    /// Removes the bytes from `offset` on.
    mutating func cut(to offset: Int) { cursor = base + offset }
}

/// What a formatter knows of its handler: shared fields are laid out once for each handler (`BoundFields.withLayout`).
struct LayoutOwner: BitwiseCopyable {
    /// The handler's number; no two handlers of the process have the same.
    let handler: UInt64
    /// The handler's loop.
    let loop: ObjectIdentifier
}
