// What a program can do to itself that Swift has no words for: handlers that jump, faults of each kind, forks, calls
// that the kernel refuses.
#ifndef PROCESSHAZARDS_H
#define PROCESSHAZARDS_H

#include <sys/types.h>

/// What a handler of the program's own does with a signal.
enum hazard_reaction {
    /// Jumps back to `hazard_survive`, if that has raised the signal; else the default disposition and a return.
    hazard_jumps,
    /// Writes the cause (`code=1 address=0x8 here=1`) to standard error, then the default disposition and a return.
    hazard_reports,
    /// Ends the process with status 42.
    hazard_exits,
    /// Returns, and nothing else.
    hazard_returns
};

/// Installs a handler for the signal.
void hazard_handle(int signal, enum hazard_reaction reaction);
/// Has the CPU raise SIGSEGV (at address 8), SIGFPE, SIGILL or SIGTRAP; for other signals raise(3). Returns only if
/// something repairs it.
void hazard_fault(int signal);
/// `hazard_fault` with a handler that jumps back to here.
void hazard_survive(int signal);
/// fork(2), which Swift hides.
pid_t hazard_fork(void);
/// Whether all other threads of the process wait for something.
int hazard_other_threads_sleep(void);
/// From now on the kernel answers EAGAIN to every write with RWF_NOWAIT, as a file system does that would have to wait.
/// 0, or -1 if it cannot be had.
int hazard_refuse_nowait(void);
/// From now on the kernel answers this error to every system call with this number. 0, or -1 if it cannot be had.
int hazard_refuse(long call, int error);
/// Closes the descriptor without telling the library, and opens a file in its place. Returns the number that the file
/// got.
int hazard_replace(int descriptor, const char *path);
/// Runs this program once more, as `hazard flood`, and has SIGSEGV sent to it at the very moment at which the kernel
/// has taken bytes that its main thread writes to standard output, for the `n`-th time, before the thread knows.
/// Returns the signal that ended it, 0 if it exited, -1 if it cannot be traced.
int hazard_signal_after_write(int n);
/// Needs more stack than there is.
int hazard_overflow(int depth);

#endif
