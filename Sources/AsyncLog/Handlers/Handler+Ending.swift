// How a user's own handler comes to an end: it is flushed, within a time limit; what it still keeps back then is
// counted and reported.
//
// The library's own handlers have their buffers, which the loop settles before it ends. A subclass that keeps
// records back has a `flush`, which may do anything that a task may do; so it is called while the loop still runs
// tasks: by `shutdown(within:)`, and behind the hooks of `onShutdown`. Where no task runs any more (`exit()`), the loss
// can only be reported.
import AsyncFD
import EventLoop

/// Loop thread.
extension Handler {
    /// Flushes, but does not wait for that beyond `limit`; then gives up what is still kept back.
    final func flushOrGiveUp(within limit: Duration) async {
        let attempt = FlushAttempt()
        let task = Task(executorPreference: loop) {
            var failure: IOError?
            do throws(IOError) { try await self.flush(.written) } catch { failure = error }
            self.loop.perform { [failure] in attempt.end(failure) }
        }
        let timer = loop.after(limit) { attempt.end(nil) }
        let failure = await attempt.failure
        timer.cancel()
        task.cancel()
        acceptedWhenFinished = books.accepted
        giveUpPending(because: failure)
        keptUntilFlushed()
    }

    /// Gives up what is still kept back, counts it, and reports it.
    final func giveUpPending(because failure: IOError?) {
        let kept = pendingRecords
        guard kept > 0 else { return }
        let reason = failure.map { "\($0)" } ?? "\(label) was not flushed in time"
        abandonPending()
        let left = max(0, pendingRecords)
        books.lose(UInt64(max(0, kept - left)), failure == nil ? .timeout : .failure)
        report(
            "\(reason); \(kept - left) of \(books.accepted) records dropped"
                + (left > 0 ? ", \(left) still kept back" : ""), .error)
    }

    /// Must be called when the number of records that are kept back may have changed: the loop keeps the handler while
    /// there are any.
    final func keptUntilFlushed() {
        if pendingRecords > 0 {
            guard ending == nil else { return }
            let ending = HandlerEnding(self)
            self.ending = ending
            loop.register(ending)
        } else if let ending {
            self.ending = nil
            loop.unregister(ending)
        }
    }

    /// No record has come since the last flush: a flush that hung then need not hang again.
    fileprivate final var isFinished: Bool { acceptedWhenFinished == books.accepted }

    /// Has the handler flushed when the loop shuts down, if it is still there.
    final func flushAtShutdown() {
        guard !isFlushedAtShutdown else { return }
        isFlushedAtShutdown = true
        loop.local(FlushedHandlers.self) { FlushedHandlers(loop) }.add(self)
    }
}

/// A flush, and the task that waits for it: it ends once, with the flush or before it. Unchecked: loop thread only.
private final class FlushAttempt: @unchecked Sendable {
    private var hasEnded = false
    private var result: IOError?
    private var waiting: UnsafeContinuation<IOError?, Never>?

    var failure: IOError? {
        get async {
            if hasEnded { return result }
            return await withUnsafeContinuation { waiting = $0 }
        }
    }

    func end(_ failure: IOError?) {
        guard !hasEnded else { return }
        hasEnded = true
        result = failure
        waiting.take()?.resume(returning: failure)
    }
}

/// What the end of a loop has to do with a handler that keeps records back, and why the handler is still there then.
final class HandlerEnding: ShutdownParticipant {
    private let handler: Handler

    init(_ handler: Handler) { self.handler = handler }

    /// There is nothing to wait for: no task runs any more that could flush.
    var isSettled: Bool { true }
    var progress: UInt64 { 0 }
    func settle() {}
    func giveUp() -> Bool {
        handler.giveUpPending(because: nil)
        return false
    }
    func released() { handler.ending = nil }
}

/// The handlers of one loop that are flushed when it shuts down. Unchecked: loop thread only.
private final class FlushedHandlers: @unchecked Sendable {
    private struct WeakHandler { weak var handler: Handler? }
    private var handlers: [WeakHandler] = []
    private var limit = 64

    init(_ loop: EventLoop) {
        loop.atShutdown { [weak self] in await self?.flush(within: EventLoop.exitTimeout) }
    }

    func add(_ handler: Handler) {
        if handlers.count == limit {
            handlers.removeAll { $0.handler == nil }
            limit = max(64, handlers.count * 2)
        }
        handlers.append(WeakHandler(handler: handler))
    }

    private func flush(within limit: Duration) async {
        let deadline = Instant.now + limit
        for handler in handlers.compactMap(\.handler) where !handler.isFinished {
            await handler.finish(within: deadline - .now)
        }
    }
}
