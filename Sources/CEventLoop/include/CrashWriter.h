// What is still in memory when a program crashes, and how it gets out.
//
// Output that waits to be written stands in chunks, and the chunks of a descriptor in a list that a signal handler can follow: one
// word makes a record visible, after its bytes are there. On SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT and SIGFPE (a failed
// precondition, `fatalError`, an index out of range among them) the handler writes what the lists hold, in order, adds a line that
// names the signal (LastWords.h), and lets the signal do what it would have done. It calls nothing that is not async-signal-safe (signal-safety(7)).
//
// A crash on another thread than the loop's finds the loop alive: it is given a moment to write what it has by itself.
#ifndef CEVENTLOOP_CRASHWRITER_H
#define CEVENTLOOP_CRASHWRITER_H

#include <stddef.h>
#include <stdint.h>

#include "LastWords.h"

/// A piece of memory with bytes that wait; they follow the header. Written by the queue's thread, read by the crash handler.
struct cel_chunk {
    struct cel_chunk *next;
    intptr_t start; // bytes in [start, end) wait
    intptr_t end;
    intptr_t capacity;
    /// Where the chunk before this one ends, if that is less than it says itself; 0: it is as it says. Only while a chunk is being cut.
    intptr_t cut_before;
};

/// NULL if there is no memory.
struct cel_chunk *cel_chunk_make(intptr_t capacity);
void cel_chunk_free(struct cel_chunk *chunk);

static inline uint8_t *cel_chunk_bytes(struct cel_chunk *chunk) { return (uint8_t *)(chunk + 1); }

/// `size` bytes that were written behind the end become part of what waits: the word that makes a record whole.
static inline void cel_chunk_commit(struct cel_chunk *chunk, intptr_t size) {
    __atomic_store_n(&chunk->end, chunk->end + size, __ATOMIC_RELEASE);
}

/// `size` bytes at the start are done with. An empty chunk starts over.
static inline void cel_chunk_consume(struct cel_chunk *chunk, intptr_t size) {
    __atomic_store_n(&chunk->start, chunk->start + size, __ATOMIC_RELEASE);
    if (chunk->start == chunk->end) {
        // In this order the chunk is empty at every moment: between the two stores start lies behind end.
        __atomic_store_n(&chunk->end, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&chunk->start, 0, __ATOMIC_RELEASE);
    }
}

/// The end of what waits in a chunk, for who meets it at any moment.
static inline intptr_t cel_chunk_visible_end(struct cel_chunk *chunk) {
    struct cel_chunk *next = __atomic_load_n(&chunk->next, __ATOMIC_ACQUIRE);
    intptr_t end = __atomic_load_n(&chunk->end, __ATOMIC_ACQUIRE);
    intptr_t cut = next ? __atomic_load_n(&next->cut_before, __ATOMIC_ACQUIRE) : 0;
    return cut > 0 && cut < end ? cut : end;
}

/// What waits in a chunk ends here.
static inline void cel_chunk_end(struct cel_chunk *chunk, intptr_t end) { __atomic_store_n(&chunk->end, end, __ATOMIC_RELEASE); }
static inline void cel_chunk_set_next(struct cel_chunk *chunk, struct cel_chunk *next) { __atomic_store_n(&chunk->next, next, __ATOMIC_RELEASE); }

/// From now on `rest` follows `chunk`, which ends at `end`, behind its start. What stood behind that is in `rest`, or dropped; what comes after is
/// linked to `rest` already. The first store makes all of it so at once, because `rest` says where the chunk before it ends: a crash that comes
/// earlier writes what was there, one that comes later all but what is dropped, and none writes a byte twice. The other stores only tidy up.
static inline void cel_chunk_cut(struct cel_chunk *chunk, intptr_t end, struct cel_chunk *rest) {
    rest->cut_before = end;
    cel_chunk_set_next(chunk, rest);
    cel_chunk_end(chunk, end);
    __atomic_store_n(&rest->cut_before, 0, __ATOMIC_RELEASE);
}

/// The pending output of one descriptor. Made for good: when its owner goes it waits for the next one.
struct cel_pending {
    struct cel_pending *next;
    /// The oldest chunk; the others follow through `next`.
    struct cel_chunk *first;
    /// Where the bytes go; -1 while the entry has no owner.
    int descriptor;
    /// A system call is under way that writes the oldest bytes, or its result is being noted.
    int busy;
    /// Bytes at the front that are in the kernel already, though they have not been consumed yet.
    intptr_t done;
    /// Records that were accepted and wait for room.
    int64_t unwritten;
    /// The line that comes last. NULL: none.
    struct cel_last_words *last_words;
};

/// An entry without chunks, known to the crash handler. NULL if there is no memory. Any thread.
struct cel_pending *cel_pending_make(int descriptor);
/// Takes the entry from the crash handler's list; it is reused.
void cel_pending_release(struct cel_pending *pending);

static inline void cel_pending_set_descriptor(struct cel_pending *pending, int descriptor) {
    __atomic_store_n(&pending->descriptor, descriptor, __ATOMIC_RELEASE);
}
static inline void cel_pending_set_first(struct cel_pending *pending, struct cel_chunk *chunk) {
    __atomic_store_n(&pending->first, chunk, __ATOMIC_RELEASE);
}
/// Has the crash handler write a last line behind what pends; it takes the words over, and frees those that it had. NULL: no line. Any thread.
void cel_pending_set_last_words(struct cel_pending *pending, struct cel_last_words *words);
/// The last line and the number of unwritten records become another entry's.
void cel_pending_hand_over(struct cel_pending *from, struct cel_pending *to);
static inline void cel_pending_add_unwritten(struct cel_pending *pending, int64_t records) {
    __atomic_store_n(&pending->unwritten, pending->unwritten + records, __ATOMIC_RELAXED);
}
/// Around every write of pending bytes and the noting of its result, on whatever thread. Does not return if the process is crashing: the
/// handler, on another thread, does the writing now.
void cel_pending_begin_write(struct cel_pending *pending);
static inline void cel_pending_did_write(struct cel_pending *pending, intptr_t count) {
    __atomic_store_n(&pending->done, count > 0 ? count : 0, __ATOMIC_RELEASE);
}
static inline void cel_pending_end_write(struct cel_pending *pending) {
    __atomic_store_n(&pending->done, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&pending->busy, 0, __ATOMIC_RELEASE);
}

/// Catches the crash signals that have their default disposition, or another's handler, which runs afterwards. Once; later calls do nothing.
void cel_crash_install(void);
/// Crashes are left alone from now on, if 0; seen to, if 1. Any time, any thread.
void cel_crash_enable(int enabled);
/// Gives the calling thread a stack for the handler, so that running out of stack is caught, too. Freed by `cel_crash_leave_thread`.
void cel_crash_enter_thread(void);
void cel_crash_leave_thread(void);

#endif
