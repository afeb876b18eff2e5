// The way of a record from a logger to the handlers, which live on one loop.
//
// On the loop's thread a record goes straight into the handlers' buffers. From any other thread it is copied and posted to the
// loop's inbox; the bytes on that way are bounded too. If no thread runs the loop, the calling thread turns it for a moment, so
// that a program without a loop sees its lines at once.
import AsyncFD
import EventLoop
import Synchronization

/// Unchecked because `handlers` is set once and everything behind it is used on the loop's thread only; the rest is atomic.
final class Pipeline: @unchecked Sendable {
    let loop: EventLoop
    let handlers: [Handler]
    /// Bytes that other threads have posted and that no handler has taken yet.
    private let inFlight = Atomic<Int>(0)
    private let inFlightLimit = Handler.defaultCapacity
    /// Records of other threads that were refused because too much was in flight already.
    private let refused = Atomic<UInt64>(0)

    init(loop: EventLoop, handlers: [Handler]) {
        self.loop = loop
        self.handlers = handlers
    }

    // MARK: On the loop's thread

    /// For callers who do not wait: what finds no room, even after writing what can be written at once, is dropped.
    func take(_ record: Record) {
        for handler in handlers where handler.takes(record.level) {
            if !handler.accept(record), !handler.retryNow(record) { handler.drop() }
        }
    }

    /// For callers who can wait: returns the handlers that had no room.
    func takeOrPark(_ record: Record) -> [Handler] {
        var full: [Handler] = []
        for handler in handlers where handler.takes(record.level) {
            if !handler.accept(record) { full.append(handler) }
        }
        return full
    }

    // MARK: From other threads

    /// Posts the record if the bound allows. False: the caller waits, or drops it with `refuse`.
    func post(_ record: Record, of core: LoggerCore) -> Bool {
        let cost = record.message.count + ParkedRecord.overhead
        let isRunning = loop.isRunning
        if inFlight.load(ordering: .relaxed) + cost > inFlightLimit {
            // Nobody runs the loop, so nobody is held up if this thread does until there is room again.
            guard !isRunning, EventLoop.current == nil else { return false }
            loop.lend(EventLoop.exitPatience) { [self] in inFlight.load(ordering: .relaxed) + cost <= inFlightLimit }
        }
        inFlight.add(cost, ordering: .relaxed)
        let parked = ParkedRecord(record, of: core)
        loop.perform { [self] in deliver(parked) }
        if !isRunning { loop.lend() }
        return true
    }

    func refuse() { refused.add(1, ordering: .relaxed) }

    private func deliver(_ parked: ParkedRecord) {
        let full = parked.withRecord { takeOrPark($0) }
        guard !full.isEmpty else { return land(parked) }
        var left = full.count
        for handler in full {
            handler.retryLater(parked) { [self] in
                left -= 1
                if left == 0 { land(parked) }
            }
        }
    }

    private func land(_ parked: ParkedRecord) { inFlight.subtract(parked.cost, ordering: .relaxed) }

    // MARK: Books

    /// The books of all handlers together. Loop thread.
    var ledger: Ledger {
        var sum = handlers.reduce(Ledger()) { $0 + $1.buffer.ledger }
        sum.addRefused(refused.load(ordering: .relaxed))
        return sum
    }
}

// MARK: The standard pipeline

extension Pipeline {
    /// Below warning to standard output, the rest to standard error, on the current loop (outside of any: on the main loop).
    static var standard: Pipeline {
        guard let loop = EventLoop.current, loop !== EventLoop.main else { return mainStandard }
        return loop.local(Pipeline.self) { standard(on: loop) }
    }

    private static let mainStandard = standard(on: .main)

    private static func standard(on loop: EventLoop) -> Pipeline {
        Pipeline(
            loop: loop,
            handlers: [
                Handler(.standardOutput, levels: .trace ... .notice),
                Handler(.standardError, levels: .warning ... .critical),
            ])
    }
}
