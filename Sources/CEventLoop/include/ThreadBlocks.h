// Memory blocks that a thread keeps at hand, so that taking one needs neither malloc(3) nor an atomic operation
// (BlockPool.swift).
#ifndef CEVENTLOOP_THREADBLOCKS_H
#define CEVENTLOOP_THREADBLOCKS_H

/// How many kinds of blocks there are; blocks of one kind have one size.
enum { cel_block_kinds = 2 };

/// For each kind the first block of a list, NULL if it is empty; a block begins with the address of the next.
struct cel_thread_blocks {
    void *_Nullable first[cel_block_kinds];
};

extern _Thread_local struct cel_thread_blocks *_Nullable cel_own_blocks;
struct cel_thread_blocks *_Nonnull cel_make_blocks(void);

/// Where the calling thread keeps its blocks of a kind. They come from malloc(3), and are freed when the thread ends.
static inline void *_Nullable *_Nonnull cel_thread_blocks(int kind) {
    return &(cel_own_blocks ? cel_own_blocks : cel_make_blocks())->first[kind];
}

#endif
