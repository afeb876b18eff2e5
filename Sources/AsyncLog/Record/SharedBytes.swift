// How much memory the shared fields of kept records take: each `BoundFields` counts once.

/// The bytes of the fields that the records of one keeper share. One thread.
struct SharedBytes {
    private var entries: [ObjectIdentifier: (records: Int, bytes: Int)] = [:]

    /// One more record keeps the fields. Returns how many bytes more are kept now.
    mutating func add(_ fields: BoundFields?) -> Int {
        guard let fields else { return 0 }
        let known = entries[ObjectIdentifier(fields)] ?? (0, 0)
        // The fields keep the layouts of handlers, which may have grown since.
        let bytes = fields.footprint
        entries[ObjectIdentifier(fields)] = (known.records + 1, bytes)
        return bytes - known.bytes
    }

    /// One record less keeps the fields. Returns how many bytes fewer are kept now.
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
