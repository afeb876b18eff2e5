// The last line of a log whose program crashes: which signal it was, when, and what could not be written any more.
//
// A handler has its own formatter lay the line out while all is well, once for each signal, so that it is what the handler's readers
// expect: text, JSON, MessagePack, whatever. What is not known before the crash is left blank; a blank says where it is and in which of
// a few ways it is filled in. All of them are async-signal-safe: the crash handler copies, reads the clock, and divides.
#ifndef CEVENTLOOP_LASTWORDS_H
#define CEVENTLOOP_LASTWORDS_H

#include <stddef.h>
#include <stdint.h>

/// The signals that are caught, in the order of the lines: SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE.
enum { cel_crash_signal_count = 6 };
extern const int cel_crash_signals[cel_crash_signal_count];

enum cel_blank_kind {
    cel_blank_rfc3339,      // 2026-11-22T08:27:00.123456Z
    cel_blank_clock,        // 08:27:00.123
    cel_blank_epoch,        // 1795508820123456, in units of its digits
    cel_blank_epoch_binary, // 64 bits of MessagePack's timestamp extension
    cel_blank_decimal,      // a count
    cel_blank_binary,       // a count of 32 bits, the highest byte first
    cel_blank_octets        // at the beginning: how many bytes follow behind it and a blank (RFC 6587, octet counting)
};

enum cel_blank_count {
    cel_blank_unwritten,  // records that were accepted, and waited for room in this output
    cel_blank_undelivered // records of other threads that had not come to a handler
};

struct cel_blank {
    /// The bytes of the line in whose stead it stands.
    int32_t offset, length;
    enum cel_blank_kind kind;
    /// Of a time: digits behind the point (0, 3, 6, 9), and how many seconds local time is ahead of UTC.
    int32_t digits, utc_offset;
    /// Of a time: `Z`, not `+00:00`.
    int32_t is_utc;
    enum cel_blank_count count;
};

struct cel_last_words;

/// Without lines. NULL if there is no memory.
struct cel_last_words *cel_last_words_make(void);
/// Adds the line of the signal with this index; `blanks` are in order and do not overlap. Everything is copied. 0 if there is no memory.
int cel_last_words_add(struct cel_last_words *words, int index, const void *text, intptr_t size, const struct cel_blank *blanks, int count);
void cel_last_words_free(struct cel_last_words *words);
/// Fills in the line of a signal in memory of `words`, and points `line` at it; returns its size, 0 if there is none. Async-signal-safe, not re-entrant.
size_t cel_last_words_compose(struct cel_last_words *words, int signal, int64_t unwritten, int64_t undelivered, const char **line);

// MARK: Records on their way

/// Records that threads have handed to a loop, and their bytes: one word, so that one atomic operation counts both. Made for good and used again.
struct cel_in_flight {
    struct cel_in_flight *next;
    int is_used;
    /// The number of records above `cel_in_flight_shift`, their bytes below. Threads that log add to it.
    int64_t word;
    int64_t distance[7];
    /// What of it the loop is done with and has not yet taken off: it does that for many records at once, since each time takes the word's cache line
    /// away from the threads that log. On a line of its own; the loop's thread alone writes it.
    int64_t done;
};
enum { cel_in_flight_shift = 40, cel_in_flight_batch = 65536 };

struct cel_in_flight *cel_in_flight_make(void);
void cel_in_flight_release(struct cel_in_flight *counter);
static inline void cel_in_flight_settle(struct cel_in_flight *counter) {
    int64_t done = __atomic_load_n(&counter->done, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&counter->word, done, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->done, 0, __ATOMIC_RELAXED);
}
/// Loop thread. `is_last`: no more is to come for now.
static inline void cel_in_flight_remove(struct cel_in_flight *counter, int64_t records, int64_t bytes, int is_last) {
    int64_t done = __atomic_load_n(&counter->done, __ATOMIC_RELAXED) + records * ((int64_t)1 << cel_in_flight_shift) + bytes;
    __atomic_store_n(&counter->done, done, __ATOMIC_RELAXED);
    if (is_last || (done & (((int64_t)1 << cel_in_flight_shift) - 1)) >= cel_in_flight_batch) cel_in_flight_settle(counter);
}
/// Any thread.
static inline void cel_in_flight_add(struct cel_in_flight *counter, int64_t records, int64_t bytes) {
    __atomic_fetch_add(&counter->word, records * ((int64_t)1 << cel_in_flight_shift) + bytes, __ATOMIC_RELAXED);
}
static inline int64_t cel_in_flight_bytes(struct cel_in_flight *counter) {
    return __atomic_load_n(&counter->word, __ATOMIC_RELAXED) & (((int64_t)1 << cel_in_flight_shift) - 1);
}
/// Of all counters of the process.
int64_t cel_undelivered_records(void);
/// In a child that has just been forked: what is on its way is the parent's.
void cel_in_flight_forked(void);

#endif
