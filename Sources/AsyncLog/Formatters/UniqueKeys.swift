// No key occurs twice in an object that a formatter writes: a parser would drop a value.
//
// The keys of a record are unique, but a format may have to change them: it has keys of its own (`level`), cannot hold
// every character (`a b`), writes an object as pairs (`o.x`), or cuts keys that are too long. JSON and MessagePack
// change keys by rules that keep different keys different. The formats of pairs have no such rule that would leave the
// usual keys alone. They note the changes, and if these can have made two keys equal, they write the fields once more
// and number repeated keys: `a_b=1 a_b_2=2`.

extension KeyChanges {
    /// Whether two keys of the record may have become equal. Dots separate the names of flattened keys: as long as no
    /// key contains a dot, flattened keys stay different.
    func mayCollide(in record: borrowing Record) -> Bool {
        if contains(.repaired) || self == [.flattened, .prefixed] { return true }
        var hasDots = false
        record.forEachField { if !hasDots { hasDots = $0.hasDottedKey } }
        return hasDots
    }
}

extension Field {
    /// True if the key, or one within the value, has a dot.
    var hasDottedKey: Bool {
        if key.bytes.contains(UInt8(ascii: ".")) { return true }
        switch value {
        case .object(let fields), .error(let fields): return fields.contains { $0.hasDottedKey }
        default: return false
        }
    }
}

/// Numbers repeated keys.
struct UniqueKeys {
    private var taken: Set<[UInt8]> = []
    /// The last number that was given to a key.
    private var numbers: [[UInt8]: Int] = [:]
    /// No key is longer.
    private let limit: Int

    init(_ taken: [String] = [], limit: Int = .max) {
        self.limit = limit
        for name in taken { self.taken.insert(Array(name.utf8)) }
    }

    /// All keys that have been claimed, the initial ones included.
    var names: [String] { taken.map { String(decoding: $0, as: UTF8.self) } }

    /// Returns the key itself, or with a number behind it if it has been claimed before.
    mutating func claim(_ name: String) -> String {
        let bytes = Array(name.utf8)
        if taken.insert(bytes).inserted { return name }
        var number = numbers[bytes] ?? 1
        while true {
            number += 1
            let mark = Array("_\(number)".utf8)
            let room = limit - mark.count
            let kept = bytes.withUnsafeBufferPointer { Text.boundary($0, max(0, min(bytes.count, room))) }
            let candidate = bytes[..<kept] + mark
            if taken.insert(Array(candidate)).inserted {
                numbers[bytes] = number
                return String(decoding: candidate, as: UTF8.self)
            }
        }
    }
}

/// The format's own keys, in a format where a field with one of these names, with or without `_` behind it, gets more
/// of these: `level` becomes `level_`, and `level_` becomes `level__`, so that they stay different.
struct YieldingKeys: Sendable {
    /// The keys without the underscores at their ends.
    private let bases: ReservedKeys
    /// How many underscores a field gets: more than any of the keys has.
    let underscores: Int

    init(_ names: [String]) {
        func base(_ name: String) -> Substring.UTF8View {
            name.utf8.dropLast(name.utf8.reversed().prefix { $0 == UInt8(ascii: "_") }.count)
        }
        bases = ReservedKeys(names.map { String(Substring(base($0))) })
        underscores = 1 + (names.map { $0.utf8.count - base($0).count }.max() ?? 0)
    }

    /// True if the field gets underscores.
    @inline(__always)
    func contains(_ field: Field) -> Bool {
        field.key.bytes.last == UInt8(ascii: "_") ? containsBase(of: field.key) : bases.contains(field)
    }

    @inline(never)
    private func containsBase(of key: Text) -> Bool {
        var count = key.bytes.count
        while count > 0, key.bytes[count - 1] == UInt8(ascii: "_") { count -= 1 }
        return bases.contains(Text(UnsafeBufferPointer(rebasing: key.bytes[..<count])))
    }
}

extension LineBuffer {
    /// Appends a key of an object. A key that is too long is cut, with a mark that no other key of the line has.
    @inline(__always)
    mutating func appendKey(_ key: Text, _ style: Escape.Style) {
        if textLimit == .max { return Escape.append(key.bytes, to: &self, style) }
        appendLimitedKey(key, style)
    }

    @inline(never)
    private mutating func appendLimitedKey(_ key: Text, _ style: Escape.Style) {
        let (kept, mark) = limitedKey(key)
        Escape.append(kept, to: &self, style)
        append(mark)
    }

    /// The part of a key that is kept, and the mark behind it. A key that contains the beginning of such a mark gets
    /// one as well.
    mutating func limitedKey(_ key: Text) -> (UnsafeBufferPointer<UInt8>, String) {
        let isLong = key.bytes.count > textLimit
        guard isLong || String(key).utf8.firstRange(of: "…[".utf8) != nil else { return (key.bytes, "") }
        let kept = isLong ? Text.boundary(key.bytes, textLimit) : key.bytes.count
        markedKeys += 1
        return (
            UnsafeBufferPointer(rebasing: key.bytes[..<kept]),
            "…[\(key.bytes.count - kept) bytes cut from key \(markedKeys)]"
        )
    }
}
