// A logger in a child process that was forked: its loop, its handlers and what waits in them are copies of the parent's, and the parent's to write.
import AsyncFD
import CEventLoop
import EventLoop
import Glibc
import Synchronization

extension Pipeline {
    /// The last process that has been told, by its number of forks.
    private static let told = Atomic<UInt32>(0)

    /// Says once in a child that what is logged here goes nowhere, and what to do. Any thread.
    func complainInChild(_ core: Unmanaged<LoggerCore>) {
        let forks = cel_fork_generation()
        guard Pipeline.told.exchange(forks, ordering: .relaxed) != forks else { return }
        var name = core._withUnsafeGuaranteedRef { $0.name.isEmpty ? "a logger" : $0.name }
        var line = LineBuffer()
        line.append("asynclog: what is logged to ")
        name.withUTF8 { line.appendEscaped(Text($0)) }
        line.append(" is not written: its handlers belong to the process from which process \(getpid()) was forked. ")
        line.append("Make a logger with handlers of its own in the child, within EventLoop.run, or call execve\n")
        // There is no loop that could do it without waiting, and none that would be held up.
        _ = write(2, line.bytes.baseAddress, line.bytes.count)
    }

    /// The error of a flush in a child.
    func errorInChild(_ operation: String, _ core: LoggerCore) -> IOError {
        complainInChild(Unmanaged.passUnretained(core))
        return IOError(operation, on: "the handlers of the process from which this one was forked", .noEventLoop)
    }
}
