#define _GNU_SOURCE
#include "CEventLoop.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Thread_local void *cel_thread_loop;

_Atomic bool cel_manual_clocks;

void cel_count_manual_clock(void) { atomic_store_explicit(&cel_manual_clocks, true, memory_order_relaxed); }

uint32_t cel_forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void) {
    cel_forks++;
    cel_thread_loop = NULL;
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

uint32_t cel_watch_forks(void) {
    pthread_once(&forks_once, watch_forks);
    return cel_forks;
}

static void (*at_end)(void);

void cel_at_end(void (*call)(void)) { at_end = call; }

__attribute__((destructor)) static void end(void) {
    if (at_end) at_end();
}

int cel_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int cel_epoll_ctl(int epoll, int operation, int descriptor, uint32_t events, uint64_t key) {
    struct epoll_event event = {.events = events, .data.u64 = key};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int cel_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds) {
    // Two of three waits have no limit, or are none. The older call is the cheaper one by a third: it fetches no
    // timespec.
    if (nanoseconds <= 0) return epoll_wait(epoll, events, capacity, nanoseconds < 0 ? -1 : 0);
#ifdef SYS_epoll_pwait2
    static _Atomic int missing;
    if (!missing) {
        // The kernel's own layout: glibc has the wrapper only since 2.35.
        struct { int64_t seconds, nanoseconds; } limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
        long count = syscall(SYS_epoll_pwait2, epoll, events, capacity, &limit, NULL, 0);
        // EPERM, which the call itself does not know, is what the filters of containers say of system calls that are
        // younger than they.
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)count;
        missing = 1;
    }
#endif
    int64_t milliseconds = (nanoseconds + 999999) / 1000000;
    return epoll_wait(epoll, events, capacity, milliseconds > INT_MAX ? INT_MAX : (int)milliseconds);
}

int cel_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int cel_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }

void cel_timerfd_set(int timer, int64_t nanoseconds) {
    struct itimerspec limit = {.it_value = {nanoseconds / 1000000000, nanoseconds % 1000000000}};
    timerfd_settime(timer, 0, &limit, NULL);
}

void *cel_map(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void cel_unmap(void *memory, size_t size) { munmap(memory, size); }

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int cel_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static int reap(idtype_t type, id_t id, int *code, int *status) {
    siginfo_t info = {0};
    if (waitid(type, id, &info, WEXITED | WNOHANG) != 0) return -1;
    if (info.si_pid == 0) return 0;
    *code = info.si_code;
    *status = info.si_status;
    return 1;
}

int cel_pidfd_reap(int pidfd, int *code, int *status) { return reap((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, code, status); }

int cel_child_reap(pid_t pid, int *code, int *status) { return reap(P_PID, (id_t)pid, code, status); }

int cel_child_wait(pid_t pid) {
    siginfo_t info;
    int result;
    do result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    while (result != 0 && errno == EINTR);
    return result;
}

int cel_is_main_thread(void) { return getpid() == syscall(SYS_gettid); }

void cel_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// What the standard library's withTaskCancellationHandler and Task.isCancelled are made of. Called from Parking.swift,
// by Swift's calling convention on both sides; `function` and `context` are the two words of a closure.

#define SWIFT_CALL __attribute__((swiftcall))

SWIFT_CALL void *swift_task_addCancellationHandler(void *function, void *context);
SWIFT_CALL void swift_task_removeCancellationHandler(void *record);
SWIFT_CALL void *swift_task_getCurrent(void);
SWIFT_CALL bool swift_task_isCancelled(void *task);

SWIFT_CALL void *cel_task_add_cancellation_handler(void *function, void *context) { return swift_task_addCancellationHandler(function, context); }

SWIFT_CALL void cel_task_remove_cancellation_handler(void *record) { swift_task_removeCancellationHandler(record); }

SWIFT_CALL bool cel_task_is_cancelled(void) {
    void *task = swift_task_getCurrent();
    return task && swift_task_isCancelled(task);
}
