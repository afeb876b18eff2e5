// What is still in memory when a program crashes, and how it gets out.
//
// On SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT and SIGFPE (a failed precondition, `fatalError`, an index out of range
// among them) a handler writes what pends (Pending.h), in order, adds a record that names the signal, and lets the
// signal do what it would have done. It calls nothing that is not async-signal-safe (signal-safety(7)).
//
//     no other handler       what pends, the line, then the default disposition, with the signal's own siginfo
//     another's, before ours what pends; that handler, with the siginfo and the context; if it has left the signal to the default, the line;
//                            if the program lives on, nothing: what has been written counts as written, and life goes on
//     another's, after ours  whatever it does; ours runs if it calls it
//
// A crash on another thread than the loop's finds the loop alive: it is given a moment to write what it has by itself.
// Then it is stopped, so that nothing is read that it is changing.
#ifndef CASYNCFD_CRASHWRITER_H
#define CASYNCFD_CRASHWRITER_H

#include <stddef.h>
#include <stdint.h>

/// A signal that is caught.
struct cfd_crash_signal {
    int number;
    const char *name;
};
enum { cfd_crash_signal_count = 6 };
extern const struct cfd_crash_signal cfd_crash_signals[cfd_crash_signal_count];

/// The record that a crash leaves in an output, behind all that pends. The layer that lays records out makes it: it is
/// the first member of that layer's own structure.
struct cfd_crash_record {
    /// Points `bytes` at the record of this signal (an index of `cfd_crash_signals`), and returns its size; 0 if there
    /// is none. Async-signal-safe, not re-entrant. `unwritten` records were accepted and wait for room in the output;
    /// `undelivered` ones have not come to a handler yet.
    size_t (*compose)(struct cfd_crash_record *record, int signal, int64_t unwritten, int64_t undelivered, const char **bytes);
    /// Frees it.
    void (*destroy)(struct cfd_crash_record *record);
};

/// Has the crash handler ask `count`, which is async-signal-safe, for the number of records that threads have handed to
/// a loop and that no handler has got yet.
void cfd_crash_count_undelivered(int64_t (*count)(void));

/// Catches the crash signals, unless they are ignored. Once; later calls do nothing.
void cfd_crash_install(void);
/// Crashes are left alone from now on, if 0; seen to, if 1. Any time, any thread.
void cfd_crash_enable(int enabled);

#endif
