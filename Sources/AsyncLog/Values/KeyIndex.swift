// Which field counts if a key occurs twice: the last one. Among a few fields each is compared with the others. Among
// many, an index of the keys keeps the work from growing with the square of their number.

/// A key for look-ups.
struct HashedKey: Hashable {
    let text: Text

    static func == (a: HashedKey, b: HashedKey) -> Bool { a.text == b.text }

    /// The standard library seeds its hash for each process, so that no client can choose keys that collide.
    func hash(into hasher: inout Hasher) { hasher.combine(bytes: UnsafeRawBufferPointer(text.bytes)) }
}

/// The place of the last field with each key, in lists of fields one behind the other. Valid as long as their memory.
struct KeyIndex {
    private var last: [HashedKey: Int] = [:]
    private var count = 0

    /// Up to this number of bytes, comparing each field with the others is faster.
    static let worthwhile = 1024

    /// Indexes one list.
    init(_ fields: FieldList) { add(fields) }

    init() {}

    mutating func add(_ fields: FieldList) {
        for field in fields {
            last[HashedKey(text: field.key)] = count
            count += 1
        }
    }

    var hasRepeatedKeys: Bool { last.count < count }

    func contains(_ key: Text) -> Bool { last[HashedKey(text: key)] != nil }

    /// Whether this field, the `place`th of all, is the last one with its key.
    func counts(_ field: Field, at place: Int) -> Bool { last[HashedKey(text: field.key)] == place }
}

extension FieldList {
    /// Calls `body` with each field whose key does not occur again.
    func forEachThatCounts(_ body: (Field) throws -> Void) rethrows {
        guard hasRepeatedKeys else {
            for field in self { try body(field) }
            return
        }
        guard byteCount <= KeyIndex.worthwhile else { return try FieldList.forEachThatCounts([self], body) }
        var iterator = makeIterator()
        while let field = iterator.next() {
            var rest = iterator
            var isRepeated = false
            while let later = rest.next() { if later.key == field.key { isRepeated = true } }
            if !isRepeated { try body(field) }
        }
    }

    /// Calls `body` with each field of all lists whose key does not occur again in the same or a later list.
    static func forEachThatCounts(_ lists: [FieldList], _ body: (Field) throws -> Void) rethrows {
        var index = KeyIndex()
        for list in lists { index.add(list) }
        var place = 0
        for list in lists {
            for field in list {
                if index.counts(field, at: place) { try body(field) }
                place += 1
            }
        }
    }
}
