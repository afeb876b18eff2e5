// The books of one output: what was accepted is written, or dropped for a reason, or still pending. Always.
import EventLoop

/// What became of the records (log records, prints) that one output accepted: `accepted == written + droppedTotal +
/// pending`.
public struct Ledger: Sendable, Equatable {
    /// Why a record was not written.
    public enum DropReason: String, Sendable, Hashable, CaseIterable {
        /// The buffer was full, and the caller could not or would not wait.
        case overflow
        /// The descriptor refused it: the device is full, a pipe has no reader any more, …
        case failure
        /// Its task was cancelled while it waited for room.
        case cancelled
        /// The descriptor took nothing for so long that the end of the program could not wait for it.
        case timeout
        /// The buffer was full, and the record was not important enough to wait (`Overflow.shed`).
        case shed
        /// The handler or the formatter threw an error.
        case handler
        /// It was logged from within the handling of another record by the same handler.
        case recursion
    }

    /// Records that callers handed over.
    public internal(set) var accepted: UInt64 = 0
    /// Records whose last byte is in the kernel.
    public internal(set) var written: UInt64 = 0
    /// Records that were given up, by reason.
    public internal(set) var dropped: [DropReason: UInt64] = [:]
    /// Records that wait: in the buffer, or with their tasks for room in it.
    public internal(set) var pending: UInt64 = 0
    /// System calls made to write, those that were refused included.
    public internal(set) var writeCalls: UInt64 = 0

    /// All that were given up.
    public var droppedTotal: UInt64 { dropped.values.reduce(0, +) }

    /// True at every moment: each accepted record is written, dropped or pending.
    public var balances: Bool { accepted == written + droppedTotal + pending }

    /// Empty books.
    public init() {}

    /// Counts a record as accepted: it will be written or dropped.
    package mutating func accept() {
        accepted &+= 1
        pending &+= 1
    }

    /// So many pending records have been written.
    package mutating func write(_ count: Int = 1) {
        written &+= UInt64(count)
        pending &-= UInt64(count)
    }

    package mutating func drop(_ reason: DropReason) {
        dropped[reason, default: 0] += 1
        pending -= 1
    }

    /// The same, with so many of the records that were taken for written still pending.
    package func keepingBack(_ count: UInt64) -> Ledger {
        var ledger = self
        let kept = min(count, written)
        ledger.written -= kept
        ledger.pending += kept
        return ledger
    }

    /// So many of the records that were taken for written never got where they go.
    package mutating func lose(_ count: UInt64, _ reason: DropReason) {
        let lost = min(count, written)
        guard lost > 0 else { return }
        written -= lost
        dropped[reason, default: 0] += lost
    }

    /// Counts records that were refused at once: accepted and dropped.
    package mutating func refuse(_ count: UInt64) {
        guard count > 0 else { return }
        accepted += count
        dropped[.overflow, default: 0] += count
    }

    /// The sum of two ledgers.
    public static func + (a: Ledger, b: Ledger) -> Ledger {
        var sum = a
        sum.accepted += b.accepted
        sum.written += b.written
        sum.dropped.merge(b.dropped, uniquingKeysWith: +)
        sum.pending += b.pending
        sum.writeCalls += b.writeCalls
        return sum
    }
}
