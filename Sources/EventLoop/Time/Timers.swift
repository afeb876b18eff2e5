// Timers: what the loop has to do at a later time.
//
// A heap of deadlines. What is due then stands in a table, by the timer's number (tasks that sleep), or is the object
// that the entry points to (closures). Cancelling takes the action away and leaves the deadline in the heap, where it
// does no harm; when stale deadlines come to half as many as live ones the heap is rebuilt without them. (A heap that
// knew where each timer stands could drop it at once, but would have to note every move that it makes, somewhere in
// megabytes of memory.) Heap and table shrink as they empty, so that memory stays proportional to the timers that are
// alive. Equal deadlines come in the order in which they were set.

/// Names one sleep. A name that has fired or been cancelled never names another.
package struct TimerID: Equatable, Sendable {
    fileprivate let sequence: UInt64
}

/// Loop thread only. Setting and firing are O(log n), cancelling is O(1), amortised.
struct Timers: ~Copyable {
    typealias ID = TimerID

    enum Action: BitwiseCopyable {
        case resume(UnsafeContinuation<Wake, Never>)
        case job(QueuedJob)
    }

    enum Due {
        case action(Action)
        case call(TimerCallback)
    }

    /// Below that many a heap is not worth rebuilding.
    private static let few = 64

    private var heap = DeadlineHeap()
    private var actions = TimerTable()
    private var lastSequence: UInt64 = 0
    /// How many of the heap's closures are still to be called.
    private var calls = 0

    deinit { heap.forEach { $0.call?.release() } }

    /// How many tasks sleep.
    var sleepers: Int { actions.count }

    /// How many timers are set, and neither fired nor cancelled.
    var count: Int { actions.count + calls }

    /// For tests: for how many timers there is memory.
    var capacity: Int { max(heap.capacity, actions.capacity) }

    // MARK: Closures

    /// `call` is kept until it is due, or cancelled.
    mutating func add(at deadline: Instant, _ call: TimerCallback) {
        lastSequence += 1
        call.sequence = lastSequence
        calls += 1
        heap.insert(DeadlineHeap.Entry(deadline: deadline, call: Unmanaged.passRetained(call)))
    }

    /// A call that was added, and has not come out of `popDue`, is not to be made any more.
    mutating func callCancelled() {
        calls -= 1
        dropStaleDeadlinesIfMany()
    }

    /// Removes all closures: they will not be called. The caller abandons each after this has returned, since that may
    /// deallocate what they hold.
    mutating func removeCalls() -> [TimerCallback] {
        var removed: [TimerCallback] = []
        heap.removeAll { entry in
            guard let call = entry.call else { return false }
            removed.append(call.takeRetainedValue())
            return true
        }
        calls = 0
        return removed
    }

    // MARK: Tasks

    /// An ID for a timer that `set` will set: the caller knows the ID before any code can cancel the timer.
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

    /// Returns the action that is cancelled; nil if it has happened already, has been cancelled before, or was only
    /// reserved.
    mutating func cancel(_ id: ID) -> Action? {
        let action = actions.remove(id.sequence)
        dropStaleDeadlinesIfMany()
        return action
    }

    // MARK: Firing

    /// The earliest deadline of a live timer.
    mutating func nextDeadline() -> Instant? {
        while let first = heap.first {
            if isLive(first) { return first.deadline }
            heap.removeFirst()
            first.call?.release()
        }
        return nil
    }

    /// Removes and returns the earliest action that is due at `now`, nil if none is.
    mutating func popDue(_ now: Instant) -> Due? {
        while let first = heap.first, first.deadline <= now {
            heap.removeFirst()
            if let call = first.call?.takeRetainedValue() {
                guard call.isPending else { continue }
                calls -= 1
                return .call(call)
            }
            if let action = actions.remove(first.sequence) { return .action(action) }
        }
        return nil
    }

    /// The deadlines' clock has been set forward by `duration`.
    mutating func shift(by duration: Duration) { heap.shift(by: duration) }

    private func isLive(_ entry: DeadlineHeap.Entry) -> Bool {
        if let call = entry.call { return call._withUnsafeGuaranteedRef { $0.isPending } }
        return actions.contains(entry.sequence)
    }

    private mutating func dropStaleDeadlinesIfMany() {
        guard heap.count > Self.few, heap.count > count + count / 2 else { return }
        heap.removeAll { entry in
            guard let call = entry.call else { return !actions.contains(entry.sequence) }
            if call._withUnsafeGuaranteedRef({ $0.isPending }) { return false }
            call.release()
            return true
        }
    }
}
