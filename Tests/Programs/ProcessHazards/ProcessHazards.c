#define _GNU_SOURCE
#include "ProcessHazards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static enum hazard_reaction reactions[65];
static _Thread_local sigjmp_buf place;
static _Thread_local volatile int isPlaceSet;

static uintptr_t program_counter(void *context) {
#if defined(__x86_64__)
    return (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
    return 0;
#endif
}

static void handler(int signal, siginfo_t *info, void *context) {
    switch (reactions[signal]) {
    case hazard_jumps:
        if (isPlaceSet) {
            isPlaceSet = 0;
            siglongjmp(place, 1);
        }
        break;
    case hazard_reports: {
        uintptr_t distance = program_counter(context) - (uintptr_t)hazard_fault;
        dprintf(2, "code=%d address=%p here=%d\n", info->si_code, info->si_addr, distance < 4096);
        break;
    }
    case hazard_exits: _exit(42);
    case hazard_returns: return;
    }
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
}

void hazard_handle(int signal, enum hazard_reaction reaction) {
    reactions[signal] = reaction;
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(signal, &action, NULL);
}

__attribute__((noinline)) void hazard_fault(int signal) {
    static volatile int zero;
    switch (signal) {
    case SIGSEGV: *(volatile int *)8 = 1; break;
#if defined(__x86_64__)
    case SIGFPE: zero = 1 / zero; break;
    case SIGTRAP: __asm__ volatile("int3"); break;
#elif defined(__aarch64__)
    case SIGTRAP: __asm__ volatile("brk #0"); break;
#endif
    case SIGILL: __builtin_trap();
    default: raise(signal);
    }
}

void hazard_survive(int signal) {
    if (sigsetjmp(place, 1) != 0) return;
    isPlaceSet = 1;
    hazard_fault(signal);
}

pid_t hazard_fork(void) { return fork(); }

int hazard_other_threads_sleep(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 0;
    int all = 1;
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) continue;
        char path[64], state = 'R';
        snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state != 'S') all = 0;
        fclose(file);
    }
    closedir(tasks);
    return all;
}

/// seccomp(2): the calling thread, and those that it starts, run under this filter.
static int install(struct sock_filter *filter, unsigned short length) {
    struct sock_fprog program = {.len = length, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int hazard_refuse_nowait(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwritev2, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x08 /* RWF_NOWAIT */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter);
}

int hazard_refuse(long call, int error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(filter, sizeof filter / sizeof *filter);
}

/// Whether the traced thread has just come out of such a write.
static int has_written(pid_t pid) {
    static __thread int is_write;
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return 0;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        uint64_t number = info.entry.nr;
        is_write = info.entry.args[0] == 1 && (number == SYS_write || number == SYS_writev || number == SYS_pwritev2);
        return 0;
    }
    return info.op == PTRACE_SYSCALL_INFO_EXIT && is_write && !info.exit.is_error && info.exit.rval > 0;
}

int hazard_signal_after_write(int n) {
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execl("/proc/self/exe", "LogProgram", "hazard", "flood", NULL);
        _exit(127);
    }
    int status, count = 0, signal = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return -1;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0) return -1;
    for (;;) {
        if (ptrace(count < n ? PTRACE_SYSCALL : PTRACE_CONT, pid, NULL, signal) != 0 || waitpid(pid, &status, 0) != pid) return -1;
        if (WIFSIGNALED(status)) return WTERMSIG(status);
        if (WIFEXITED(status)) return 0;
        int is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        signal = is_call || WSTOPSIG(status) == SIGTRAP /* execve */ ? 0 : WSTOPSIG(status);
        if (is_call && has_written(pid) && ++count == n) kill(pid, SIGSEGV); // pending while it is stopped
    }
}

int hazard_replace(int descriptor, const char *path) {
    close(descriptor);
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

__attribute__((noinline)) int hazard_overflow(int depth) {
    volatile char frame[256];
    frame[0] = (char)depth;
    int below = depth == -1 ? 0 : hazard_overflow(depth + 1);
    return below + frame[0];
}
