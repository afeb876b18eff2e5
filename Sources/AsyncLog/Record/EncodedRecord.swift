// A record that outlives its call: on its way from another thread, waiting for room, or kept in a flight recorder.
//
//     link of the inbox (16 bytes) │ header │ message │ fields │ call site, if it is not part of the program
//
// One allocation serves as the inbox's envelope, as the waiting record, and as the kept one.
import EventLoop

/// What precedes the bytes of message and fields.
private struct RecordHeader {
    /// The record's head. The header counts its references to fields; it counts the one to the logger if `keepsTree` is
    /// true.
    let head: Record.Head
    let sampler: Unmanaged<Sampler>?
    let messageCount: Int
    let fieldsCount: Int
    let fieldsMask: KeyMask
    /// The memory is one of the pipeline's blocks.
    let isBlock: Bool
    /// What the pipeline was charged for this record in flight.
    var charge: InFlightCharge
    /// The record holds a reference to its logger. In flight it holds none (`LoggerCore.keepAliveUntilRecordsArrive`).
    var keepsTree: Bool
}

/// The memory of a copied record. It has one owner, which frees it once.
struct EncodedRecord {
    let memory: UnsafeMutableRawPointer

    /// The blocks that threads take and a pipeline gives back; nearly all records fit into one.
    static let blockKind = BlockPool.Kind(index: 1, blockSize: 512)

    /// `Envelope.headerSize`, as a constant.
    static let linkSize = 16
    private static let bodyOffset = linkSize + (MemoryLayout<RecordHeader>.size + 15) & ~15

    private var header: UnsafeMutablePointer<RecordHeader> {
        (memory + EncodedRecord.linkSize).assumingMemoryBound(to: RecordHeader.self)
    }

    /// How much memory a copy of the record takes.
    static func size(_ record: borrowing Record) -> Int {
        bodyOffset + record.message.bytes.count + record.fields.byteCount + record.callSite.textSize
    }

    /// How much memory this copy takes.
    var size: Int {
        EncodedRecord.bodyOffset + header.pointee.messageCount + header.pointee.fieldsCount
            + header.pointee.head.callSite.textSize
    }

    var core: LoggerCore { header.pointee.head.core.takeUnretainedValue() }
    /// The same, without counting references.
    var unmanagedCore: Unmanaged<LoggerCore> { header.pointee.head.core }
    var level: Level { header.pointee.head.level }

    /// Copies the record to keep it.
    init(keeping record: borrowing Record, sampler: Sampler? = nil) {
        self.init(record, sampler: sampler) { _ in
            preconditionFailure("a record that was copied to be kept must not be posted")
        }
        keepTree()
    }

    /// Copies the record to post it to the loop's inbox, which calls `deliver`. The copy goes to `block`, one of the
    /// pipeline's blocks, if there is one.
    init(
        _ record: borrowing Record, sampler: Sampler?, in block: UnsafeMutableRawPointer? = nil,
        deliver: @escaping Envelope.Deliver
    ) {
        let (messageCount, fieldsCount) = (record.message.bytes.count, record.fields.byteCount)
        assert(EncodedRecord.linkSize == Envelope.headerSize)
        if let block {
            memory = block
            Envelope.address(memory, to: deliver)
        } else {
            memory = Envelope.make(size: EncodedRecord.size(record) - EncodedRecord.linkSize, deliver: deliver)
        }
        let body = memory + EncodedRecord.bodyOffset
        var head = record.head
        head.callSite = record.callSite.copy(to: body + messageCount + fieldsCount)
        header.initialize(
            to: RecordHeader(
                head: head, sampler: sampler.map(Unmanaged.passRetained), messageCount: messageCount,
                fieldsCount: fieldsCount,
                fieldsMask: record.fields.mask, isBlock: block != nil, charge: InFlightCharge(bytes: 0),
                keepsTree: false))
        _ = head.bound?.retain()
        _ = head.scope?.retain()
        if let base = record.message.bytes.baseAddress { body.copyMemory(from: base, byteCount: messageCount) }
        if let base = record.fields.start { (body + messageCount).copyMemory(from: base, byteCount: fieldsCount) }
    }

    /// The record in memory that the loop's inbox has handed over.
    init(delivered memory: UnsafeMutableRawPointer) { self.memory = memory }

    /// Makes a record that has arrived hold its logger, which holds its tree, because the record is to stay.
    func keepTree() {
        _ = header.pointee.head.core.retain()
        header.pointee.keepsTree = true
    }

