// What was dropped since the last report: how many records of each severity, when, and which numbers are missing.
import EventLoop

/// Drops that are yet to be reported.
package struct DropSummary {
    package private(set) var total: UInt64 = 0
    /// By severity.
    package private(set) var counts = InlineArray<8, UInt64>(repeating: 0)
    /// The numbers of the first and the last record that was dropped. Others between them may have been written.
    package private(set) var firstSequence = UInt64.max
    package private(set) var lastSequence: UInt64 = 0
    /// When the first and the last of them was dropped: nanoseconds since 1970-01-01T00:00:00Z.
    package private(set) var since: Int64 = 0
    package private(set) var until: Int64 = 0

    package init() {}

    package var isEmpty: Bool { total == 0 }

    mutating func add(_ severity: UInt8, sequence: UInt64, count: UInt64 = 1) {
        until = WallClock.now
        if total == 0 { since = until }
        total += count
        counts[Int(severity)] += count
        firstSequence = min(firstSequence, sequence)
        lastSequence = max(lastSequence, sequence + count - 1)
    }
}
