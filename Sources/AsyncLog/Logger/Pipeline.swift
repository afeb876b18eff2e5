// The way of a record from a logger to the handlers, which live on one loop.
//
// On the loop's thread a record goes straight into the handlers' buffers. From any other thread it is copied, into memory that goes round
// (BlockPool), and posted to the loop's inbox with one compare-exchange; the loop is woken for it only if it sleeps. The bytes on
// that way are bounded too. If no thread runs the loop, the calling thread turns it for a moment, so that a program without a loop sees its
// lines at once.
import AsyncFD
import CAsyncLog
import EventLoop
import Synchronization

/// Unchecked because `handlers` and `suppressions` are touched on the loop's thread only once the pipeline is in use; the rest is atomic.
final class Pipeline: @unchecked Sendable {
    let loop: EventLoop
    /// All handlers that any logger has or had.
    private(set) var handlers: [Handler]
    /// What was suppressed and has not been said.
    var suppressions = Suppressions()
    /// Records that other threads have posted and that no handler has taken yet; where the crash handler, too, can count them.
    private let inFlight: UnsafeMutablePointer<clog_in_flight>
    private let inFlightLimit = BufferedHandler.defaultCapacity
    /// Tells pipelines apart where fields that records share are charged to one of them.
    private let number = Pipeline.nextNumber.add(1, ordering: .relaxed).newValue
    private static let nextNumber = Atomic<UInt32>(0)
    let blocks = BlockPool(EncodedRecord.blockKind)
    /// Records of other threads that were refused because too much was in flight already, by level, until the handlers have entered them into
    /// their books. Other threads wait for the lock, the loop's merely tries it.
    private let refusals = Locked(PerLevel<UInt64>(repeating: 0))
    private let hasRefusals = Atomic<Bool>(false)

