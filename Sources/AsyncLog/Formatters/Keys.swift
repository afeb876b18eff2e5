// The keys that a formatter treats differently, and the texts that it writes again and again.

/// The format's own keys. A field with one of these names gets another name.
struct ReservedKeys: @unchecked Sendable {  // written once, when it is made
    private let keys: [PaddedText]
    private let mask: KeyMask

    init(_ names: [String]) {
        keys = names.map { PaddedText($0) }
        mask = keys.reduce(.none) { $0 | KeyMask($1.text) }
    }

    @inline(__always)
    func contains(_ field: Field) -> Bool { mask.intersects(KeyMask(field.header)) && isOneOf(field.key) }

    func contains(_ key: Text) -> Bool { mask.intersects(KeyMask(key)) && isOneOf(key) }

    @inline(never)
    private func isOneOf(_ key: Text) -> Bool { keys.contains { $0.text == key } }
}

/// Keys whose fields a formatter leaves out.
typealias ExcludedKeys = ReservedKeys

/// Memory that the copies of a formatter share; the last of them frees it.
private final class TextMemory: @unchecked Sendable {  // written once, when it is made
    let start: UnsafeMutablePointer<UInt8>

    init(capacity: Int) {
        start = .allocate(capacity: capacity)
        start.initialize(repeating: 0, count: capacity)
    }

    deinit { start.deallocate() }
}

/// A short text in memory that is long enough to be copied in steps of sixteen bytes, and that this does not own.
struct PaddedBytes {
    let start: UnsafePointer<UInt8>
    let count: Int
}

/// A short text that owns its padded memory.
struct PaddedText: @unchecked Sendable {  // written once, when it is made
    let bytes: PaddedBytes
    private let memory: TextMemory

    var count: Int { bytes.count }
    /// Valid as long as this value.
    var text: Text { Text(UnsafeBufferPointer(start: bytes.start, count: bytes.count)) }

    init(_ text: String) {
        var text = text
        let count = text.utf8.count
        let memory = TextMemory(capacity: count + 32)
        text.withUTF8 { if let base = $0.baseAddress { memory.start.update(from: base, count: count) } }
        bytes = PaddedBytes(start: UnsafePointer(memory.start), count: count)
        self.memory = memory
    }
}

/// One text for each level.
struct LevelTexts: @unchecked Sendable {  // written once, when it is made
    private let texts: PerLevel<PaddedBytes>
    private let memory: [PaddedText]

    init(_ text: (Level) -> String) {
        let memory = Level.allCases.map { PaddedText(text($0)) }
        texts = InlineArray { memory[$0].bytes }
        self.memory = memory
    }

    @inline(__always)
    subscript(level: Level) -> PaddedBytes { texts[unchecked: Int(level.rawValue)] }
}

extension LineBuffer {
    /// Appends two characters.
    @inline(__always)
    mutating func appendPair(_ first: Unicode.Scalar, _ second: Unicode.Scalar) {
        ensure(2)
        UnsafeMutableRawPointer(cursor).storeBytes(
            of: UInt16(UInt8(ascii: first)) | UInt16(UInt8(ascii: second)) << 8, as: UInt16.self)
        cursor += 2
    }

    @inline(__always)
    mutating func append(_ text: PaddedText) { append(text.bytes) }

    /// May write bytes behind the text, too; the next append overwrites them.
    @inline(__always)
    mutating func append(_ text: PaddedBytes) {
        ensure(text.count)
        let (from, to) = (UnsafeRawPointer(text.start), UnsafeMutableRawPointer(cursor))
        if text.count <= 32 {
            to.storeBytes(of: from.loadUnaligned(as: SIMD4<UInt64>.self), as: SIMD4<UInt64>.self)
        } else {
            to.copyMemory(from: from, byteCount: text.count)
        }
        cursor += text.count
    }

    /// Removes one byte.
    mutating func remove(at offset: Int) {
        let length = count - offset - 1
        overwrite(offset) { $0.update(from: $0 + 1, count: length) }
        cut(to: count - 1)
    }
}