    var sampler: Sampler? { header.pointee.sampler?.takeUnretainedValue() }
    var bound: BoundFields? { header.pointee.head.bound?.takeUnretainedValue() }
    var scope: BoundFields? { header.pointee.head.scope?.takeUnretainedValue() }

    var charge: InFlightCharge {
        get { header.pointee.charge }
        nonmutating set { header.pointee.charge = newValue }
    }

    /// The record is no longer in flight. Returns how many bytes the pipeline is given back.
    @inline(__always)
    func releaseCharge() -> Int {
        let charge = charge
        return charge.sharesBound || charge.sharesScope ? releaseShared(charge) : charge.bytes
    }

    @inline(never)
    private func releaseShared(_ charge: InFlightCharge) -> Int {
        var bytes = charge.bytes
        if charge.sharesBound, let bound, bound.charge.release() { bytes += bound.size }
        if charge.sharesScope, let scope, scope.charge.release() { bytes += scope.size }
        return bytes
    }

    func withRecord<Result>(_ body: (borrowing Record) throws -> Result) rethrows -> Result {
        let header = header.pointee
        let message = (memory + EncodedRecord.bodyOffset).assumingMemoryBound(to: UInt8.self)
        let fields = UnsafeRawPointer(message + header.messageCount)
        return try body(
            Record(
                head: header.head, message: Text(UnsafeBufferPointer(start: message, count: header.messageCount)),
                fields: FieldList(start: fields, end: fields + header.fieldsCount, mask: header.fieldsMask)))
    }

    /// Releases all references and the memory. With `blocks`, on the loop's thread, the memory goes back there if it
    /// came from there.
    func free(to blocks: BlockPool? = nil) {
        let isBlock = header.pointee.isBlock
        header.pointee.head.bound?.release()
        header.pointee.head.scope?.release()
        header.pointee.sampler?.release()
        if header.pointee.keepsTree { header.pointee.head.core.release() }
        if isBlock, let blocks { blocks.put(memory) } else { memory.deallocate() }
    }
}

/// What a pipeline is charged for a record in flight: the record's own bytes, and those of the fields that it refers
/// to, unless other records have been charged for these already.
struct InFlightCharge: BitwiseCopyable {
    /// The bytes that this record alone is charged for.
    var bytes: Int
    var sharesBound = false
    var sharesScope = false

    /// What `claim` would return; another thread may change it meanwhile.
    @inline(never)
    static func estimate(_ record: borrowing Record, size: Int, _ account: UInt32) -> Int {
        func estimate(_ fields: BoundFields) -> Int { fields.charge.isCharged(to: account) ? 0 : fields.size }
        return size + (record.bound?._withUnsafeGuaranteedRef(estimate) ?? 0)
            + (record.scope?._withUnsafeGuaranteedRef(estimate) ?? 0)
    }

    /// Claims the record's bytes for a pipeline. Returns how many bytes the pipeline is charged now.
    @inline(never)
    mutating func claim(_ record: borrowing Record, for account: UInt32) -> Int {
        var total = bytes
        func claim(_ fields: BoundFields, _ shares: inout Bool) {
            switch fields.charge.claim(by: account) {
            case .shared: shares = true
            case .first:
                shares = true
                total += fields.size
            case .alone:
                total += fields.size
                bytes += fields.size
            }
        }
        record.bound?._withUnsafeGuaranteedRef { claim($0, &sharesBound) }
        record.scope?._withUnsafeGuaranteedRef { claim($0, &sharesScope) }
        return total
    }
}

extension FieldList {
    var byteCount: Int {
        guard let start, let end else { return 0 }
        return end - start
    }
}

/// A waiting record, shared by the handlers in which it waits.
///
/// Unchecked: it is written once, when it is made, and handed from thread to thread afterwards.
final class ParkedRecord: @unchecked Sendable {
    private let record: EncodedRecord

    /// Takes over a record that has arrived at the loop.
    init(_ record: EncodedRecord) {
        record.keepTree()
        self.record = record
    }

    init(_ record: borrowing Record, sampler: Sampler? = nil) {
        self.record = EncodedRecord(keeping: record, sampler: sampler)
    }

    deinit {
        let pipeline = record.core.tree.pipeline
        record.free(to: pipeline.loop.isCurrent ? pipeline.blocks : nil)
    }

    var core: LoggerCore { record.core }
    var sampler: Sampler? { record.sampler }
    var level: Level { record.level }

    /// See `EncodedRecord.releaseCharge`.
    func releaseCharge() -> Int { record.releaseCharge() }

    func withRecord<Result>(_ body: (borrowing Record) throws -> Result) rethrows -> Result {
        try record.withRecord(body)
    }
}
