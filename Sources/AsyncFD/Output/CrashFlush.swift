// Whether a crash writes what waits in memory. How it does is in CrashWriter.h.
import CAsyncFD
import CEventLoop
import Synchronization

/// What happens to printed and logged bytes that wait in memory when the program crashes: they are written.
///
/// On SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT and SIGFPE (so also on `fatalError`, a failed precondition, an index
/// out of range, and when the stack runs out) a signal handler writes what is pending, in order, for at most a second,
/// and then lets the signal do what it would have done: end the process, write a core, run the backtracer. The handler
/// calls nothing that is not safe in a signal handler. It writes only to descriptors that still refer to what they did,
/// and in a forked child nothing of the parent's.
///
/// A handler that was installed for the signal before ours is called when the records are written, with the signal's
/// own `siginfo_t` and context. If it leaves the signal to the default disposition, as Swift's backtracer does, the
/// last line follows and the signal ends the process. If the program lives on, because that handler returns or jumps
/// away, there is no last line, what has been written counts as written, and logging goes on. A handler that ends the
/// process by itself (`_exit`) finds the records written, but there is no last line.
///
/// The log of a handler that takes critical records ends with one that names the signal, in the handler's own format:
///
///     2026-11-22T08:27:00.123456Z CRITICAL asynclog: crashed: SIGSEGV signal=SIGSEGV signal_number=11 unwritten=0 undelivered=0
///
/// What cannot be written is counted there: `unwritten` are records that waited for room in the handler's buffer,
/// `undelivered` are records that other threads had logged and that had not come to any handler; only the code of
/// formatters could make bytes of them, and that must not run in a signal handler. If it is one of those threads that
/// crashes, and not the loop's, the loop gets a fifth of a second to take and write them.
///
/// When the stack runs out, the handler needs another one. Threads that run an event loop, that an event loop has
/// started, that have made a logger or logged have one, unless they had one of their own. A thread without one ends the
/// process at once: see `coverThread`.
public enum CrashFlush {
    /// Gives the calling thread a stack for the handler, unless it has one: for threads that have nothing to do with
    /// the package, and may run out of stack. Kept until the thread ends.
    public static func coverThread() { cel_use_signal_stack() }

    private static let enabled = Atomic<Bool>(true)

    /// True unless set otherwise. With false, crashes are left alone. Any time, any thread.
    public static var isEnabled: Bool {
        get { enabled.load(ordering: .relaxed) }
        set {
            enabled.store(newValue, ordering: .relaxed)
            cfd_crash_enable(newValue ? 1 : 0)
        }
    }

    /// Installs the signal handler, if it is not there yet. Any thread.
    package static func install() { cfd_crash_install() }
}
