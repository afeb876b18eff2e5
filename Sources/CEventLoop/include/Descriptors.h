// System calls on descriptors that glibc declares only under _GNU_SOURCE, and control messages, whose macros Swift does not import.
#ifndef CEVENTLOOP_DESCRIPTORS_H
#define CEVENTLOOP_DESCRIPTORS_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/// accept4(2) with SOCK_CLOEXEC | SOCK_NONBLOCK.
int cel_accept(int listener, struct sockaddr *address, socklen_t *length);

/// pipe2(2) with O_CLOEXEC, and, unless `is_blocking`, O_NONBLOCK.
int cel_pipe(int ends[2], int is_blocking);

/// splice(2) at the current positions, with SPLICE_F_NONBLOCK, which concerns the pipes among the two.
ssize_t cel_splice(int from, int to, size_t count);

/// sendfile(2) at the current position.
ssize_t cel_sendfile(int from, int to, size_t count);

/// copy_file_range(2) at the current positions.
ssize_t cel_copy_file_range(int from, int to, size_t count);

/// send(2) with MSG_DONTWAIT | MSG_NOSIGNAL and recv(2) with MSG_DONTWAIT; of several vectors sendmsg(2) and recvmsg(2), which have more to fetch.
ssize_t cel_send(int socket, const struct iovec *vectors, int count);
ssize_t cel_receive(int socket, const struct iovec *vectors, int count);

/// sendmsg(2) with MSG_DONTWAIT | MSG_NOSIGNAL and, if `count` > 0, descriptors (SCM_RIGHTS, unix(7)).
ssize_t cel_send_descriptors(int socket, const struct iovec *vectors, int vector_count, const int *descriptors, int count);

/// recvmsg(2) with MSG_DONTWAIT | MSG_CMSG_CLOEXEC. At most `*count` descriptors are taken; `*count` becomes how many came. Those that find no
/// room are closed by the kernel, and `*truncated` becomes 1.
ssize_t cel_receive_descriptors(int socket, const struct iovec *vectors, int vector_count, int *descriptors, int *count, int *truncated);

/// sendmmsg(2) with MSG_DONTWAIT | MSG_NOSIGNAL: each of the vectors, of which there are at most 64, is a datagram. Returns how many were sent.
int cel_send_datagrams(int socket, const struct iovec *vectors, int count);

/// renameat2(2) with RENAME_NOREPLACE: EEXIST if there is something at `to`. EINVAL where the file system does not know how.
int cel_rename_noreplace(const char *from, const char *to);

/// syncfs(2): all of the file system that the descriptor is on.
int cel_syncfs(int descriptor);

/// What the calling thread's system calls are made to suffer, in tests. Unretained.
extern _Thread_local void *cel_thread_faults;
static inline void *cel_current_faults(void) { return cel_thread_faults; }
static inline void cel_set_current_faults(void *faults) { cel_thread_faults = faults; }

#endif
