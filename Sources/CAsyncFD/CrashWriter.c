#define _GNU_SOURCE
#include "CrashWriter.h"

#include "CEventLoop.h"
#include "Descriptors.h"
#include "Pending.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

const struct cfd_crash_signal cfd_crash_signals[cfd_crash_signal_count] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGFPE, "SIGFPE"},
};

static int is_enabled = 1;
/// The process whose crashes are ours. A child that was forked behind our back (vfork(2), clone(2)) may share our
/// memory, and is not it.
static pid_t home;
/// The thread that writes; 0: none.
static pid_t writer;
/// Instead of an index of `cfd_crash_signals`.
enum { no_signal = -1 };
/// Counts the times that a thread has written.
static uint32_t visit;
/// What the signals did before us, in the order of `cfd_crash_signals`.
static struct sigaction previous[cfd_crash_signal_count];

static int64_t none(void) { return 0; }

static int64_t (*count_undelivered)(void) = none;

void cfd_crash_count_undelivered(int64_t (*count)(void)) { __atomic_store_n(&count_undelivered, count, __ATOMIC_RELAXED); }

static int64_t undelivered(void) { return __atomic_load_n(&count_undelivered, __ATOMIC_RELAXED)(); }

void cfd_crash_enable(int enabled) { __atomic_store_n(&is_enabled, enabled, __ATOMIC_RELAXED); }

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

// MARK: Writing

/// One attempt, which does not wait where that can be helped.
static ssize_t attempt(int descriptor, const void *bytes, size_t size, int is_file) {
    // A file is never waited for by poll(2), and says EAGAIN to RWF_NOWAIT for as long as it likes, on file systems
    // that know the flag.
    if (is_file) return write(descriptor, bytes, size);
    struct iovec vector = {(void *)bytes, size};
    ssize_t count = pwritev2(descriptor, &vector, 1, -1, cfd_RWF_NOWAIT);
    if (count >= 0 || (errno != EOPNOTSUPP && errno != EINVAL)) return count;
    // Not a pipe. Sockets and terminals take a page without waiting, after poll(2) has said yes.
    return write(descriptor, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}

/// Takes a signal back that is blocked and pending.
static void discard(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) < 0 && errno == EINTR) {}
}

/// Writes until all is written, the time is over, or the descriptor refuses. Returns how much was written.
static size_t put(struct cfd_pending *entry, const char *bytes, size_t size, int64_t deadline) {
    size_t done = 0;
    while (done < size) {
        int64_t left = deadline - now();
        if (left <= 0) return done;
        struct pollfd request = {.fd = entry->descriptor, .events = POLLOUT};
        int ready = poll(&request, 1, (int)(left / 1000000) + 1);
        if (ready == 0 || (ready < 0 && errno != EINTR)) return done;
        if (ready < 0) continue;
        ssize_t count = attempt(entry->descriptor, bytes + done, size - done, entry->is_file);
        if (count >= 0) {
            done += (size_t)count;
        } else if (errno == EAGAIN) {
            rest(); // another thread was quicker
        } else if (errno != EINTR) {
            if (errno == EPIPE) discard(SIGPIPE);
            return done;
        }
    }
    return done;
}

/// What pends, and behind it the crash record of this signal, unless it is `no_signal`.
static void write_entry(struct cfd_pending *entry, int signal, int64_t deadline) {
    if (!cfd_pending_is_there(entry)) return;
    intptr_t skip = cfd_pending_done(entry);
    for (struct cfd_chunk *next, *chunk = __atomic_load_n(&entry->first, __ATOMIC_ACQUIRE); chunk; chunk = next) {
        // In this order: a chunk that has a next one is full. Else the owner may fill it, and link the next, while this
        // one is being written, and what comes after that would be written without what came before.
        next = __atomic_load_n(&chunk->next, __ATOMIC_ACQUIRE);
        intptr_t size = __atomic_load_n(&chunk->end, __ATOMIC_ACQUIRE) - chunk->start;
        intptr_t skipped = skip < size ? skip : size;
        skip -= skipped;
        size_t left = (size_t)(size - skipped);
        size_t written = put(entry, (const char *)cfd_chunk_bytes(chunk) + chunk->start + skipped, left, deadline);
        // The owner will find that this has been done, if the program lives on.
        cfd_pending_did_write(entry, (intptr_t)written);
        if (written < left) return;
    }
    struct cfd_crash_record *record = __atomic_load_n(&entry->crash_record, __ATOMIC_SEQ_CST);
    if (!record || signal == no_signal) return;
    const char *bytes;
    size_t size = record->compose(record, signal, __atomic_load_n(&entry->unwritten, __ATOMIC_RELAXED), undelivered(), &bytes);
    put(entry, bytes, size, deadline);
}

