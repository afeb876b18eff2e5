// Signals as a sequence of values, and how a signal stops a program in good order.
//
// A handler, not a signalfd: that would need the signal blocked in every thread of the process, and those threads are
// not all ours. The handler (CEventLoop.c) counts the signal and writes to the eventfd of the loops that want to know;
// all else happens in the loop's turn. The kernel merges equal signals while one is pending, and so do we: how often a
// signal comes is not reliable, that it came is.
import CEventLoop
import Glibc
import SystemPackage

extension EventLoop {
    /// The signals that arrive from now on, as an asynchronous sequence.
    ///
    ///     for await signal in try EventLoop.signals([.hangUp]) { reloadConfiguration() }
    ///
    /// From this call on the signals no longer have their default effect. They have it again when the sequence and its
    /// iterators are deallocated, or the loop ends. A signal that was sent before then and arrives later does nothing.
    /// Signals that arrive while no task iterates are kept, one of each kind. Any number of sequences, on any loops,
    /// get each signal. It does not matter on which thread the kernel delivers it.
    ///
    /// Belongs to the current loop; outside of any, to the main loop. The iteration ends when its task is cancelled.
    ///
    /// - Throws: `EventLoopError` with `EINVAL` for a signal that cannot be caught or must not be (`SIGKILL`,
    ///   `SIGSEGV`, …).
    public static func signals(_ signals: Set<EventLoop.Signal>) throws(EventLoopError) -> SignalSequence {
        let loop = current ?? .main
        return SignalSequence(subscription: SignalSubscription(try CaughtSignals(signals, on: loop), on: loop))
    }

    /// Calls `body` on the loop at each arrival of `signal`, until the observation is deallocated or the loop has
    /// ended. The main loop does not end: a stand-in turns it after `run`. Nil if the kernel refuses. For the layers
    /// above. Loop thread.
    package func observe(_ signal: EventLoop.Signal, _ body: @escaping () -> Void) -> SignalObservation? {
        guard let caught = try? CaughtSignals([signal], on: self) else { return nil }
        return SignalObservation(SignalSubscription(caught, on: self, outlivesRun: isMain) { _ in body() })
    }

    /// Called when a run of the loop ends: the signals of its subscriptions get their default effect back. Loop thread.
    func giveSignalsBack() {
        for subscription in signalSubscriptions where !subscription.outlivesRun { subscription.end() }
    }

    /// Loop thread.
    func deliverSignals() {
        signalsSeen = cel_signals_caught()
        for subscription in signalSubscriptions { subscription.collect() }
    }
}

/// Signals as they arrive; see `EventLoop.signals`. To be iterated over by one task at a time.
public struct SignalSequence: AsyncSequence, Sendable {
    private let handle: Handle

    init(subscription: SignalSubscription) { handle = Handle(subscription) }

    public func makeAsyncIterator() -> Iterator { Iterator(handle: handle) }

    /// Takes the signals out. For one task at a time.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let handle: Handle

        /// The next signal; nil when the task is cancelled.
        public mutating func next() async -> EventLoop.Signal? { await handle.subscription.next() }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> EventLoop.Signal? {
            await handle.subscription.next()
        }
    }

    /// The loop keeps the subscription; it ends with the last handle.
    fileprivate final class Handle: Sendable {
        let subscription: SignalSubscription
        init(_ subscription: SignalSubscription) { self.subscription = subscription }
        deinit { subscription.end() }
    }
}

/// See `EventLoop.observe`. Any thread.
package final class SignalObservation: Sendable {
    private let subscription: SignalSubscription
    init(_ subscription: SignalSubscription) { self.subscription = subscription }
    deinit { subscription.end() }
}

/// What one sequence, or one `run(stopOn:)`, has seen of its signals.
///
/// Unchecked because what changes is touched on the loop's thread only.
final class SignalSubscription: @unchecked Sendable {
    private let loop: EventLoop
    private let caught: CaughtSignals
    let outlivesRun: Bool

    // Loop thread only.
    /// What has arrived while no task waited.
    private(set) var pending: [EventLoop.Signal] = []
    private var waiter: (id: UInt64, continuation: UnsafeContinuation<EventLoop.Signal?, Never>)?
    private var lastWait: UInt64 = 0
    /// Takes the signals instead of `next`.
    private let receiver: ((EventLoop.Signal) -> Void)?
    /// How often each had been caught when this looked last.
    private var counts: [(signal: EventLoop.Signal, seen: UInt32)]

    init(
        _ caught: CaughtSignals, on loop: EventLoop, outlivesRun: Bool = false,
        receiver: ((EventLoop.Signal) -> Void)? = nil
    ) {
        self.loop = loop
        self.outlivesRun = outlivesRun
        self.caught = caught
        self.receiver = receiver
        counts = caught.counts
        loop.perform { loop.signalSubscriptions.append(self) }
    }

    /// Any thread.
    func end() {
        loop.performFromDeinit { [self] in
            // The loop's own end may have come first.
            guard let index = loop.signalSubscriptions.firstIndex(where: { $0 === self }) else { return }
            loop.signalSubscriptions.remove(at: index)
            caught.giveBack()
        }
    }

    func collect() {
        for index in counts.indices {
            let (signal, seen) = counts[index]
            let count = cel_signal_count(signal.rawValue)
            guard count != seen else { continue }
            counts[index].seen = count
            receive(signal)
        }
    }

    private func receive(_ signal: EventLoop.Signal) {
        if let receiver {
            receiver(signal)
        } else if waiter != nil {
            resume(signal)
        } else if !pending.contains(signal) {
            pending.append(signal)
        }
    }

    func next() async -> EventLoop.Signal? {
        if loop.isCurrent { return await nextHere() }
        return await loop.visit { await self.nextHere() }
    }

    private func nextHere() async -> EventLoop.Signal? {
        if Task.isCancelled { return nil }
        if !pending.isEmpty { return pending.removeFirst() }
        precondition(waiter == nil, "only one task at a time may iterate over a sequence of signals")
        lastWait += 1
        let id = lastWait
        return await parkTask { continuation in
            guard !Task.isCancelled else { return continuation.resume(returning: nil) }
            loop.waiters += 1
            waiter = (id, continuation)
        } onCancel: { [loop] in
            loop.perform { if self.waiter?.id == id { self.resume(nil) } }
        }
    }

    private func resume(_ signal: EventLoop.Signal?) {
        guard let (_, continuation) = waiter.take() else { return }
        loop.waiters -= 1
        continuation.resume(returning: signal)
    }
}
