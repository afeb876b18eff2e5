// The record that a log gets when its program crashes: which signal it was, when, and how many records could not be
// written.
//
// A signal handler can run no formatter. So a log handler has its formatter lay the record out beforehand, once for
// each signal: text, JSON, MessagePack, whatever its readers expect. What is not known before the crash has a
// placeholder, which says where it is and in which of a few ways it is filled in. All of them are async-signal-safe:
// the crash handler copies, reads the clock, and divides.
#ifndef CASYNCLOG_CRASHRECORD_H
#define CASYNCLOG_CRASHRECORD_H

#include <stddef.h>
#include <stdint.h>

struct cfd_crash_record;

enum clog_placeholder_kind {
    clog_placeholder_rfc3339,      // 2026-11-22T08:27:00.123456Z
    clog_placeholder_clock,        // 08:27:00.123
    clog_placeholder_epoch,        // 1795508820123456, in units of its digits
    clog_placeholder_epoch_binary, // 64 bits of MessagePack's timestamp extension
    clog_placeholder_decimal,      // a count
    clog_placeholder_binary,       // a count of 32 bits, the highest byte first
    clog_placeholder_octets        // at the beginning: how many bytes follow behind it and a space (RFC 6587, octet counting)
};

enum clog_placeholder_count {
    clog_placeholder_unwritten,  // records that were accepted, and waited for room in this output
    clog_placeholder_undelivered // records of other threads that had not come to a handler
};

struct clog_placeholder {
    /// The bytes of the layout that it replaces.
    int32_t offset, length;
    enum clog_placeholder_kind kind;
    /// Of a time: digits behind the point (0, 3, 6, 9), and how many seconds local time is ahead of UTC.
    int32_t digits, utc_offset;
    /// Of a time: `Z`, not `+00:00`.
    int32_t is_utc;
    enum clog_placeholder_count count;
};

struct clog_crash_record;

/// Without layouts. NULL if there is no memory.
struct clog_crash_record *clog_crash_record_make(void);
/// Adds the layout for a signal (an index of `cfd_crash_signals`); `placeholders` are in order and do not overlap.
/// Everything is copied. 0 if there is no memory.
int clog_crash_record_add(
    struct clog_crash_record *record, int signal, const void *text, intptr_t size, const struct clog_placeholder *placeholders, int count);
void clog_crash_record_free(struct clog_crash_record *record);
/// What an output takes over, to be written when the program crashes (CrashWriter.h). The output frees the record.
struct cfd_crash_record *clog_crash_record_base(struct clog_crash_record *record);

#endif
