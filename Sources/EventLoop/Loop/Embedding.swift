// A loop inside another loop: the host loop waits for our descriptor, and gives us a turn when it is readable.
//
// The poller's epoll descriptor is readable when one of the watched descriptors has an event. Other work must make it
// readable, too: calls from other threads and remaining jobs write to the poller's eventfd, and the next timer sets a
// timerfd.
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

    /// Readable when an embedded loop has something to do: wait for it, do not read from it. It is the loop's own, with
    /// close-on-exec.
    public var descriptor: FileDescriptor { FileDescriptor(rawValue: poller.descriptor) }

    /// Gives an embedded loop one turn on the calling thread: runs what is ready (at most a budget of it), looks for
    /// events and timers.
    ///
    /// Any thread, but only one at a time, and not from within a turn of the same loop.
    ///
    /// - Parameter timeout: how long to wait if no job is ready. The default is zero, for a host that has waited
    ///   already.
    /// - Returns: true if jobs are ready to run: the descriptor is readable, and another turn would not wait.
    @available(*, noasync, message: "runOnce blocks its thread, and so the loop on which a task runs")
    @discardableResult
    public func runOnce(timeout: Duration = .zero) -> Bool {
        precondition(isEmbedded, "runOnce: event loop \"\(name)\" must be made by EventLoop.embedded")
        claim()
        defer { release() }
        turn(timeout > .zero ? .until(.monotonic + timeout) : .none)
        return hasReadyJobs
    }

    /// Makes the poller's descriptor readable now, if the loop has work, or at the time of its next timer.
    func prepareForForeignWait() {
        if hasReadyJobs || !endOfTurn.isEmpty || !inbox.prepareToSleep() {
            poller.wake()
        } else if let deadline = timers.nextDeadline() {
            poller.wake(after: max(1, now.nanoseconds(to: deadline)))
        }
    }
}
