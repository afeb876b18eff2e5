// System calls on descriptors that glibc declares only under _GNU_SOURCE, and control messages, whose macros Swift does
// not import.
#ifndef CASYNCFD_DESCRIPTORS_H
#define CASYNCFD_DESCRIPTORS_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/// write(2) and read(2), of several vectors writev(2) and readv(2), which take a fifth longer for one. With `flags`, of
/// the RWF_ family below: pwritev2(2) and preadv2(2) at the current position.
ssize_t cfd_writev(int descriptor, const struct iovec *vectors, int count, int flags);
ssize_t cfd_readv(int descriptor, const struct iovec *vectors, int count, int flags);

static const int cfd_RWF_NOWAIT = 0x08;    // Linux 4.14; for pipes 5.x: fail with EAGAIN instead of waiting
static const int cfd_RWF_NOSIGNAL = 0x100; // Linux 6.18: EPIPE without SIGPIPE


/// Installs a handler for SIGPIPE that does nothing, if the signal has its default disposition. A handler, because
/// execve(2) resets handlers but hands SIG_IGN down to the programs that we start.
void cfd_survive_sigpipe(void);

/// The same for SIGXFSZ, which a write beyond the process's limit for files (`ulimit -f`) raises: it then merely fails
/// with EFBIG.
void cfd_survive_sigxfsz(void);

/// accept4(2) with SOCK_CLOEXEC | SOCK_NONBLOCK.
int cfd_accept(int listener, struct sockaddr *address, socklen_t *length);

/// pipe2(2) with O_CLOEXEC, and, unless `is_blocking`, O_NONBLOCK.
int cfd_pipe(int ends[2], int is_blocking);

/// splice(2) at the current positions, with SPLICE_F_NONBLOCK, which concerns the pipes among the two.
ssize_t cfd_splice(int from, int to, size_t count);

/// sendfile(2) at the current position.
ssize_t cfd_sendfile(int from, int to, size_t count);

/// copy_file_range(2) at the current positions.
ssize_t cfd_copy_file_range(int from, int to, size_t count);

/// send(2) with MSG_DONTWAIT | MSG_NOSIGNAL and recv(2) with MSG_DONTWAIT; of several vectors sendmsg(2) and
/// recvmsg(2), which have more to fetch.
ssize_t cfd_send(int socket, const struct iovec *vectors, int count);
ssize_t cfd_receive(int socket, const struct iovec *vectors, int count);

/// sendmsg(2) with MSG_DONTWAIT | MSG_NOSIGNAL and, if `count` > 0, descriptors (SCM_RIGHTS, unix(7)).
ssize_t cfd_send_descriptors(int socket, const struct iovec *vectors, int vector_count, const int *descriptors, int count);

/// recvmsg(2) with MSG_DONTWAIT | MSG_CMSG_CLOEXEC. At most `*count` descriptors are taken; `*count` becomes how many
/// came. Those that find no room are closed by the kernel, and `*truncated` becomes 1.
ssize_t cfd_receive_descriptors(int socket, const struct iovec *vectors, int vector_count, int *descriptors, int *count, int *truncated);

/// sendmmsg(2) with MSG_DONTWAIT | MSG_NOSIGNAL: each of the vectors, of which there are at most 64, is a datagram.
/// Returns how many were sent.
int cfd_send_datagrams(int socket, const struct iovec *vectors, int count);

/// renameat2(2) with RENAME_NOREPLACE: EEXIST if there is something at `to`. EINVAL where the file system does not know
/// how.
int cfd_rename_noreplace(const char *from, const char *to);

/// syncfs(2): all of the file system that the descriptor is on.
int cfd_syncfs(int descriptor);

/// What the calling thread's system calls are made to suffer, in tests. Unretained.
extern _Thread_local void *cfd_thread_faults;
static inline void *cfd_current_faults(void) { return cfd_thread_faults; }
static inline void cfd_set_current_faults(void *faults) { cfd_thread_faults = faults; }

#endif
