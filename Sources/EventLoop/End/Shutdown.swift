// The orderly end of a loop: first the users' hooks, which may still use the whole loop; then the pending bytes are
// written (Exit.swift).

/// A user's work before the loop ends.
struct ShutdownHook {
    let limit: Duration
    let body: @Sendable () async -> Void
}

extension EventLoop {
    /// How long a cancelled hook may take to end.
    private static let grace = Duration.seconds(1)

    /// Has `hook` run when the loop shuts down: when the body of `run` has ended, or after `stop`. The whole loop still
    /// works then.
    ///
    ///     loop.onShutdown { await connections.close() }
    ///
    /// Hooks run one after the other, the last one first. One that is not done within `limit` (ten seconds unless
    /// given) is cancelled; if it is not done a second after that either, it is abandoned. A hook that is added while
    /// hooks run, runs next. `exit` runs no hooks. Any thread.
    public func onShutdown(within limit: Duration = .seconds(10), _ hook: @escaping @Sendable () async -> Void) {
        perform { self.shutdownHooks.append(ShutdownHook(limit: limit, body: hook)) }
    }

    /// Has `hook` run each time the loop shuts down, behind the users' hooks, and within `exitTimeout`: for the layers
    /// above. Loop thread.
    package func atShutdown(_ hook: @escaping @Sendable () async -> Void) {
        local(LayersHooks.self) { LayersHooks() }.hooks.append(ShutdownHook(limit: Self.exitTimeout, body: hook))
    }

    /// Loop thread, when the loop's own turns are over.
    func shutDown() {
        inbox.deliverAll()
        while let hook = shutdownHooks.popLast() { run(hook) }
        if let layers = locals[ObjectIdentifier(LayersHooks.self)] as? LayersHooks {
            for hook in layers.hooks { run(hook) }
        }
        giveSignalsBack()
        settleParticipants(within: Self.exitTimeout)
    }

    private func run(_ hook: ShutdownHook) {
        let end = End()
        let task = Task(executorPreference: self) {
            await hook.body()
            self.perform { end.isDone = true }
        }
        turnUntilDone(end, atMost: hook.limit)
        guard !end.isDone else { return }
        task.cancel()
        turnUntilDone(end, atMost: Self.grace)
    }

    private func turnUntilDone(_ end: End, atMost limit: Duration) {
        var isLate = false
        let timer = after(limit) { isLate = true }
        turnUntil { end.isDone || isLate }
        timer.cancel()
    }

    private final class LayersHooks { var hooks: [ShutdownHook] = [] }

    /// Unchecked: loop thread only.
    private final class End: @unchecked Sendable { var isDone = false }
}
