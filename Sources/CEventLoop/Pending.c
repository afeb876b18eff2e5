#define _GNU_SOURCE
#include "Pending.h"

#include "CEventLoop.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct cel_chunk *cel_chunk_make(intptr_t capacity) {
    struct cel_chunk *chunk = malloc(sizeof *chunk + (size_t)capacity);
    if (chunk) *chunk = (struct cel_chunk){.capacity = capacity};
    return chunk;
}

void cel_chunk_free(struct cel_chunk *chunk) { free(chunk); }

// MARK: Sections

/// The crash handler is at work.
static int stopped;

/// Of the calling thread: how many sections it is inside of, and the signal that waits for their end.
static _Thread_local struct {
    volatile int depth;
    volatile sig_atomic_t is_postponed;
    siginfo_t postponed;
} section;

/// A number that no other thread has.
static uintptr_t me(void) { return (uintptr_t)&section; }

static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

static void enter(uintptr_t *holder) {
    section.depth++;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(holder, me(), __ATOMIC_SEQ_CST);
    // For as long as a crash may take; who has been stopped for longer is in a process that was not to be killed (the first of a container, say).
    for (int i = 0; i < 5000 && __atomic_load_n(&stopped, __ATOMIC_SEQ_CST); i++) {
        __atomic_store_n(holder, 0, __ATOMIC_SEQ_CST);
        rest();
        __atomic_store_n(holder, me(), __ATOMIC_SEQ_CST);
    }
}

static void leave(uintptr_t *holder) {
    __atomic_store_n(holder, 0, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (--section.depth > 0 || !section.is_postponed) return;
    section.is_postponed = 0;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), section.postponed.si_signo, &section.postponed);
}

int cel_pending_postpone(const void *siginfo) {
    const siginfo_t *info = siginfo;
    if (section.depth == 0 || section.is_postponed) return 0;
    // What the thread does to itself, a bad pointer, abort(), does not come back if it is sent away.
    int is_own = info->si_code > 0 || (info->si_signo == SIGABRT && info->si_code == SI_TKILL && info->si_pid == getpid());
    if (is_own) return 0;
    section.postponed = *info;
    section.is_postponed = 1;
    return 1;
}

intptr_t cel_pending_enter(struct cel_pending *pending) {
    enter(&pending->changing);
    return cel_pending_done(pending);
}

void cel_pending_leave(struct cel_pending *pending) { leave(&pending->changing); }

intptr_t cel_pending_begin_write(struct cel_pending *pending) {
    enter(&pending->writing);
    return cel_pending_done(pending);
}

void cel_pending_end_write(struct cel_pending *pending) { leave(&pending->writing); }

// MARK: Entries

/// All entries that were ever made. Grows at the front, never shrinks: a crash handler may be walking it.
static struct cel_pending *entries;

struct cel_pending *cel_pending_make(void) {
    for (struct cel_pending *entry = cel_pending_entries(); entry; entry = entry->next) {
        int unused = -1;
        if (cel_pending_descriptor(entry) != unused) continue;
        if (__atomic_compare_exchange_n(&entry->descriptor, &unused, -2, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return entry;
    }
    struct cel_pending *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->descriptor = -2;
    entry->next = __atomic_load_n(&entries, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&entries, &entry->next, entry, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return entry;
}

int cel_pending_release(struct cel_pending *pending) {
    __atomic_store_n(&pending->descriptor, -2, __ATOMIC_SEQ_CST);
    // In this order either the handler does not come here any more, or the chunks stay.
    if (__atomic_load_n(&stopped, __ATOMIC_SEQ_CST)) return 0;
    __atomic_store_n(&pending->first, NULL, __ATOMIC_RELEASE);
    cel_pending_set_last_words(pending, NULL);
    pending->size = pending->done = pending->unwritten = 0;
    __atomic_store_n(&pending->descriptor, -1, __ATOMIC_RELEASE);
    return 1;
}

static void aim(struct cel_pending *pending, int descriptor) {
    struct stat status = {0};
    if (descriptor >= 0) fstat(descriptor, &status); // of a closed one all is zero, and no descriptor is ever that
    pending->device = status.st_dev;
    pending->inode = status.st_ino;
    pending->is_file = S_ISREG(status.st_mode);
    pending->forks = cel_forks;
    __atomic_store_n(&pending->descriptor, descriptor, __ATOMIC_SEQ_CST);
}

void cel_pending_lead(struct cel_pending *pending, int descriptor) {
    cel_pending_enter(pending);
    pending->done = 0;
    aim(pending, descriptor);
    cel_pending_leave(pending);
}

void cel_pending_renumber(struct cel_pending *pending, int descriptor) {
    cel_pending_enter(pending);
    aim(pending, descriptor);
    cel_pending_leave(pending);
}

void cel_pending_set_last_words(struct cel_pending *pending, struct cel_last_words *words) {
    struct cel_last_words *old = __atomic_exchange_n(&pending->last_words, words, __ATOMIC_SEQ_CST);
    // A crash handler stops the sections before it looks for the words: either it does not find these, or they stay.
    if (!__atomic_load_n(&stopped, __ATOMIC_SEQ_CST)) cel_last_words_free(old);
}

void cel_pending_hand_over(struct cel_pending *from, struct cel_pending *to) {
    cel_pending_set_last_words(to, __atomic_exchange_n(&from->last_words, NULL, __ATOMIC_SEQ_CST));
    cel_pending_add_unwritten(to, from->unwritten);
    __atomic_store_n(&from->unwritten, 0, __ATOMIC_RELAXED);
}

// MARK: For the crash handler

struct cel_pending *cel_pending_entries(void) { return __atomic_load_n(&entries, __ATOMIC_ACQUIRE); }

void cel_pending_stop(int stop) { __atomic_store_n(&stopped, stop, __ATOMIC_SEQ_CST); }

static int is_ours(struct cel_pending *pending) { return __atomic_load_n(&pending->descriptor, __ATOMIC_SEQ_CST) >= 0 && pending->forks == cel_forks; }

int cel_pending_has_bytes(struct cel_pending *pending) {
    return is_ours(pending) && __atomic_load_n(&pending->size, __ATOMIC_RELAXED) > cel_pending_done(pending);
}

int cel_pending_is_still(struct cel_pending *pending) {
    uintptr_t changing = __atomic_load_n(&pending->changing, __ATOMIC_SEQ_CST), writing = __atomic_load_n(&pending->writing, __ATOMIC_SEQ_CST);
    return (!changing || changing == me()) && (!writing || writing == me());
}

int cel_pending_is_there(struct cel_pending *pending) {
    struct stat status;
    return is_ours(pending) && fstat(pending->descriptor, &status) == 0 && status.st_dev == pending->device && status.st_ino == pending->inode;
}

void cel_pending_forked(void) {
    cel_pending_stop(0);
    section.depth = 0;
    section.is_postponed = 0;
    for (struct cel_pending *entry = cel_pending_entries(); entry; entry = entry->next) entry->changing = entry->writing = 0;
}
