#include "ReadBuffer.h"

#include <pthread.h>
#include <stdlib.h>

_Thread_local void *cfd_thread_read_buffer;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/// At the thread's end.
static void free_buffer(void *memory) {
    cfd_thread_read_buffer = NULL;
    free(memory);
}

static void make_key(void) { pthread_key_create(&key, free_buffer); }

void *cfd_make_read_buffer(void) {
    pthread_once(&once, make_key);
    void *memory = aligned_alloc(64, cfd_read_buffer_size);
    if (!memory) abort();
    pthread_setspecific(key, memory);
    return cfd_thread_read_buffer = memory;
}
