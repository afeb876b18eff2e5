// The cooperative budget of a task.
//
// An operation that finds its descriptor ready does not wait, so a task with a busy descriptor would never give the
// thread back. Each stretch of a task between two waits (a job) may therefore do a bounded number of such operations;
// then the task goes to the end of the queue. The budget is the task's own: it begins anew with each job, and no task
// pays for what others have done. (tokio's `coop` has the same budget, per poll of a task.)
import CEventLoop

extension EventLoop {
    /// Operations that a job may do without waiting.
    static let stepBudget: UInt32 = 128

    /// Lets other tasks go first if the budget is spent. For operations that are usually done without waiting. Loop
    /// thread.
    package func yieldIfSpent() async {
        if shouldYield() { await Task.yield() }
    }

    /// Counts an operation that is done without waiting. True if the job that runs has spent its budget. Loop thread.
    @inline(__always)
    package func shouldYield() -> Bool {
        steps &+= 1
        return steps > Self.stepBudget
    }
}
