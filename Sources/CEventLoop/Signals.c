// The part of Signals.swift that runs inside a signal handler: on any thread, in the middle of anything.
#define _GNU_SOURCE
#include "CEventLoop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define SIGNALS 65
#define LOOPS 256

_Atomic uint64_t cel_signal_total;
static _Atomic uint32_t counts[SIGNALS];
static struct sigaction former[SIGNALS];
static _Atomic int stops[SIGNALS];
/// Stop signals caught while a stop is wanted; how many runs want it.
static _Atomic int stops_caught, stops_wanted;
/// eventfd + 1; 0 is a free place. `users` is changed under the lock.
static _Atomic int eventfds[LOOPS];
static int users[LOOPS];
static pthread_mutex_t eventfds_lock = PTHREAD_MUTEX_INITIALIZER;

static void caught(int signal) {
    int saved = errno;
    if (atomic_load(&stops[signal]) > 0 && atomic_fetch_add(&stops_caught, 1) > 0) {
        // The first has been heard and has not helped. Pending until this handler returns, then it kills.
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(signal, &action, NULL);
        raise(signal);
        return;
    }
    atomic_fetch_add(&counts[signal], 1);
    atomic_fetch_add(&cel_signal_total, 1);
    uint64_t one = 1;
    for (int i = 0; i < LOOPS; i++) {
        int eventfd = atomic_load(&eventfds[i]);
        if (eventfd > 0 && write(eventfd - 1, &one, sizeof one) < 0) { /* its counter is full: the loop is awake */ }
    }
    errno = saved;
}

uint32_t cel_signal_count(int signal) { return atomic_load(&counts[signal]); }

void cel_signal_catch(int signal) {
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(signal, &action, &former[signal]);
}

void cel_signal_restore(int signal) { sigaction(signal, &former[signal], NULL); }

void cel_signal_discard(int signal) {
    sigset_t set, former_mask;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &former_mask);  // sigtimedwait(2) takes what the caller blocks
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) == signal || errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &former_mask, NULL);
}

bool cel_signal_is_ignored(int signal) {
    struct sigaction current;
    return sigaction(signal, NULL, &current) == 0 && !(current.sa_flags & SA_SIGINFO) && current.sa_handler == SIG_IGN;
}

void cel_signal_stop(int signal, bool on) {
    atomic_fetch_add(&stops[signal], on ? 1 : -1);
    if (atomic_fetch_add(&stops_wanted, on ? 1 : -1) + (on ? 1 : -1) == 0) atomic_store(&stops_caught, 0);
}

bool cel_signal_wake(int eventfd) {
    pthread_mutex_lock(&eventfds_lock);
    int place = -1;
    for (int i = LOOPS - 1; i >= 0; i--) {
        if (users[i] == 0) place = i;
        if (users[i] > 0 && atomic_load(&eventfds[i]) == eventfd + 1) { place = i; break; }
    }
    if (place >= 0 && users[place]++ == 0) atomic_store(&eventfds[place], eventfd + 1);
    pthread_mutex_unlock(&eventfds_lock);
    return place >= 0;
}

void cel_signal_wake_no_more(int eventfd) {
    pthread_mutex_lock(&eventfds_lock);
    for (int i = 0; i < LOOPS; i++) {
        if (users[i] > 0 && atomic_load(&eventfds[i]) == eventfd + 1 && --users[i] == 0) atomic_store(&eventfds[i], 0);
    }
    pthread_mutex_unlock(&eventfds_lock);
}
