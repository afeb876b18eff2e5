// What is still in memory when a program crashes, and how it gets out.
//
// On SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT and SIGFPE (a failed precondition, `fatalError`, an index out of range among them) a handler writes what pends
// (Pending.h), in order, adds a line that names the signal (LastWords.h), and lets the signal do what it would have done. It calls nothing that is not
// async-signal-safe (signal-safety(7)).
//
//     no other handler       what pends, the line, then the default disposition, with the signal's own siginfo
//     another's, before ours what pends; that handler, with the siginfo and the context; if it has left the signal to the default, the line;
//                            if the program lives on, nothing: what has been written counts as written, and life goes on
//     another's, after ours  whatever it does; ours runs if it calls it
//
// A crash on another thread than the loop's finds the loop alive: it is given a moment to write what it has by itself. Then it is stopped, so that nothing is
// read that it is changing.
#ifndef CEVENTLOOP_CRASHWRITER_H
#define CEVENTLOOP_CRASHWRITER_H

/// Catches the crash signals, unless they are ignored. Once; later calls do nothing.
void cel_crash_install(void);
/// Crashes are left alone from now on, if 0; seen to, if 1. Any time, any thread.
void cel_crash_enable(int enabled);
/// Gives the calling thread a stack for the handler, so that running out of stack is caught, too; unless it has one. Kept until the thread ends.
void cel_crash_enter_thread(void);
/// In a child that has just been forked.
void cel_crash_forked(void);

#endif
