// Whether two records of one call site have the same content: what `deduplicated` compares.

extension Record {
    /// Equal for records with the same level, message and effective fields, be the fields the call's, the logger's or
    /// the scope's. Two different records have the same hash only by a collision.
    var contentHash: Int {
        var hasher = Hasher()
        hasher.combine(level)
        hasher.combine(message)
        forEachField { field in
            hasher.combine(field.key)
            hasher.combine(bytes: UnsafeRawBufferPointer(start: field.encoded, count: Decoding.size(field.encoded)))
        }
        return hasher.finalize()
    }
}

extension Hasher {
    /// Hashes the length, too: where one text ends and the next begins makes a difference.
    fileprivate mutating func combine(_ text: Text) {
        combine(text.bytes.count)
        combine(bytes: UnsafeRawBufferPointer(text.bytes))
    }
}
