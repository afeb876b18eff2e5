// Where records go: the part that is the same for all handlers. level, filters, books, and the reports of its own
// errors.
import AsyncFD
import EventLoop
import Synchronization

/// A destination of records. Subclass it and override `handle` for one of your own; `StreamHandler`, `MemoryHandler`
/// and `FlightRecorder` come with the library.
///
///     final class Counter: Handler, @unchecked Sendable {
///         private(set) var count = 0
///         override func handle(_ record: borrowing Record) throws { count += 1 }
///     }
///
/// A handler lives on one event loop, and `handle` is called on that loop's thread only: it needs no lock, and it must
/// not wait.
///
/// A handler that keeps records back, to send many of them at once, say, overrides `flush`, which may wait, and says
/// how many they are, so that the ledger is true:
///
///     final class Batches: Handler, @unchecked Sendable {
///         private var batch: [KeptRecord] = []
///         override func handle(_ record: borrowing Record) throws { batch.append(KeptRecord(record)) }
///         override var pendingRecords: Int { batch.count }
///         override func flush(_ mode: FlushMode) async throws(IOError) {
///             let sent = batch
///             try await send(sent)
///             batch.removeFirst(sent.count)
///         }
///         override func abandonPending() { batch = [] }
///     }
///
/// `Logger.flush`, `Logger.shutdown(within:)` and the end of `EventLoop.run`, or of a loop that is stopped, call its
/// `flush`. A loop keeps the handler as long as it keeps records back.
///
/// Unchecked because everything that changes is touched on the loop's thread, but for the level, which is atomic. A
/// subclass has to keep to that.
open class Handler: @unchecked Sendable {
    /// The loop that the handler lives on.
    package final let loop: EventLoop
    /// Tells handlers apart; no two of the process have the same.
    final let id = Handler.nextID.add(1, ordering: .relaxed).newValue
    private static let nextID = Atomic<UInt64>(0)

    private final let threshold: Atomic<UInt8>
    private final let ceiling: UInt8
    @exclusivity(unchecked) private final var filters: [Filter] = []
    /// True while a record is being handled: a record that is logged from within is refused.
    @exclusivity(unchecked) private final var isBusy = false
    @exclusivity(unchecked) final var books = Ledger()
    private final var troubles = 0
    /// See HandlerState.swift.
    final var condition = HandlerCondition()
    final var droppedBeforeTrouble: UInt64 = 0
    final var fallback: Handler?
    // See Handler+Ending.swift.
    final var ending: HandlerEnding?
    final var isFlushedAtShutdown = false
    final var acceptedWhenFinished: UInt64?

    /// A handler on the current event loop; outside of any, on the main loop.
    ///
    /// - Parameter levels: records of other levels are ignored.
    public init(levels: ClosedRange<Level> = .trace ... .critical) {
        loop = EventLoop.current ?? .main
        threshold = Atomic(levels.lowerBound.rawValue)
        ceiling = levels.upperBound.rawValue
    }

    init(levels: ClosedRange<Level>, loop: EventLoop) {
        self.loop = loop
        threshold = Atomic(levels.lowerBound.rawValue)
        ceiling = levels.upperBound.rawValue
    }

    // MARK: Settings

