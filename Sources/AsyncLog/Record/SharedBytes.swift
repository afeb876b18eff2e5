// How much memory the fields take that kept records have in common: each object of fields counts once.

/// The bytes of what records that are kept in one place share. One thread.
struct SharedBytes {
    private var entries: [ObjectIdentifier: (records: Int, bytes: Int)] = [:]

    /// One more record keeps the fields. Returns by how much more is kept for that.
    mutating func add(_ fields: BoundFields?) -> Int {
        guard let fields else { return 0 }
        let known = entries[ObjectIdentifier(fields)] ?? (0, 0)
        // What handlers make of them is kept with them, and may have come since.
        let bytes = fields.footprint
        entries[ObjectIdentifier(fields)] = (known.records + 1, bytes)
        return bytes - known.bytes
    }

    /// One record less keeps the fields. Returns by how much less is kept for that.
    mutating func remove(_ fields: BoundFields?) -> Int {
        guard let fields, let known = entries[ObjectIdentifier(fields)] else { return 0 }
        guard known.records > 1 else {
            entries[ObjectIdentifier(fields)] = nil
            return known.bytes
        }
        entries[ObjectIdentifier(fields)] = (known.records - 1, known.bytes)
        return 0
    }
}
