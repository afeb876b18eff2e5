#define _GNU_SOURCE
#include "Pending.h"

#include "CEventLoop.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct cfd_chunk *cfd_chunk_make(intptr_t capacity) {
    struct cfd_chunk *chunk = malloc(sizeof *chunk + (size_t)capacity);
    if (chunk) *chunk = (struct cfd_chunk){.capacity = capacity};
    return chunk;
}

void cfd_chunk_free(struct cfd_chunk *chunk) { free(chunk); }

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
    // For as long as a crash may take; a thread that was stopped for longer is in a process that was not to be killed
    // (the first of a container, say).
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

int cfd_pending_postpone(const void *siginfo) {
    const siginfo_t *info = siginfo;
    if (section.depth == 0 || section.is_postponed) return 0;
    // What the thread does to itself, a bad pointer, abort(), does not come back if it is sent away.
    int is_own = info->si_code > 0 || (info->si_signo == SIGABRT && info->si_code == SI_TKILL && info->si_pid == getpid());
    if (is_own) return 0;
    section.postponed = *info;
    section.is_postponed = 1;
    return 1;
}

intptr_t cfd_pending_enter(struct cfd_pending *pending) {
    enter(&pending->changing);
    return cfd_pending_done(pending);
}

void cfd_pending_leave(struct cfd_pending *pending) { leave(&pending->changing); }

intptr_t cfd_pending_begin_write(struct cfd_pending *pending) {
    enter(&pending->writing);
    return cfd_pending_done(pending);
}

void cfd_pending_end_write(struct cfd_pending *pending) { leave(&pending->writing); }

// MARK: Entries

/// In a child that has just been forked: no other thread is inside of anything.
static void forked(void) {
    cfd_pending_stop(0);
    section.depth = 0;
    section.is_postponed = 0;
    for (struct cfd_pending *entry = cfd_pending_entries(); entry; entry = entry->next) entry->changing = entry->writing = 0;
}

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void watch_forks(void) {
    cel_watch_forks();
    pthread_atfork(NULL, NULL, forked);
}

/// All entries that were ever made. Grows at the front, never shrinks: a crash handler may be walking it.
static struct cfd_pending *entries;

struct cfd_pending *cfd_pending_make(void) {
    pthread_once(&forks_once, watch_forks);
    for (struct cfd_pending *entry = cfd_pending_entries(); entry; entry = entry->next) {
        int unused = -1;
        if (cfd_pending_descriptor(entry) != unused) continue;
        if (__atomic_compare_exchange_n(&entry->descriptor, &unused, -2, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return entry;
    }
    struct cfd_pending *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->descriptor = -2;
    entry->next = __atomic_load_n(&entries, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&entries, &entry->next, entry, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return entry;
}

int cfd_pending_release(struct cfd_pending *pending) {
    __atomic_store_n(&pending->descriptor, -2, __ATOMIC_SEQ_CST);
    // In this order either the handler does not come here any more, or the chunks stay.
    if (__atomic_load_n(&stopped, __ATOMIC_SEQ_CST)) return 0;
    __atomic_store_n(&pending->first, NULL, __ATOMIC_RELEASE);
    cfd_pending_set_crash_record(pending, NULL);
    pending->size = pending->done = pending->unwritten = 0;
    __atomic_store_n(&pending->descriptor, -1, __ATOMIC_RELEASE);
    return 1;
}

static void aim(struct cfd_pending *pending, int descriptor) {
    struct stat status = {0};
    if (descriptor >= 0) fstat(descriptor, &status); // of a closed one all is zero, and no descriptor is ever that
    pending->device = status.st_dev;
    pending->inode = status.st_ino;
    pending->is_file = S_ISREG(status.st_mode);
    pending->forks = cel_forks;
    __atomic_store_n(&pending->descriptor, descriptor, __ATOMIC_SEQ_CST);
}

void cfd_pending_redirect(struct cfd_pending *pending, int descriptor) {
    cfd_pending_enter(pending);
    pending->done = 0;
    aim(pending, descriptor);
    cfd_pending_leave(pending);
}

void cfd_pending_renumber(struct cfd_pending *pending, int descriptor) {
    cfd_pending_enter(pending);
    aim(pending, descriptor);
    cfd_pending_leave(pending);
}

void cfd_pending_set_crash_record(struct cfd_pending *pending, struct cfd_crash_record *record) {
    struct cfd_crash_record *old = __atomic_exchange_n(&pending->crash_record, record, __ATOMIC_SEQ_CST);
    // A crash handler stops the sections before it looks for the record: either it does not find the old one, or that
    // one stays.
    if (old && !__atomic_load_n(&stopped, __ATOMIC_SEQ_CST)) old->destroy(old);
}

void cfd_pending_hand_over(struct cfd_pending *from, struct cfd_pending *to) {
    cfd_pending_set_crash_record(to, __atomic_exchange_n(&from->crash_record, NULL, __ATOMIC_SEQ_CST));
    cfd_pending_add_unwritten(to, from->unwritten);
    __atomic_store_n(&from->unwritten, 0, __ATOMIC_RELAXED);
}

// MARK: For the crash handler

struct cfd_pending *cfd_pending_entries(void) { return __atomic_load_n(&entries, __ATOMIC_ACQUIRE); }

void cfd_pending_stop(int stop) { __atomic_store_n(&stopped, stop, __ATOMIC_SEQ_CST); }

static int is_ours(struct cfd_pending *pending) { return __atomic_load_n(&pending->descriptor, __ATOMIC_SEQ_CST) >= 0 && pending->forks == cel_forks; }

int cfd_pending_has_bytes(struct cfd_pending *pending) {
    return is_ours(pending) && __atomic_load_n(&pending->size, __ATOMIC_RELAXED) > cfd_pending_done(pending);
}

int cfd_pending_is_still(struct cfd_pending *pending) {
    uintptr_t changing = __atomic_load_n(&pending->changing, __ATOMIC_SEQ_CST), writing = __atomic_load_n(&pending->writing, __ATOMIC_SEQ_CST);
    return (!changing || changing == me()) && (!writing || writing == me());
}

int cfd_pending_is_there(struct cfd_pending *pending) {
    struct stat status;
    return is_ours(pending) && fstat(pending->descriptor, &status) == 0 && status.st_dev == pending->device && status.st_ino == pending->inode;
}
