// Output that waits to be written, where a crash handler finds it.
//
// The bytes stand in chunks, and the chunks of a descriptor in a list. One word makes a record visible, after its bytes are there: so whoever follows the
// list meanwhile finds whole records. Every other change (bytes are handed to the kernel, taken off, dropped, go elsewhere) is made inside of a *section*:
//
//     cel_pending_enter, change, cel_pending_leave      by the owner, the loop's thread
//     cel_pending_begin_write, write(2), …_end_write    by a thread of the pool that writes the oldest bytes for it
//
// A section and the crash handler exclude each other. The handler announces itself first and then looks for sections, a section announces itself first
// and then looks for the handler (J. Dekker's algorithm): so the handler waits until a section is over, a section begins only when the handler is done, and
// neither ever sees the other's work half done. Above all, how much of the oldest bytes the kernel has taken is known exactly. No lock is taken.
//
// A signal that somebody sends to a thread inside of a section waits until the section is over, a few microseconds. A fault in it cannot wait.
#ifndef CEVENTLOOP_PENDING_H
#define CEVENTLOOP_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "LastWords.h"

/// A piece of memory with bytes that wait; they follow the header. Written by the queue's thread, read by the crash handler.
struct cel_chunk {
    struct cel_chunk *next;
    intptr_t start; // bytes in [start, end) wait
    intptr_t end;
    intptr_t capacity;
};

/// NULL if there is no memory.
struct cel_chunk *cel_chunk_make(intptr_t capacity);
void cel_chunk_free(struct cel_chunk *chunk);

static inline uint8_t *cel_chunk_bytes(struct cel_chunk *chunk) { return (uint8_t *)(chunk + 1); }
/// Links an empty chunk behind the last one.
static inline void cel_chunk_set_next(struct cel_chunk *chunk, struct cel_chunk *next) { __atomic_store_n(&chunk->next, next, __ATOMIC_RELEASE); }

/// The pending output of one descriptor. Made for good: when its owner goes it waits for the next one.
struct cel_pending {
    struct cel_pending *next;
    /// The oldest chunk; the others follow through `next`.
    struct cel_chunk *first;
    /// Where the bytes go; -1 while the entry has no owner, -2 while the bytes go nowhere.
    int descriptor;
    /// What the number referred to: if it is somebody else's by now, nothing is written to it.
    uint64_t device, inode;
    int is_file;
    /// In which process the entry was made: a fork has copies of its parent's bytes, which are the parent's to write.
    uint32_t forks;
    /// The threads that are inside of a section, 0 for none: the owner's, and one that writes for the owner.
    uintptr_t changing, writing;
    /// Bytes that wait, in all chunks.
    intptr_t size;
    /// Of these the oldest that are in the kernel already, though they have not been taken off yet.
    intptr_t done;
    /// Records that were accepted and wait for room.
    int64_t unwritten;
    /// The line that comes last. NULL: none.
    struct cel_last_words *last_words;
    /// The crash handler's: the crash in which it has come here.
    uint32_t visited;
};

/// An entry without chunks, known to the crash handler. NULL if there is no memory. Any thread.
struct cel_pending *cel_pending_make(void);
/// Takes the entry from the crash handler's list; it is reused. 0: a crash handler may be reading the chunks, and they must stay.
int cel_pending_release(struct cel_pending *pending);

/// Begins the owner's section. Returns how many of the oldest bytes are in the kernel.
intptr_t cel_pending_enter(struct cel_pending *pending);
void cel_pending_leave(struct cel_pending *pending);
/// The section of a thread of the pool. Returns how many of the oldest bytes are in the kernel.
intptr_t cel_pending_begin_write(struct cel_pending *pending);
void cel_pending_end_write(struct cel_pending *pending);
/// In either section: the kernel has taken so many bytes more.
static inline void cel_pending_did_write(struct cel_pending *pending, intptr_t count) {
    __atomic_store_n(&pending->done, pending->done + count, __ATOMIC_RELEASE);
}
static inline intptr_t cel_pending_done(struct cel_pending *pending) { return __atomic_load_n(&pending->done, __ATOMIC_ACQUIRE); }

/// Where the bytes go from now on, beginning with the oldest: whatever is in the kernel already is another place's. -2: nowhere. A section of its own.
void cel_pending_lead(struct cel_pending *pending, int descriptor);
/// Where the bytes go; any thread.
static inline int cel_pending_descriptor(struct cel_pending *pending) { return __atomic_load_n(&pending->descriptor, __ATOMIC_RELAXED); }
/// The place has another number from now on. A section of its own.
void cel_pending_renumber(struct cel_pending *pending, int descriptor);

/// `size` bytes behind the end of the last chunk become part of what waits: the word that makes a record whole. Needs no section.
static inline void cel_chunk_commit(struct cel_chunk *last, intptr_t size) { __atomic_store_n(&last->end, last->end + size, __ATOMIC_RELEASE); }
/// So many bytes wait by now, in all chunks. Needs no section.
static inline void cel_pending_set_size(struct cel_pending *pending, intptr_t size) { __atomic_store_n(&pending->size, size, __ATOMIC_RELAXED); }
/// `size` of the oldest bytes are taken off.
static inline void cel_pending_took(struct cel_pending *pending, intptr_t size) {
    pending->done = pending->done > size ? pending->done - size : 0;
}

/// Has the crash handler write a last line behind what pends; it takes the words over, and frees those that it had. NULL: no line. Any thread.
void cel_pending_set_last_words(struct cel_pending *pending, struct cel_last_words *words);
/// The last line and the number of unwritten records become another entry's.
void cel_pending_hand_over(struct cel_pending *from, struct cel_pending *to);
static inline void cel_pending_add_unwritten(struct cel_pending *pending, int64_t records) {
    __atomic_store_n(&pending->unwritten, pending->unwritten + records, __ATOMIC_RELAXED);
}

// MARK: For the crash handler

/// The first of all entries that there have ever been.
struct cel_pending *cel_pending_entries(void);
/// From now on no section begins, until 0 is said.
void cel_pending_stop(int stop);
/// Whether bytes of this process wait here.
int cel_pending_has_bytes(struct cel_pending *pending);
/// Whether nobody but the calling thread is inside of a section.
int cel_pending_is_still(struct cel_pending *pending);
/// Whether the entry's number still refers to what it did.
int cel_pending_is_there(struct cel_pending *pending);
/// Whether the calling thread is inside of a section, which a signal must not cut in two. If so the signal is sent again at the section's end.
int cel_pending_postpone(const void *siginfo);
/// In a child that has just been forked: no other thread is inside of anything.
void cel_pending_forked(void);

#endif
