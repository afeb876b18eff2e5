// How a thread comes to run a loop, and how it leaves it.
import CEventLoop
import Glibc
import SystemPackage

extension EventLoop {
    /// Runs `body` on an event loop on the calling thread and returns what it returns.
    ///
    /// On the main thread, called from a synchronous `main` before any asynchronous work, the loop becomes the executor
    /// of the process: `body` runs on the main actor, and the main actor, `Task {}`, `Task.detached`, groups and
    /// `Task.sleep` all share the calling thread.
    ///
    /// Anywhere else (a thread of your own, a synchronous function inside a task, a test runner) a new loop runs `body`
    /// and its child tasks, and unstructured tasks go where the process' own executors send them. On the main thread of
    /// a test runner the loop also runs what the main actor has to do; elsewhere `body` must not wait for the main
    /// actor if the main thread waits for this call.
    ///
    /// When `body` ends, the loop shuts down: the hooks of `onShutdown` run, then pending logs and prints are written
    /// (`exitTimeout` limits how long that takes). The loop does not wait for tasks that are still alive. They continue
    /// on a thread of the library, until the process ends; only those of the main actor wait until the main thread runs
    /// the loop again. Cancel and await tasks that must end in an orderly way; a task group does both.
    ///
    /// - Parameter clock: the loop's clock, for tests; CLOCK_MONOTONIC unless given.
    /// - Throws: what `body` throws; `EventLoopError` if the kernel cannot give us a loop.
    @available(
        *, noasync, message: "run blocks its thread; in a task, use EventLoop.start and Task(executorPreference:)"
    )
    public static func run<Value>(clock: ManualClock? = nil, _ body: @escaping () async throws -> Value) throws -> Value
    {
        let run = BodyRun(body)
        try runLoop(clock) { loop, isProcess in
            _ = run.start(on: loop, isProcess: isProcess)
            loop.turnUntil { run.isDone }
        }
        return try run.result!.get()
    }

    /// Runs `body` like `run`, until it ends or one of `signals` arrives. The signal cancels `body`, which may then
    /// take all the time that it needs for an orderly end. A second signal kills the process at once, even when the
    /// loop is stuck.
    ///
    ///     try EventLoop.run(stopOn: [.terminate, .interrupt]) { try await server.run() }
    ///
    /// A signal that was ignored when the process started stays ignored, as `nohup` wants it.
    ///
    /// - Returns: the signal that stopped the body, nil if it ended by itself.
    /// - Throws: what `body` throws, but not the `CancellationError` (or the `.cancelled` of another error) with which
    ///   it ends after a signal.
    @available(
        *, noasync, message: "run blocks its thread; in a task, use EventLoop.start and Task(executorPreference:)"
    )
    @discardableResult
    public static func run(
        stopOn signals: Set<Signal>, clock: ManualClock? = nil, _ body: @escaping () async throws -> Void
    ) throws -> Signal? {
        let run = BodyRun(body)
        var stoppedBy: Signal?
        try runLoop(clock) { loop, isProcess in
            let caught = try CaughtSignals(signals, on: loop, isStop: true)
            let task = run.start(on: loop, isProcess: isProcess)
            let subscription = SignalSubscription(caught, on: loop) { signal in
                stoppedBy = stoppedBy ?? signal
                task.cancel()
            }
            defer { subscription.end() }
            loop.turnUntil { run.isDone }
        }
        do { try run.result!.get() } catch  where stoppedBy != nil && isCancellation(error) {}
        return stoppedBy
    }

    private static func runLoop(_ clock: ManualClock?, _ body: (_ loop: EventLoop, _ isProcess: Bool) throws -> Void)
        throws
    {
        let isInTask = withUnsafeCurrentTask { $0 != nil }
        let isMainThread = !isInTask && current == nil && cel_is_main_thread() != 0
        let takesOver = isMainThread && !TestRunner.isPresent && takeOverProcess()
        let loop = takesOver ? try mainResult.get() : try EventLoop(name: "loop")
        loop.claim()
        LiveLoops.add(loop)
        loop.beginRun(clock, asProcess: takesOver)
        let mainQueue = isMainThread && TestRunner.isPresent ? MainQueue(on: loop) : nil
        defer {
            mainQueue?.end()
            loop.endRun()
            loop.leave()
        }
        try body(loop, takesOver)
        loop.shutDown()
        if !takesOver { loop.forgetSettledParticipants() }
    }

    /// Starts a loop on a thread of its own. Any thread.
    ///
    ///     let loop = try EventLoop.start(name: "log")
    ///     let task = Task(executorPreference: loop) { … }
    ///     loop.stop()
    ///
    /// The loop runs until `stop`; nothing else ends it.
    ///
    /// - Parameter name: what the thread is called; the kernel keeps 15 bytes of it.
    public static func start(name: String) throws(EventLoopError) -> EventLoop {
        let loop = try EventLoop(name: name)
        // Envelopes that are posted before the thread runs wait for it.
        loop.owner.store(LoopOwner.runner, ordering: .sequentiallyConsistent)
        LiveLoops.add(loop)
        let failure = startThread(name: name) {
            loop.adopt()
            loop.runUntilStopped()
            loop.shutDown()
            loop.forgetSettledParticipants()
            loop.leave()
        }
        if let failure {
            LiveLoops.remove(loop)
            throw EventLoopError(operation: "pthread_create", errno: failure)
        }
        return loop
    }

    /// Ends a loop that `start` started, when the current turn is over. It shuts down as `run` does: its hooks run,
    /// pending logs and prints are written, and tasks that are still alive continue on a thread of the library. Any
    /// thread.
    public func stop() {
        stopRequested.store(true, ordering: .releasing)
        soon {}  // wakes it
    }

    func runUntilStopped() {
        turnUntil { stopRequested.load(ordering: .acquiring) }
    }

    func turnUntil(_ isDone: () -> Bool) {
        while !isDone() { turn(.endless, until: isDone) }
    }
}

extension EventLoop {
    /// Loop thread, which has just claimed the loop.
    fileprivate func beginRun(_ clock: ManualClock?, asProcess: Bool) {
        clock?.attach(to: self)
        setClock(clock)
        runsProcess = asProcess
        guard asProcess else { return }
        for job in heldForMain { ready.append(job) }
        heldForMain = []
    }

    fileprivate func endRun() {
        runsProcess = false
        setClock(nil)
    }

    /// Each sleep has as much time left on the new clock as it had on the old one.
    private func setClock(_ clock: ManualClock?) {
        guard manualClock !== clock else { return }
        let before = now
        manualClock = clock
        timers.shift(by: now - before)
    }
}

/// The body of `EventLoop.run` and its result.
///
/// Unchecked because neither leaves the thread that made it: the task that runs the body runs on the loop, and the loop
/// runs on that thread until the body has ended.
private final class BodyRun<Value>: @unchecked Sendable {
    private let body: () async throws -> Value
    private(set) var result: Result<Value, any Error>?
    /// Read in every turn. (Asking `result` would look up the size of a generic value each time.)
    @exclusivity(unchecked) private(set) var isDone = false

    init(_ body: @escaping () async throws -> Value) { self.body = body }

    func start(on loop: EventLoop, isProcess: Bool) -> Task<Void, Never> {
        isProcess ? Task { @MainActor in await self.run() } : Task(executorPreference: loop) { await self.run() }
    }

    private func run() async {
        do { result = .success(try await body()) } catch { result = .failure(error) }
        isDone = true
    }
}
