// The way of a record from a logger to the handlers, which live on one loop.
//
// On the loop's thread a record goes straight into the handlers' buffers. On any other thread it is copied into a block
// of reused memory (BlockPool) and posted to the loop's inbox with one compare-exchange; the loop is woken only if it
// sleeps. The bytes in flight are bounded, too. If no thread runs the loop, the calling thread runs it for a moment, so
// that the lines of a program without a loop appear at once.
import AsyncFD
import CAsyncLog
import EventLoop
import Synchronization

/// Unchecked because only the loop's thread touches `handlers` and `suppressions` once the pipeline is in use; the rest
/// is atomic.
final class Pipeline: @unchecked Sendable {
    let loop: EventLoop
    /// All handlers that a logger has or had.
    private(set) var handlers: [Handler]
    /// The suppressed records that no report has counted yet.
    var suppressions = Suppressions()
    /// Records that other threads have posted and that no handler has accepted yet; in C memory, where the crash
    /// handler can count them.
    private let inFlight: UnsafeMutablePointer<clog_in_flight>
    private let inFlightLimit = BufferedHandler.defaultCapacity
    /// Tells pipelines apart: one of them is charged for fields that records share.
    private let number = Pipeline.nextNumber.add(1, ordering: .relaxed).newValue
    private static let nextNumber = Atomic<UInt32>(0)
    let blocks = BlockPool(EncodedRecord.blockKind)
    /// Records of other threads that were refused because too much was in flight already, by level, until the handlers
    /// have entered them in their ledgers. Other threads wait for the lock; the loop's thread only tries it.
    private let refusals = Locked(PerLevel<UInt64>(repeating: 0))
    private let hasRefusals = Atomic<Bool>(false)

    init(loop: EventLoop, handlers: [Handler]) {
        precondition(handlers.allSatisfy { $0.loop === loop }, "the handlers of a logger must live on one event loop")
        self.loop = loop
        self.handlers = handlers
        guard let inFlight = clog_in_flight_make() else {
            fatalError("a logger needs memory for its counters, and there is none")
        }
        self.inFlight = inFlight
        CrashFlush.coverThread()
        guard !handlers.isEmpty else { return }
        // The program may crash before the loop has seen the first record.
        CrashFlush.install()
        loop.performWhenTurned { [self] in for handler in self.handlers { handler.prepareForCrash() } }
    }

    deinit { clog_in_flight_release(inFlight) }

    func add(_ handler: Handler) {
        guard !handlers.contains(where: { $0 === handler }) else { return }
        handlers.append(handler)
        handler.prepareForCrash()
    }

    /// Runs `body` on the loop's thread: now, or behind what other threads have posted.
    func perform(_ body: @escaping (Pipeline) -> Void) {
        nonisolated(unsafe) let body = body
        loop.perform { body(self) }
    }

    // MARK: A record, on the caller's thread

    /// For callers that do not wait.
    @inline(__always)
    func submit(_ record: borrowing Record, sampler: Sampler?) {
        if loop.isCurrent {
            take(record, sampler)
        } else if loop.isForked {
            reportInChild(record.core)
        } else if !post(record, sampler, mayBlock: true) {
            refuse(record.level)
        }
    }

    /// For callers that can wait: returns what the caller has to wait for, or nil.
    @inline(__always)
    func submitOrPark(_ record: borrowing Record, sampler: Sampler?) -> Parked? {
        if loop.isCurrent {
            return takeOrPark(record, sampler).map { Parked(record: ParkedRecord(record), handlers: $0) }
        }
        if loop.isForked {
            reportInChild(record.core)
            return nil
        }
        return post(record, sampler, mayBlock: false)
            ? nil : Parked(record: ParkedRecord(record, sampler: sampler), handlers: nil)
    }

    // MARK: On the loop's thread

    /// A handler without room applies its overflow policy.
    @inline(__always)
    private func take(_ record: borrowing Record, _ sampler: Sampler?) {
        onRoute(record, sampler) { record, route in
            route.forEachRecipient(record) { _ = $0.take(record, canWait: false) }
        }
    }

