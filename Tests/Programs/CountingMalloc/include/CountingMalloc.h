// Counts the memory that a program asks for: this malloc takes the place of the C library's, and calls it.
#ifndef COUNTING_MALLOC_H
#define COUNTING_MALLOC_H

#include <stdint.h>

/// How often malloc, calloc, realloc, aligned_alloc and posix_memalign have been called, by all threads.
uint64_t counted_allocations(void);

#endif
