// What the loop has to do at a later time.
//
// A heap of deadlines over a table of what is due then. Cancelling takes the action out of the table and leaves the deadline in the
// heap, where it does no harm; when stale deadlines outnumber the live ones the heap is rebuilt without them. Heap and table
// shrink as they empty, so that memory stays proportional to the timers that are alive. Equal deadlines come in the order in
// which they were set.
import HeapModule

/// Names one timer. A name that has fired or been cancelled never names another.
package struct TimerID: Equatable, Sendable {
    fileprivate let sequence: UInt64
}

/// Loop thread only. Setting and firing are O(log n), cancelling is O(1), amortised.
struct Timers {
    typealias ID = TimerID

    enum Action {
        case resume(UnsafeContinuation<Wake, Never>)
        case job(QueuedJob)
        case call(Call)
    }

    /// A closure behind one pointer: most actions are continuations, and should not pay for its size.
    final class Call {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    private struct Entry: Comparable {
        let deadline: Instant
        let sequence: UInt64

        static func < (a: Entry, b: Entry) -> Bool { a.deadline == b.deadline ? a.sequence < b.sequence : a.deadline < b.deadline }
    }

    private static let smallest = 64

    private var heap = Heap<Entry>()
    /// The heap's memory was made for about as many.
    private var heapRoom = Timers.smallest
    private var actions = TimerTable()
    private var lastSequence: UInt64 = 0

    /// How many timers are set, or reserved, and neither fired nor cancelled.
    var count: Int { actions.count }

    /// For tests: for how many timers there is memory.
    var capacity: Int { max(heapRoom, actions.capacity) }

    /// Takes a name for a timer that `set` will set: whoever may have to cancel it has the name before anybody can.
    mutating func reserve() -> ID {
        lastSequence += 1
        actions.insert(lastSequence)
        return ID(sequence: lastSequence)
    }

    mutating func set(_ id: ID, at deadline: Instant, _ action: Action) {
        actions.set(id.sequence, action)
        heap.insert(Entry(deadline: deadline, sequence: id.sequence))
        heapRoom = max(heapRoom, heap.count)
    }

    @discardableResult
    mutating func add(at deadline: Instant, _ action: Action) -> ID {
        let id = reserve()
        set(id, at: deadline, action)
        return id
    }

    /// Returns what will not happen now; nil if it has happened already, has been cancelled before, or was only reserved.
    mutating func cancel(_ id: ID) -> Action? {
        let action = actions.remove(id.sequence)
        if heap.count > Self.smallest, heap.count > 2 * count { rebuildHeap() }
        return action
    }

    /// The earliest deadline of a live timer.
    mutating func nextDeadline() -> Instant? {
        while let first = heap.min {
            if actions.contains(first.sequence) { return first.deadline }
            removeFirst()
        }
        return nil
    }

    /// Removes and returns the earliest action that is due at `now`, nil if none is.
    mutating func popDue(_ now: Instant) -> Action? {
        while let first = heap.min, first.deadline <= now {
            removeFirst()
            if let action = actions.remove(first.sequence) { return action }
        }
        return nil
    }

    private mutating func removeFirst() {
        heap.removeMin()
        if heapRoom > Self.smallest, heap.count < heapRoom / 4 { rebuildHeap() }
    }

    private mutating func rebuildHeap() {
        heap = Heap(heap.unordered.filter { actions.contains($0.sequence) })
        heapRoom = max(Self.smallest, heap.count)
    }
}
