// A descriptor's slot in the poller: its readiness in both directions, and the waiters to resume.
import CEventLoop

/// A direction of a descriptor's readiness.
package enum Direction: Sendable { case read, write }

/// Why a wait ended.
package enum Wake: Sendable {
    case ready
    /// The descriptor was closed during the wait.
    case closed
    case cancelled
    /// Another task already waits in this direction.
    case busy
}

/// How a waiter learns that its wait has ended.
enum Waiter {
    case task(UnsafeContinuation<Wake, Never>)
    case call(Call)

    /// A closure behind one pointer: most waiters are tasks, and should not pay for its size.
    final class Call {
        let body: (Wake) -> Void
        init(_ body: @escaping (Wake) -> Void) { self.body = body }
    }

    func resume(_ wake: Wake) {
        switch self {
        case .task(let continuation): continuation.resume(returning: wake)
        case .call(let call): call.body(wake)
        }
    }
}

/// Unchecked because the stored state is loop-thread-only; the one thing that other threads do with a registration is
/// to hand it back to its loop (`wait`'s cancellation handler).
package final class Registration: @unchecked Sendable {
    package let descriptor: CInt
    let generation: UInt32
    /// The owner of a registration keeps its loop alive; a loop that is deallocated first calls `abandon`. Unmanaged
    /// here and below: each retain is an atomic operation, and a round trip through two pipes made more of them than it
    /// ran instructions of ours.
    private let loop: Unmanaged<EventLoop>
    private var isAbandoned = false

    private struct Side {
        var readiness = Readiness()
        var waiter: Waiter?
        /// The waiter waits in the other direction, too. When this side wakes it, the other side removes it.
        var waitsInBoth = false
    }
    @exclusivity(unchecked) private var read = Side()
    @exclusivity(unchecked) private var write = Side()
    /// A socket got urgent data. Reads stop at its mark, with or without more behind it, so that a short count proves
    /// nothing any more.
    @exclusivity(unchecked) private var hasUrgentMark = false
    @exclusivity(unchecked) private var lastWait: Readiness.WaiterID = 0

    init(descriptor: CInt, generation: UInt32, loop: EventLoop) {
        self.descriptor = descriptor
        self.generation = generation
        self.loop = Unmanaged.passUnretained(loop)
        // It was registered because an attempt had said would-block. The first edge will
        // report what is ready by now.
        read.readiness.clear(0, by: .wouldBlock)
        write.readiness.clear(0, by: .wouldBlock)
    }

    deinit {
        assert(
            read.waiter == nil && write.waiter == nil,
            "descriptor \(descriptor): a registration must be closed before its last reference goes: a task still waits"
        )
    }

    // MARK: Loop thread: attempts

    package func attempt(_ direction: Direction) -> Readiness.Attempt {
        direction == .read ? read.readiness.attempt : write.readiness.attempt
    }

    package func clear(_ direction: Direction, _ edge: Readiness.Edge, by evidence: Readiness.Evidence) {
        withSide(direction) { $0.readiness.clear(edge, by: evidence) }
    }

    // MARK: Loop thread: waiting

    /// Suspends the task until the descriptor is ready in `direction`.
    package func wait(_ direction: Direction) async -> Wake { await wait(for: direction == .read ? .read : .write) }

    /// What one waiter waits for.
    enum Interest { case read, write, either }

    /// Suspends the task until the descriptor is ready in one of the directions that `interest` names.
    @inline(__always)
    func wait(for interest: Interest) async -> Wake {
        lastWait &+= 1
        let id = lastWait
        return await parkTask { continuation in
            if isTaskCancelled() {
                continuation.resume(returning: .cancelled)
            } else {
                park(interest, id, .task(continuation))
            }
        } onCancel: {
            loop._withUnsafeGuaranteedRef { $0.perform { self.cancel(interest, id) } }
        }
    }

    /// Calls `body` once, on the loop thread and never from within this call, when the descriptor is ready in
    /// `direction`.
    ///
    /// - Returns: the waiter's ID, for `giveUp`.
    @discardableResult
    package func whenReady(_ direction: Direction, _ body: @escaping (Wake) -> Void) -> Readiness.WaiterID {
        lastWait &+= 1
        park(direction == .read ? .read : .write, lastWait, .call(Waiter.Call(body)))
        return lastWait
    }

    /// Ends a wait that `whenReady` began. Its `body` is not called any more, unless its call was already on its way.
    package func giveUp(_ direction: Direction, _ id: Readiness.WaiterID) {
        guard withSide(direction, { $0.readiness.cancel(id) }) else { return }
        withSide(direction) { $0.waiter = nil }
        loop._withUnsafeGuaranteedRef { $0.waiters -= 1 }
    }

    private func park(_ interest: Interest, _ id: Readiness.WaiterID, _ waiter: Waiter) {
        let reading = interest == .write ? .parked : read.readiness.park(id)
        guard reading == .parked else { return resumeLater(waiter, wake(for: reading)) }
        let writing = interest == .read ? .parked : write.readiness.park(id)
        guard writing == .parked else {
            _ = read.readiness.cancel(id)
            return resumeLater(waiter, wake(for: writing))
        }
        if interest != .write {
            read.waiter = waiter
            read.waitsInBoth = interest == .either
        }
        if interest != .read {
            write.waiter = waiter
            write.waitsInBoth = interest == .either
        }
        loop._withUnsafeGuaranteedRef { loop in
            loop.waiters += 1
            if case .call = waiter { loop.waitingCalls += 1 }
        }
    }

    private func wake(for parking: Readiness.Parking) -> Wake {
        switch parking {
        case .ready, .parked: .ready
        case .busy: .busy
        case .closed: .closed
        }
    }

    private func resumeLater(_ waiter: Waiter, _ wake: Wake) {
        switch waiter {
        case .task(let continuation): continuation.resume(returning: wake)
        case .call(let call): loop._withUnsafeGuaranteedRef { $0.soon { call.body(wake) } }
        }
    }

    private func cancel(_ interest: Interest, _ id: Readiness.WaiterID) {
        let direction: Direction = interest == .write ? .write : .read
        if withSide(direction, { $0.readiness.cancel(id) }) { wake(direction, id, .cancelled) }
    }

    /// The machine of `direction` has handed the waiter `id` back: its wait is over, in the other direction too.
    private func wake(_ direction: Direction, _ id: Readiness.WaiterID?, _ wake: Wake) {
        guard let id, let waiter = withSide(direction, { $0.waiter.take() }) else { return }
        if withSide(direction, { $0.waitsInBoth }) {
            withSide(direction == .read ? .write : .read) {
                _ = $0.readiness.cancel(id)
                $0.waiter = nil
            }
        }
        loop._withUnsafeGuaranteedRef { loop in
            loop.waiters -= 1
            if case .call = waiter { loop.waitingCalls -= 1 }
        }
        waiter.resume(wake)
    }

    private func withSide<Result>(_ direction: Direction, _ body: (inout Side) -> Result) -> Result {
        direction == .read ? body(&read) : body(&write)
    }

    // MARK: Loop thread: events

    func signal(_ events: UInt32) {
        let hungUp = events & (cel_EPOLLHUP | cel_EPOLLERR) != 0
        let ended = hungUp || events & cel_EPOLLRDHUP != 0
        if events & cel_EPOLLPRI != 0 { hasUrgentMark = true }
        if ended || events & (cel_EPOLLIN | cel_EPOLLPRI) != 0 {
            wake(.read, read.readiness.signal(isFinal: ended || hasUrgentMark), .ready)
        }
        if hungUp || events & cel_EPOLLOUT != 0 { wake(.write, write.readiness.signal(isFinal: hungUp), .ready) }
    }

    /// Wakes the waiters. Later waits end at once with `.closed`.
    func wakeAll(_ reason: Wake) {
        wake(.read, read.readiness.close(), reason)
        wake(.write, write.readiness.close(), reason)
    }

    /// Wakes the waiters, then frees the slot. The caller closes the descriptor afterwards, if it owns it.
    package func close() {
        guard !isAbandoned else { return }
        wakeAll(.closed)
        loop._withUnsafeGuaranteedRef { $0.remove(self) }
    }

    /// The loop is being deallocated, so no task waits any more.
    func abandon() {
        isAbandoned = true
        read.waiter = nil
        write.waiter = nil
    }
}
