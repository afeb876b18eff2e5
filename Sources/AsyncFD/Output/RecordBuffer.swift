// A bounded buffer of records on their way to one descriptor: a batch writer with books, a bound, and a queue of
// waiters.
//
// `print` and the logger's handlers stand on it. A record is formatted in place (`begin`, `commit`), or its caller
// waits for room (`waitForRoom`) in the order of arrival, or it is dropped and counted. Records are never split: they
// are there whole or not at all.
@_spi(Internals) import EventLoop
import CAsyncFD
import SystemPackage

/// Loop thread only; unchecked because the cancellation handler of a task, on any thread, passes it to the loop.
package final class RecordBuffer: @unchecked Sendable {
    /// How many bytes may pend. One record beyond it is let in when the buffer is empty, however large.
    package let capacity: Int
    /// How many of them are kept for records of this severity and above.
    private let reserve: Int
    private let reservedFrom: UInt8
    // On every record's path: see BatchWriter.
    @exclusivity(unchecked) var books = Ledger()
    // Set once, right after their objects have been made, before anything is appended.
    package weak var reporter: (any RecordReporter)?
    /// The batch writer keeps it while it is attached.
    package weak var destination: (any Destination)?

    package let writer: BatchWriter
    package var descriptor: AsyncFD? { writer.descriptor }
    var loop: EventLoop { writer.loop }
    /// What the place is called in messages.
    package let label: String

    /// The oldest records that cannot be taken back, as long as this write is under way.
    private var unremovable = (count: 0, bytes: 0, write: UInt64.max)

    /// The number of the next record that is written to the buffer, or dropped. So the numbers in the output ascend,
    /// and what is missing was dropped.
    package var nextSequence: UInt64 { next }
    @exclusivity(unchecked) private var next: UInt64 = 1
    /// Records that were dropped, by severity.
    package private(set) var dropped = InlineArray<8, UInt64>(repeating: 0)
    @exclusivity(unchecked) package private(set) var mostPendingBytes = 0
    /// Bytes in the kernel.
    package internal(set) var writtenBytes: UInt64 = 0
    package var pendingBytes: Int { writer.queue.count }
    @exclusivity(unchecked) var waiting = TicketQueue<RoomWaiter>()
    @exclusivity(unchecked) var unreported = DropSummary()

    private lazy var disk = DiskFlush(writer, label: label)
    /// The number of calls of fdatasync(2).
    package var syncCalls: Int { disk.calls }

    /// The outcome of a wait for room.
    package enum Room: Equatable {
        /// Append the record now.
        case granted
        /// Drop the record, for this reason.
        case refused(Ledger.DropReason)
    }

    /// A record that waits for room.
    struct RoomWaiter {
        let size: Int
        let severity: UInt8
        /// Called once, with the outcome.
        let body: (Room) -> Void
    }

    /// - Parameters:
    ///   - reserve: how many bytes of the capacity are kept for records of severity `reservedFrom` and above.
    package convenience init(_ descriptor: AsyncFD, capacity: Int, reserve: Int = 0, reservedFrom: UInt8 = .max) {
        self.init(
            BatchWriter(descriptor), label: descriptor.label, capacity: capacity, reserve: reserve,
            reservedFrom: reservedFrom)
    }

    package init(_ writer: BatchWriter, label: String, capacity: Int, reserve: Int = 0, reservedFrom: UInt8 = .max) {
        self.writer = writer
        self.label = label
        self.capacity = capacity
        self.reserve = reserve
        self.reservedFrom = reservedFrom
        writer.capacity = capacity
    }

    /// What became of the records so far.
    package var ledger: Ledger {
        var ledger = books
        ledger.writeCalls = writer.writeCalls
        return ledger
    }

    // MARK: A record

    /// From now on the loop settles the buffer before it ends, and a crash writes it, even if it is still empty.
    package func attach() {
        guard !writer.isAttached else { return }
        writer.attach(self, destination)
    }

    /// Sets the record that a crash writes behind the pending bytes (CrashWriter.h). The buffer owns it from now on.
    package func setCrashRecord(_ record: UnsafeMutablePointer<cfd_crash_record>?) { writer.setCrashRecord(record) }

    /// Counts a record as accepted, and appends it if there is room. False: there is none, and the record will be
    /// committed or dropped.
    package func append(_ record: UnsafeRawBufferPointer, _ severity: UInt8) -> Bool {
        accept()
        guard hasRoom(record.count, severity) else { return false }
        if let base = record.baseAddress { begin(record.count).copyMemory(from: base, byteCount: record.count) }
        commit(record.count, severity)
        return true
    }

    /// Counts a record as accepted: the caller must commit or drop it.
    package func accept() {
        if !writer.isAttached { attach() }
        books.accept()
    }

    /// True if a record of at most `size` bytes may be formatted now. A record of a reserved severity does not wait
    /// behind others.
    @inline(__always)
    package func hasRoom(_ size: Int, _ severity: UInt8 = 0) -> Bool {
        fits(size, severity) && (waiting.isEmpty || severity >= reservedFrom)
    }

    @inline(__always)
    func fits(_ size: Int, _ severity: UInt8) -> Bool {
        let used = writer.queue.count
        return used + size <= (severity >= reservedFrom ? capacity : capacity - reserve) || used == 0
    }

    /// Memory for a record of at most `size` bytes. `commit` what was used of it before anything else happens.
    package func begin(_ size: Int) -> UnsafeMutableRawPointer { writer.queue.reserve(size) }

    @inline(__always)
    package func commit(_ size: Int, _ severity: UInt8 = 0) {
        guard size > 0 else {  // a format that writes nothing for some records: there is nothing to wait for
            next += 1
            return books.write()
        }
        writer.records.append(
            PendingRecords.Record(length: UInt32(size), severity: severity, isReport: false, sequence: next))
        next += 1
        append(size)
    }

    /// Appends a report of the library's own, even if there is no room.
    package func commitReport(_ size: Int) {
        writer.records.append(PendingRecords.Record(length: UInt32(size), severity: 0, isReport: true, sequence: 0))
        append(size)
    }

    private func append(_ size: Int) {
        writer.queue.commit(size)
        mostPendingBytes = max(mostPendingBytes, writer.queue.count)
        writer.didAppend(size)
    }

    /// Drops a record that was accepted and not committed.
    package func drop(_ reason: Ledger.DropReason, _ severity: UInt8 = 0) {
        drop(reason, severity, next)
        next += 1
    }

    /// Counts records that were refused before they reached this buffer. They are reported like other dropped records.
    package func refuse(_ count: UInt64, _ severity: UInt8) {
        if !writer.isAttached { attach() }
        books.refuse(count)
        dropped[Int(severity)] += count
        unreported.add(severity, sequence: next, count: count)
        next += count
        if writer.queue.isEmpty { reportDrops() }
    }

    /// Has dropped records that have not been reported yet reported in the output, if the output takes records.
    package func reportDrops() {
        guard !unreported.isEmpty, writer.failure == nil else { return }
        let drops = unreported
        unreported = DropSummary()
        reporter?.reportDrops(drops)
    }

    func drop(_ reason: Ledger.DropReason, _ severity: UInt8, _ sequence: UInt64) {
        books.drop(reason)
        dropped[Int(severity)] += 1
        unreported.add(severity, sequence: sequence)
    }

    /// Drops the oldest records, except what is being written, until `size` bytes fit in, or none is left.
    package func dropOldest(toFit size: Int, _ severity: UInt8) {
        let isSameWrite = writer.bytesInFlight > 0 && unremovable.write == writer.writeCalls
        var (kept, bytes) = isSameWrite ? (unremovable.count, unremovable.bytes) : (0, 0)
        while !fits(size, severity), kept < writer.records.count {
            let record = writer.records[kept]
            // Records in flight, records written in part, and reports cannot be removed.
            guard !record.isReport, !record.isBegun, writer.discard(Int(record.length), behind: bytes) else {
                kept += 1
                bytes += Int(record.length)
                continue
            }
            writer.records.remove(at: kept)
            drop(.overflow, record.severity, record.sequence)
        }
        unremovable = (kept, bytes, writer.writeCalls)
    }

    // MARK: Flushing

    /// Suspends until everything that was accepted is in the kernel, be it in the buffer or with a task that waits for
    /// room.
    package func flush() async throws(IOError) {
        let target = waiting.nextTicket
        repeat {
            try await writer.flush()
        } while waiting.firstTicket < target
        try await writer.flush()
    }

    /// Suspends until everything that was accepted is on the disk.
    package func synchronize() async throws(IOError) {
        try await flush()
        try await disk.flush()
    }

    /// Flushes, waits for that at most as long as `limit`, then gives up what has not been written, counts it as
    /// dropped, and reports it.
    package func finish(within limit: Duration) async {
        // The timer ends the wait by giving up early. `giveUp` reports an error of the flush, with the count.
        let timer = loop.after(limit) { [writer] in writer.giveUp() }
        _ = writer.destination?.willRecover(isEnding: true)
        try? await flush()
        timer.cancel()
        writer.giveUp()
    }

    /// Gives up what has not been written by now.
    package func giveUp() { writer.giveUp() }

    /// Finishes, and has the loop forget the buffer.
    package func retire() async {
        await finish(within: EventLoop.exitTimeout)
        writer.retire()
    }

    /// How many bytes are left of a record of which some are in the kernel already; 0 if there is none.
    package var restOfBegunRecord: Int { writer.records.restOfBegun }

    /// The length of the n-th pending record; nil if there are fewer.
    package func recordLength(_ index: Int) -> Int? { writer.records.length(index) }

    /// How many bytes the oldest records have that fit into `limit` bytes; at least one record, even if it is larger.
    package func wholeRecords(within limit: Int) -> Int {
        writer.records.isEmpty ? 0 : max(writer.records.whole(within: limit), Int(writer.records.first.length))
    }

    /// Records dropped since the last report.
    var unreportedDrops: UInt64 { unreported.total }

    /// Why the descriptor takes nothing, while it does not.
    package var failure: IOError? { writer.failure }

    /// Writes what pends as far as that is possible now, for a caller that cannot wait and has found no room.
    package func pushOut() { writer.pushOut() }
}
