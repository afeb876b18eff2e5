#include "InFlight.h"

#include "CrashWriter.h"

#include <pthread.h>
#include <stdlib.h>

/// All counters that were ever made. The list grows at the front and never shrinks: a crash handler may be walking it.
static struct clog_in_flight *counters;

/// The sum of all counters of the process. Async-signal-safe.
static int64_t undelivered(void) {
    int64_t sum = 0;
    for (struct clog_in_flight *counter = __atomic_load_n(&counters, __ATOMIC_ACQUIRE); counter; counter = counter->next) {
        int64_t left = __atomic_load_n(&counter->word, __ATOMIC_RELAXED) - __atomic_load_n(&counter->done, __ATOMIC_RELAXED);
        if (left > 0) sum += left >> clog_in_flight_shift;
    }
    return sum;
}

/// Called in a child that has just been forked: the records in flight are the parent's.
static void forked(void) {
    for (struct clog_in_flight *counter = counters; counter; counter = counter->next) counter->word = counter->done = 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void) {
    cfd_crash_count_undelivered(undelivered);
    pthread_atfork(NULL, NULL, forked);
}

struct clog_in_flight *clog_in_flight_make(void) {
    pthread_once(&once, begin);
    for (struct clog_in_flight *counter = __atomic_load_n(&counters, __ATOMIC_ACQUIRE); counter; counter = counter->next) {
        int unused = 0;
        if (__atomic_compare_exchange_n(&counter->is_used, &unused, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return counter;
    }
    struct clog_in_flight *counter = calloc(1, sizeof *counter);
    if (!counter) return NULL;
    counter->is_used = 1;
    counter->next = __atomic_load_n(&counters, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&counters, &counter->next, counter, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return counter;
}

void clog_in_flight_release(struct clog_in_flight *counter) {
    __atomic_store_n(&counter->word, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->is_used, 0, __ATOMIC_RELEASE);
}
