// Buffered output to one descriptor: what is appended in a turn goes out at the turn's end, with one `writev`.
//
// It is the engine below `print` and below the logger's handlers. An append never waits; how many bytes may pend, and
// what happens beyond that, is decided above it: by a record buffer, or by a `BufferedWriter`. Below it stands a
// `Destination`, where one is needed. The order of things is in BatchWriterState.swift; BatchWriter+Writing.swift
// carries out what that machine decides.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Loop thread only.
package final class BatchWriter: EndOfTurnWork, ShutdownParticipant {
    /// Where the bytes go. Nil while there is no such place: a connection that is being made, a file that could not be
    /// opened.
    package private(set) var descriptor: AsyncFD?
    package let loop: EventLoop
    /// The books of the records, if the bytes are records. Kept until the loop's end or `retire`, as `destination` and
    /// the batch writer itself are: pending bytes go out even if their handler has gone.
    private(set) var buffer: RecordBuffer?
    package private(set) var destination: (any Destination)?

    // The path of every record runs through these, on one thread and never from within each other: what the dynamic
    // check of exclusive access would find is already ruled out, and it costs as much as formatting the record.
    @exclusivity(unchecked) package var queue = ByteQueue()
    /// The records whose bytes are in the queue, oldest first; none if the bytes are a mere stream.
    @exclusivity(unchecked) var records = PendingRecords()
    @exclusivity(unchecked) var machine = BatchWriterState()
    @exclusivity(unchecked) var wait = BatchWriterWait()
    /// How many bytes have been appended and have left, since the beginning.
    @exclusivity(unchecked) private(set) var appended: UInt64 = 0
    package internal(set) var left: UInt64 = 0
    /// What the end of the loop waits for: that the records before this ticket have got room, and then that all bytes
    /// before this position have left.
    private var goalTicket: UInt64?
    private var goal: UInt64 = 0
    /// How many system calls were made to write, those that were refused included.
    package internal(set) var writeCalls: UInt64 = 0
    /// How bytes are handed to the kernel.
    package enum Delivery {
        /// As a stream: bytes that the kernel has taken leave the queue.
        case stream
        /// As a stream that may break: the begun record is kept until it is out, to be sent whole once more to the next
        /// descriptor.
        case wholeRecords
        /// Each record is a datagram; those that pend go out with one sendmmsg(2).
        case datagrams
    }
    /// The caller sets it before the batch writer has a descriptor, or while the batch writer is paused.
    package var delivery = Delivery.stream
    /// The bytes go into a file that has a name: what is written to one whose name has been removed counts as not
    /// written. The destination sets it while the batch writer is paused; `redirect` makes it false again.
    package var mustHaveName = false
    /// The bytes go into this spool, record by record. As `mustHaveName`.
    package var spool: SpoolFile?
    /// Bytes of the oldest record that are in the kernel already (`wholeRecords`).
    @exclusivity(unchecked) var begun = 0
    /// Bytes up to here go out in this writer's turn.
    var turnEnd: UInt64 = 0
    var flushes = FlushQueue()
    let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 64)
    /// Of the oldest bytes, those that a thread of the pool is writing, or that are in the kernel already.
    package var bytesInFlight: Int { begun + underWay.size }
    @exclusivity(unchecked) var underWay = WriteUnderWay()

    /// Gathered bytes that are written at once, without waiting for the turn's end: as many as a pipe takes. A file's
    /// go over a thread of the pool, for which threads are switched twice: four times as many of them per write make a
    /// line cheaper by a tenth, and its delays rarer.
    @exclusivity(unchecked) private(set) var batchSize = ByteQueue.chunkSize
    /// The bound of the buffer above: a quarter of it may gather before the writing begins.
    package var capacity = Int.max { didSet { chooseBatchSize() } }

    /// No write has more bytes. What a thread of the pool is writing cannot be dropped: a handler that drops the oldest
    /// keeps some back.
    package var writeLimit = Int.max

    private func chooseBatchSize() {
        let size = ByteQueue.chunkSize
        batchSize = descriptor?.kind == .file ? max(size, min(4 * size, capacity / 4)) : size
    }

    /// Any thread.
    package init(_ descriptor: AsyncFD) {
        self.descriptor = descriptor
        loop = descriptor.loop
        chooseBatchSize()
    }

    /// A batch writer without a descriptor, and so paused, until `redirect(to:)`. Any thread.
    package init(on loop: EventLoop) {
        self.loop = loop
        _ = machine.pause()
    }

    /// Whether the loop settles the batch writer before it ends.
    @exclusivity(unchecked) package private(set) var isAttached = false

    /// The caller must call this before it appends to a batch writer that is not attached.
    package func attach(_ buffer: RecordBuffer?, _ destination: (any Destination)?) {
        isAttached = true
        self.buffer = buffer
        self.destination = destination
        cfd_pending_redirect(queue.pending, number)
        cfd_crash_install()
        loop.register(self)
        descriptor?.batchWriters.append(self)
        destination?.didAttach()
    }

    /// The number that the crash handler writes to; -2 if it must not write: it does not know where a datagram ends.
    var number: CInt { delivery == .datagrams ? -2 : descriptor?.numberForWriting ?? -2 }

    deinit { vectors.deallocate() }

    /// Replaces the record that the crash handler writes behind the pending bytes. The crash handler owns it from now
    /// on.
    package func setCrashRecord(_ record: UnsafeMutablePointer<cfd_crash_record>?) {
        cfd_pending_set_crash_record(queue.pending, record)
    }

    /// Adds to the number of records that wait for room. A crash loses them, and the crash record counts them.
    package func addUnwritten(_ records: Int) { cfd_pending_add_unwritten(queue.pending, Int64(records)) }

    // MARK: Appending

    /// Appends a record that is pending, but in no books.
    package func append(_ record: UnsafeRawBufferPointer) {
        records.append(PendingRecords.Record(length: UInt32(record.count), severity: 0, isReport: false, sequence: 0))
        queue.append(record)
        didAppend(record.count)
    }

    /// The caller must call this after each `queue.commit(size)`.
    package func didAppend(_ size: Int) {
        appended &+= UInt64(size)
        let action = machine.appended(isMuch: queue.count >= batchSize)
        if action != .none { carryOut(action) } else if appended >= underWay.nextLook { lookForAnswer() }
    }

    /// A task that logs without a pause keeps the loop from its inbox, where the pool's result waits. Without this
    /// look, the next write could not begin before the buffer is full, and writing and logging would alternate instead
    /// of running side by side.
    private func lookForAnswer() {
        underWay.nextLook = appended &+ UInt64(batchSize)
        if let outcome = underWay.outcome { answered(outcome) }
    }

    /// Removes the record of `size` bytes behind the oldest `kept` bytes. False: it is in flight, at least in part.
    package func discard(_ size: Int, behind kept: Int) -> Bool {
        guard kept >= max(bytesInFlight, cfd_pending_done(queue.pending)) else { return false }
        queue.remove(size, behind: kept)
        destination?.didDiscard(size, behind: kept)
        appended &-= UInt64(size)
        // A task that waits for bytes that are gone now waits for those before them.
        let gap = left &+ UInt64(kept)
        func moved(_ position: UInt64) -> UInt64 { position > gap ? max(gap, position &- UInt64(size)) : position }
        turnEnd = moved(turnEnd)
        flushes.move(moved)
        return true
    }

    /// Why the descriptor takes no bytes, until it does.
    package var failure: IOError? { machine.failure }

    // MARK: Another place to write to

    /// Stops writing until `resume`. False: a write is under way, and the destination is asked before the next one.
    package func pause() -> Bool { machine.pause() }

    /// From now on the bytes go to `descriptor`, beginning with the whole of a record that has not gone out whole. The
    /// old descriptor stays open; its owner closes it.
    ///
    /// - Precondition: the batch writer is paused.
    package func redirect(to descriptor: AsyncFD?) {
        precondition(machine.pause(), "redirect: the batch writer must be paused")
        if cfd_pending_done(queue.pending) > begun { takeOffWritten() }
        self.descriptor?.batchWriters.removeAll { $0 === self }
        self.descriptor = descriptor
        mustHaveName = false
        spool = nil
        chooseBatchSize()
        begun = 0
        cfd_pending_redirect(queue.pending, isAttached ? number : -2)
        if isAttached { descriptor?.batchWriters.append(self) }
    }

    /// From now on the descriptor's number may belong to another file.
    func descriptorCloses() { cfd_pending_redirect(queue.pending, -2) }

    /// Ends the pause.
    package func resume() { carryOut(machine.resumed(isEmpty: queue.isEmpty)) }

    /// No descriptor can be had, for this reason. Tasks that flush get the error; the destination and the buffer get
    /// the first one.
    package func fail(_ error: IOError) {
        let isNews = machine.failedBeforehand(error)
        flushes.resume(upTo: left, error)
        if isNews { tellFailure(error) }
    }

    func tellFailure(_ error: IOError) {
        destination?.didFail(error)
        buffer?.didFail(error)
    }

    func tellRecovery() {
        destination?.didRecover()
        buffer?.didRecover()
    }

    /// There is a descriptor to write to again.
    package func recover() {
        if machine.recovered() { tellRecovery() }
    }

    // MARK: Flushing

    /// Suspends until everything appended so far is in the kernel.
    package func flush() async throws(IOError) {
        guard !queue.isEmpty else { return }
        if machine.isPaused, let failure = machine.failure, destination?.willRecover(isEnding: false) != true {
            throw failure
        }
        let position = appended
        let error = await withUnsafeContinuation { continuation in
            flushes.enter(position, continuation)
            carryOut(machine.hurry())
        }
        if let error { throw error }
    }

    /// Writes as much as the descriptor takes now.
    package func pushOut() {
        if let outcome = underWay.outcome { answered(outcome) }
        if !queue.isEmpty { carryOut(machine.hurry()) }
    }

    // MARK: The loop's calls

    package func turnEnded(moreToCome: Bool) {
        carryOut(machine.turnEnded(moreToCome: moreToCome))
    }

    package var isSettled: Bool { queue.isEmpty || machine.hasGivenUp }
    package var progress: UInt64 { left &+ UInt64(begun) }

    package var hasReachedGoal: Bool {
        if isSettled { return true }
        if let ticket = goalTicket {
            guard buffer?.hasAdmitted(ticket) ?? true else { return false }
            goalTicket = nil
            goal = appended
        }
        return left >= goal
    }

    package func settle() {
        (goal, goalTicket) = (appended, buffer?.nextTicket)
        carryOut(machine.settle(willRecover: destination?.willRecover(isEnding: true) ?? false))
    }

    package func goOn() { machine.goOn() }

    @discardableResult
    package func giveUp() -> Bool {
        if !machine.isOffloaded, cfd_pending_done(queue.pending) > begun { takeOffWritten() }
        let error = machine.failure
        let count = queue.count
        if count > 0 {
            if machine.isOffloaded { leaveQueueToWriter() } else { queue.consume(count) }
            left &+= UInt64(count)
            begun = 0
        }
        underWay.forget()
        giveUpWait()
        if machine.giveUp() { leaveTurn() }
        if count > 0 {
            while !records.isEmpty { lose(records.removeFirst(), error == nil ? .timeout : .failure) }
            destination?.didGiveUp(count, because: error)
            flushes.resume(upTo: left, error ?? IOError("write", on: descriptor?.label ?? "nowhere", Errno.timedOut))
        }
        buffer?.didEnd(because: count > 0 ? error : nil)
        return count > 0
    }

    package func released() {
        isAttached = false
        descriptor?.batchWriters.removeAll { $0 === self }
        let (buffer, destination) = (buffer.take(), destination.take())
        destination?.didRelease()
        buffer?.didRelease()
    }

    /// Detaches the batch writer from the loop.
    package func retire() {
        isAttached = false
        buffer = nil
        destination = nil
        descriptorCloses()
        loop.unregister(self)
        descriptor?.batchWriters.removeAll { $0 === self }
    }

    func lose(_ record: PendingRecords.Record, _ reason: Ledger.DropReason) { buffer?.didLose(record, reason) }

    /// A thread of the pool may still be reading the oldest bytes: it keeps all memory until it has finished.
    private func leaveQueueToWriter() {
        var given = ByteQueue()
        swap(&queue, &given)
        // What has been given up is not to be written by a crash either.
        cfd_pending_redirect(given.pending, -2)
        cfd_pending_redirect(queue.pending, isAttached ? number : -2)
        cfd_pending_hand_over(given.pending, queue.pending)
        underWay.keep(given)
    }
}