/// Writes the entries in which no thread is at work; of others, those in which none is by `limit`. A write that hangs
/// leaves its entry as it is: what it will come to is unknown.
static void write_entries(int signal, int64_t limit, int64_t deadline) {
    for (struct cfd_pending *entry = cfd_pending_entries(); entry; entry = entry->next) {
        if (entry->visited == visit) continue;
        int is_still = cfd_pending_is_still(entry);
        for (; !is_still && now() < limit; is_still = cfd_pending_is_still(entry)) rest();
        if (!is_still) continue;
        entry->visited = visit;
        write_entry(entry, signal, deadline);
    }
}

// MARK: One at a time

static int nothing_pends(void) {
    for (struct cfd_pending *entry = cfd_pending_entries(); entry; entry = entry->next) {
        if (cfd_pending_has_bytes(entry)) return 0;
    }
    return undelivered() == 0;
}

/// Writes what pends, and the crash records, unless `signal` is `no_signal`. 0: the calling thread is writing already,
/// and it is that which has crashed.
static int rescue(int signal) {
    pid_t thread = (pid_t)syscall(SYS_gettid), none = 0;
    for (int i = 0; !__atomic_compare_exchange_n(&writer, &none, thread, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); i++) {
        if (none == thread || i == 2000) return 0;
        none = 0;
        rest();
    }
    // Not a loop's thread: the loops are well, take what threads have handed to them, and write it. A fifth of a second
    // is a long time for that.
    if (!cel_current_loop()) {
        for (int i = 0; i < 200 && !nothing_pends(); i++) rest();
    }
    int64_t deadline = now() + 1000000000;
    visit++;
    sigset_t pipe, mask;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &mask);
    cfd_pending_stop(1);
    write_entries(signal, now() + 200000000, deadline);
    write_entries(signal, deadline, deadline);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return 1;
}

static void let_go(void) {
    cfd_pending_stop(0);
    __atomic_store_n(&writer, 0, __ATOMIC_SEQ_CST);
}

// MARK: The handler

static int is_default(const struct sigaction *action) { return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL; }

/// Calls a handler as the kernel would have done.
static void call(const struct sigaction *action, int number, siginfo_t *info, ucontext_t *context) {
    sigset_t mask, ours;
    sigorset(&mask, &context->uc_sigmask, &action->sa_mask);
    if (!(action->sa_flags & SA_NODEFER)) sigaddset(&mask, number);
    if (action->sa_flags & SA_RESETHAND) sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, &ours);
    if (action->sa_flags & SA_SIGINFO) action->sa_sigaction(number, info, context); else action->sa_handler(number);
    pthread_sigmask(SIG_SETMASK, &ours, NULL);
}

enum fate { lives, dies, is_aborted };

/// What becomes of the process after another's handler has returned.
static enum fate fate(int number, const siginfo_t *info) {
    struct sigaction current;
    // So a handler says that the signal is to do what it does; Swift's backtracer, too. A fault would come again on
    // return, or the handler has raised it again.
    if (sigaction(number, NULL, &current) == 0 && is_default(&current)) return dies;
    // abort(3) goes on after its handler, and reports nothing. (A program that survives a raise(SIGABRT) looks the same
    // from here.)
    return number == SIGABRT && info->si_code == SI_TKILL && info->si_pid == getpid() ? is_aborted : lives;
}

static void crash(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (cfd_pending_postpone(info)) return;
    int signal = 0;
    while (cfd_crash_signals[signal].number != number) signal++;
    const struct sigaction *next = &previous[signal];
    int is_ours = __atomic_load_n(&is_enabled, __ATOMIC_RELAXED) && getpid() == home;
    if (!is_default(next)) {
        if (is_ours && rescue(no_signal)) let_go();
        call(next, number, info, context);
        enum fate then = fate(number, info);
        if (then != dies) {
            if (then == is_aborted && is_ours && rescue(signal)) let_go();
            errno = saved;
            return;
        }
    }
    if (is_ours) rescue(signal); // and no thread goes on
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    // Blocked while this handler runs: it is delivered on return, with the old context, and with the siginfo that it
    // came with.
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info) != 0) raise(number);
    errno = saved;
}

/// In a child that has just been forked.
static void forked(void) {
    home = getpid();
    __atomic_store_n(&writer, 0, __ATOMIC_SEQ_CST);
}

void cfd_crash_install(void) {
    static int installed;
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_ACQ_REL)) return;
    home = getpid();
    pthread_atfork(NULL, NULL, forked);
    for (int i = 0; i < cfd_crash_signal_count; i++) {
        if (sigaction(cfd_crash_signals[i].number, NULL, &previous[i]) != 0) continue;
        // A program that ignores such a signal has its reasons.
        if (!(previous[i].sa_flags & SA_SIGINFO) && previous[i].sa_handler == SIG_IGN) continue;
        struct sigaction action = {.sa_sigaction = crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigaction(cfd_crash_signals[i].number, &action, NULL);
    }
}
