// A bounded buffer of records on their way to one descriptor: the outlet's engine, with books, a bound, and a way to wait.
//
// `print` and the logger's handlers stand on it. A record is formatted in place (`begin`, `commit`), or its caller waits for room
// (`waitForRoom`) in the order of arrival, or it is dropped and counted. Records are never split: they are there whole or not at all.
import DequeModule
import EventLoop

/// Who owns the buffer, and speaks for it.
package protocol OutputBufferOwner: AnyObject {
    /// There is room again after `count` records were dropped since the last report: the moment to say so in the output itself.
    func reportDrops(_ count: UInt64)
    /// The last word at the end of the loop. `count` records were dropped that nobody has been told of.
    func reportAtEnd(_ count: UInt64, because error: IOError?)
    /// Records are being refused because of `error`, which nobody has been told of.
    func reportFailure(_ error: IOError, dropped count: UInt64)
    func reportRecovery()
    /// The loop of the buffer has ended, with everything in it settled.
    func bufferReleased()
}

extension OutputBufferOwner {
    package func bufferReleased() {}
}

/// Loop thread only; unchecked because a cancelled task hands it back to its loop from wherever it is.
package final class OutputBuffer: OutletClient, @unchecked Sendable {
    /// How many bytes may pend. One record beyond it is let in when the buffer is empty, however large.
    package let capacity: Int
    // On every record's path: see Outlet.
    @exclusivity(unchecked) private var books = Ledger()
    /// Set once, right after the owner has been made.
    package weak var owner: (any OutputBufferOwner)?

    private let outlet: Outlet
    package var descriptor: AsyncFD { outlet.descriptor }

    /// Length of each record in the buffer, oldest first. The sign bit marks a report of ours, which is nobody's record.
    @exclusivity(unchecked) private var lengths = Ring<UInt32>()
    private static let reportMark: UInt32 = 1 << 31
    /// Bytes promised to tasks that have been let in and have not come yet.
    @exclusivity(unchecked) private var promised = 0
    @exclusivity(unchecked) private var waiting: Deque<Waiting?> = []
    private var firstTicket: UInt64 = 0
    @exclusivity(unchecked) private var unreported: UInt64 = 0
    private var failureIsUnreported = false
    private var failureReportIsSet = false
    private var lastError: IOError?

    private struct Waiting {
        let size: Int
        let waiter: Waiter

        enum Waiter {
            case task(UnsafeContinuation<Room, Never>)
            case call((Room) -> Void)
        }
    }

    /// What became of the wait for room.
    package enum Room: Equatable {
        /// Format the record now; the room is kept for it.
        case granted
        /// Drop the record, for this reason.
        case refused(Ledger.DropReason)
    }

    package init(_ descriptor: AsyncFD, capacity: Int) {
        outlet = Outlet(descriptor)
        self.capacity = capacity
    }

    /// What became of the records so far.
    package var ledger: Ledger {
        var ledger = books
        ledger.writeCalls = outlet.writeCalls
        return ledger
    }

    // MARK: A record

    /// Opens the books for a record: it will be committed or dropped.
    package func accept() {
        if !outlet.isAttached { outlet.attach(self) }
        books.accepted &+= 1
        books.pending &+= 1
    }

    /// True if a record of at most `size` bytes may be formatted now.
    package func hasRoom(_ size: Int) -> Bool {
        let used = outlet.queue.count + promised
        return (used + size <= capacity || used == 0) && waiting.isEmpty
    }

    /// Memory for a record of at most `size` bytes. `commit` what was used of it before anything else happens.
    package func begin(_ size: Int) -> UnsafeMutableRawPointer { outlet.queue.reserve(size) }

    package func commit(_ size: Int) {
        lengths.append(UInt32(size))
        outlet.queue.commit(size)
        outlet.didAppend(size)
    }

    /// Adds a report of ours, whatever room there is.
    package func commitReport(_ size: Int) {
        lengths.append(UInt32(size) | OutputBuffer.reportMark)
        outlet.queue.commit(size)
        outlet.didAppend(size)
    }

    package func drop(_ reason: Ledger.DropReason) {
        books.drop(reason)
        unreported += 1
        if failureIsUnreported { scheduleFailureReport() }
    }

    // MARK: Waiting for room

    /// Suspends until `size` bytes are free and all who came before have been let in. On `.granted` the caller calls `redeem(size)`, then
    /// `begin` and `commit`.
    package func waitForRoom(_ size: Int) async -> Room {
        if outlet.failure != nil { return .refused(.failure) }
        let ticket = nextTicket
        return await parkTask { continuation in
            if Task.isCancelled {
                continuation.resume(returning: .refused(.cancelled))
            } else {
                waiting.append(Waiting(size: size, waiter: .task(continuation)))
                outlet.pushOut()
                admitWaiting()
            }
        } onCancel: {
            descriptor.loop.perform { self.cancel(ticket) }
        }
    }

    /// The same for a record whose caller has gone on: `body` is called when there is room, or there never will be.
    package func whenRoom(_ size: Int, _ body: @escaping (Room) -> Void) {
        if outlet.failure != nil { return body(.refused(.failure)) }
        waiting.append(Waiting(size: size, waiter: .call(body)))
        outlet.pushOut()
    }

    /// The room that was promised is being used.
    package func redeem(_ size: Int) { promised -= size }

    private func cancel(_ ticket: UInt64) {
        guard ticket >= firstTicket, ticket < nextTicket else { return }
        waiting[Int(ticket - firstTicket)].take().map { resume($0, .refused(.cancelled)) }
        admitWaiting()
    }

    private var nextTicket: UInt64 { firstTicket + UInt64(waiting.count) }

    private func admitWaiting() {
        while let first = waiting.first {
            let used = outlet.queue.count + promised
            if let first, used + first.size > capacity, used > 0 { return }
            waiting.removeFirst()
            firstTicket += 1
            guard let first else { continue }
            promised += first.size
            resume(first, .granted)
        }
    }

    private func refuseWaiting(_ reason: Ledger.DropReason) {
        while let first = waiting.popFirst() {
            firstTicket += 1
            if let first { resume(first, .refused(reason)) }
        }
    }

    private func resume(_ waiting: Waiting, _ room: Room) {
        switch waiting.waiter {
        case .task(let continuation): continuation.resume(returning: room)
        case .call(let body): body(room)
        }
    }

    // MARK: Flushing

    /// Suspends until everything that was accepted is in the kernel, be it in the buffer or with a task that waits for room.
    package func flush() async throws(IOError) {
        let target = nextTicket
        repeat {
            try await outlet.flush()
            // Whoever was let in formats its record in a job of its own.
            if firstTicket < target || promised > 0 { await Task.yield() }
        } while firstTicket < target || promised > 0
        try await outlet.flush()
    }

    /// Flushes, waits for that at most as long as `limit`, then gives up what has not been written, counts it as dropped, and says so.
    package func finish(within limit: Duration) async {
        // The deadline ends the waiting by giving up early. An error of the flush is what `conclude` reports, with the count.
        let timer = descriptor.loop.after(limit) { [outlet] in outlet.conclude() }
        try? await flush()
        descriptor.loop.cancel(timer)
        outlet.conclude()
    }

    /// Gives up what has not been written by now.
    package func conclude() { outlet.conclude() }

    /// Finishes, and has the loop forget the buffer.
    package func retire() async {
        await finish(within: EventLoop.exitPatience)
        outlet.retire()
    }

    /// Why the descriptor takes nothing, while it does not.
    package var failure: IOError? { outlet.failure }

    /// Writes what pends as far as that is possible now, for a caller who cannot wait and has found no room.
    package func pushOut() { outlet.pushOut() }

    // MARK: The outlet's news

    package func outletWrote(_ count: Int) {
        var left = count
        while left > 0 {
            let first = lengths.first
            let length = Int(first & ~OutputBuffer.reportMark)
            guard left >= length else {
                lengths.first = first - UInt32(left)
                break
            }
            left -= length
            _ = lengths.removeFirst()
            if first & OutputBuffer.reportMark == 0 {
                books.written &+= 1
                books.pending &-= 1
            }
        }
        if unreported > 0, outlet.failure == nil {
            let count = unreported
            unreported = 0
            owner?.reportDrops(count)
        }
        admitWaiting()
    }

    package func outletFailed(_ error: IOError) {
        refuseWaiting(.failure)
        failureIsUnreported = true
        scheduleFailureReport()
    }

    /// Said a second later and not at once, so that a program that is about to end says it only once, with the final count.
    private func scheduleFailureReport() {
        guard failureIsUnreported, !failureReportIsSet else { return }
        failureReportIsSet = true
        descriptor.loop.after(.seconds(1)) { [self] in
            failureReportIsSet = false
            guard failureIsUnreported, let error = outlet.failure else { return }
            failureIsUnreported = false
            owner?.reportFailure(error, dropped: unreported)
        }
    }
    package func outletRecovered() {
        if !failureIsUnreported { owner?.reportRecovery() }
        failureIsUnreported = false
    }

    package func outletAbandoned(_ count: Int, because error: IOError?) {
        while !lengths.isEmpty {
            guard lengths.removeFirst() & OutputBuffer.reportMark == 0 else { continue }
            books.drop(error == nil ? .timeout : .failure)
            unreported += 1
        }
        lastError = error
    }

    package func outletReleased() { owner?.bufferReleased() }

    package func outletConcluded() {
        refuseWaiting(.timeout)
        guard unreported > 0 else { return }
        owner?.reportAtEnd(unreported, because: lastError ?? outlet.failure)
        unreported = 0
        failureIsUnreported = false
        lastError = nil
    }
}
