// Fields as a dictionary literal: `["id": id, "ms": elapsed]`.
//
// The literal is never a dictionary, and no array of it reaches the heap: the initializer is inlined into the caller, where the
// compiler puts the list of pairs on the stack, and each pair is encoded straight into the thread's scratch.
import EventLoop

/// The fields of a record, or of an object within it.
///
///     await logger.info("user logged in", ["user": id, "ip": address, "ms": elapsed])
///
/// Values are of any type that conforms to `LogValue`; the order is kept. Within a logger's call, making one allocates nothing.
public struct Fields: ExpressibleByDictionaryLiteral, LogValue, Sendable {
    // Twenty-four bytes, so that a nested `Fields` fits into an existential without a box.
    /// Where the object stands in the scratch, if `own` is nil.
    @usableFromInline let start: UInt32
    @usableFromInline let count: UInt32
    @usableFromInline let epoch: UInt64
    /// The object, if no logger was being called when it was made.
    @usableFromInline let own: [UInt8]?

    /// No fields.
    @inlinable
    public static var none: Fields { Fields(start: 0, count: 0, epoch: 0, own: nil) }

    @inlinable
    init(start: UInt32, count: UInt32, epoch: UInt64, own: [UInt8]?) {
        self.start = start
        self.count = count
        self.epoch = epoch
        self.own = own
    }

    /// Encodes the fields at once, in the order of the literal. Allocates nothing: the compiler keeps the literal on the stack.
    @inlinable
    public init(dictionaryLiteral elements: (FieldKey, any LogValue)...) {
        self = elements.withUnsafeBufferPointer { Fields(encoding: $0) }
    }

    @usableFromInline
    init(encoding elements: UnsafeBufferPointer<(FieldKey, any LogValue)>) {
        let scratch = Scratch.current
        if scratch.isInUse {
            var writer = FieldWriter(scratch)
            writer.append(elements)
            writer.close()
            self.init(
                start: UInt32(truncatingIfNeeded: writer.start), count: UInt32(truncatingIfNeeded: scratch.count &- writer.start),
                epoch: scratch.epoch, own: nil)
        } else {
            var builder = FieldsBuilder()
            builder.writer.append(elements)
            self = builder.finish()
        }
    }

    /// Fields written by a closure.
    public init(_ body: (inout FieldWriter) -> Void) {
        var builder = FieldsBuilder()
        body(&builder.writer)
        self = builder.finish()
    }

    fileprivate init(_ writer: borrowing FieldWriter, isTemporary: Bool) {
        let (scratch, start) = (writer.scratch, writer.start)
        let count = scratch.count - start
        if isTemporary {
            let bytes = count > Encoding.maskSize ? Array(scratch.bytes(from: start, count: count)) : nil
            self.init(start: 0, count: 0, epoch: 0, own: bytes)
        } else {
            self.init(start: UInt32(start), count: UInt32(count), epoch: scratch.epoch, own: nil)
        }
    }

    public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) }

    /// Copies the object, mask and all, to the end of the scratch.
    func appendBody(to scratch: Scratch) {
        if let own { return own.withUnsafeBufferPointer { scratch.append($0) } }
        guard count > 0 else {
            Encoding.put(KeyMask.none, at: scratch.reserve(Encoding.maskSize), 0)
            return scratch.commit(Encoding.maskSize)
        }
        check(scratch)
        scratch.appendCopy(from: Int(start), count: Int(count))
    }

    /// Where the object stands in the scratch: where it was encoded, or, if it has bytes of its own, a copy at the end.
    @inline(__always)
    func region(_ scratch: Scratch) -> FieldRegion {
        if own == nil {
            if count > 0 { check(scratch) }
            return FieldRegion(start: Int(start), count: Int(count))
        }
        let begin = scratch.count
        appendBody(to: scratch)
        return FieldRegion(start: begin, count: scratch.count - begin)
    }

    /// The fields, while a logger is being called.
    func withList<Result>(_ scratch: Scratch, _ body: (FieldList) -> Result) -> Result { body(region(scratch).list(scratch)) }

    private func check(_ scratch: Scratch) {
        precondition(epoch == scratch.epoch && Int(start) + Int(count) <= scratch.count, "Fields were kept beyond the call for which they were made")
    }
}

/// What fields are written with.
private struct FieldsBuilder: ~Copyable {
    var writer: FieldWriter
    /// The scratch's mark, if no logger is being called: then the scratch is borrowed only for as long as this lives.
    private let mark: Int?

    init() {
        let scratch = Scratch.current
        mark = scratch.isInUse ? nil : scratch.enter()
        writer = FieldWriter(scratch)
    }

    consuming func finish() -> Fields {
        writer.close()
        let fields = Fields(writer, isTemporary: mark != nil)
        if let mark { writer.scratch.leave(mark) }
        return fields
    }
}
