// Where the fields of a record stand in the thread's scratch while the record is being built: the memory may still move, so they are known by their offset.

/// Where fields stand in the scratch.
struct FieldRegion {
    let start: Int
    let count: Int

    @inline(__always)
    init(start: Int, count: Int) {
        self.start = start
        self.count = count
    }

    /// Where the fields stand that `body` writes.
    @inline(__always)
    init(_ scratch: Scratch, _ body: (inout FieldWriter) -> Void) {
        scratch.beginFields()
        var writer = FieldWriter(scratch)
        body(&writer)
        writer.close()
        self.init(start: writer.start, count: scratch.count - writer.start)
    }

    @inline(__always)
    func list(_ scratch: Scratch) -> FieldList {
        count > 0 ? FieldList(body: UnsafeRawBufferPointer(scratch.bytes(from: start, count: count))) : FieldList()
    }
}
