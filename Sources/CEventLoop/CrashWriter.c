#define _GNU_SOURCE
#include "CrashWriter.h"

#include "CEventLoop.h"
#include "Pending.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int is_enabled = 1;
/// The process whose crashes are ours. A child that was forked behind our back (vfork(2), clone(2)) may share our memory, and is not it.
static pid_t home;
/// The thread that writes; 0: none.
static pid_t writer;
/// Counts the times that somebody has written.
static uint32_t visit;
/// What the signals did before us, in the order of `cel_crash_signals`.
static struct sigaction previous[cel_crash_signal_count];

void cel_crash_enable(int enabled) { __atomic_store_n(&is_enabled, enabled, __ATOMIC_RELAXED); }

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

// MARK: Writing

/// One attempt, which does not wait where that can be helped.
static ssize_t attempt(int descriptor, const void *bytes, size_t size, int is_file) {
    // A file is never waited for by poll(2), and says EAGAIN to RWF_NOWAIT for as long as it likes, on file systems that know the flag.
    if (is_file) return write(descriptor, bytes, size);
    struct iovec vector = {(void *)bytes, size};
    ssize_t count = pwritev2(descriptor, &vector, 1, -1, cel_RWF_NOWAIT);
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
static size_t put(struct cel_pending *entry, const char *bytes, size_t size, int64_t deadline) {
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
            rest(); // somebody else was quicker
        } else if (errno != EINTR) {
            if (errno == EPIPE) discard(SIGPIPE);
            return done;
        }
    }
    return done;
}

/// What pends, and behind it the last line, unless `signal` is 0.
static void write_entry(struct cel_pending *entry, int signal, int64_t deadline) {
    if (!cel_pending_is_there(entry)) return;
    intptr_t skip = cel_pending_done(entry);
    for (struct cel_chunk *next, *chunk = __atomic_load_n(&entry->first, __ATOMIC_ACQUIRE); chunk; chunk = next) {
        // In this order: a chunk that has a next one is full. Else the owner may fill it, and link the next, while this one is being written, and
        // what comes after that would be written without what came before.
        next = __atomic_load_n(&chunk->next, __ATOMIC_ACQUIRE);
        intptr_t size = __atomic_load_n(&chunk->end, __ATOMIC_ACQUIRE) - chunk->start;
        intptr_t skipped = skip < size ? skip : size;
        skip -= skipped;
        size_t left = (size_t)(size - skipped);
        size_t written = put(entry, (const char *)cel_chunk_bytes(chunk) + chunk->start + skipped, left, deadline);
        // The owner will find that this has been done, if the program lives on.
        cel_pending_did_write(entry, (intptr_t)written);
        if (written < left) return;
    }
    struct cel_last_words *words = __atomic_load_n(&entry->last_words, __ATOMIC_SEQ_CST);
    if (!words || signal == 0) return;
    const char *line;
    size_t size = cel_last_words_compose(
        words, signal, __atomic_load_n(&entry->unwritten, __ATOMIC_RELAXED), cel_undelivered_records(), &line);
    put(entry, line, size, deadline);
}

/// Writes the entries in which nobody is at work; of others, those in which nobody is by `limit`. A write that hangs leaves its entry as it is: what it will come
/// to nobody knows.
static void write_entries(int signal, int64_t limit, int64_t deadline) {
    for (struct cel_pending *entry = cel_pending_entries(); entry; entry = entry->next) {
        if (entry->visited == visit) continue;
        int is_still = cel_pending_is_still(entry);
        for (; !is_still && now() < limit; is_still = cel_pending_is_still(entry)) rest();
        if (!is_still) continue;
        entry->visited = visit;
        write_entry(entry, signal, deadline);
    }
}

// MARK: One at a time

static int nothing_pends(void) {
    for (struct cel_pending *entry = cel_pending_entries(); entry; entry = entry->next) {
        if (cel_pending_has_bytes(entry)) return 0;
    }
    return cel_undelivered_records() == 0;
}

/// Writes what pends, and the last line, unless `signal` is 0. 0: the calling thread is writing already, and it is that which has crashed.
static int rescue(int signal) {
    pid_t thread = (pid_t)syscall(SYS_gettid), nobody = 0;
    for (int i = 0; !__atomic_compare_exchange_n(&writer, &nobody, thread, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); i++) {
        if (nobody == thread || i == 2000) return 0;
        nobody = 0;
        rest();
    }
    // Not a loop's thread: the loops are well, take what threads have handed to them, and write it. A fifth of a second is a long time for that.
    if (!cel_current_loop()) {
        for (int i = 0; i < 200 && !nothing_pends(); i++) rest();
    }
    int64_t deadline = now() + 1000000000;
    visit++;
    sigset_t pipe, mask;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &mask);
    cel_pending_stop(1);
    write_entries(signal, now() + 200000000, deadline);
    write_entries(signal, deadline, deadline);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return 1;
}

static void let_go(void) {
    cel_pending_stop(0);
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
    // So a handler says that the signal is to do what it does; Swift's backtracer, too. A fault would come again on return, or the handler has raised it again.
    if (sigaction(number, NULL, &current) == 0 && is_default(&current)) return dies;
    // abort(3) goes on after its handler, and tells nobody. (That somebody survives a raise(SIGABRT) looks the same from here.)
    return number == SIGABRT && info->si_code == SI_TKILL && info->si_pid == getpid() ? is_aborted : lives;
}

static void crash(int number, siginfo_t *info, void *context) {
    int saved = errno;
    if (cel_pending_postpone(info)) return;
    const struct sigaction *next = NULL;
    for (int i = 0; i < cel_crash_signal_count; i++) {
        if (cel_crash_signals[i] == number) next = &previous[i];
    }
    int is_ours = __atomic_load_n(&is_enabled, __ATOMIC_RELAXED) && getpid() == home;
    if (!is_default(next)) {
        if (is_ours && rescue(0)) let_go();
        call(next, number, info, context);
        enum fate then = fate(number, info);
        if (then != dies) {
            if (then == is_aborted && is_ours && rescue(number)) let_go();
            errno = saved;
            return;
        }
    }
    if (is_ours) rescue(number); // and nobody goes on
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    // Blocked while this handler runs: it is delivered on return, with the old context, and with the siginfo that it came with.
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info) != 0) raise(number);
    errno = saved;
}

void cel_crash_install(void) {
    static int installed;
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_ACQ_REL)) return;
    home = getpid();
    for (int i = 0; i < cel_crash_signal_count; i++) {
        if (sigaction(cel_crash_signals[i], NULL, &previous[i]) != 0) continue;
        // Who ignores such a signal has his reasons.
        if (!(previous[i].sa_flags & SA_SIGINFO) && previous[i].sa_handler == SIG_IGN) continue;
        struct sigaction action = {.sa_sigaction = crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
        sigaction(cel_crash_signals[i], &action, NULL);
    }
}

void cel_crash_forked(void) {
    if (home != 0) home = getpid();
    __atomic_store_n(&writer, 0, __ATOMIC_SEQ_CST);
    cel_pending_forked();
    cel_in_flight_forked();
}