    /// For callers that can wait: returns the handlers that had no room; nil if all had room.
    @inline(__always)
    func takeOrPark(_ record: borrowing Record, _ sampler: Sampler?) -> [Handler]? {
        var full: [Handler]?
        onRoute(record, sampler) { record, route in
            route.forEachRecipient(record) { if !$0.take(record, canWait: true) { full = (full ?? []) + [$0] } }
        }
        return full
    }

    /// Calls `body` with the route of the record's logger, unless the logger's filters or the sampler stop the record.
    @inline(__always)
    private func onRoute(_ record: borrowing Record, _ sampler: Sampler?, _ body: (borrowing Record, Route) -> Void) {
        record.core._withUnsafeGuaranteedRef { $0.route }._withUnsafeGuaranteedRef { route in
            guard route.selects(record) else {
                sampler?.forget()
                return
            }
            if let sampler { judged(record, sampler) { body($0, route) } } else { body(record, route) }
        }
    }

    /// Calls `body` unless the sampler suppresses the record. If the sampler suppressed others before, the record gets
    /// a field with their number.
    private func judged(_ record: borrowing Record, _ sampler: Sampler, _ body: (borrowing Record) -> Void) {
        guard let suppressed = sampler.judge(record) else { return }
        guard suppressed > 0 else { return body(record) }
        record.withAdditional({ $0["suppressed"] = suppressed }, body)
    }

    /// Makes a record of the library's own and sends it the way of a logger's records. Loop thread.
    func report(
        _ text: String, _ level: Level, _ core: LoggerCore, _ site: CallSite, _ fields: (inout FieldWriter) -> Void
    ) {
        Record.make(text, level, core, core.tree.clock.now, site, fields) { take($0, nil) }
    }

    // MARK: From other threads

    /// Posts the record if the bound allows. If it returns false, the caller waits, or drops the record with `refuse`.
    private func post(_ record: borrowing Record, _ sampler: Sampler?, mayBlock: Bool) -> Bool {
        let size = EncodedRecord.size(record)
        let hasOnlyItself = record.bound == nil && record.scope == nil
        let cost = hasOnlyItself ? size : InFlightCharge.estimate(record, size: size, number)
        if !hasRoom(cost) {
            let limit = mayBlock && EventLoop.current == nil ? blockingLimit(record.core) : nil
            guard let limit, EventLoop.wait(upTo: limit, until: { hasRoom(cost) }) else { return false }
        }
        var charge = InFlightCharge(bytes: size)
        clog_in_flight_add(inFlight, 1, Int64(hasOnlyItself ? size : charge.claim(record, for: number)))
        record.core._withUnsafeGuaranteedRef { $0.willPost() }
        let encoded = EncodedRecord(record, sampler: sampler, in: size <= blocks.blockSize ? blocks.take() : nil) {
            memory in
            let record = EncodedRecord(delivered: memory)
            record.unmanagedCore._withUnsafeGuaranteedRef { $0.pipeline.deliver(record) }
        }
        encoded.charge = charge
        // The wake-up may be coalesced until half of the bound is in flight; beyond that the loop is woken at once.
        loop.post(encoded.memory, wakesLazily: clog_in_flight_bytes(inFlight) < inFlightLimit / 2)
        return true
    }

    private func hasRoom(_ size: Int) -> Bool {
        let used = Int(clog_in_flight_bytes(inFlight))
        return used + size <= inFlightLimit || used == 0
    }

    /// How long a thread without a loop may be blocked on behalf of one of the handlers; nil: it may not be.
    private func blockingLimit(_ core: Unmanaged<LoggerCore>) -> Duration? {
        core._withUnsafeGuaranteedRef { core in
            core.tree.recipients(of: core).compactMap { ($0 as? BufferedHandler)?.overflow.blockLimit }.max()
        }
    }