    /// The threshold: records below are ignored. May be changed at any time, on any thread.
    public final var level: Level {
        get { Level(rawValue: threshold.load(ordering: .relaxed))! }
        set { threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Adds a filter: records that it refuses are ignored. Any thread.
    public final func add(_ filter: Filter) {
        loop.perform { self.filters.append(filter) }
    }

    /// Which texts of a record's call site `handle` reads; all of them, unless a subclass says otherwise. Any thread.
    open var callSiteParts: CallSite.Parts { .all }

    @inline(__always)
    final func wants(_ record: borrowing Record) -> Bool {
        let level = record.level.rawValue
        guard level >= threshold.load(ordering: .relaxed), level <= ceiling else { return false }
        return filters.isEmpty || passes(record)
    }

    private final func passes(_ record: borrowing Record) -> Bool {
        for filter in filters where !filter(record) { return false }
        return true
    }

    // MARK: A record

    /// Does something with a record. Loop thread. The record is valid during the call.
    ///
    /// An error that it throws is reported (`reportTroubles(to:)`), and the record counts as dropped. What it logs
    /// itself does not come back to it.
    open func handle(_ record: borrowing Record) throws {}

    /// Takes a record. Throws nothing, whatever the handler does. False: there is no room, and the caller must wait
    /// (`enqueueForRoom`).
    @inline(__always)
    final func take(_ record: borrowing Record, canWait: Bool) -> Bool {
        if isBusy { return refuse(record) }
        isBusy = true
        defer { isBusy = false }
        return accept(record, canWait: canWait)
    }

    /// Counts a record as accepted, and handles it.
    func accept(_ record: borrowing Record, canWait: Bool) -> Bool {
        books.accept()
        do {
            try handle(record)
            books.write()
        } catch {
            books.drop(.handler)
            reportError(error)
        }
        if pendingRecords > 0 { keptUntilFlushed() }
        return true
    }

    /// Keeps the handler from being called from within itself.
    final func guarded(_ body: () -> Void) {
        let wasBusy = isBusy
        isBusy = true
        body()
        isBusy = wasBusy
    }

    /// Drops a record that was logged during the handling of another one.
    func refuse(_ record: borrowing Record) -> Bool {
        books.accept()
        books.drop(.recursion)
        return true
    }

    /// Counts records of other threads that were refused before they reached this handler.
    func noteRefused(_ count: UInt64, _ level: Level) { books.refuse(count) }

    final func wants(_ level: Level) -> Bool {
        level.rawValue >= threshold.load(ordering: .relaxed) && level.rawValue <= ceiling
    }

    /// Appends a record that was accepted and found no room, as soon as there is room, or drops it if there will be
    /// none; then calls `done`.
    ///
    /// - Returns: what `cancelEnqueued` needs; nil if `done` has been called.
    @discardableResult
    func enqueueForRoom(_ parked: ParkedRecord, then done: @escaping () -> Void) -> UInt64? {
        done()
        return nil
    }

    /// Gives up a record that still waits.
    func cancelEnqueued(_ ticket: UInt64) {}

    /// Reports an error of the formatter or of `handle`: the first, the second, the fourth, the eighth, …
    final func reportError(_ error: any Error) {
        troubles += 1
        guard troubles & (troubles - 1) == 0 else { return }
        // The handler of standard error can report an error of its formatter there.
        report(
            "\(label): \(error); \(troubles) record\(troubles == 1 ? "" : "s") dropped for such reasons so far", .error,
            at: .anywhere)
    }

    // MARK: Making sure

    /// A logger has the handler now: the program may crash before the first record. Connections are made from now on.
    /// Loop thread.
    func prepareForCrash() { flushAtShutdown() }

    /// Suspends until everything that was accepted has got where it goes. Override it in a handler that keeps records
    /// back. Loop thread.
    ///
    /// At the end it is cancelled when its time is over: 30 seconds (`EventLoop.exitTimeout`), or what
    /// `shutdown(within:)` has been given.
    open func flush(_ mode: FlushMode) async throws(IOError) {}

    /// How many of the records that `handle` has taken have not got where they go. Override it in a handler that keeps
    /// records back: the ledger says of them that they are pending. Loop thread.
    open var pendingRecords: Int { 0 }

    /// Discards the records that could not be flushed, at the end. The difference in `pendingRecords` is counted as
    /// dropped, and reported. Override it in a handler that keeps records back. Loop thread.
    open func abandonPending() {}

    /// Flushes within `limit` and gives up the rest. Loop thread.
    func finish(within limit: Duration) async { await flushOrGiveUp(within: limit) }

    /// Gives up what has not gone out. Loop thread.
    func giveUp() {
        giveUpPending(because: nil)
        keptUntilFlushed()
    }

    /// The reason why nothing goes out, while nothing does. Loop thread.
    var failure: IOError? { nil }

    /// What the handler's place is called in messages.
    var label: String { "\(type(of: self))" }

    /// False for the handler of standard error: it cannot report its own failure there.
    var canReportToStandardError: Bool { true }

    /// What became of the records. Loop thread.
    var ledger: Ledger { books.keepingBack(UInt64(max(0, pendingRecords))) }

    /// The handler's figures. Loop thread.
    var currentStatistics: HandlerStatistics { HandlerStatistics(ledger: ledger) }

    /// The handler's figures. Any task.
    public final var statistics: HandlerStatistics {
        get async {
            guard loop.canBeVisited else { return currentStatistics }
            return await loop.visit { currentStatistics }
        }
    }
}

/// What `flush` waits for.
public enum FlushMode: Sendable {
    /// The records are in the kernel: they survive the end of the process.
    case written
    /// The records are on the disk (`fdatasync(2)`): they survive the end of the machine.
    case durable
}

/// The figures of one handler.
public struct HandlerStatistics: Sendable, Equatable {
    /// What became of the records.
    public internal(set) var ledger: Ledger
    /// Records that were given up, by level.
    public internal(set) var droppedByLevel: [Level: UInt64] = [:]
    /// The number of the last record that was written to the buffer, or dropped: records are numbered from 1 without
    /// gaps.
    public internal(set) var lastSequence: UInt64 = 0
    /// Bytes in the buffer.
    public internal(set) var pendingBytes = 0
    /// The most bytes that have been in the buffer at once.
    public internal(set) var mostPendingBytes = 0
    /// The buffer's bound.
    public internal(set) var capacity = 0
    /// Bytes in the kernel.
    public internal(set) var writtenBytes: UInt64 = 0
    /// Bytes of records that are in a spool on disk, and have not been sent.
    public internal(set) var spooledBytes = 0
    /// Why nothing goes out, while nothing does.
    public internal(set) var failure: IOError?
}
