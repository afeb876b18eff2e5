// Memory in which a thread builds records, one above the other like a stack.
#ifndef CASYNCLOG_SCRATCH_H
#define CASYNCLOG_SCRATCH_H

#include <stdbool.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// What a thread does with its scratch memory.
enum clog_scratch_state {
    /// Nothing.
    clog_scratch_idle,
    /// It makes a record's message. What is built is known by its offset, so the memory may move.
    clog_scratch_in_message,
    /// It makes the values of a record's fields, and has not begun to write fields.
    clog_scratch_in_values,
    /// It writes fields. Bytes that are appended meanwhile may be overwritten.
    clog_scratch_in_fields,
    /// It hands a record over, which points into the memory: that must not move.
    clog_scratch_sealed,
};

/// A record that waits while another one is built above it.
struct clog_scratch_frame {
    enum clog_scratch_state state;
    /// The offset at which its bytes begin.
    intptr_t mark;
    uint64_t serial;
    intptr_t nesting;
    /// The memory that it is in. It neither moves nor goes away before the record that is built above has ended.
    uint8_t *base;
    intptr_t capacity;
};

/// Freed with its thread.
struct clog_scratch {
    uint8_t *base;
    intptr_t count;
    intptr_t capacity;
    enum clog_scratch_state state;
    /// Leaving takes more than a moment: there are frames, or the memory has grown large.
    bool is_special;
    /// Tells the records of a thread apart: an offset means something only together with the record's number.
    uint64_t serial;
    /// The offset at which the current record's bytes begin; 0 for an outermost record.
    intptr_t mark;
    /// How many objects and lists of the current record are open, one inside the other.
    intptr_t nesting;
    /// The highest number given to a nested record.
    uint64_t last_serial;
    /// The records below the current one, outermost first.
    struct clog_scratch_frame *_Nullable frames;
    intptr_t frame_count;
    intptr_t frame_capacity;
};
extern _Thread_local struct clog_scratch *_Nullable clog_thread_scratch;
struct clog_scratch *clog_make_scratch(void);
static inline struct clog_scratch *clog_current_scratch(void) { return clog_thread_scratch ? clog_thread_scratch : clog_make_scratch(); }

/// Begins a record above the current one.
void clog_scratch_push(struct clog_scratch *scratch);
/// Ends it, and goes on with the one below.
void clog_scratch_pop(struct clog_scratch *scratch);
/// Makes room for `size` bytes behind the last one. Memory that another record is in stays where it is.
void clog_scratch_grow(struct clog_scratch *scratch, intptr_t size);
/// Gives back most of the memory. No record is being built.
void clog_scratch_shrink(struct clog_scratch *scratch);
/// Whether the record with this number is the current one or one of those below it.
bool clog_scratch_is_alive(const struct clog_scratch *scratch, uint64_t serial);

#pragma clang assume_nonnull end

#endif
