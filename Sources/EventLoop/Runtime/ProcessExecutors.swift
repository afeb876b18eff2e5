// The loop as the executor of the whole process: of the main actor, of `Task {}` and `Task.detached`, and of
// `Task.sleep`.
//
// The standard library of Swift 6.3 can do this, behind an SPI: before any asynchronous work has begun, a synchronous
// `main` names the main and the global executor once and for all. Everything that depends on the SPI is in this file.
// Should a compiler no longer have it, `takeOverProcess` returns false, and `EventLoop.run` falls back to a task that
// prefers the loop.
#if compiler(>=6.3) && compiler(<6.5)
@_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency
import CEventLoop

/// Makes the main loop the executor of this process; true if it is that now.
///
/// Right only on the main thread, outside any task, and before the first task: called later it would replace executors
/// that tasks already use.
func takeOverProcess() -> Bool {
    // The executors of a forked child are its parent's: they cannot be created twice.
    if case .success(let loop) = EventLoop.mainResult, loop.isForked { return false }
    return processIsOurs
}

private let processIsOurs: Bool = {
    guard case .success(let loop) = EventLoop.mainResult else { return false }
    processMainExecutor = ProcessMainExecutor(loop)
    _createExecutors(factory: ProcessExecutors.self)
    return true
}()

private enum ProcessExecutors: ExecutorFactory {
    static var mainExecutor: any MainExecutor { processMainExecutor }
    static let defaultExecutor: any TaskExecutor = ProcessTaskExecutor(.main)
}

/// Set once, by the main thread, before the runtime or any job can ask for it.
nonisolated(unsafe) private var processMainExecutor: ProcessMainExecutor!

extension EventLoop {
    /// Runs a job of the main actor, if the main thread runs the loop. Else the job waits until it does: another thread
    /// must not run it.
    func runOnMainActor(_ queued: QueuedJob) {
        guard runsProcess else { return heldForMain.append(queued) }
        unsafe queued.job.runSynchronously(on: processMainExecutor.asUnownedSerialExecutor())
    }
}

/// The main loop as the global executor. A class of its own only because a public class cannot conform to a protocol of
/// an SPI; the jobs run under the loop's identity.
private final class ProcessTaskExecutor: TaskExecutor, SchedulingExecutor {
    /// The main loop lives as long as the process.
    private let unmanaged: Unmanaged<EventLoop>
    private var loop: EventLoop { unmanaged.takeUnretainedValue() }

    init(_ loop: EventLoop) { unmanaged = Unmanaged.passUnretained(loop) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = QueuedJob(UnownedJob(job), .global)
        unmanaged._withUnsafeGuaranteedRef { $0.schedule(job) }
    }

    func enqueue<C: Clock>(_ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C) {
        loop.schedule(QueuedJob(UnownedJob(job), .global), after: duration(delay, of: clock))
    }

    func enqueue<C: Clock>(_ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C) {
        loop.schedule(QueuedJob(UnownedJob(job), .global), after: duration(clock.now.duration(to: instant), of: clock))
    }
}

/// The main actor's executor. Its own identity, apart from that of actors on the loop: those run on whatever thread
/// turns the loop, the main actor only on the main thread.
private final class ProcessMainExecutor: MainExecutor, SchedulingExecutor {
    /// The main loop lives as long as the process.
    private let unmanaged: Unmanaged<EventLoop>
    private var loop: EventLoop { unmanaged.takeUnretainedValue() }

    init(_ loop: EventLoop) { unmanaged = Unmanaged.passUnretained(loop) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = QueuedJob(UnownedJob(job), .main)
        unmanaged._withUnsafeGuaranteedRef { $0.schedule(job) }
    }

    func enqueue<C: Clock>(_ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C) {
        loop.schedule(QueuedJob(UnownedJob(job), .main), after: duration(delay, of: clock))
    }

    func enqueue<C: Clock>(_ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C) {
        loop.schedule(QueuedJob(UnownedJob(job), .main), after: duration(clock.now.duration(to: instant), of: clock))
    }

    func isIsolatingCurrentContext() -> Bool? { loop.isCurrent ? loop.runsProcess : cel_is_main_thread() != 0 }

    func checkIsolated() {
        precondition(
            isIsolatingCurrentContext() == true, "this code must run on the main actor, and so on the main thread")
    }

    func run() throws { loop.runUntilStopped() }
    func runUntil(_ condition: () -> Bool) throws { loop.turnUntil(condition) }
    func stop() { loop.stop() }
}

/// Every clock of the standard library measures in `Swift.Duration`. Any other clock must sleep by its own means.
private func duration<C: Clock>(_ delay: C.Duration, of clock: C) -> Duration {
    guard let delay = delay as? Duration else {
        preconditionFailure("Task.sleep: the clock must measure in Swift.Duration, which \(C.self) does not")
    }
    return delay
}

extension EventLoop {
    fileprivate func schedule(_ job: QueuedJob, after delay: Duration) {
        let deadline = now + delay
        perform { self.timers.add(at: deadline, .job(job)) }
    }
}

#else
func takeOverProcess() -> Bool { false }

extension EventLoop {
    func runOnMainActor(_ queued: QueuedJob) {
        preconditionFailure("a job of the main actor on a loop that is not its executor")
    }
}
#endif
