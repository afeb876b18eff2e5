// The loop's second identity towards the Swift runtime.
//
// The runtime knows two kinds of executors: tasks *prefer* a task executor, actors *are isolated to* a serial executor.
// One object for both would cost twice the enqueues, since the runtime then moves task jobs to the actor identity and
// back. So the loop itself is the task executor and this class is the serial one. Both feed the same queue; two bits of
// each job record its identity (JobQueue.swift), and it runs under that identity: running an actor's job as a mere task
// job would take its isolation away.

/// The executor of actors that live on a loop.
///
/// Unchecked because `loop` is set once, before the executor is handed out.
final class LoopSerialExecutor: SerialExecutor, @unchecked Sendable {
    /// The loop owns its executor, and an actor or task that uses an executor keeps its loop alive.
    unowned(unsafe) var loop: EventLoop!

    func enqueue(_ job: consuming ExecutorJob) {
        loop.schedule(QueuedJob(UnownedJob(job), .serial))
    }

    func isIsolatingCurrentContext() -> Bool? { loop.isCurrent }

    func checkIsolated() {
        precondition(loop.isCurrent, "this code must run on the thread of event loop \"\(loop.name)\"")
    }
}
