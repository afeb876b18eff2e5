// A descriptor's seat in the poller: its readiness in both directions and the waiters' way to be resumed.
import CEventLoop

/// Which of a descriptor's two readinesses is meant.
package enum Direction: Sendable { case read, write }

/// Why a wait ended.
package enum Wake: Sendable {
    case ready
    /// The descriptor was closed while somebody waited for it.
    case closed
    case cancelled
    /// Another task already waits in this direction.
    case busy
}

/// How a waiter learns that its wait has ended.
enum Waiter {
    case task(UnsafeContinuation<Wake, Never>)
    case call((Wake) -> Void)

    func resume(_ wake: Wake) {
        switch self {
        case .task(let continuation): continuation.resume(returning: wake)
        case .call(let body): body(wake)
        }
    }
}

/// Unchecked because the stored state is loop-thread-only; the one thing that other threads do with a registration is to hand it
/// back to its loop (`wait`'s cancellation handler).
package final class Registration: @unchecked Sendable {
    package let descriptor: CInt
    let generation: UInt32
    private unowned let loop: EventLoop

    private struct Side {
        var readiness = Readiness()
        var waiter: Waiter?
    }
    private var read = Side()
    private var write = Side()
    private var lastWait: Readiness.WaiterID = 0

    init(descriptor: CInt, generation: UInt32, loop: EventLoop) {
        self.descriptor = descriptor
        self.generation = generation
        self.loop = loop
        // It was registered because an attempt had said would-block. What is ready by now, the first edge will say.
        read.readiness.clear(0, by: .wouldBlock)
        write.readiness.clear(0, by: .wouldBlock)
    }

    deinit {
        assert(read.waiter == nil && write.waiter == nil, "descriptor \(descriptor): a registration went away under its waiter")
    }

    // MARK: Loop thread: attempts

    package func attempt(_ direction: Direction) -> Readiness.Attempt {
        direction == .read ? read.readiness.attempt : write.readiness.attempt
    }

    package func clear(_ direction: Direction, _ edge: Readiness.Edge, by evidence: Readiness.Evidence) {
        if direction == .read { read.readiness.clear(edge, by: evidence) } else { write.readiness.clear(edge, by: evidence) }
    }

    // MARK: Loop thread: waiting

    /// Suspends the task until the descriptor is ready in `direction`.
    package func wait(_ direction: Direction) async -> Wake {
        lastWait &+= 1
        let id = lastWait
        return await parkTask { continuation in
            if Task.isCancelled {
                continuation.resume(returning: .cancelled)
            } else {
                park(direction, id, .task(continuation))
            }
        } onCancel: { [loop] in
            loop.perform { self.cancel(direction, id) }
        }
    }

    /// Calls `body` once, on the loop thread and never from within this call, when the descriptor is ready in `direction`.
    package func whenReady(_ direction: Direction, _ body: @escaping (Wake) -> Void) {
        lastWait &+= 1
        park(direction, lastWait, .call(body))
    }

    private func park(_ direction: Direction, _ id: Readiness.WaiterID, _ waiter: Waiter) {
        let parking = direction == .read ? read.readiness.park(id) : write.readiness.park(id)
        switch parking {
        case .parked: if direction == .read { read.waiter = waiter } else { write.waiter = waiter }
        case .ready: resumeLater(waiter, .ready)
        case .busy: resumeLater(waiter, .busy)
        case .closed: resumeLater(waiter, .closed)
        }
    }

    private func resumeLater(_ waiter: Waiter, _ wake: Wake) {
        switch waiter {
        case .task(let continuation): continuation.resume(returning: wake)
        case .call(let body): loop.soon { body(wake) }
        }
    }

    private func cancel(_ direction: Direction, _ id: Readiness.WaiterID) {
        let wasWaiting = direction == .read ? read.readiness.cancel(id) : write.readiness.cancel(id)
        if wasWaiting { take(direction)?.resume(.cancelled) }
    }

    private func take(_ direction: Direction) -> Waiter? {
        if direction == .read { read.waiter.take() } else { write.waiter.take() }
    }

    // MARK: Loop thread: events

    func signal(_ events: UInt32) {
        let hungUp = events & (cel_EPOLLHUP | cel_EPOLLERR) != 0
        let ended = hungUp || events & cel_EPOLLRDHUP != 0
        if ended || events & cel_EPOLLIN != 0, read.readiness.signal(isFinal: ended) != nil { take(.read)?.resume(.ready) }
        if hungUp || events & cel_EPOLLOUT != 0, write.readiness.signal(isFinal: hungUp) != nil { take(.write)?.resume(.ready) }
    }

    /// Wakes who waits, then gives the seat back. The caller closes the descriptor afterwards, if it is the caller's to close.
    package func close() {
        if read.readiness.close() != nil { take(.read)?.resume(.closed) }
        if write.readiness.close() != nil { take(.write)?.resume(.closed) }
        loop.remove(self)
    }
}
