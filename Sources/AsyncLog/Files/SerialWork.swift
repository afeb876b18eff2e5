// Blocking work that must not be done at the same time: one job after the other, each on a thread of the pool.
import AsyncFD
import DequeModule
import EventLoop

/// Loop thread only.
final class SerialWork {
    let loop: EventLoop
    /// A job is under way.
    private(set) var isBusy = false
    private var waiting: Deque<() -> Void> = []

    init(_ loop: EventLoop) { self.loop = loop }

    /// Runs `body` off the loop, then `done` on it.
    ///
    /// - Parameters:
    ///   - urgent: ahead of what waits.
    ///   - descriptor: one that is used, and stays open for as long; `body` gets its number.
    func run<Value: Sendable>(
        urgent: Bool = false, _ descriptor: AsyncFD?, _ body: @escaping @Sendable (CInt) throws(IOError) -> Value,
        then done: @escaping (Result<Value, IOError>) -> Void
    ) {
        let job = { [self] in
            let finished = { [self] (result: Result<Value, IOError>) in
                isBusy = false
                done(result)
                next()
            }
            if let descriptor {
                descriptor.offloadIO({ number in Result { () throws(IOError) in try body(number) } }, then: finished)
            } else {
                loop.offloadIO({ Result { () throws(IOError) in try body(-1) } }, then: finished)
            }
        }
        if urgent { waiting.prepend(job) } else { waiting.append(job) }
        next()
    }

    private func next() {
        guard !isBusy, let job = waiting.popFirst() else { return }
        isBusy = true
        job()
    }
}
