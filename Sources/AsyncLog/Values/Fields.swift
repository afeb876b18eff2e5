// Fields as a dictionary literal: `["id": id, "ms": elapsed]`.
//
// The literal never becomes a dictionary, and no array of it reaches the heap: the initializer is inlined into the
// caller, where the compiler puts the list of pairs on the stack, and each pair is encoded straight into the thread's
// scratch.
import EventLoop

/// The fields of a record, or of an object within it.
///
///     await logger.info("user logged in", ["user": id, "ip": address, "ms": elapsed])
///
/// Values are of any type that conforms to `LogValue`. The order is kept. As an argument of a logger's call, and as a
/// value within that argument, `Fields` allocate nothing. Elsewhere, also in a closure that writes fields, they own
/// their memory.
public struct Fields: ExpressibleByDictionaryLiteral, LogValue, Sendable {
    // Twenty-four bytes, so that a nested `Fields` fits into an existential without a box.
    @usableFromInline let start: UInt32
    @usableFromInline let count: UInt32
    /// The number of the record for which the object was made, if it is in the scratch.
    @usableFromInline let serial: UInt64
    /// The object's own bytes, if the scratch would not have kept what was appended when it was made.
    @usableFromInline let own: [UInt8]?

    /// No fields.
    @inlinable
    public static var none: Fields { Fields(start: 0, count: 0, serial: 0, own: nil) }

    @inlinable
    init(start: UInt32, count: UInt32, serial: UInt64, own: [UInt8]?) {
        self.start = start
        self.count = count
        self.serial = serial
        self.own = own
    }

    /// Encodes the fields at once, in the order of the literal. Allocates nothing: the compiler keeps the literal on
    /// the stack.
    @inlinable
    public init(dictionaryLiteral elements: (FieldKey, any LogValue)...) {
        self = elements.withUnsafeBufferPointer { Fields(encoding: $0) }
    }

    @usableFromInline
    init(encoding elements: UnsafeBufferPointer<(FieldKey, any LogValue)>) {
        let scratch = Scratch.current
        guard scratch.keepsWhatIsAppended else {
            self.init { $0.append(elements) }
            return
        }
        var writer = FieldWriter(scratch)
        writer.append(elements)
        writer.close()
        self.init(
            start: UInt32(truncatingIfNeeded: writer.start),
            count: UInt32(truncatingIfNeeded: scratch.count &- writer.start),
            serial: scratch.serial, own: nil)
    }

    /// Fields that a closure writes. They own their memory, and may be kept.
    public init(_ body: (inout FieldWriter) -> Void) {
        let scratch = Scratch.current
        scratch.enter()
        defer { scratch.leave() }
        let region = FieldRegion(scratch, body)
        let bytes =
            region.count > Encoding.maskSize ? Array(scratch.bytes(from: region.start, count: region.count)) : nil
        self.init(start: 0, count: 0, serial: 0, own: bytes)
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

    /// The place of the object in the scratch: where it was encoded, or, if it has bytes of its own, a copy at the end.
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
    func withList<Result>(_ scratch: Scratch, _ body: (FieldList) -> Result) -> Result {
        body(region(scratch).list(scratch))
    }

    private func check(_ scratch: Scratch) {
        precondition(
            scratch.isAlive(serial) && Int(start) + Int(count) <= scratch.count,
            "Fields were kept beyond the call for which they were made")
    }
}
