// A logger in a forked child process. Its loop, its handlers and their pending records are copies of the parent's: the
// parent writes them.
import AsyncFD
import CEventLoop
import EventLoop
import Glibc
import Synchronization

extension Pipeline {
    /// The number of forks of the last process that has reported it.
    private static let told = Atomic<UInt32>(0)

    /// Reports once in a child process that its records are not written, and what to do about it. Any thread.
    func reportInChild(_ core: Unmanaged<LoggerCore>) {
        let forks = cel_fork_generation()
        guard Pipeline.told.exchange(forks, ordering: .relaxed) != forks else { return }
        var name = core._withUnsafeGuaranteedRef { $0.name.isEmpty ? "a logger" : $0.name }
        var line = LineBuffer()
        line.append("asynclog: what is logged to ")
        name.withUTF8 { line.appendEscaped(Text($0)) }
        line.append(" is not written: its handlers belong to the process from which process \(getpid()) was forked. ")
        line.append("Make a logger with handlers of its own in the child, within EventLoop.run, or call execve\n")
        // A plain write(2), which may block: the child has no loop that could do it, and none that it would hold up.
        _ = write(2, line.bytes.baseAddress, line.bytes.count)
    }

    /// The error of a flush in a child.
    func errorInChild(_ operation: String, _ core: LoggerCore) -> IOError {
        reportInChild(Unmanaged.passUnretained(core))
        return IOError(operation, on: "the handlers of the process from which this one was forked", .noEventLoop)
    }
}
