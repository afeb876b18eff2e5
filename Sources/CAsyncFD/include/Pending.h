// Output that waits to be written, where a crash handler finds it.
//
// The bytes stand in chunks, and the chunks of a descriptor in a list. One word makes a record visible, after its bytes
// are there: so a thread that follows the list meanwhile finds whole records. Every other change (bytes are handed to
// the kernel, taken off, dropped, go elsewhere) is made inside of a *section*:
//
//     cfd_pending_enter, change, cfd_pending_leave      by the owner, the loop's thread
//     cfd_pending_begin_write, write(2), …_end_write    by a thread of the pool that writes the oldest bytes for it
//
// A section and the crash handler exclude each other. The handler announces itself first and then looks for sections, a
// section announces itself first and then looks for the handler (J. Dekker's algorithm): so the handler waits until a
// section is over, a section begins only when the handler is done, and neither ever sees the other's work half done.
// Above all, how much of the oldest bytes the kernel has taken is known exactly. No lock is taken.
//
// A signal that is sent to a thread inside of a section waits until the section is over, a few microseconds. A fault in
// it cannot wait.
#ifndef CASYNCFD_PENDING_H
#define CASYNCFD_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "CrashWriter.h"

/// A piece of memory with bytes that wait; they follow the header. Written by the queue's thread, read by the crash
/// handler.
struct cfd_chunk {
    struct cfd_chunk *next;
    intptr_t start; // bytes in [start, end) wait
    intptr_t end;
    intptr_t capacity;
};

/// NULL if there is no memory.
struct cfd_chunk *cfd_chunk_make(intptr_t capacity);
void cfd_chunk_free(struct cfd_chunk *chunk);

static inline uint8_t *cfd_chunk_bytes(struct cfd_chunk *chunk) { return (uint8_t *)(chunk + 1); }
/// Links an empty chunk behind the last one.
static inline void cfd_chunk_set_next(struct cfd_chunk *chunk, struct cfd_chunk *next) { __atomic_store_n(&chunk->next, next, __ATOMIC_RELEASE); }

/// The pending output of one descriptor. Made for good: when its owner goes it waits for the next one.
struct cfd_pending {
    struct cfd_pending *next;
    /// The oldest chunk; the others follow through `next`.
    struct cfd_chunk *first;
    /// Where the bytes go; -1 while the entry has no owner, -2 while the bytes go nowhere.
    int descriptor;
    /// What the number referred to: if it refers to another file by now, nothing is written to it.
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
    /// The record that a crash leaves behind all that pends. NULL: none.
    struct cfd_crash_record *crash_record;
    /// The crash handler's: the crash in which it has come here.
    uint32_t visited;
};

/// An entry without chunks, known to the crash handler. NULL if there is no memory. Any thread.
struct cfd_pending *cfd_pending_make(void);
/// Takes the entry from the crash handler's list; it is reused. 0: a crash handler may be reading the chunks, and they
/// must stay.
int cfd_pending_release(struct cfd_pending *pending);

/// Begins the owner's section. Returns how many of the oldest bytes are in the kernel.
intptr_t cfd_pending_enter(struct cfd_pending *pending);
void cfd_pending_leave(struct cfd_pending *pending);
/// The section of a thread of the pool. Returns how many of the oldest bytes are in the kernel.
intptr_t cfd_pending_begin_write(struct cfd_pending *pending);
void cfd_pending_end_write(struct cfd_pending *pending);
/// In either section: the kernel has taken so many bytes more.
static inline void cfd_pending_did_write(struct cfd_pending *pending, intptr_t count) {
    __atomic_store_n(&pending->done, pending->done + count, __ATOMIC_RELEASE);
}
static inline intptr_t cfd_pending_done(struct cfd_pending *pending) { return __atomic_load_n(&pending->done, __ATOMIC_ACQUIRE); }

/// Where the bytes go from now on, beginning with the oldest: whatever is in the kernel already is another place's. -2:
/// nowhere. A section of its own.
void cfd_pending_redirect(struct cfd_pending *pending, int descriptor);
/// Where the bytes go; any thread.
static inline int cfd_pending_descriptor(struct cfd_pending *pending) { return __atomic_load_n(&pending->descriptor, __ATOMIC_RELAXED); }
/// The place has another number from now on. A section of its own.
void cfd_pending_renumber(struct cfd_pending *pending, int descriptor);

/// `size` bytes behind the end of the last chunk become part of what waits: the word that makes a record whole. Needs
/// no section.
static inline void cfd_chunk_commit(struct cfd_chunk *last, intptr_t size) { __atomic_store_n(&last->end, last->end + size, __ATOMIC_RELEASE); }
/// So many bytes wait by now, in all chunks. Needs no section.
static inline void cfd_pending_set_size(struct cfd_pending *pending, intptr_t size) { __atomic_store_n(&pending->size, size, __ATOMIC_RELAXED); }
/// `size` of the oldest bytes are taken off.
static inline void cfd_pending_took(struct cfd_pending *pending, intptr_t size) {
    pending->done = pending->done > size ? pending->done - size : 0;
}

/// Has the crash handler write this record behind what pends. The entry owns it from now on, and destroys the one that
/// it had. NULL: none. Any thread.
void cfd_pending_set_crash_record(struct cfd_pending *pending, struct cfd_crash_record *record);
/// The crash record and the number of unwritten records become another entry's.
void cfd_pending_hand_over(struct cfd_pending *from, struct cfd_pending *to);
static inline void cfd_pending_add_unwritten(struct cfd_pending *pending, int64_t records) {
    __atomic_store_n(&pending->unwritten, pending->unwritten + records, __ATOMIC_RELAXED);
}

// MARK: For the crash handler

/// The first of all entries that there have ever been.
struct cfd_pending *cfd_pending_entries(void);
/// From now on no section begins, until 0 is said.
void cfd_pending_stop(int stop);
/// Whether bytes of this process wait here.
int cfd_pending_has_bytes(struct cfd_pending *pending);
/// Whether no thread but the calling one is inside of a section.
int cfd_pending_is_still(struct cfd_pending *pending);
/// Whether the entry's number still refers to what it did.
int cfd_pending_is_there(struct cfd_pending *pending);
/// Whether the calling thread is inside of a section, which a signal must not cut in two. If so the signal is sent
/// again at the section's end.
int cfd_pending_postpone(const void *siginfo);
#endif
