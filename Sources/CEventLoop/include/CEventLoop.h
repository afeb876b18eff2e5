// What `import Glibc` hides from Swift: epoll, eventfd, timerfd, pidfd, signal handlers, and thread-local variables.
//
// Most of it stands behind plain functions, because glibc declares it only under _GNU_SOURCE, which the headers that
// Swift has already imported were read without. They add nothing to the system calls: the result is the call's, errno
// is the call's.
#ifndef CEVENTLOOP_H
#define CEVENTLOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "SignalStack.h"
#include "ThreadBlocks.h"

// EPOLLET is 1u << 31, a value of the enum that Swift imports as signed.
static const uint32_t cel_EPOLLIN = EPOLLIN, cel_EPOLLOUT = EPOLLOUT, cel_EPOLLRDHUP = EPOLLRDHUP, cel_EPOLLPRI = EPOLLPRI;
static const uint32_t cel_EPOLLERR = EPOLLERR, cel_EPOLLHUP = EPOLLHUP, cel_EPOLLET = 1u << 31;

/// Has `call` made when the process ends by exit(3), after all handlers of atexit(3). There is one such call; the last
/// one counts.
void cel_at_end(void (*call)(void));

/// epoll_create1(EPOLL_CLOEXEC).
int cel_epoll_create(void);

/// epoll_ctl(2) with `key` as the user data.
int cel_epoll_ctl(int epoll, int operation, int descriptor, uint32_t events, uint64_t key);

/// epoll_pwait2(2), or, where there is no limit or no wait, or on kernels before 5.11 and in containers that refuse it,
/// epoll_wait(2), its milliseconds rounded up. `nanoseconds` < 0 waits without end.
int cel_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds);

/// Asks for the cache line at an address that will be used in a moment. Any address may be given.
static inline void cel_prefetch(const void *address) { __builtin_prefetch(address); }

/// eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK).
int cel_eventfd(void);

/// timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK).
int cel_timerfd(void);

/// Has the timerfd expire once, in so many nanoseconds.
void cel_timerfd_set(int timer, int64_t nanoseconds);

/// mmap(2): so many bytes of memory of the process's own, all zero; NULL if there are none.
void *cel_map(size_t size);

/// munmap(2), of what `cel_map` has given.
void cel_unmap(void *memory, size_t size);

/// pidfd_open(pid, 0): a descriptor that is readable when the child has ended; close-on-exec. Linux 5.3.
int cel_pidfd_open(pid_t pid);

/// waitid(P_PIDFD, pidfd, …, WEXITED | WNOHANG): 1 and the child's si_code and si_status, 0 if it has not ended, -1
/// with errno.
int cel_pidfd_reap(int pidfd, int *code, int *status);

/// The same with waitid(P_PID, pid, …).
int cel_child_reap(pid_t pid, int *code, int *status);

/// waitid(P_PID, pid, …, WEXITED | WNOWAIT): blocks until the child has ended, and does not collect it. 0, or -1 with
/// errno.
int cel_child_wait(pid_t pid);

/// 1 on the thread that the process began with.
int cel_is_main_thread(void);

/// Names the calling thread, cut to the 15 bytes that the kernel keeps.
void cel_name_thread(const char *name);

/// The loop that this thread runs right now. Unretained.
extern _Thread_local void *cel_thread_loop;
static inline void *cel_current_loop(void) { return cel_thread_loop; }
static inline void cel_set_current_loop(void *loop) {
    cel_thread_loop = loop;
    if (loop) cel_use_signal_stack();
}

/// Whether the process has manual clocks, so that a thread that asks the time has to ask whose. Never becomes false
/// again.
extern _Atomic bool cel_manual_clocks;
static inline bool cel_has_manual_clocks(void) { return atomic_load_explicit(&cel_manual_clocks, memory_order_relaxed); }
void cel_count_manual_clock(void);

/// How many forks lie between this process and the one that first asked; 0 in that one. `cel_watch_forks` asks, and
/// returns it. No thread of a child runs its parent's loop.
extern uint32_t cel_forks;
static inline uint32_t cel_fork_generation(void) { return cel_forks; }
uint32_t cel_watch_forks(void);

// Signals. The handler is async-signal-safe: it counts, and writes to the eventfds of the loops that want to know.

/// How many signals have been caught, of all kinds. Changes after the signal's own count has.
extern _Atomic uint64_t cel_signal_total;
static inline uint64_t cel_signals_caught(void) { return atomic_load_explicit(&cel_signal_total, memory_order_acquire); }
/// How often this one has been caught.
uint32_t cel_signal_count(int signal);
/// Installs the handler and keeps the former disposition; restores that one. Not thread-safe with each other.
void cel_signal_catch(int signal);
void cel_signal_restore(int signal);
/// Takes back what was sent to the process and has not been given to a thread yet.
void cel_signal_discard(int signal);
bool cel_signal_is_ignored(int signal);
/// While this is on, the second of all signals for which it is on does what it does by default, even when no loop
/// turns.
void cel_signal_stop(int signal, bool on);
/// Adds an eventfd to those that the handler writes to. Counts: as often as it is added it has to be removed. False:
/// there are too many.
bool cel_signal_wake(int eventfd);
void cel_signal_wake_no_more(int eventfd);

#endif
