#define _GNU_SOURCE
#include "CrashWriter.h"

#include "CEventLoop.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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
    pending->opening = pending->middle = pending->closing = NULL;
    cel_pending_end_write(pending);
    __atomic_store_n(&pending->descriptor, -1, __ATOMIC_RELEASE);
}

// MARK: The handler

enum { none, waiting, writing };
/// What the handler is doing: `waiting` for the loops to write by themselves, or `writing` in their stead.
static int stage = none;
static int is_enabled = 1;

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

static const char *name_of(int signal) {
    switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    default: return "SIGFPE";
    }
}

/// Writes `value` with `digits` digits.
static char *digits(char *cursor, int64_t value, int count) {
    for (int i = count - 1; i >= 0; i--, value /= 10) cursor[i] = (char)('0' + value % 10);
    return cursor + count;
}

/// RFC 3339 in UTC with microseconds; the civil date by H. Hinnant's civil_from_days.
static size_t timestamp(char *text) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    int64_t days = time.tv_sec / 86400 + 719468, second = time.tv_sec % 86400;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    char *cursor = text;
    cursor = digits(cursor, year_of_era + era * 400 + (month <= 2), 4);
    *cursor++ = '-';
    cursor = digits(cursor, month, 2);
    *cursor++ = '-';
    cursor = digits(cursor, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
    *cursor++ = 'T';
    cursor = digits(cursor, second / 3600, 2);
    *cursor++ = ':';
    cursor = digits(cursor, second / 60 % 60, 2);
    *cursor++ = ':';
    cursor = digits(cursor, second % 60, 2);
    *cursor++ = '.';
    cursor = digits(cursor, time.tv_nsec / 1000, 6);
    *cursor++ = 'Z';
    return (size_t)(cursor - text);
}

static int is_empty(struct cel_pending *entry) {
    for (struct cel_chunk *chunk = __atomic_load_n(&entry->first, __ATOMIC_ACQUIRE); chunk; chunk = chunk->next) {
        if (__atomic_load_n(&chunk->end, __ATOMIC_ACQUIRE) > __atomic_load_n(&chunk->start, __ATOMIC_ACQUIRE)) return 0;
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
        intptr_t size = chunk->end - chunk->start;
        if (size <= 0) continue;
        intptr_t skipped = skip < size ? skip : size;
        skip -= skipped;
        if (!put(descriptor, (const char *)cel_chunk_bytes(chunk) + chunk->start + skipped, (size_t)(size - skipped), deadline)) return;
    }
    if (!entry->opening) return;
    char line[512];
    size_t length = 0;
    const char *parts[] = {entry->opening, NULL, entry->middle, name_of(signal), entry->closing};
    for (int i = 0; i < 5; i++) {
        if (!parts[i]) {
            length += timestamp(line + length);
            continue;
        }
        for (const char *c = parts[i]; *c && length < sizeof line - 64; c++) line[length++] = *c;
    }
    put(descriptor, line, length, deadline);
}

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE};
enum { signal_count = sizeof signals / sizeof *signals };
static struct sigaction previous[signal_count];

static void crash(int number) {
    int saved = errno;
    int expected = none;
    if (__atomic_load_n(&is_enabled, __ATOMIC_RELAXED)) {
        if (__atomic_compare_exchange_n(&stage, &expected, waiting, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            int64_t deadline = now() + 1000000000;
            // Not a loop's thread: the loops are well, and write what they have. A fifth of a second is a long time for that.
            if (!cel_current_loop()) {
                for (int i = 0; i < 200 && !all_are_empty(); i++) rest();
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
    for (int i = 0; i < signal_count; i++) {
        if (signals[i] == number) sigaction(number, &previous[i], NULL);
    }
    // Blocked while this handler runs: it is delivered on return, with the old disposition and the context of the crash.
    raise(number);
    errno = saved;
}

void cel_crash_install(void) {
    static int installed;
    if (__atomic_exchange_n(&installed, 1, __ATOMIC_ACQ_REL)) return;
    for (int i = 0; i < signal_count; i++) {
        if (sigaction(signals[i], NULL, &previous[i]) != 0) continue;
        // Who ignores such a signal has his reasons.
        if (!(previous[i].sa_flags & SA_SIGINFO) && previous[i].sa_handler == SIG_IGN) continue;
        struct sigaction action = {.sa_handler = crash, .sa_flags = SA_ONSTACK};
        sigaction(signals[i], &action, NULL);
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
