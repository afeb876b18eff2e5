// A handler with a bounded buffer in front of a descriptor: what happens between the layout of a record and its way
// out.
import AsyncFD
import EventLoop

/// The part of a `StreamHandler` that does not depend on the format.
///
/// Unchecked as its superclass is: loop thread only.
public class BufferedHandler: Handler, RecordReporter, @unchecked Sendable {
    /// What may wait to be written, in bytes, unless said otherwise.
    public static let defaultCapacity = 1 << 20

    /// What happens when the buffer is full.
    public final let overflow: Overflow
    /// A record whose line is longer has its texts cut, each with a mark.
    public final let maximumLineLength: Int
    package final let buffer: RecordBuffer
    @exclusivity(unchecked) private final var line = LineBuffer()
    private final var hasCrashRecord = false

    /// - Parameter writer: its descriptor may change (`BatchWriter.redirect`); `label` names the destination all the
    ///   same.
    init(
        _ writer: BatchWriter, label: String, levels: ClosedRange<Level>, capacity: Int, reserve: Int,
        overflow: Overflow, maximumLineLength: Int
    ) {
        precondition(capacity > 0, "capacity: must be at least 1 byte")
        precondition(reserve >= 0 && reserve < capacity, "reserve: must be at least 0 and less than capacity")
        self.overflow = overflow
        self.maximumLineLength = maximumLineLength
        buffer = RecordBuffer(
            writer, label: label, capacity: capacity, reserve: reserve, reservedFrom: Level.error.rawValue)
        super.init(levels: levels, loop: writer.loop)
        buffer.reporter = self
        if case .dropOldest = overflow.rule { writer.writeLimit = capacity / 2 }
        line.layoutOwner = LayoutOwner(handler: id, loop: ObjectIdentifier(loop))
    }

    /// Writes the record in the handler's format.
    func layOut(_ record: borrowing Record, to line: inout LineBuffer) throws {
        preconditionFailure("a buffered handler has a format")
    }

    /// How the format writes times; nil if that is not known.
    var timestamps: [Timestamp]? { nil }

    override final func prepareForCrash() {
        buffer.attach()
        guard wants(.critical), !hasCrashRecord else { return }
        hasCrashRecord = true
        guarded {
            buffer.setCrashRecord(CrashRecord.make(timestamps) { record, line in try layOut(record, to: &line) })
        }
    }

    // MARK: A record

    override final func accept(_ record: borrowing Record, canWait: Bool) -> Bool {
        do {
            try write(record, sequence: buffer.nextSequence)
        } catch {
            buffer.accept()
            giveUp(record.level, because: error)
            return true
        }
        return buffer.append(line.bytes, record.level.rawValue) || acceptIntoFullBuffer(record, canWait)
    }

    private final func acceptIntoFullBuffer(_ record: borrowing Record, _ canWait: Bool) -> Bool {
        let level = record.level.rawValue
        buffer.pushOut()
        // Writing may have dropped other records, which have taken this record's number.
        if line.sequence != buffer.nextSequence, !prepare(record) { return true }
        if !buffer.hasRoom(line.count, level) {
            becameFull()
            switch overflow.rule {
            case .shed(below: let limit) where record.level < limit:
                buffer.drop(.shed, level)
                return true
            case .suspend, .shed:
                if canWait { return false }
            case .dropNewest: break
            case .dropOldest: buffer.dropOldest(toFit: line.count, level)
            }
        }
        if buffer.hasRoom(line.count, level) { append(record.level) } else { drop(level) }
        return true
    }

    override final func refuse(_ record: borrowing Record) -> Bool {
        buffer.accept()
        buffer.drop(.recursion, record.level.rawValue)
        return true
    }

    override final func noteRefused(_ count: UInt64, _ level: Level) { buffer.refuse(count, level.rawValue) }

    private final func drop(_ level: UInt8) { buffer.drop(buffer.failure == nil ? .overflow : .failure, level) }

    override final func enqueueForRoom(_ parked: ParkedRecord, then done: @escaping () -> Void) -> UInt64? {
        let size = line(for: parked)
        guard size > 0 else {
            done()
            return nil
        }
        return buffer.whenRoom(size, parked.level.rawValue) { [self] room in
            if case .refused(let reason) = room {
                buffer.drop(reason, parked.level.rawValue)
            } else {
                appendParked(parked)
            }
            done()
        }
    }

    override final func cancelEnqueued(_ ticket: UInt64) { buffer.cancel(ticket) }

    /// The room that the record will need; 0 if it cannot be laid out, and has been dropped.
    private final func line(for parked: ParkedRecord) -> Int {
        var size = 0
        // A number of the same length or longer: the record gets its own when its turn comes.
        guarded { parked.withRecord { size = prepare($0, sequence: .max) ? line.count : 0 } }
        return size
    }

    private final func appendParked(_ parked: ParkedRecord) {
        guarded { parked.withRecord { if prepare($0) { append($0.level) } } }
    }

    /// A record has found no room.
    func becameFull() {}

    // MARK: The line

