// How a task waits until a descriptor can be read or written: by readiness, or by a blocking call on another thread.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Suspends until the descriptor is ready. For use after an attempt that would block.
    @inline(__always)
    func wait(_ direction: Direction, _ operation: String) async throws(IOError) {
        guard let registration = try registration(for: direction) else { return }
        let wake = await registration.wait(direction)
        // Another waiter of the same direction may still need the registration.
        if wake != .busy { endWait(direction) }
        switch wake {
        case .ready: return
        case .closed: throw IOError(operation, on: label, .closed)
        case .cancelled: throw IOError(operation, on: label, .cancelled)
        case .busy: throw IOError(operation, on: label, .busy)
        }
    }

    /// The same after a call that did not clear the cached readiness.
    func waitAnew(_ direction: Direction, _ operation: String) async throws(IOError) {
        if let registration = try registration(for: direction), case .go(let edge) = registration.attempt(direction) {
            registration.clear(direction, edge, by: .wouldBlock)
        }
        try await wait(direction, operation)
    }

    /// One read or write on a thread of the pool. Not cancellable: the kernel does not interrupt such calls.
    func moveOffLoop(_ direction: Direction, _ vector: iovec) async -> IOOutcome {
        if isClosed { return .failed(.badFileDescriptor) }
        let memory = SendableVector(vector)
        return await offloadIO { number in
            withUnsafePointer(to: memory.vector) { IOPath.moveOffLoop(direction, number, Vectors(start: $0, count: 1)) }
        }
    }
}

/// Memory that the caller keeps valid and untouched until the call is over.
private struct SendableVector: @unchecked Sendable {
    let vector: iovec
    init(_ vector: iovec) { self.vector = vector }
}
