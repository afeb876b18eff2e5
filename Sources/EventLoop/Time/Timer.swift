// A call that the loop makes later: for what is not a task, and has no need to be one.
//
// A million tasks that sleep are a million tasks. A timeout of a connection that a library's callback set, a retry, a
// flush that may wait a little: each is a closure and a deadline, and costs a hundredth of that.

extension EventLoop {
    /// A call that a loop makes at its time, unless it is cancelled before; see `EventLoop.perform(after:_:)`.
    ///
    /// Dropping it does not cancel the call. It keeps its loop alive, and the closure until it has been called or
    /// cancelled.
    public struct Timer: Sendable {
        fileprivate let loop: EventLoop
        fileprivate let call: TimerCallback

        /// Takes the call back. Does nothing if it has been made, or has been taken back before. Any thread; lock-free.
        ///
        /// On the loop's thread it is certain that the call is not made after this. From another thread, the loop may
        /// be making it right now, and may still make it until it empties its inbox.
        ///
        /// - Complexity: O(1), amortised; from another thread, an entry in the loop's inbox.
        public func cancel() {
            if loop.isCurrent { return call.cancel(on: loop) }
            loop.perform { [loop, call] in call.cancel(on: loop) }
        }
    }

    /// Has the loop call `body` on its thread when `delay` is over. Any thread; lock-free.
    ///
    ///     let timeout = loop.perform(after: .seconds(30)) { connection.giveUp() }
    ///     …
    ///     timeout.cancel()
    ///
    /// Never from within this call, be the delay zero or less. By the loop's clock, from the moment of this call. Calls
    /// that are due at the same time are made in the order in which the loop heard of them. A loop that has ended makes
    /// no calls; nothing waits for them when it ends.
    ///
    /// `body` must not block. To await something later, use a task: `EventLoop.sleep(for:)`.
    ///
    /// - Complexity: O(log n) with n timers; one allocation beyond that of the closure, two from another thread.
    @discardableResult
    public func perform(after delay: Duration, _ body: @escaping @Sendable () -> Void) -> Timer {
        perform(at: now + delay, body)
    }

    /// Has the loop call `body` on its thread at `deadline`; see `perform(after:_:)`.
    @discardableResult
    public func perform(at deadline: LoopClock.Instant, _ body: @escaping @Sendable () -> Void) -> Timer {
        let call = TimerCallback(body)
        if isCurrent { call.set(deadline, on: self) } else { soon { call.set(deadline, on: self) } }
        return Timer(loop: self, call: call)
    }

    /// For the layers above: `body` need not be sendable. Loop thread.
    @discardableResult
    package func after(_ duration: Duration, _ body: @escaping () -> Void) -> Timer {
        let call = TimerCallback(body)
        call.set(now + duration, on: self)
        return Timer(loop: self, call: call)
    }
}

/// The closure of a timer, behind one pointer, and whether it is still to be called.
///
/// Unchecked because it is touched on the loop's thread only, once it has been made.
final class TimerCallback: @unchecked Sendable {
    /// Nil once it has been called or cancelled.
    @exclusivity(unchecked) private var body: (() -> Void)?
    /// False until it has been set: another thread's request may still be in the inbox when the timer is cancelled on
    /// the loop.
    @exclusivity(unchecked) private var isSet = false
    /// Equal deadlines come in this order.
    @exclusivity(unchecked) var sequence: UInt64 = 0

    init(_ body: @escaping () -> Void) { self.body = body }

    var isPending: Bool { body != nil }

    func set(_ deadline: Instant, on loop: EventLoop) {
        guard isPending else { return }
        loop.refuseAfterFork()
        isSet = true
        loop.timers.add(at: deadline, self)
    }

    func cancel(on loop: EventLoop) {
        guard body.take() != nil, isSet else { return }
        loop.timers.callCancelled()
    }

    /// It has been taken out of the loop's timers.
    func abandon() {
        isSet = false
        body = nil
    }

    func fire() { body.take()?() }
}
