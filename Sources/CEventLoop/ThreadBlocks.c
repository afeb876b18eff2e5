#include "ThreadBlocks.h"

#include <pthread.h>
#include <stdlib.h>

_Thread_local struct cel_thread_blocks *cel_own_blocks;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/// At the thread's end.
static void free_blocks(void *memory) {
    struct cel_thread_blocks *blocks = memory;
    cel_own_blocks = NULL;
    for (int kind = 0; kind < cel_block_kinds; kind++) {
        for (void *block = blocks->first[kind], *next; block; block = next) {
            next = *(void **)block;
            free(block);
        }
    }
    free(blocks);
}

static void make_key(void) { pthread_key_create(&key, free_blocks); }

struct cel_thread_blocks *cel_make_blocks(void) {
    pthread_once(&once, make_key);
    struct cel_thread_blocks *blocks = calloc(1, sizeof *blocks);
    if (!blocks) abort();
    pthread_setspecific(key, blocks);
    return cel_own_blocks = blocks;
}
