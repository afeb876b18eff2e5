// Fields that many records have in common: a logger is bound to them, or a task is in their scope.
//
// They are encoded when the logger is bound, and laid out once for each handler, when its first record with them comes.
// From then on each record gets a copy of the finished bytes.
import EventLoop
import Synchronization

/// Encoded fields that records refer to.
///
/// Unchecked: immutable but for `layouts`, which only the thread of one loop touches.
package final class BoundFields: @unchecked Sendable {
    private let body: UnsafeRawBufferPointer

    /// The fields as they are laid out for one handler.
    private struct Layout {
        let handler: UInt64
        let bytes: UnsafeBufferPointer<UInt8>
        let keyChanges: KeyChanges
    }
    private var layouts: [Layout] = []
    /// The pipeline that is charged for the fields while records that refer to them are in flight.
    let charge = SharedCharge()
    /// The identity of the loop whose handlers keep layouts; nil: no handler keeps one.
    private let loop: ObjectIdentifier?

    /// - Parameters:
    ///   - outer: the fields around these; of equal keys the inner ones count.
    ///   - loop: the loop whose handlers keep layouts; nil if the fields belong to no loop: then layouts are not kept.
    init(_ fields: Fields, in outer: BoundFields?, loop: EventLoop?) {
        let scratch = Scratch.current
        scratch.enter()
        defer { scratch.leave() }
        self.loop = loop.map { ObjectIdentifier($0) }
        let inner = fields.withList(scratch) { [UInt8](UnsafeRawBufferPointer(start: $0.start, count: $0.byteCount)) }
        body = inner.withUnsafeBytes { bytes in
            let inner = FieldList(start: bytes.baseAddress, end: bytes.baseAddress.map { $0 + bytes.count }, mask: .all)
            var keys: KeyIndex?
            if inner.byteCount > KeyIndex.worthwhile { keys = KeyIndex(inner) }
            var writer = FieldWriter(scratch)
            outer?.list.forEachEncoded { field, bytes in
                if !(keys?.contains(field.key) ?? inner.contains(field.key)) {
                    writer.append(encoded: bytes, field.header)
                }
            }
            inner.forEachEncoded { writer.append(encoded: $1, $0.header) }
            writer.close()
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: scratch.count - writer.start, alignment: 8)
            copy.copyMemory(from: UnsafeRawBufferPointer(scratch.bytes(from: writer.start, count: copy.count)))
            return UnsafeRawBufferPointer(copy)
        }
    }

    deinit {
        for layout in layouts { layout.bytes.deallocate() }
        body.deallocate()
    }

    @inline(__always)
    var list: FieldList { FieldList(body: body) }

    /// How many bytes a record keeps alive by referring to these fields. Any thread.
    var size: Int { body.count + BoundFields.overhead }
    private static let overhead = 128

    /// `size`, and the bytes of the layouts. Loop thread.
    var footprint: Int { layouts.reduce(size) { $0 + $1.bytes.count } }

    /// Calls `body` with the fields as `layOut` writes them for this handler. Loop thread.
    func withLayout(
        for owner: LayoutOwner, _ layOut: (FieldList, inout LineBuffer) -> Void,
        _ body: (UnsafeBufferPointer<UInt8>, KeyChanges) -> Void
    ) {
        let isKept = loop == owner.loop
        if isKept, let layout = layouts.first(where: { $0.handler == owner.handler }) {
            return body(layout.bytes, layout.keyChanges)
        }
        var line = LineBuffer()
        layOut(list, &line)
        let bytes = line.bytes.bindMemory(to: UInt8.self)
        body(bytes, line.keyChanges)
        guard isKept, layouts.count < 8 else { return }
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = copy.initialize(from: bytes)
        layouts.append(Layout(handler: owner.handler, bytes: UnsafeBufferPointer(copy), keyChanges: line.keyChanges))
    }
}
