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
    /// Tasks that are still alive when `body` ends are not waited for: they stay suspended, and go on only if the loop runs again. What
    /// was logged or printed goes out before `run` returns (`exitPatience` says how long that may take).
    ///
    /// - Throws: what `body` throws; `EventLoopError` if the kernel cannot give us a loop.
    @available(*, noasync, message: "run blocks its thread; in a task, use EventLoop.start and Task(executorPreference:)")
    public static func run<Value>(_ body: @escaping () async throws -> Value) throws -> Value {
        let isInTask = withUnsafeCurrentTask { $0 != nil }
        let takesOver = !isInTask && cel_is_main_thread() != 0 && takeOverProcess()
        let loop = takesOver ? try mainResult.get() : try EventLoop(name: "loop")

        let run = BodyRun(body)

        loop.claim()
        defer { loop.release() }
        if takesOver {
            Task { @MainActor in await run.run() }
        } else {
            Task(executorPreference: loop) { await run.run() }
        }
        loop.turnUntil { run.result != nil }
        loop.settleObligations(within: exitPatience)
        return try run.result!.get()
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
            loop.settleObligations(within: exitPatience)
            loop.release()
        }
        if let failure { throw EventLoopError(operation: "pthread_create", errno: failure) }
        return loop
    }

    /// Ends a loop that `start` started, when the current turn is over. What was logged or printed goes out first; tasks that are still
    /// alive stay suspended. Any thread.
    public func stop() {
        stopRequested.store(true, ordering: .releasing)
        perform {}  // wakes it
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
        let deadline = Instant.now + .seconds(1)
        while !tryClaim() {
            precondition(Instant.now < deadline, "event loop \"\(name)\" already runs on another thread")
            sched_yield()
        }
    }

    func tryClaim() -> Bool {
        guard !owned.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        enter()
        return true
    }

    func release() {
        cel_set_current_loop(nil)
        owned.store(false, ordering: .releasing)
    }

    private func enter() { cel_set_current_loop(Unmanaged.passUnretained(self).toOpaque()) }

    /// If no thread runs the loop, lets the calling one do what can be done without running jobs: deliver what is in the inbox, write what
    /// is pending. Any thread. With it a program that never runs a loop still sees its log lines at once.
    ///
    /// - Parameters:
    ///   - patience: how long to go on, and to sleep where there is nothing to do, until `isDone`. The caller blocks for that long.
    /// - Returns: false if another thread owns the loop and will see to it.
    @discardableResult
    package func lend(_ patience: Duration = .zero, until isDone: () -> Bool = { true }) -> Bool {
        let outer = cel_current_loop()
        repeat {
            guard tryClaim() else { return false }
            isBorrowed = outer == nil
            turnWithoutJobs(.none)
            let deadline = Instant.now + patience
            while !isDone(), Instant.now < deadline { turnWithoutJobs(.until(deadline)) }
            isBorrowed = false
            cel_set_current_loop(outer)
            owned.store(false, ordering: .releasing)
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

    init(_ body: @escaping () async throws -> Value) { self.body = body }

    func run() async {
        do { result = .success(try await body()) } catch { result = .failure(error) }
    }
}
