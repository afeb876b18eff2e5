#define _GNU_SOURCE
#include "SignalStack.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

/// As much as other handlers need, too: the crash handler calls them. Memory that is not touched costs nothing.
enum { stack_size = 128 * 1024, guard_size = 64 * 1024 };

static _Thread_local int has_entered;
static pthread_key_t stacks;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/// At the thread's end.
static void free_stack(void *memory) {
    stack_t current, off = {.ss_flags = SS_DISABLE};
    if (sigaltstack(NULL, &current) == 0 && current.ss_sp == (char *)memory + guard_size) sigaltstack(&off, NULL);
    munmap(memory, guard_size + stack_size);
    has_entered = 0;
}

static void make_key(void) { pthread_key_create(&stacks, free_stack); }

void cel_use_signal_stack(void) {
    if (has_entered) return;
    has_entered = 1;
    stack_t current;
    if (sigaltstack(NULL, &current) != 0 || !(current.ss_flags & SS_DISABLE)) return; // there is one already
    pthread_once(&once, make_key);
    void *memory = mmap(NULL, guard_size + stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;
    mprotect(memory, guard_size, PROT_NONE);
    stack_t own = {.ss_sp = (char *)memory + guard_size, .ss_size = stack_size};
    if (sigaltstack(&own, NULL) != 0 || pthread_setspecific(stacks, memory) != 0) free_stack(memory);
}
