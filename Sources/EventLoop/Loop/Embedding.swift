// A loop that lives inside another one: the foreign loop waits for our descriptor and gives us a turn when it is readable.
//
// The poller's epoll descriptor is readable when one of the watched descriptors has news. What else gives us work has to become visible
// there too: calls from other threads and jobs that are left over wake the poller's eventfd, the next timer sets a timerfd.
import CEventLoop
import SystemPackage

extension EventLoop {
    /// A loop for embedding in a foreign one (GLib, Qt, libuv, SwiftNIO, a plain `poll(2)`). Only `runOnce` runs it.
    ///
    ///     let loop = try EventLoop.embedded(name: "guest")
    ///     Task(executorPreference: loop) { … }
    ///     while true {
    ///         poll(…, loop.descriptor, …)     // the host's wait, for its descriptors and ours
    ///         loop.runOnce()
    ///     }
    ///
    /// - Throws: `EventLoopError` if the kernel has no descriptors left.
    public static func embedded(name: String) throws(EventLoopError) -> EventLoop {
        let loop = try EventLoop(name: name, isEmbedded: true)
        loop.prepareForForeignWait()
        return loop
    }

    /// Readable when an embedded loop has something to do: wait for it, do not read from it. It is the loop's own, with close-on-exec.
    public var descriptor: FileDescriptor { FileDescriptor(rawValue: poller.descriptor) }

    /// Gives an embedded loop one turn on the calling thread: runs what is ready (at most a budget of it), looks for events and timers.
    ///
    /// Any thread, but only one at a time, and not from within a turn of the same loop.
    ///
    /// - Parameter timeout: how long to wait where nothing is ready. Zero, for a host that has waited already, unless given.
    /// - Returns: true if jobs are ready to run: the descriptor is readable, and another turn would not wait.
    @available(*, noasync, message: "a task that turns a loop blocks the one that it runs on")
    @discardableResult
    public func runOnce(timeout: Duration = .zero) -> Bool {
        precondition(isEmbedded, "runOnce turns a loop made by EventLoop.embedded; event loop \"\(name)\" is run by its own thread")
        claim()
        defer { release() }
        turn(timeout > .zero ? .until(.monotonic + timeout) : .none)
        return hasReadyJobs
    }

    /// Makes visible in the poller's descriptor what the loop would not have gone to sleep for, and when it would have woken up.
    func prepareForForeignWait() {
        if hasReadyJobs || !endOfTurn.isEmpty || !inbox.prepareToSleep() {
            poller.wake()
        } else if let deadline = timers.nextDeadline() {
            poller.wake(after: max(1, now.nanoseconds(to: deadline)))
        }
    }
}
