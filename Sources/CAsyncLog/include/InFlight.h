// Records that threads have handed to a loop and that the loop has not taken yet: counted to bound their memory, and
// for the crash handler to report.
#ifndef CASYNCLOG_INFLIGHT_H
#define CASYNCLOG_INFLIGHT_H

#include <stdint.h>

/// Records that threads have handed to a loop, and their bytes: one word, so that one atomic operation counts both.
/// Made for good and used again.
struct clog_in_flight {
    struct clog_in_flight *next;
    int is_used;
    /// The number of records above `clog_in_flight_shift`, their bytes below. Threads that log add to it.
    int64_t word;
    int64_t distance[7];
    /// The records that the loop is done with and has not subtracted yet. It subtracts many at once, since each time
    /// takes the word's cache line away from the threads that log. On a line of its own; the loop's thread alone writes
    /// it.
    int64_t done;
};
enum { clog_in_flight_shift = 40, clog_in_flight_batch = 65536 };

struct clog_in_flight *clog_in_flight_make(void);
void clog_in_flight_release(struct clog_in_flight *counter);
static inline void clog_in_flight_settle(struct clog_in_flight *counter) {
    int64_t done = __atomic_load_n(&counter->done, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&counter->word, done, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->done, 0, __ATOMIC_RELAXED);
}
/// Loop thread. `is_last`: no more records arrive in this turn.
static inline void clog_in_flight_remove(struct clog_in_flight *counter, int64_t records, int64_t bytes, int is_last) {
    int64_t done = __atomic_load_n(&counter->done, __ATOMIC_RELAXED) + records * ((int64_t)1 << clog_in_flight_shift) + bytes;
    __atomic_store_n(&counter->done, done, __ATOMIC_RELAXED);
    if (is_last || (done & (((int64_t)1 << clog_in_flight_shift) - 1)) >= clog_in_flight_batch) clog_in_flight_settle(counter);
}
/// Any thread.
static inline void clog_in_flight_add(struct clog_in_flight *counter, int64_t records, int64_t bytes) {
    __atomic_fetch_add(&counter->word, records * ((int64_t)1 << clog_in_flight_shift) + bytes, __ATOMIC_RELAXED);
}
static inline int64_t clog_in_flight_bytes(struct clog_in_flight *counter) {
    return __atomic_load_n(&counter->word, __ATOMIC_RELAXED) & (((int64_t)1 << clog_in_flight_shift) - 1);
}

#endif
