// How a thread comes to run a loop, and how it leaves it.
import CEventLoop
import Glibc
import SystemPackage

extension EventLoop {
    /// Runs `body` on an event loop on the calling thread and returns what it returns.
    ///
    /// On the main thread, called from a synchronous `main` before any asynchronous work, the loop becomes the executor of the process: `body`
    /// runs on the main actor, and the main actor, `Task {}`, `Task.detached`, groups and `Task.sleep` all share the calling thread.
    /// Anywhere else (a thread of your own, a synchronous function inside a task) a new loop runs `body` and its child tasks; unstructured
    /// tasks then go where the process' own executors send them, and the main actor must not be what `body` waits for if it is the main
    /// thread that is blocked here.
    ///
    /// When `body` ends, the loop shuts down: the hooks of `onShutdown` run, then what was logged or printed goes out (`exitPatience` says how
    /// long that may take). Tasks that are still alive are not waited for: they stay suspended where they are, nothing of them
    /// runs any more, and they go on only if the loop runs again. Cancel and await what must end in an orderly way; a task group does both.
    ///
    /// - Parameter clock: the clock that the loop goes by, for tests; CLOCK_MONOTONIC unless given.
    /// - Throws: what `body` throws; `EventLoopError` if the kernel cannot give us a loop.
    @available(*, noasync, message: "run blocks its thread; in a task, use EventLoop.start and Task(executorPreference:)")
    public static func run<Value>(clock: ManualClock? = nil, _ body: @escaping () async throws -> Value) throws -> Value {
        let run = BodyRun(body)
        try runLoop(clock) { loop, isProcess in
            _ = run.start(on: loop, isProcess: isProcess)
            loop.turnUntil { run.isDone }
        }
        return try run.result!.get()
    }

    /// Runs `body` like `run`, until it ends or one of `signals` arrives. The signal cancels `body`, which then has all the time that it needs
    /// for an orderly end; a second one kills the process at once, even when the loop is stuck.
    ///
    ///     try EventLoop.run(stopOn: [.terminate, .interrupt]) { try await server.run() }
    ///
    /// A signal that was ignored when the process started stays ignored, as `nohup` wants it.
    ///
    /// - Returns: the signal that stopped the body, nil if it ended by itself.
    /// - Throws: what `body` throws, but not the `CancellationError` (or the `.cancelled` of another error) with which it ends after a signal.
    @available(*, noasync, message: "run blocks its thread; in a task, use EventLoop.start and Task(executorPreference:)")
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

    private static func runLoop(_ clock: ManualClock?, _ body: (_ loop: EventLoop, _ isProcess: Bool) throws -> Void) throws {
        let isInTask = withUnsafeCurrentTask { $0 != nil }
        let takesOver = !isInTask && cel_is_main_thread() != 0 && takeOverProcess()
        let loop = takesOver ? try mainResult.get() : try EventLoop(name: "loop")
        if let clock {
            clock.attach(to: loop)
            loop.manualClock = clock
        }
        loop.claim()
        defer { loop.leave() }
        try body(loop, takesOver)
        loop.shutDown()
        if !takesOver { loop.forgetSettledObligations() }
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
        let failure = startThread(name: name) {
            loop.claim()
            loop.runUntilStopped()
            loop.shutDown()
            loop.forgetSettledObligations()
            loop.leave()
        }
        if let failure { throw EventLoopError(operation: "pthread_create", errno: failure) }
        return loop
    }

    /// Ends a loop that `start` started, when the current turn is over. It shuts down as `run` does: its hooks run, what was logged or printed
    /// goes out; tasks that are still alive stay suspended. Any thread.
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

    // MARK: Ownership

    /// Makes the calling thread the loop's thread.
    func claim() {
        // A thread that has borrowed the loop gives it back at once; one that runs it does not.
        let deadline = Instant.monotonic + .seconds(1)
        while !tryClaim() {
            precondition(Instant.monotonic < deadline, "event loop \"\(name)\" already runs on another thread")
            sched_yield()
        }
    }

    func tryClaim() -> Bool {
        refuseAfterFork()
        guard !owned.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        outer = cel_current_loop()
        cel_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        meter?.resume()
        return true
    }

    /// The thread goes back to the loop that it ran before, if it ran one.
    func release() {
        if isEmbedded { prepareForForeignWait() }
        cel_set_current_loop(outer)
        outer = nil
        owned.store(false, ordering: .sequentiallyConsistent)
    }

    /// Releases the loop, and does what others have left to this thread while they still saw it here.
    func leave() {
        release()
        if !inbox.isEmpty { lend() }
    }

    /// Has what the calling thread has just posted seen to: by the thread that runs the loop, or, if there is none, by this one. Any thread.
    ///
    /// Asked after the post, and both sides in one order (J. Dekker's, of two who each announce first and then look): either the thread that
    /// leaves finds the envelope in the inbox, or this one finds the loop without a thread.
    @inline(__always)
    package func lendUnlessOwned() {
        if !owned.load(ordering: .sequentiallyConsistent) { lend() }
    }

    /// `perform` for what is not to wait until somebody runs the loop: if nobody does, the calling thread delivers what is in the inbox. Any thread.
    package func performOrLend(_ body: @escaping @Sendable () -> Void) {
        perform(body)
        lendUnlessOwned()
    }

    /// What a deinit leaves to the loop's thread; in the inbox of a loop that nobody runs it would stay for ever, and keep the loop. In a forked
    /// child it is left undone: the loop is the parent's, and whoever lets go of something there is not to blame. Any thread.
    package func performFromDeinit(_ body: @escaping @Sendable () -> Void) {
        if !isForked { performOrLend(body) }
    }

    /// If no thread runs the loop, lets the calling one do what can be done without running jobs: deliver what is in the inbox, write what
    /// is pending. Any thread. With it a program that never runs a loop still sees its log lines at once.
    ///
    /// - Parameters:
    ///   - patience: how long to go on, and to sleep where there is nothing to do, until `isDone`. The caller blocks for that long.
    /// - Returns: false if another thread owns the loop and will see to it.
    @discardableResult
    package func lend(_ patience: Duration = .zero, until isDone: () -> Bool = { true }) -> Bool {
        repeat {
            guard tryClaim() else { return false }
            isBorrowed = outer == nil
            turnWithoutJobs(.none)
            let deadline = Instant.monotonic + patience
            while !isDone(), Instant.monotonic < deadline { turnWithoutJobs(.until(deadline), until: isDone) }
            isBorrowed = false
            release()
        } while !inbox.isEmpty  // somebody has posted meanwhile, and left it to us
        return true
    }
}

/// The body of `EventLoop.run` and what has become of it.
///
/// Unchecked because neither leaves the thread that made it: the task that runs the body runs on the loop, and the loop runs on that
/// thread until the body has ended.
private final class BodyRun<Value>: @unchecked Sendable {
    private let body: () async throws -> Value
    private(set) var result: Result<Value, any Error>?
    /// Asked in every turn, where the size of a value of some type would first have to be found out.
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
