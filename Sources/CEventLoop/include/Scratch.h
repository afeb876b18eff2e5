// Memory in which a thread builds texts, one after the other like a stack.
#ifndef CEVENTLOOP_SCRATCH_H
#define CEVENTLOOP_SCRATCH_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Freed with its thread.
struct cel_scratch {
    uint8_t *base;
    intptr_t count;
    intptr_t capacity;
    /// How many users are building right now, one inside the other.
    intptr_t depth;
    /// Counts outermost users.
    uint64_t epoch;
    /// Blocks from malloc that the thread keeps for what it hands to other threads; each begins with the address of the next.
    void *_Nullable blocks[2];
};
extern _Thread_local struct cel_scratch *_Nullable cel_thread_scratch;
struct cel_scratch *cel_make_scratch(void);
static inline struct cel_scratch *cel_current_scratch(void) { return cel_thread_scratch ? cel_thread_scratch : cel_make_scratch(); }

/// Where the calling thread keeps its blocks of a kind.
static inline void *_Nullable *_Nonnull cel_own_blocks(int kind) { return &cel_current_scratch()->blocks[kind]; }

#pragma clang assume_nonnull end

#endif
