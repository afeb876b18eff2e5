// Memory that all reads of a thread share, so that ten thousand idle connections hold none.
#ifndef CASYNCFD_READBUFFER_H
#define CASYNCFD_READBUFFER_H

#include <stddef.h>

enum { cfd_read_buffer_size = 65536 };

extern _Thread_local void *cfd_thread_read_buffer;
void *cfd_make_read_buffer(void);

/// The calling thread's, `cfd_read_buffer_size` bytes. Its content is valid until the thread's next read. It is freed
/// when the thread ends.
static inline void *cfd_read_buffer(void) { return cfd_thread_read_buffer ? cfd_thread_read_buffer : cfd_make_read_buffer(); }

#endif
