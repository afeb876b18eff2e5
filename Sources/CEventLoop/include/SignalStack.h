// A stack of its own for signal handlers, on every thread on which the library's code runs: a thread that has run out
// of stack has no other.
#ifndef CEVENTLOOP_SIGNALSTACK_H
#define CEVENTLOOP_SIGNALSTACK_H

/// Gives the calling thread a stack for signal handlers (sigaltstack(2)), unless it has one. It is freed when the
/// thread ends.
void cel_use_signal_stack(void);

#endif
