// What happened just before: records that are too detailed for the log are kept in memory, and go to the log when
// something goes wrong.
import AsyncFD
import DequeModule
import EventLoop

/// Keeps the latest records in memory, encoded as they are, and hands them to another handler when a record of a given
/// level comes, or on request.
///
///     let output = StreamHandler(.standardError, formatter: TextFormatter(), levels: .info ... .critical)
///     let recorder = FlightRecorder(of: 1 << 20, dumpingTo: StreamHandler(.standardError, formatter: TextFormatter()))
///     let logger = Logger("app", level: .trace, handlers: [output, recorder])
///
/// Records come out in the order in which they were logged, with their own times; what has come out does not come
/// again. Keeping a record costs an allocation and a copy of its bytes; nothing is formatted before it is asked for.
///
/// Unchecked as its superclass is: loop thread only.
public final class FlightRecorder: Handler, @unchecked Sendable {
    private let target: Handler
    private let capacity: Int
    private let trigger: Level
    private var kept: Deque<EncodedRecord> = []
    /// What the records take, and what they keep alive.
    private var bytes = 0
    private var shared = SharedBytes()

    /// - Parameters:
    ///   - capacity: how many bytes of records are kept, those of the fields of their loggers and scopes included,
    ///     which count once for all records that have them in common; of more the oldest go.
    ///   - target: where they come out. It need not be a handler of any logger, but it lives on the same event loop.
    ///   - trigger: a record of this level or above brings out all that are kept, itself last.
    ///   - levels: records of other levels are not kept.
    public init(
        of capacity: Int, dumpingTo target: Handler, on trigger: Level = .error,
        levels: ClosedRange<Level> = .trace ... .critical
    ) {
        precondition(capacity > 0, "capacity: must be at least 1 byte")
        self.target = target
        self.capacity = capacity
        self.trigger = trigger
        super.init(levels: levels, loop: target.loop)
    }

    /// A target that keeps records back in a way of its own is flushed at the end, as if it were a logger's.
    override func prepareForCrash() { if !(target is BufferedHandler) { target.prepareForCrash() } }

    override public var callSiteParts: CallSite.Parts { target.callSiteParts }

    deinit { for record in kept { record.free() } }

    override public func handle(_ record: borrowing Record) {
        let copy = EncodedRecord(keeping: record)
        kept.append(copy)
        bytes += copy.size + shared.add(copy.bound) + shared.add(copy.scope)
        while bytes > capacity, kept.count > 1 {
            let oldest = kept.removeFirst()
            forget(oldest)
            oldest.free()
        }
        if record.level >= trigger { dumpHere() }
    }

    /// Brings out all that are kept, and forgets them. Any thread; from outside of the loop it happens as soon as the
    /// loop gets to it.
    public func dump() {
        // Guarded: what the target logs while it takes the records is not kept, or there would be no end.
        loop.perform { self.guarded { self.dumpHere() } }
    }

    private func dumpHere() {
        while let record = kept.popFirst() {
            forget(record)
            record.withRecord { record in
                if target.wants(record) { _ = target.take(record, canWait: false) }
            }
            record.free()
        }
    }

    private func forget(_ record: EncodedRecord) {
        bytes -= record.size + shared.remove(record.bound) + shared.remove(record.scope)
    }

    override public func flush(_ mode: FlushMode) async throws(IOError) { try await target.flush(mode) }
    override func finish(within limit: Duration) async { await target.finish(within: limit) }
    override func giveUp() { target.giveUp() }
}
