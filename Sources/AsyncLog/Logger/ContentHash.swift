// Whether two records of one place say the same: what `deduplicated` compares.

extension Record {
    /// Equal for records that say the same (and, by bad luck, for a few that do not): level, message, and all fields that count, be they the call's, the
    /// logger's or the scope's.
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
    /// The length, too: where one text ends and the next begins makes a difference.
    fileprivate mutating func combine(_ text: Text) {
        combine(text.bytes.count)
        combine(bytes: UnsafeRawBufferPointer(text.bytes))
    }
}
