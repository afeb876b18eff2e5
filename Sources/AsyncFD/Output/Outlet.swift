// Buffered output to one descriptor: what is appended in a turn goes out at the turn's end, with one `writev`.
//
// It is the engine below `print` and below the logger's handlers. Whoever appends is never made to wait by it; how much may pend,
// and what happens beyond that, is for the one above (`OutletClient`) to say. The order of things is in OutletMachine.swift;
// Outlet+Writing.swift carries out what that machine decides.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Loop thread only.
package final class Outlet: EndOfTurnWork, ShutdownParticipant {
    /// Where the bytes go. Nil while there is no such place: a connection that is being made, a file that could not be opened.
    package private(set) var descriptor: AsyncFD?
    package let loop: EventLoop
    /// Kept, like the outlet itself, until the loop's end or `retire`: what was promised outlives who promised it.
    private(set) var client: (any OutletClient)?

    // The path of every record runs through these, on one thread and never from within each other: what the dynamic check of
    // exclusive access would find is already ruled out, and it costs as much as formatting the record.
    @exclusivity(unchecked) package var queue = ByteQueue()
    @exclusivity(unchecked) var machine = OutletMachine()
    @exclusivity(unchecked) var wait = OutletWait()
    /// How many bytes have been appended and have left, since the beginning.
    @exclusivity(unchecked) private(set) var appended: UInt64 = 0
    package internal(set) var left: UInt64 = 0
    /// How many system calls were made to write, those that were refused included.
    package internal(set) var writeCalls: UInt64 = 0
    /// How bytes are handed to the kernel.
    package enum Delivery {
        /// As a stream: what has been taken is gone from here.
        case stream
        /// As a stream that may break: the begun record is kept until it is out, to be sent whole once more to wherever the outlet then leads.
        case wholeRecords
        /// Each record is a datagram; those that pend go out with one sendmmsg(2).
        case datagrams
    }
    /// To be set before the outlet leads anywhere, or while it is held.
    package var delivery = Delivery.stream
    /// The bytes go into a file that has a name: what is written to one whose name has been removed counts as not written. To be set while the outlet is
    /// held, and false again when it leads elsewhere.
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

    /// Gathered bytes that are written at once, without waiting for the turn's end: as many as a pipe takes. A file's go over a thread of the pool,
    /// for which threads are switched twice: four times as many of them per write make a line cheaper by a tenth, and its delays rarer.
    @exclusivity(unchecked) private(set) var batchSize = ByteQueue.chunkSize
    /// The bound of the buffer above: a quarter of it may gather before the writing begins.
    package var capacity = Int.max { didSet { chooseBatchSize() } }

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

    /// An outlet that leads nowhere until `lead(to:)`. Any thread.
    package init(on loop: EventLoop) {
        self.loop = loop
        _ = machine.hold()
    }

    /// Whether the loop's end sees to what is appended.
    @exclusivity(unchecked) package private(set) var isAttached = false

    /// To be called before something is appended to an outlet that is not attached.
    package func attach(_ client: any OutletClient) {
        isAttached = true
        self.client = client
        cfd_pending_redirect(queue.pending, number)
        cfd_crash_install()
        loop.register(self)
        descriptor?.outlets.append(self)
    }

    /// For the crash handler; -2 if there is nowhere to write to. It does not know where a datagram ends.
    var number: CInt { delivery == .datagrams ? -2 : descriptor?.numberForWriting ?? -2 }

    deinit { vectors.deallocate() }

    /// What the crash handler writes behind what pends, instead of what it had. The words are its own from now on.
    package func setCrashRecord(_ record: UnsafeMutablePointer<cfd_crash_record>?) { cfd_pending_set_crash_record(queue.pending, record) }

    /// So many records more, or less, wait for room: they are lost if the program crashes now, and the last words say so.
    package func addUnwritten(_ records: Int) { cfd_pending_add_unwritten(queue.pending, Int64(records)) }

    // MARK: Appending

    /// To be called after each `queue.commit(size)`.
    package func didAppend(_ size: Int) {
        appended &+= UInt64(size)
        let action = machine.appended(isMuch: queue.count >= batchSize)
        if action != .none { carryOut(action) } else if appended >= underWay.nextLook { lookForAnswer() }
    }

    /// A task that logs without a pause keeps the loop from its inbox, where the pool's answer waits; without it the next write could not begin before the
    /// buffer is full, and writing and logging would take turns instead of going on side by side.
    private func lookForAnswer() {
        underWay.nextLook = appended &+ UInt64(batchSize)
        if let outcome = underWay.outcome { answered(outcome) }
    }

    /// Takes back the record of `size` bytes that stands behind the oldest `kept` bytes. False: it is in flight, be it only in part.
    package func discard(_ size: Int, behind kept: Int) -> Bool {
        guard kept >= max(bytesInFlight, cfd_pending_done(queue.pending)) else { return false }
        queue.remove(size, behind: kept)
        appended &-= UInt64(size)
        // Whoever waits for bytes that are gone waits for what is before them.
        let gap = left &+ UInt64(kept)
        func moved(_ position: UInt64) -> UInt64 { position > gap ? max(gap, position &- UInt64(size)) : position }
        turnEnd = moved(turnEnd)
        flushes.move(moved)
        return true
    }

    /// The failure that the outlet waits to get over, if there is one.
    package var failure: IOError? { machine.failure }

    // MARK: Another place to write to

    /// Keeps everything back from now on until `resume`. False: a write is under way, and the client is asked before the next one.
    package func hold() -> Bool { machine.hold() }

    /// From now on the bytes go there, beginning with the whole of a record that has not gone out whole. Only while the outlet is held; whose the
    /// old descriptor is, closes it.
    package func lead(to descriptor: AsyncFD?) {
        precondition(machine.hold(), "an outlet is led elsewhere while it writes")
        if cfd_pending_done(queue.pending) > begun { takeOffWritten() }
        self.descriptor?.outlets.removeAll { $0 === self }
        self.descriptor = descriptor
        mustHaveName = false
        spool = nil
        chooseBatchSize()
        begun = 0
        cfd_pending_redirect(queue.pending, isAttached ? number : -2)
        if isAttached { descriptor?.outlets.append(self) }
    }

    /// The descriptor's number may be somebody else's from now on.
    func descriptorCloses() { cfd_pending_redirect(queue.pending, -2) }

    /// What was held back may go out.
    package func resume() { carryOut(machine.resumed(isEmpty: queue.isEmpty)) }

    /// There is no place to write to, for this reason: whoever flushes is told, and the client, if it is news.
    package func fail(_ error: IOError) {
        let isNews = machine.failedBeforehand(error)
        flushes.resume(upTo: left, error)
        if isNews { client?.outletFailed(error) }
    }

    /// There is a place to write to again.
    package func recover() {
        if machine.recovered() { client?.outletRecovered() }
    }

    // MARK: Flushing

    /// Suspends until everything appended so far is in the kernel.
    package func flush() async throws(IOError) {
        guard !queue.isEmpty else { return }
        if machine.isHeld, let failure = machine.failure, client?.outletIsSeenTo(isEnding: false) != true { throw failure }
        let position = appended
        let error = await withUnsafeContinuation { continuation in
            flushes.enter(position, continuation)
            carryOut(machine.hurry())
        }
        if let error { throw error }
    }

    /// Writes as much as is possible right now.
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

    package func settle() { carryOut(machine.settle(isSeenTo: client?.outletIsSeenTo(isEnding: true) ?? false)) }

    package func giveUp() {
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
            client?.outletAbandoned(count, because: error)
            flushes.resume(upTo: left, error ?? IOError("write", on: descriptor?.label ?? "nowhere", Errno.timedOut))
        }
        client?.outletConcluded()
    }

    package func released() {
        isAttached = false
        descriptor?.outlets.removeAll { $0 === self }
        client.take()?.outletReleased()
    }

    /// The loop need not see to it any more.
    package func retire() {
        isAttached = false
        client = nil
        descriptorCloses()
        loop.unregister(self)
        descriptor?.outlets.removeAll { $0 === self }
    }

    /// A thread of the pool may still be reading the oldest bytes: it keeps all memory until it has answered.
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
