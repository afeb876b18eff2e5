// Tasks that wait for a moment, none of them for longer than it likes.
import AsyncFD
import EventLoop

/// Loop thread only.
final class DeadlineWaiters {
    private let loop: EventLoop
    private var waiting = TicketQueue<UnsafeContinuation<Void, Never>>()

    init(_ loop: EventLoop) { self.loop = loop }

    /// Suspends until `resume`, or until then.
    func wait(until deadline: Instant) async {
        let ticket = waiting.nextTicket
        await withUnsafeContinuation { continuation in
            waiting.enter(continuation)
            loop.after(deadline - .now) { [weak self] in self?.waiting.cancel(ticket)?.resume() }
        }
    }

    /// The moment has come.
    func resume() {
        for continuation in waiting.removeAll() { continuation.resume() }
    }
}