    func refuse(_ level: Level) {
        refusals.withLock { $0[Int(level.rawValue)] += 1 }
        // One notice at a time, however many records are refused: the inbox stays bounded.
        if !hasRefusals.exchange(true, ordering: .acquiringAndReleasing) { loop.perform { [self] in settleRefusals() } }
    }

    /// Enters the refused records in the handlers' ledgers, which report them. Loop thread.
    private func settleRefusals() {
        guard !loop.isClosing, hasRefusals.load(ordering: .acquiring) else { return }
        let taken = refusals.withLockIfAvailable { counts in
            hasRefusals.store(false, ordering: .relaxed)
            defer { counts = PerLevel(repeating: 0) }
            return counts
        }
        guard let taken else {
            loop.after(.milliseconds(1)) { [self] in settleRefusals() }
            return
        }
        for level in Level.allCases where taken[Int(level.rawValue)] > 0 {
            for handler in handlers where handler.wants(level) {
                handler.noteRefused(taken[Int(level.rawValue)], level)
            }
        }
    }

    private func deliver(_ encoded: EncodedRecord) {
        // No handler accepts it: a thread that logs without an end would keep the process from ending.
        guard !loop.isClosing else {
            clog_in_flight_remove(inFlight, 1, Int64(encoded.releaseCharge()), 1)
            return encoded.free(to: blocks)
        }
        guard let full = encoded.withRecord({ takeOrPark($0, encoded.sampler) }) else {
            clog_in_flight_remove(inFlight, 1, Int64(encoded.releaseCharge()), loop.isDeliveringLast ? 1 : 0)
            return encoded.free(to: blocks)
        }
        clog_in_flight_remove(inFlight, 1, 0, 1)
        let parked = ParkedRecord(encoded)
        var left = full.count
        for handler in full {
            handler.enqueueForRoom(parked) { [self] in
                left -= 1
                if left == 0 { clog_in_flight_remove(inFlight, 0, Int64(parked.releaseCharge()), 1) }
            }
        }
    }

    // MARK: Ledger

    /// The ledgers of all handlers together. Loop thread.
    var ledger: Ledger {
        if !loop.isForked { settleRefusals() }
        return handlers.reduce(Ledger()) { $0 + $1.ledger }
    }
}

/// A record whose caller waits until all handlers have accepted it.
@usableFromInline
struct Parked: Sendable {
    let record: ParkedRecord
    /// The handlers that had no room; nil if the record has not come to the loop yet.
    let handlers: [Handler]?

    @usableFromInline
    func wait() async {
        let pipeline = record.core.tree.pipeline
        if pipeline.loop.isCurrent { return await waitHere(pipeline) }
        guard pipeline.loop.canBeVisited else { return pipeline.refuse(record.level) }
        await pipeline.loop.visit { await self.waitHere(pipeline) }
    }

    private func waitHere(_ pipeline: Pipeline) async {
        guard let handlers = handlers ?? record.withRecord({ pipeline.takeOrPark($0, record.sampler) }) else { return }
        let waits = Waits()
        await parkTask { (continuation: UnsafeContinuation<Void, Never>) in
            // The record waits in all handlers at the same time. Otherwise later records would overtake it in one
            // handler while it waits for another.
            var left = handlers.count
            for handler in handlers {
                let ticket = handler.enqueueForRoom(record) {
                    left -= 1
                    if left == 0 { continuation.resume() }
                }
                if let ticket { waits.tickets.append((handler, ticket)) }
            }
            if Task.isCancelled { waits.cancel() }
        } onCancel: {
            pipeline.loop.perform { waits.cancel() }
        }
    }

    /// The tickets of a record in the queues of handlers. Unchecked: loop thread only.
    private final class Waits: @unchecked Sendable {
        var tickets: [(handler: Handler, number: UInt64)] = []

        func cancel() { for ticket in tickets { ticket.handler.cancelEnqueued(ticket.number) } }
    }
}
