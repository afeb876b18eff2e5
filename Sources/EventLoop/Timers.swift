// What the loop has to do at a later time.
//
// A heap of deadlines over a table of what is due then. Cancelling takes the action out of the table and leaves the deadline in the
// heap, where it does no harm; when stale deadlines outnumber the live ones the heap is rebuilt without them. (A heap that knew where each
// timer stands could drop it at once, but would have to note every move that it makes, somewhere in a table of megabytes.) Heap and table
// shrink as they empty, so that memory stays proportional to the timers that are alive. Equal deadlines come in the order in
// which they were set.

/// Names one timer. A name that has fired or been cancelled never names another.
package struct TimerID: Equatable, Sendable {
    fileprivate let sequence: UInt64
}

/// Loop thread only. Setting and firing are O(log n), cancelling is O(1), amortised.
struct Timers: ~Copyable {
    typealias ID = TimerID

    enum Action: BitwiseCopyable {
        case resume(UnsafeContinuation<Wake, Never>)
        case job(QueuedJob)
        /// Retained by the table.
        case call(Unmanaged<LaterCall>)
    }

    /// Below that many a heap is not worth rebuilding.
    private static let few = 64

    private var heap = DeadlineHeap()
    private var actions = TimerTable()
    private var lastSequence: UInt64 = 0

    deinit {
        actions.forEach { action in
            if case .call(let call) = action { call.release() }
        }
    }

    /// How many timers are set, and neither fired nor cancelled.
    var count: Int { actions.count }

    /// For tests: for how many timers there is memory.
    var capacity: Int { max(heap.capacity, actions.capacity) }

    /// A name for a timer that `set` will set: whoever may have to cancel it has the name before anybody can.
    mutating func reserve() -> ID {
        lastSequence += 1
        return ID(sequence: lastSequence)
    }

    /// - Precondition: `id` comes from `reserve` and has not been set before.
    mutating func set(_ id: ID, at deadline: Instant, _ action: Action) {
        actions.insert(id.sequence, action)
        heap.insert(DeadlineHeap.Entry(deadline: deadline, sequence: id.sequence))
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
        if heap.count > Self.few, heap.count > 2 * count { dropStaleDeadlines() }
        return action
    }

    /// Takes all closures out: they will not be called. The caller lets go of them when this has ended, and with them of whatever they keep.
    mutating func cancelCalls() -> [Unmanaged<LaterCall>] {
        var calls: [Unmanaged<LaterCall>] = []
        for number in actions.calls {
            if case .call(let call) = cancel(ID(sequence: number)) { calls.append(call) }
        }
        return calls
    }

    /// The earliest deadline of a live timer.
    mutating func nextDeadline() -> Instant? {
        while let first = heap.first {
            if actions.contains(first.sequence) { return first.deadline }
            heap.removeFirst()
        }
        return nil
    }

    /// Removes and returns the earliest action that is due at `now`, nil if none is.
    mutating func popDue(_ now: Instant) -> Action? {
        while let first = heap.first, first.deadline <= now {
            heap.removeFirst()
            if let action = actions.remove(first.sequence) { return action }
        }
        return nil
    }

    private mutating func dropStaleDeadlines() {
        heap.removeAll { entry in !actions.contains(entry.sequence) }
    }
}