    init(loop: EventLoop, handlers: [Handler]) {
        precondition(handlers.allSatisfy { $0.loop === loop }, "the handlers of a logger live on one event loop")
        self.loop = loop
        self.handlers = handlers
        guard let inFlight = clog_in_flight_make() else { fatalError("no memory for a logger") }
        self.inFlight = inFlight
        CrashFlush.coverThread()
        guard !handlers.isEmpty else { return }
        // A crash may come before the loop has seen the first record.
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

    /// For callers who do not wait.
    @inline(__always)
    func submit(_ record: borrowing Record, gate: Gate?) {
        if loop.isCurrent {
            take(record, gate)
        } else if loop.isForked {
            complainInChild(record.core)
        } else if !post(record, gate, mayBlock: true) {
            refuse(record.level)
        }
    }

    /// For callers who can wait: returns what is still to be done.
    @inline(__always)
    func submitOrPark(_ record: borrowing Record, gate: Gate?) -> Parked? {
        if loop.isCurrent {
            return takeOrPark(record, gate).map { Parked(record: ParkedRecord(record), handlers: $0) }
        }
        if loop.isForked {
            complainInChild(record.core)
            return nil
        }
        return post(record, gate, mayBlock: false) ? nil : Parked(record: ParkedRecord(record, gate: gate), handlers: nil)
    }

    // MARK: On the loop's thread

    /// What finds no room is for the handler's overflow policy.
    @inline(__always)
    private func take(_ record: borrowing Record, _ gate: Gate?) {
        onRoute(record, gate) { record, route in
            route.forEachTaker(record) { _ = $0.take(record, canWait: false) }
        }
    }

    /// For callers who can wait: returns the handlers that had no room; nil if there are none.
    @inline(__always)
    func takeOrPark(_ record: borrowing Record, _ gate: Gate?) -> [Handler]? {
        var full: [Handler]?
        onRoute(record, gate) { record, route in
            route.forEachTaker(record) { if !$0.take(record, canWait: true) { full = (full ?? []) + [$0] } }
        }
        return full
    }

    /// Calls `body` with the route of the record's logger, unless logger or gate hold the record back.
    @inline(__always)
    private func onRoute(_ record: borrowing Record, _ gate: Gate?, _ body: (borrowing Record, Route) -> Void) {
        record.core._withUnsafeGuaranteedRef { $0.route }._withUnsafeGuaranteedRef { route in
            guard route.selects(record) else {
                gate?.forget()
                return
            }
            if let gate { judged(record, gate) { body($0, route) } } else { body(record, route) }
        }
    }

    /// Calls `body` unless the gate holds the record back; if it held others back before, the record says so.
    private func judged(_ record: borrowing Record, _ gate: Gate, _ body: (borrowing Record) -> Void) {
        guard let suppressed = gate.judge(record) else { return }
        guard suppressed > 0 else { return body(record) }
        record.withAdditional({ $0["suppressed"] = suppressed }, body)
    }

    /// Makes a record of the library's own and sends it the way of a logger's records. Loop thread.
    func say(_ text: String, _ level: Level, _ core: LoggerCore, _ site: CallSite, _ fields: (inout FieldWriter) -> Void) {
        Record.make(text, level, core, core.tree.clock.now, site, fields) { take($0, nil) }
    }

    // MARK: From other threads

    /// Posts the record if the bound allows. False: the caller waits, or drops it with `refuse`.
    private func post(_ record: borrowing Record, _ gate: Gate?, mayBlock: Bool) -> Bool {
        let size = EncodedRecord.size(record)
        let hasOnlyItself = record.bound == nil && record.scope == nil
        let cost = hasOnlyItself ? size : TravelCharge.estimate(record, size: size, number)
        if !hasRoom(cost) {
            let patience = mayBlock && EventLoop.current == nil ? blocking(record.core) : nil
            guard let patience, EventLoop.wait(upTo: patience, until: { hasRoom(cost) }) else { return false }
        }
        var charge = TravelCharge(bytes: size)
        clog_in_flight_add(inFlight, 1, Int64(hasOnlyItself ? size : charge.claim(record, for: number)))
        record.core._withUnsafeGuaranteedRef { $0.willPost() }
        let encoded = EncodedRecord(record, gate: gate, in: size <= blocks.blockSize ? blocks.take() : nil) { memory in
            let record = EncodedRecord(delivered: memory)
            record.unmanagedCore._withUnsafeGuaranteedRef { $0.pipeline.deliver(record) }
        }
        encoded.charge = charge
        // There is time until the loop looks again by itself, unless it would find no end then.
        loop.post(encoded.memory, wakesLazily: clog_in_flight_bytes(inFlight) < inFlightLimit / 2)
        return true
    }

    private func hasRoom(_ size: Int) -> Bool {
        let used = Int(clog_in_flight_bytes(inFlight))
        return used + size <= inFlightLimit || used == 0
    }

    /// For how long a thread of its own may be held up on behalf of one of the handlers.
    private func blocking(_ core: Unmanaged<LoggerCore>) -> Duration? {
        core._withUnsafeGuaranteedRef { core in
            core.tree.takers(of: core).compactMap { ($0 as? BufferedHandler)?.overflow.patience }.max()
        }
    }

    func refuse(_ level: Level) {
        refusals.withLock { $0[Int(level.rawValue)] += 1 }
        // One notice at a time, however many are refused: the inbox stays bounded.
        if !hasRefusals.exchange(true, ordering: .acquiringAndReleasing) { loop.perform { [self] in settleRefusals() } }
    }

    /// Has the handlers enter what was refused into their books and say so. Loop thread.
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
            for handler in handlers where handler.wants(level) { handler.noteRefused(taken[Int(level.rawValue)], level) }
        }
    }

    private func deliver(_ encoded: EncodedRecord) {
        // No handler accepts it: a thread that logs without an end would keep the process from ending.
        guard !loop.isClosing else {
            clog_in_flight_remove(inFlight, 1, Int64(encoded.releaseCharge()), 1)
            return encoded.free(to: blocks)
        }
        guard let full = encoded.withRecord({ takeOrPark($0, encoded.gate) }) else {
            clog_in_flight_remove(inFlight, 1, Int64(encoded.releaseCharge()), loop.isDeliveringLast ? 1 : 0)
            return encoded.free(to: blocks)
        }
        clog_in_flight_remove(inFlight, 1, 0, 1)
        let parked = ParkedRecord(encoded)
        var left = full.count
        for handler in full {
            handler.retryLater(parked) { [self] in
                left -= 1
                if left == 0 { clog_in_flight_remove(inFlight, 0, Int64(parked.releaseCharge()), 1) }
            }
        }
    }

    // MARK: Books

    /// The books of all handlers together. Loop thread.
    var ledger: Ledger {
        if !loop.isForked { settleRefusals() }
        return handlers.reduce(Ledger()) { $0 + $1.ledger }
    }
}

/// A record whose caller waits until all handlers have taken it.
@usableFromInline
struct Parked: Sendable {
    let record: ParkedRecord
    /// The handlers that had no room; nil if the record has not even come to the loop.
    let handlers: [Handler]?

    @usableFromInline
    func wait() async {
        let pipeline = record.core.tree.pipeline
        if pipeline.loop.isCurrent { return await waitHere(pipeline) }
        guard pipeline.loop.canBeVisited else { return pipeline.refuse(record.level) }
        await pipeline.loop.visit { await self.waitHere(pipeline) }
    }

    private func waitHere(_ pipeline: Pipeline) async {
        guard let handlers = handlers ?? record.withRecord({ pipeline.takeOrPark($0, record.gate) }) else { return }
        let waits = Waits()
        await parkTask { (continuation: UnsafeContinuation<Void, Never>) in
            // It stands in line everywhere from now on, or later records would overtake it in one handler while it waits for another.
            var left = handlers.count
            for handler in handlers {
                let ticket = handler.retryLater(record) {
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

    /// In which lines a record stands. Unchecked: loop thread only.
    private final class Waits: @unchecked Sendable {
        var tickets: [(handler: Handler, number: UInt64)] = []

        func cancel() { for ticket in tickets { ticket.handler.cancelRetry(ticket.number) } }
    }
}