    /// Lays the record out in `line`. False: it cannot be, and has been dropped.
    private final func prepare(_ record: borrowing Record) -> Bool { prepare(record, sequence: buffer.nextSequence) }

    private final func prepare(_ record: borrowing Record, sequence: UInt64) -> Bool {
        do {
            try write(record, sequence: sequence)
            return true
        } catch {
            giveUp(record.level, because: error)
            return false
        }
    }

    @inline(__always)
    private final func write(_ record: borrowing Record, sequence: UInt64) throws {
        line.clear()
        line.sequence = sequence
        try layOut(record, to: &line)
        if line.count > maximumLineLength { try cut(record) }
    }

    @inline(never)
    private final func giveUp(_ level: Level, because error: any Error) {
        buffer.drop(.handler, level.rawValue)
        reportError(error)
    }

    /// Lays the record out again with its texts cut, shorter and shorter, until the line is short enough.
    private final func cut(_ record: borrowing Record) throws {
        defer { line.textLimit = .max }
        var limit = maximumLineLength / 2
        while limit > 16 {
            line.clear()
            line.textLimit = limit
            try layOut(record, to: &line)
            if line.count <= maximumLineLength { return }
            limit /= 4
        }
        // It is not the texts, it is the number of fields.
        line.clear()
        line.textLimit = 16
        let lost = record.fields.byteCount + record.boundFields.byteCount + record.scopeFields.byteCount
        try record.withoutFields({ $0["cut"] = "\(lost) bytes of fields" }) { try layOut($0, to: &line) }
        if line.count > maximumLineLength { throw OversizeError(size: line.count, limit: maximumLineLength) }
    }

    private final func append(_ level: Level) {
        let size = line.count
        if let base = line.bytes.baseAddress { buffer.begin(size).copyMemory(from: base, byteCount: size) }
        buffer.commit(size, level.rawValue)
    }

    // MARK: Making sure

    override public func flush(_ mode: FlushMode) async throws(IOError) {
        switch mode {
        case .written: try await buffer.flush()
        case .durable: try await buffer.synchronize()
        }
    }

    override func finish(within limit: Duration) async { await buffer.finish(within: limit) }
    override final func giveUp() { buffer.giveUp() }
    override final var failure: IOError? { buffer.failure }
    override final var ledger: Ledger { buffer.ledger }

    override var currentStatistics: HandlerStatistics {
        var statistics = HandlerStatistics(ledger: ledger)
        for level in Level.allCases where buffer.dropped[Int(level.rawValue)] > 0 {
            statistics.droppedByLevel[level] = buffer.dropped[Int(level.rawValue)]
        }
        statistics.lastSequence = buffer.nextSequence - 1
        statistics.pendingBytes = buffer.pendingBytes
        statistics.mostPendingBytes = buffer.mostPendingBytes
        statistics.capacity = buffer.capacity
        statistics.writtenBytes = buffer.writtenBytes
        statistics.failure = failure
        return statistics
    }

    /// The number of calls of fdatasync(2) that made records durable. Loop thread.
    public final var diskFlushes: Int { buffer.syncCalls }

    // MARK: Reports

    package final func reportDrops(_ drops: DropSummary) {
        makeReport(drops.text, .warning) { fields in
            fields["dropped"] = drops.total
            for level in Level.allCases where drops.counts[Int(level.rawValue)] > 0 {
                fields[FieldKey("dropped_\(level.name)")] = drops.counts[Int(level.rawValue)]
            }
            fields["first_sequence"] = drops.firstSequence
            fields["last_sequence"] = drops.lastSequence
            fields["since"] = WallTime(nanoseconds: drops.since)
            fields["until"] = WallTime(nanoseconds: drops.until)
        } _: { record in
            var line = LineBuffer()
            do { try layOut(record, to: &line) } catch { return reportError(error) }
            let size = line.count
            if let base = line.bytes.baseAddress { buffer.begin(size).copyMemory(from: base, byteCount: size) }
            buffer.commitReport(size)
        }
    }

    package final func outputFailed(_ error: IOError) { enter(.failed(error)) }

    package final func outputRecovered() { enter(.ready) }

    package final func reportAtEnd(_ drops: DropSummary, because error: IOError?) {
        let reason = error.map { "\($0)" } ?? "write \(buffer.label): the reader did not read it in time"
        condition.wasReported()
        report("\(reason); \(drops.total) of \(buffer.ledger.accepted) records dropped", .error)
    }

    override final var label: String { buffer.label }
    override final var canReportToStandardError: Bool { buffer.descriptor?.descriptor.rawValue != 2 }
}

/// A line that remains too long however its texts are cut: a user's own formatter does not let them be cut.
struct OversizeError: Error, CustomStringConvertible {
    let size: Int
    let limit: Int
    var description: String {
        "a record of \(size) bytes, where \(limit) is the limit, which its formatter does not let be cut"
    }
}

extension DropSummary {
    fileprivate var text: String { "\(total) records dropped here: \(firstSequence) to \(lastSequence)" }
}
