// What the loop has to do at a later time.
//
// A heap of deadlines over a table of what is due then. Cancelling empties the table's row and leaves the deadline in the heap,
// where it does no harm; when stale deadlines outnumber the live ones the heap is rebuilt without them, so that memory stays
// proportional to the timers that are alive. Equal deadlines come in the order in which they were set.
import HeapModule

/// Names one timer. A name that has fired or been cancelled never names another.
package struct TimerID: Equatable, Sendable {
    fileprivate let row: UInt32
    fileprivate let sequence: UInt64
}

/// Loop thread only. Setting and firing are O(log n), cancelling is O(1), amortised.
struct Timers {
    typealias ID = TimerID

    enum Action {
        case resume(UnsafeContinuation<Wake, Never>)
        case job(QueuedJob)
        case call(() -> Void)
    }

    private struct Entry: Comparable {
        let deadline: Instant
        let sequence: UInt64
        let row: UInt32

        static func < (a: Entry, b: Entry) -> Bool { a.deadline == b.deadline ? a.sequence < b.sequence : a.deadline < b.deadline }
    }

    private struct Row {
        var sequence: UInt64
        var action: Action?
    }

    private var heap = Heap<Entry>()
    private var rows: [Row] = []
    private var freeRows: [UInt32] = []
    private var lastSequence: UInt64 = 0
    /// How many timers are set and neither fired nor cancelled.
    private(set) var count = 0

    /// Takes a name for a timer that `set` will set: whoever may have to cancel it has the name before anybody can.
    mutating func reserve() -> ID {
        lastSequence += 1
        count += 1
        if let row = freeRows.popLast() {
            rows[Int(row)] = Row(sequence: lastSequence, action: nil)
            return ID(row: row, sequence: lastSequence)
        }
        rows.append(Row(sequence: lastSequence, action: nil))
        return ID(row: UInt32(rows.count - 1), sequence: lastSequence)
    }

    mutating func set(_ id: ID, at deadline: Instant, _ action: Action) {
        precondition(rows[Int(id.row)].sequence == id.sequence, "a timer is set once, between reserve and cancel")
        rows[Int(id.row)].action = action
        heap.insert(Entry(deadline: deadline, sequence: id.sequence, row: id.row))
    }

    @discardableResult
    mutating func add(at deadline: Instant, _ action: Action) -> ID {
        let id = reserve()
        set(id, at: deadline, action)
        return id
    }

    /// Returns what will not happen now; nil if it has happened already, has been cancelled before, or was only reserved.
    mutating func cancel(_ id: ID) -> Action? {
        guard rows[Int(id.row)].sequence == id.sequence else { return nil }
        let action = release(id.row)
        if heap.count > 64, heap.count > 2 * count { prune() }
        return action
    }

    /// The earliest deadline of a live timer.
    mutating func nextDeadline() -> Instant? {
        while let first = heap.min {
            if isLive(first) { return first.deadline }
            heap.removeMin()
        }
        return nil
    }

    /// Removes and returns the earliest action that is due at `now`, nil if none is.
    mutating func popDue(_ now: Instant) -> Action? {
        while let first = heap.min, first.deadline <= now {
            heap.removeMin()
            if isLive(first) { return release(first.row) }
        }
        return nil
    }

    private func isLive(_ entry: Entry) -> Bool { rows[Int(entry.row)].sequence == entry.sequence }

    private mutating func release(_ row: UInt32) -> Action? {
        let action = rows[Int(row)].action.take()
        rows[Int(row)].sequence = 0  // no timer's: the first is 1
        freeRows.append(row)
        count -= 1
        return action
    }

    private mutating func prune() {
        heap = Heap(heap.unordered.filter(isLive))
        guard count == 0 else { return }
        rows = []
        freeRows = []
    }
}
