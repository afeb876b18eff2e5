// The place of a record's fields in the thread's scratch while the record is being built: the memory may still move, so
// the place is an offset.

/// The offset and the size of fields in the scratch.
struct FieldRegion {
    let start: Int
    let count: Int

    @inline(__always)
    init(start: Int, count: Int) {
        self.start = start
        self.count = count
    }

    /// The region of the fields that `body` writes.
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

    /// The same fields behind those that `context` writes.
    @inline(never)
    func following(_ context: (inout FieldWriter) -> Void, _ scratch: Scratch) -> FieldRegion {
        FieldRegion(scratch) { writer in
            context(&writer)
            guard count > 0 else { return }
            let begin = scratch.count
            scratch.appendCopy(from: start, count: count)
            writer.append(bodyAt: begin)
        }
    }
}
