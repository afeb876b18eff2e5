// A bounded buffer of records on their way to one descriptor: the outlet's engine, with books, a bound, and a way to wait.
//
// `print` and the logger's handlers stand on it. A record is formatted in place (`begin`, `commit`), or its caller waits for room
// (`waitForRoom`) in the order of arrival, or it is dropped and counted. Records are never split: they are there whole or not at all.
@_spi(Internals) import EventLoop
import CAsyncFD
import SystemPackage

/// Loop thread only; unchecked because a cancelled task hands it back to its loop from wherever it is.
package final class OutputBuffer: OutletClient, @unchecked Sendable {
    /// How many bytes may pend. One record beyond it is let in when the buffer is empty, however large.
    package let capacity: Int
    /// How many of them are kept for records of this severity and above.
    private let reserve: Int
    private let reservedFrom: UInt8
    // On every record's path: see Outlet.
    @exclusivity(unchecked) var books = Ledger()
    /// Set once, right after the owner has been made.
    package weak var owner: (any OutputBufferOwner)?
    package var gate: (any OutputGate)?
    /// As much is written at once. What a thread of the pool is writing cannot be dropped: whoever drops the oldest keeps some back.
    package var writeLimit = Int.max

    package let outlet: Outlet
    package var descriptor: AsyncFD? { outlet.descriptor }
    var loop: EventLoop { outlet.loop }
    /// What the place is called in messages.
    package let label: String

    /// The records in the buffer, oldest first.
    @exclusivity(unchecked) var records = PendingRecords()
    /// The oldest of them that cannot be taken back, as long as this write is under way.
    private var unremovable = (count: 0, bytes: 0, write: UInt64.max)

    /// The number of the next record that is written to the buffer, or dropped. So the numbers in the output ascend, and what is missing was dropped.
    package var nextSequence: UInt64 { next }
    @exclusivity(unchecked) private var next: UInt64 = 1
    /// Records that were dropped, by severity.
    package private(set) var dropped = InlineArray<8, UInt64>(repeating: 0)
    @exclusivity(unchecked) package private(set) var mostPendingBytes = 0
    /// Bytes in the kernel.
    package internal(set) var writtenBytes: UInt64 = 0
    package var pendingBytes: Int { outlet.queue.count }
    @exclusivity(unchecked) private var waiting = RoomQueue()
    @exclusivity(unchecked) var unreported = DropSummary()
    var failureIsUnreported = false
    var failureReportIsSet = false
    var lastError: IOError?

    private lazy var disk = DiskFlush(outlet, label: label)
    /// How often the disk has been asked.
    package var syncCalls: Int { disk.calls }

    /// What became of the wait for room.
    package enum Room: Equatable {
        /// Append the record now.
        case granted
        /// Drop the record, for this reason.
        case refused(Ledger.DropReason)
    }

    /// - Parameters:
    ///   - reserve: how many bytes of the capacity are kept for records of severity `reservedFrom` and above.
    package convenience init(_ descriptor: AsyncFD, capacity: Int, reserve: Int = 0, reservedFrom: UInt8 = .max) {
        self.init(Outlet(descriptor), label: descriptor.label, capacity: capacity, reserve: reserve, reservedFrom: reservedFrom)
    }

    package init(_ outlet: Outlet, label: String, capacity: Int, reserve: Int = 0, reservedFrom: UInt8 = .max) {
        self.outlet = outlet
        self.label = label
        self.capacity = capacity
        self.reserve = reserve
        self.reservedFrom = reservedFrom
        outlet.capacity = capacity
    }

    /// What became of the records so far.
    package var ledger: Ledger {
        var ledger = books
        ledger.writeCalls = outlet.writeCalls
        return ledger
    }

    // MARK: A record

    /// Has the loop's end, and a crash, see to the buffer, also if nothing is in it yet.
    package func attach() {
        guard !outlet.isAttached else { return }
        outlet.attach(self)
        owner?.bufferAttached()
    }

    /// The record that a crash leaves behind all that pends (CrashWriter.h). The output owns it from now on.
    package func setCrashRecord(_ record: UnsafeMutablePointer<cfd_crash_record>?) { outlet.setCrashRecord(record) }

    /// Opens the books for a record and appends it, if there is room. False: there is none, and the record will be committed or dropped.
    package func append(_ record: UnsafeRawBufferPointer, _ severity: UInt8) -> Bool {
        accept()
        guard hasRoom(record.count, severity) else { return false }
        if let base = record.baseAddress { begin(record.count).copyMemory(from: base, byteCount: record.count) }
        commit(record.count, severity)
        return true
    }

    /// Opens the books for a record: it will be committed or dropped.
    package func accept() {
        if !outlet.isAttached { attach() }
        books.accept()
    }

    /// True if a record of at most `size` bytes may be formatted now. One of the severity for which room is kept need not stand in line.
    @inline(__always)
    package func hasRoom(_ size: Int, _ severity: UInt8 = 0) -> Bool {
        fits(size, severity) && (waiting.isEmpty || severity >= reservedFrom)
    }

    @inline(__always)
    private func fits(_ size: Int, _ severity: UInt8) -> Bool {
        let used = outlet.queue.count
        return used + size <= (severity >= reservedFrom ? capacity : capacity - reserve) || used == 0
    }

    /// Memory for a record of at most `size` bytes. `commit` what was used of it before anything else happens.
    package func begin(_ size: Int) -> UnsafeMutableRawPointer { outlet.queue.reserve(size) }

    @inline(__always)
    package func commit(_ size: Int, _ severity: UInt8 = 0) {
        guard size > 0 else {  // a format that writes nothing for some records: there is nothing to wait for
            next += 1
            return books.write()
        }
        records.append(PendingRecords.Record(length: UInt32(size), severity: severity, isReport: false, sequence: next))
        next += 1
        append(size)
    }

    /// Adds a report of ours, whatever room there is.
    package func commitReport(_ size: Int) {
        records.append(PendingRecords.Record(length: UInt32(size), severity: 0, isReport: true, sequence: 0))
        append(size)
    }

    private func append(_ size: Int) {
        outlet.queue.commit(size)
        mostPendingBytes = max(mostPendingBytes, outlet.queue.count)
        outlet.didAppend(size)
    }

    /// Drops a record that was accepted and not committed.
    package func drop(_ reason: Ledger.DropReason, _ severity: UInt8 = 0) {
        drop(reason, severity, next)
        next += 1
    }

    /// Enters records into the books that were refused before they came here. They are reported like others that were dropped.
    package func refuse(_ count: UInt64, _ severity: UInt8) {
        if !outlet.isAttached { attach() }
        books.refuse(count)
        dropped[Int(severity)] += count
        unreported.add(severity, sequence: next, count: count)
        next += count
        if outlet.queue.isEmpty { reportDrops() }
    }

    /// Has the owner say in the output what has been dropped and not been reported, if the output takes records.
    package func reportDrops() {
        guard !unreported.isEmpty, outlet.failure == nil else { return }
        let drops = unreported
        unreported = DropSummary()
        owner?.reportDrops(drops)
    }

    func drop(_ reason: Ledger.DropReason, _ severity: UInt8, _ sequence: UInt64) {
        books.drop(reason)
        dropped[Int(severity)] += 1
        unreported.add(severity, sequence: sequence)
        if failureIsUnreported { scheduleFailureReport() }
    }

    /// Drops the oldest records, except what is being written, until `size` bytes fit in, or none is left.
    package func dropOldest(toFit size: Int, _ severity: UInt8) {
        let isSameWrite = outlet.bytesInFlight > 0 && unremovable.write == outlet.writeCalls
        var (kept, bytes) = isSameWrite ? (unremovable.count, unremovable.bytes) : (0, 0)
        while !fits(size, severity), kept < records.count {
            let record = records[kept]
            // What is in flight, what is there in part, and reports cannot be taken back.
            guard !record.isReport, !record.isBegun, outlet.discard(Int(record.length), behind: bytes) else {
                kept += 1
                bytes += Int(record.length)
                continue
            }
            gate?.discarded(Int(record.length), behind: bytes)
            records.remove(at: kept)
            drop(.overflow, record.severity, record.sequence)
        }
        unremovable = (kept, bytes, outlet.writeCalls)
    }

    // MARK: Waiting for room

    /// Calls `body` when `size` bytes are free and all who came before have been let in, or when it is known that they never will be: at once or
    /// later. With `.granted` it appends its record on the spot, before anything else can happen. So records come out in the order in which they
    /// were accepted, and none that has been let in is lost when the program ends and no task runs any more.
    ///
    /// - Returns: what `cancel` needs. Nil if there will be no waiting.
    @discardableResult
    package func whenRoom(_ size: Int, _ severity: UInt8 = 0, _ body: @escaping (Room) -> Void) -> UInt64? {
        if outlet.failure != nil {
            body(.refused(.failure))
            return nil
        }
        let ticket = waiting.nextTicket
        waiting.enter(RoomQueue.Place(size: size, severity: severity, body: body))
        outlet.addUnwritten(1)
        outlet.pushOut()
        admitWaiting()
        return ticket
    }

    /// The same for a task: suspends until `body` has been called. One that is cancelled is refused.
    package func waitForRoom(_ size: Int, _ body: @escaping (Room) -> Void) async {
        let ticket = waiting.nextTicket
        await parkTask { (continuation: UnsafeContinuation<Void, Never>) in
            if Task.isCancelled {
                body(.refused(.cancelled))
                return continuation.resume()
            }
            whenRoom(size) { room in
                body(room)
                continuation.resume()
            }
        } onCancel: {
            loop.perform { self.cancel(ticket) }
        }
    }

    /// Refuses a record that still waits.
    package func cancel(_ ticket: UInt64) {
        if let place = waiting.leave(ticket) { answer(place, .refused(.cancelled)) }
        admitWaiting()
    }

    func admitWaiting() {
        while let first = waiting.next(if: { fits($0.size, $0.severity) }) { answer(first, .granted) }
    }

    func refuseWaiting(_ reason: Ledger.DropReason) {
        while let first = waiting.next(if: { _ in true }) { answer(first, .refused(reason)) }
    }

    private func answer(_ place: RoomQueue.Place, _ room: Room) {
        outlet.addUnwritten(-1)
        place.body(room)
    }

    // MARK: Flushing

    /// Suspends until everything that was accepted is in the kernel, be it in the buffer or with a task that waits for room.
    package func flush() async throws(IOError) {
        let target = waiting.nextTicket
        repeat {
            try await outlet.flush()
        } while waiting.firstTicket < target
        try await outlet.flush()
    }

    /// Suspends until everything that was accepted is on the disk.
    package func synchronize() async throws(IOError) {
        try await flush()
        try await disk.flush()
    }

    /// Flushes, waits for that at most as long as `limit`, then gives up what has not been written, counts it as dropped, and says so.
    package func finish(within limit: Duration) async {
        // The deadline ends the waiting by giving up early. An error of the flush is what `giveUp` reports, with the count.
        let timer = loop.after(limit) { [outlet] in outlet.giveUp() }
        _ = owner?.bufferIsSeenTo(isEnding: true)
        try? await flush()
        timer.cancel()
        outlet.giveUp()
    }

    /// Gives up what has not been written by now.
    package func giveUp() { outlet.giveUp() }

    /// Finishes, and has the loop forget the buffer.
    package func retire() async {
        await finish(within: EventLoop.exitTimeout)
        outlet.retire()
    }

    /// Why the descriptor takes nothing, while it does not.
    package var failure: IOError? { outlet.failure }

    /// Writes what pends as far as that is possible now, for a caller who cannot wait and has found no room.
    package func pushOut() { outlet.pushOut() }
}
