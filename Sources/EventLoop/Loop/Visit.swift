// How a task that runs elsewhere gets to a loop's thread, and back.
//
// A task's preference for an executor counts when the task is next enqueued, and `withTaskExecutorPreference` itself
// enqueues nothing: the closure's own first hop does. Swift 6.3 leaves that hop out where the closure does nothing but
// call another function of the caller's isolation: the body then runs on whatever thread the caller was on. `arrive` is
// a statement that keeps the hop, and checks that it happened.

extension EventLoop {
    /// Calls `body` with the current loop, on its thread; outside of any loop, with the main loop, on that one's
    /// thread.
    ///
    /// - Parameter operation: names the public function that calls this, for the error.
    /// - Throws: what `body` throws; `EventLoopError` if no thread runs the main loop and none can be started.
    static func onCurrentLoop<Value: Sendable>(
        _ operation: String, _ body: (EventLoop) async throws -> Value
    ) async throws -> Value {
        let loop = current ?? main
        if loop.isCurrent { return try await body(loop) }
        guard loop.ensureOwner() else { throw EventLoopError.noLoop(operation) }
        return try await loop.visit { try await body(loop) }
    }

    /// True if a task that is elsewhere can `visit` the loop: a thread turns it, or a stand-in has been started for
    /// that. False for a caller that is on the loop already, in a forked child, and if no thread can be started. Any
    /// thread.
    package var canBeVisited: Bool { !isCurrent && !isForked && ensureOwner() }

    /// Runs `body` on the loop's thread, for a task that may be elsewhere. The caller has made sure that there is a
    /// thread (`ensureOwner`).
    package func visit<Value, Failure: Error>(_ body: @concurrent () async throws(Failure) -> Value)
        async throws(Failure) -> Value
    {
        try await withTaskExecutorPreference(self) { () async throws(Failure) -> Value in
            arrive()
            return try await body()
        }
    }

    @inline(never)
    private func arrive() {
        precondition(isCurrent, "a visit to event loop \"\(name)\" must run on its thread")
    }
}
