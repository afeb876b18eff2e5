// Keys that a formatter treats differently, and texts that it writes again and again.

/// Keys that a formatter uses itself. A field that is called like one of them gets another name. Lives as long as the program: formatters are few.
struct ReservedKeys: @unchecked Sendable {  // written once, when it is made
    private let keys: UnsafeBufferPointer<UnsafeBufferPointer<UInt8>>
    private let mask: KeyMask

    init(_ names: [String]) {
        let copies = names.map { name in
            let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: name.utf8.count)
            _ = copy.initialize(from: name.utf8)
            return UnsafeBufferPointer(copy)
        }
        let keys = UnsafeMutableBufferPointer<UnsafeBufferPointer<UInt8>>.allocate(capacity: copies.count)
        _ = keys.initialize(from: copies)
        self.keys = UnsafeBufferPointer(keys)
        mask = copies.reduce(.none) { $0 | KeyMask(Text($1)) }
    }

    @inline(__always)
    func contains(_ field: Field) -> Bool { mask.intersects(KeyMask(field.header)) && isOneOf(field.key) }

    func contains(_ key: Text) -> Bool { mask.intersects(KeyMask(key)) && isOneOf(key) }

    @inline(never)
    private func isOneOf(_ key: Text) -> Bool {
        for name in keys where Text(name) == key { return true }
        return false
    }
}

/// Keys whose fields a formatter leaves out.
typealias ExcludedKeys = ReservedKeys

/// A short text in memory that is long enough to be copied in steps of sixteen bytes. Lives as long as the program: formatters are few.
struct PaddedText: @unchecked Sendable {  // written once, when it is made
    let start: UnsafePointer<UInt8>
    let count: Int

    init(_ text: String) {
        var text = text
        count = text.utf8.count
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count + 32)
        memory.initialize(repeating: 0, count: count + 32)
        text.withUTF8 { if let base = $0.baseAddress { memory.update(from: base, count: $0.count) } }
        start = UnsafePointer(memory)
    }
}

/// One text for each level. Lives as long as the program.
struct LevelTexts: @unchecked Sendable {  // written once, when it is made
    let texts: UnsafeMutableBufferPointer<PaddedText>

    init(_ text: (Level) -> String) {
        texts = .allocate(capacity: Level.allCases.count)
        _ = texts.initialize(from: Level.allCases.map { PaddedText(text($0)) })
    }

    @inline(__always)
    subscript(level: Level) -> PaddedText { texts.baseAddress![Int(level.rawValue)] }
}

extension LineBuffer {
    /// Appends two characters.
    @inline(__always)
    mutating func appendPair(_ first: Unicode.Scalar, _ second: Unicode.Scalar) {
        ensure(2)
        UnsafeMutableRawPointer(cursor).storeBytes(of: UInt16(UInt8(ascii: first)) | UInt16(UInt8(ascii: second)) << 8, as: UInt16.self)
        cursor += 2
    }

    /// The bytes behind the text that are written too are overwritten by what comes next.
    @inline(__always)
    mutating func append(_ text: PaddedText) {
        ensure(text.count)
        let (from, to) = (UnsafeRawPointer(text.start), UnsafeMutableRawPointer(cursor))
        if text.count <= 32 {
            to.storeBytes(of: from.loadUnaligned(as: SIMD4<UInt64>.self), as: SIMD4<UInt64>.self)
        } else {
            to.copyMemory(from: from, byteCount: text.count)
        }
        cursor += text.count
    }

    /// Takes out one byte that was written.
    mutating func remove(at offset: Int) {
        let length = count - offset - 1
        overwrite(offset) { $0.update(from: $0 + 1, count: length) }
        cut(to: count - 1)
    }
}
