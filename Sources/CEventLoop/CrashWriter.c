#define _GNU_SOURCE
#include "CrashWriter.h"

#include "CEventLoop.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// MARK: Chunks and entries

struct cel_chunk *cel_chunk_make(intptr_t capacity) {
    struct cel_chunk *chunk = malloc(sizeof *chunk + (size_t)capacity);
    if (chunk) *chunk = (struct cel_chunk){.capacity = capacity};
    return chunk;
}

void cel_chunk_free(struct cel_chunk *chunk) { free(chunk); }

/// All entries that were ever made. Grows at the front, never shrinks: a handler may be walking it.
static struct cel_pending *entries;

struct cel_pending *cel_pending_make(int descriptor) {
    for (struct cel_pending *entry = __atomic_load_n(&entries, __ATOMIC_ACQUIRE); entry; entry = entry->next) {
        int unused = -1;
        if (__atomic_compare_exchange_n(&entry->descriptor, &unused, descriptor, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return entry;
    }
    struct cel_pending *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    cel_pending_set_descriptor(entry, descriptor);
    entry->next = __atomic_load_n(&entries, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&entries, &entry->next, entry, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return entry;
}

void cel_pending_release(struct cel_pending *pending) {
    cel_pending_set_first(pending, NULL);
    cel_pending_set_last_words(pending, NULL);
    __atomic_store_n(&pending->unwritten, 0, __ATOMIC_RELAXED);
    cel_pending_end_write(pending);
    __atomic_store_n(&pending->descriptor, -1, __ATOMIC_RELEASE);
}

// MARK: The handler

enum { none, waiting, writing };
/// What the handler is doing: `waiting` for the loops to write by themselves, or `writing` in their stead.
static int stage = none;
static int is_enabled = 1;

void cel_pending_set_last_words(struct cel_pending *pending, struct cel_last_words *words) {
    struct cel_last_words *old = __atomic_exchange_n(&pending->last_words, words, __ATOMIC_SEQ_CST);
    // A crash handler sets the stage before it looks for the words: either it does not find these, or they stay.
    if (__atomic_load_n(&stage, __ATOMIC_SEQ_CST) == none) cel_last_words_free(old);
}

void cel_pending_hand_over(struct cel_pending *from, struct cel_pending *to) {
    cel_pending_set_last_words(to, __atomic_exchange_n(&from->last_words, NULL, __ATOMIC_SEQ_CST));
    cel_pending_add_unwritten(to, from->unwritten);
    __atomic_store_n(&from->unwritten, 0, __ATOMIC_RELAXED);
}

void cel_crash_enable(int enabled) { __atomic_store_n(&is_enabled, enabled, __ATOMIC_RELAXED); }

void cel_pending_begin_write(struct cel_pending *pending) {
    __atomic_store_n(&pending->busy, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&stage, __ATOMIC_SEQ_CST) != writing) return;
    __atomic_store_n(&pending->busy, 0, __ATOMIC_SEQ_CST);
    for (;;) pause(); // the handler ends the process
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void rest(void) {
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

/// Writes without waiting beyond `deadline`, and without waiting inside of write(2) where that can be helped. Returns 0 when it gives up.
static int put(int descriptor, const char *bytes, size_t size, int64_t deadline) {
    while (size > 0) {
        int64_t left = deadline - now();
        if (left <= 0) return 0;
        struct pollfd request = {.fd = descriptor, .events = POLLOUT};
        int ready = poll(&request, 1, (int)(left / 1000000) + 1);
        if (ready == 0 || (ready < 0 && errno != EINTR)) return 0;
        if (ready < 0) continue;
        struct iovec vector = {(void *)bytes, size};
        ssize_t count = pwritev2(descriptor, &vector, 1, -1, cel_RWF_NOWAIT);
        // Not a pipe. Sockets, terminals and files take a page without waiting, after poll(2) has said yes.
        if (count < 0 && (errno == EOPNOTSUPP || errno == EINVAL)) count = write(descriptor, bytes, size < PIPE_BUF ? size : PIPE_BUF);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) return 0;
        bytes += count;
        size -= (size_t)count;
    }
    return 1;
}

static int is_empty(struct cel_pending *entry) {
    for (struct cel_chunk *chunk = __atomic_load_n(&entry->first, __ATOMIC_ACQUIRE); chunk; chunk = chunk->next) {
        if (cel_chunk_visible_end(chunk) > __atomic_load_n(&chunk->start, __ATOMIC_ACQUIRE)) return 0;
    }
    return 1;
}

static int all_are_empty(void) {
    for (struct cel_pending *entry = entries; entry; entry = entry->next) {
        if (__atomic_load_n(&entry->descriptor, __ATOMIC_ACQUIRE) >= 0 && !is_empty(entry)) return 0;
    }
    return 1;
}

static void write_entry(struct cel_pending *entry, int signal, int64_t deadline) {
    int descriptor = __atomic_load_n(&entry->descriptor, __ATOMIC_ACQUIRE);
    if (descriptor < 0) return;
    intptr_t skip = __atomic_load_n(&entry->done, __ATOMIC_ACQUIRE);
    for (struct cel_chunk *chunk = entry->first; chunk; chunk = chunk->next) {
        intptr_t size = cel_chunk_visible_end(chunk) - chunk->start;
        if (size <= 0) continue;
        intptr_t skipped = skip < size ? skip : size;
        skip -= skipped;
        if (!put(descriptor, (const char *)cel_chunk_bytes(chunk) + chunk->start + skipped, (size_t)(size - skipped), deadline)) return;
    }
    struct cel_last_words *words = __atomic_load_n(&entry->last_words, __ATOMIC_SEQ_CST);
    if (!words) return;
    const char *line;
    size_t size = cel_last_words_compose(
        words, signal, __atomic_load_n(&entry->unwritten, __ATOMIC_RELAXED), cel_undelivered_records(), &line);
    put(descriptor, line, size, deadline);
}

static struct sigaction previous[cel_crash_signal_count];

static void crash(int number) {
    int saved = errno;
    int expected = none;
    if (__atomic_load_n(&is_enabled, __ATOMIC_RELAXED)) {
        if (__atomic_compare_exchange_n(&stage, &expected, waiting, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            int64_t deadline = now() + 1000000000;
            // Not a loop's thread: the loops are well, take what threads have handed to them, and write it. A fifth of a second is a long
            // time for that.
            if (!cel_current_loop()) {
                for (int i = 0; i < 200 && (cel_undelivered_records() > 0 || !all_are_empty()); i++) rest();
            }
            __atomic_store_n(&stage, writing, __ATOMIC_SEQ_CST);
            for (struct cel_pending *entry = entries; entry; entry = entry->next) {
                // A write that is under way elsewhere will say what has become of it; one of this very thread has been cut short for good.
                for (int i = 0; i < 200 && __atomic_load_n(&entry->busy, __ATOMIC_SEQ_CST) && !entry->done; i++) rest();
                write_entry(entry, number, deadline);
            }
        } else {
            // Another thread crashes, too, or the handler itself has: the first one ends the process, or nobody does.
            for (int i = 0; i < 1500; i++) rest();
        }
    }
    for (int i = 0; i < cel_crash_signal_count; i++) {
        if (cel_crash_signals[i] == number) sigaction(number, &previous[i], NULL);
    }
    // Blocked while this handler runs: it is delivered on return, with the old disposition and the context of the crash.
    raise(number);
    errno = saved;
}

void cel_crash_install(void) {
    static int installed;
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_ACQ_REL)) return;
    for (int i = 0; i < cel_crash_signal_count; i++) {
        if (sigaction(cel_crash_signals[i], NULL, &previous[i]) != 0) continue;
        // Who ignores such a signal has his reasons.
        if (!(previous[i].sa_flags & SA_SIGINFO) && previous[i].sa_handler == SIG_IGN) continue;
        struct sigaction action = {.sa_handler = crash, .sa_flags = SA_ONSTACK};
        sigaction(cel_crash_signals[i], &action, NULL);
    }
}

// MARK: A stack of its own

enum { stack_size = 64 * 1024 };
static _Thread_local void *stack;

void cel_crash_enter_thread(void) {
    stack_t current;
    if (stack || sigaltstack(NULL, &current) != 0 || !(current.ss_flags & SS_DISABLE)) return; // there is one already
    void *memory = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t own = {.ss_sp = memory, .ss_size = stack_size};
    if (sigaltstack(&own, NULL) == 0) stack = memory; else munmap(memory, stack_size);
}

void cel_crash_leave_thread(void) {
    if (!stack) return;
    stack_t off = {.ss_flags = SS_DISABLE};
    sigaltstack(&off, NULL);
    munmap(stack, stack_size);
    stack = NULL;
}
