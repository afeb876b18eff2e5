// Keys that a formatter treats differently, and texts that it writes again and again.

/// Keys that a formatter uses itself. A field that is called like one of them gets another name.
struct ReservedKeys: Sendable {
    private let keys: [[UInt8]]
    private let mask: UInt64

    init(_ names: [String]) {
        keys = names.map { Array($0.utf8) }
        mask = keys.reduce(0) { mask, key in mask | key.withUnsafeBufferPointer { KeyMask.bit($0) } }
    }

    @inline(__always)
    func contains(_ key: Text) -> Bool { mask & KeyMask.bit(key.bytes) != 0 && isOneOf(key) }

    @inline(never)
    private func isOneOf(_ key: Text) -> Bool { keys.contains { $0.elementsEqual(key.bytes) } }
}

/// Keys whose fields a formatter leaves out.
typealias ExcludedKeys = ReservedKeys

extension ReservedKeys {
    var isEmpty: Bool { mask == 0 }
}

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

extension LineBuffer {
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
