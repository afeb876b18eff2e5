#define _GNU_SOURCE
#include "Descriptors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

_Thread_local void *cfd_thread_faults;

int cfd_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int cfd_pipe(int ends[2], int is_blocking) { return pipe2(ends, O_CLOEXEC | (is_blocking ? 0 : O_NONBLOCK)); }

ssize_t cfd_splice(int from, int to, size_t count) {
    return splice(from, NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

ssize_t cfd_sendfile(int from, int to, size_t count) { return sendfile(to, from, NULL, count); }

ssize_t cfd_copy_file_range(int from, int to, size_t count) { return copy_file_range(from, NULL, to, NULL, count, 0); }

ssize_t cfd_send(int socket, const struct iovec *vectors, int count) {
    if (count == 1) return send(socket, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t cfd_receive(int socket, const struct iovec *vectors, int count) {
    if (count == 1) return recv(socket, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT);
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = count};
    return recvmsg(socket, &message, MSG_DONTWAIT);
}

enum { MOST_DESCRIPTORS = 253 }; // SCM_MAX_FD

union control {
    char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    struct cmsghdr aligned;
};

ssize_t cfd_send_descriptors(int socket, const struct iovec *vectors, int vector_count, const int *descriptors, int count) {
    union control control;
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = vector_count};
    if (count > MOST_DESCRIPTORS) count = MOST_DESCRIPTORS;
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int cfd_send_datagrams(int socket, const struct iovec *vectors, int count) {
    struct mmsghdr messages[64];
    if (count > 64) count = 64;
    for (int index = 0; index < count; index++) {
        messages[index] = (struct mmsghdr){.msg_hdr = {.msg_iov = (struct iovec *)&vectors[index], .msg_iovlen = 1}};
    }
    return sendmmsg(socket, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t cfd_receive_descriptors(int socket, const struct iovec *vectors, int vector_count, int *descriptors, int *count, int *truncated) {
    union control control;
    int room = *count < MOST_DESCRIPTORS ? *count : MOST_DESCRIPTORS;
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = vector_count};
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(room * sizeof(int));
    ssize_t result = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *count = 0;
    *truncated = 0;
    if (result < 0) return result;
    *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int here = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int index = 0; index < here; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof(int));
            // Padding lets in one more than was asked for.
            if (*count < room) descriptors[(*count)++] = descriptor; else { close(descriptor); *truncated = 1; }
        }
    }
    return result;
}

int cfd_rename_noreplace(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE); }

int cfd_syncfs(int descriptor) { return syncfs(descriptor); }

ssize_t cfd_writev(int descriptor, const struct iovec *vectors, int count, int flags) {
    if (flags != 0) return pwritev2(descriptor, vectors, count, -1, flags);
    return count == 1 ? write(descriptor, vectors->iov_base, vectors->iov_len) : writev(descriptor, vectors, count);
}

ssize_t cfd_readv(int descriptor, const struct iovec *vectors, int count, int flags) {
    if (flags != 0) return preadv2(descriptor, vectors, count, -1, flags);
    return count == 1 ? read(descriptor, vectors->iov_base, vectors->iov_len) : readv(descriptor, vectors, count);
}

static void ignore(int signal) { (void)signal; }

static void survive(int signal) {
    struct sigaction current;
    if (sigaction(signal, NULL, &current) != 0 || (current.sa_flags & SA_SIGINFO) || current.sa_handler != SIG_DFL) return;
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    sigaction(signal, &action, NULL);
}

void cfd_survive_sigpipe(void) { survive(SIGPIPE); }

void cfd_survive_sigxfsz(void) { survive(SIGXFSZ); }
