// One descriptor's readiness in one direction, and the task that waits for it.
//
// epoll reports *edges*: "something arrived since you last looked". A task asks about *levels*: "can I read now?". This
// machine turns edges into levels. It caches each edge, lets a task use the cached readiness without a system call, and
// hands a later edge to the waiting task. It makes no system call and resumes no task: each function returns what its
// caller must do next. (The idea of the numbered edge is tokio's, scheduled_io.rs.)

/// The readiness of one descriptor in one direction.
///
/// Loop thread only. At most one waiter at a time.
package struct Readiness: Equatable {
    /// Counts edges. A reader that saw would-block at edge 7 must not clear edge 8, which arrived in between.
    package typealias Edge = UInt32

    /// Names one wait, so that a late cancellation cannot hit the wait that came after it, nor one of the four billion
    /// behind that.
    package typealias WaiterID = UInt32

    private enum State: Equatable {
        case ready  // or unknown, because no attempt has been made yet: try the system call
        case drained  // the last attempt said would-block, or moved less than was asked
        case awaited(by: WaiterID)
        case closed
    }

    private var state = State.ready
    private var edge: Edge = 0
    /// The other side has hung up, or has sent urgent data, and no later edge may come: a short count then does not
    /// mean that the end has been reached.
    private var isFinal = false

    package init() {}

    package enum Attempt: Equatable {
        /// Make the system call; hand `Edge` back to `clear` if it says would-block.
        case go(Edge)
        /// Wait first.
        case wait
        case closed
    }

    /// What a caller that wants to read or write must do.
    package var attempt: Attempt {
        switch state {
        case .ready: .go(edge)
        case .drained, .awaited: .wait
        case .closed: .closed
        }
    }

    package enum Parking: Equatable {
        /// The caller waits now: `signal`, `cancel` or `close` will hand its ID back, exactly once.
        case parked
        /// There is nothing to wait for.
        case ready
        /// Another task waits already.
        case busy
        case closed
    }

    package mutating func park(_ id: WaiterID) -> Parking {
        switch state {
        case .ready: return .ready
        case .awaited: return .busy
        case .closed: return .closed
        case .drained:
            state = .awaited(by: id)
            return .parked
        }
    }

    /// epoll reported an edge. Returns the waiter to resume, if one waits.
    package mutating func signal(isFinal hungUp: Bool = false) -> WaiterID? {
        guard state != .closed else { return nil }
        edge &+= 1
        isFinal = hungUp
        defer { state = .ready }
        if case .awaited(let id) = state { return id }
        return nil
    }

    package enum Evidence { case wouldBlock, shortCount }

    /// The system call, made on the readiness obtained at `seen`, found that there is no more.
    ///
    /// A short count saves the call that would say would-block, but is no evidence after a hang-up: the end of the
    /// stream is still to be read. What arrives between the call and this comes with an edge of its own.
    package mutating func clear(_ seen: Edge, by evidence: Evidence) {
        guard state == .ready, seen == edge else { return }
        if evidence == .wouldBlock || !isFinal { state = .drained }
    }

    /// The wait `id` is given up. False if it has already ended some other way.
    package mutating func cancel(_ id: WaiterID) -> Bool {
        guard state == .awaited(by: id) else { return false }
        state = .drained
        return true
    }

    /// The descriptor is going away. Returns the waiter to resume, if one waits.
    package mutating func close() -> WaiterID? {
        defer { state = .closed }
        if case .awaited(let id) = state { return id }
        return nil
    }
}
