// A thread's scratch memory: a stack of records that are being built or handed over, the innermost on top.
//
// While a record is built, its parts are known by their offsets, and the memory may move when it grows. A record that
// has been handed over is known by its address. If a record is built above it (a filter, a formatter, a handler or a
// value's conversion logs) and needs more room, it gets memory of its own: a copy of all that there is, so that every
// offset means the same, while the old memory stays where it is. When the inner record ends, its memory is freed and
// the old one is the current one again. Nothing below is written to meanwhile.
#include "Scratch.h"

#include "CEventLoop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { first_capacity = 1024 };

_Thread_local struct clog_scratch *clog_thread_scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void free_scratch(void *memory) {
    struct clog_scratch *scratch = memory;
    clog_thread_scratch = NULL;
    free(scratch->frames);
    free(scratch->base);
    free(scratch);
}

static void make_scratch_key(void) { pthread_key_create(&scratch_key, free_scratch); }

struct clog_scratch *clog_make_scratch(void) {
    pthread_once(&scratch_once, make_scratch_key);
    struct clog_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch || !(scratch->base = malloc(first_capacity))) abort();
    scratch->capacity = first_capacity;
    cel_use_signal_stack(); // a thread that logs
    pthread_setspecific(scratch_key, scratch);
    return clog_thread_scratch = scratch;
}

static void *checked(void *memory, intptr_t size) {
    if (memory) return memory;
    fprintf(stderr, "asynclog: no memory for a record of %zd bytes\n", (ssize_t)size);
    abort();
}

void clog_scratch_push(struct clog_scratch *scratch) {
    if (scratch->frame_count == scratch->frame_capacity) {
        intptr_t capacity = scratch->frame_capacity ? 2 * scratch->frame_capacity : 4;
        size_t size = (size_t)capacity * sizeof *scratch->frames;
        scratch->frames = checked(realloc(scratch->frames, size), (intptr_t)size);
        scratch->frame_capacity = capacity;
    }
    scratch->frames[scratch->frame_count++] = (struct clog_scratch_frame){
        .state = scratch->state,
        .mark = scratch->mark,
        .serial = scratch->serial,
        .nesting = scratch->nesting,
        .base = scratch->base,
        .capacity = scratch->capacity,
    };
    if (scratch->last_serial < scratch->serial) scratch->last_serial = scratch->serial;
    scratch->serial = ++scratch->last_serial;
    scratch->state = clog_scratch_in_message;
    scratch->nesting = 0;
    scratch->is_special = true;
    // A byte between them, so that what belongs to the record below ends in front of the mark, and is told apart.
    if (scratch->count == scratch->capacity) clog_scratch_grow(scratch, 1);
    scratch->base[scratch->count] = 0;
    scratch->mark = ++scratch->count;
}

void clog_scratch_pop(struct clog_scratch *scratch) {
    const struct clog_scratch_frame *frame = &scratch->frames[--scratch->frame_count];
    if (scratch->base != frame->base) free(scratch->base);
    scratch->base = frame->base;
    scratch->capacity = frame->capacity;
    scratch->count = scratch->mark - 1;
    scratch->state = frame->state;
    scratch->mark = frame->mark;
    scratch->serial = frame->serial;
    scratch->nesting = frame->nesting;
}

void clog_scratch_grow(struct clog_scratch *scratch, intptr_t size) {
    intptr_t capacity = 2 * scratch->capacity;
    if (capacity < scratch->count + size) capacity = scratch->count + size;
    if (scratch->frame_count && scratch->frames[scratch->frame_count - 1].base == scratch->base) {
        uint8_t *copy = checked(malloc((size_t)capacity), capacity);
        memcpy(copy, scratch->base, (size_t)scratch->count);
        scratch->base = copy;
    } else {
        scratch->base = checked(realloc(scratch->base, (size_t)capacity), capacity);
    }
    scratch->capacity = capacity;
    scratch->is_special = true;
}

void clog_scratch_shrink(struct clog_scratch *scratch) {
    free(scratch->base);
    scratch->base = checked(malloc(first_capacity), first_capacity);
    scratch->capacity = first_capacity;
}

bool clog_scratch_is_alive(const struct clog_scratch *scratch, uint64_t serial) {
    if (scratch->state == clog_scratch_idle) return false;
    if (scratch->serial == serial) return true;
    for (intptr_t index = scratch->frame_count - 1; index >= 0; index--) {
        if (scratch->frames[index].serial == serial) return true;
    }
    return false;
}
