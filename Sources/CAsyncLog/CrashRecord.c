#define _GNU_SOURCE
#include "CrashRecord.h"

#include "CrashWriter.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct layout {
    char *text;
    intptr_t size;
    struct clog_placeholder *placeholders;
    int count;
};

struct clog_crash_record {
    /// The first member: the crash handler identifies the record by its address.
    struct cfd_crash_record base;
    struct layout layouts[cfd_crash_signal_count];
    /// The buffer in which a record is assembled: room for the largest.
    char *scratch;
    intptr_t capacity;
};

/// The longest text that replaces a placeholder.
enum { placeholder_limit = 48 };

static size_t compose(struct cfd_crash_record *base, int signal, int64_t unwritten, int64_t undelivered, const char **bytes);
static void destroy(struct cfd_crash_record *base) { clog_crash_record_free((struct clog_crash_record *)base); }

struct clog_crash_record *clog_crash_record_make(void) {
    struct clog_crash_record *record = calloc(1, sizeof *record);
    if (record) record->base = (struct cfd_crash_record){.compose = compose, .destroy = destroy};
    return record;
}

struct cfd_crash_record *clog_crash_record_base(struct clog_crash_record *record) { return &record->base; }

int clog_crash_record_add(
    struct clog_crash_record *record, int signal, const void *text, intptr_t size, const struct clog_placeholder *placeholders, int count) {
    struct layout layout = {
        .text = malloc((size_t)size + 1), .size = size, .placeholders = calloc((size_t)count + 1, sizeof *placeholders), .count = count};
    intptr_t capacity = size + (count + 1) * placeholder_limit;
    char *scratch = capacity > record->capacity ? realloc(record->scratch, (size_t)capacity) : record->scratch;
    if (scratch) record->scratch = scratch;
    if (!layout.text || !layout.placeholders || !scratch) {
        free(layout.text);
        free(layout.placeholders);
        return 0;
    }
    if (capacity > record->capacity) record->capacity = capacity;
    memcpy(layout.text, text, (size_t)size);
    memcpy(layout.placeholders, placeholders, (size_t)count * sizeof *placeholders);
    record->layouts[signal] = layout;
    return 1;
}

void clog_crash_record_free(struct clog_crash_record *record) {
    if (!record) return;
    for (int i = 0; i < cfd_crash_signal_count; i++) {
        free(record->layouts[i].text);
        free(record->layouts[i].placeholders);
    }
    free(record->scratch);
    free(record);
}

// MARK: Filling in

static char *put_digits(char *cursor, int64_t value, int count) {
    for (int i = count - 1; i >= 0; i--, value /= 10) cursor[i] = (char)('0' + value % 10);
    return cursor + count;
}

static char *put_decimal(char *cursor, int64_t value) {
    int count = 1;
    for (int64_t rest = value / 10; rest > 0; rest /= 10) count++;
    return put_digits(cursor, value, count);
}

static char *put_binary(char *cursor, uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) cursor[i] = (char)(value & 0xFF);
    return cursor + bytes;
}

static int64_t power_of_ten(int exponent) {
    int64_t power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

/// The civil date by H. Hinnant's civil_from_days.
static char *put_date(char *cursor, int64_t day) {
    int64_t days = day + 719468, era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    cursor = put_digits(cursor, year_of_era + era * 400 + (month <= 2), 4);
    *cursor++ = '-';
    cursor = put_digits(cursor, month, 2);
    *cursor++ = '-';
    return put_digits(cursor, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
}

static char *put_clock(char *cursor, int64_t second_of_day, int64_t nanosecond, int digits) {
    cursor = put_digits(cursor, second_of_day / 3600, 2);
    *cursor++ = ':';
    cursor = put_digits(cursor, second_of_day / 60 % 60, 2);
    *cursor++ = ':';
    cursor = put_digits(cursor, second_of_day % 60, 2);
    if (digits == 0) return cursor;
    *cursor++ = '.';
    return put_digits(cursor, nanosecond / power_of_ten(9 - digits), digits);
}

static char *put_offset(char *cursor, const struct clog_placeholder *placeholder) {
    if (placeholder->is_utc) {
        *cursor++ = 'Z';
        return cursor;
    }
    int64_t offset = placeholder->utc_offset < 0 ? -(int64_t)placeholder->utc_offset : placeholder->utc_offset;
    *cursor++ = placeholder->utc_offset < 0 ? '-' : '+';
    cursor = put_digits(cursor, offset / 3600, 2);
    *cursor++ = ':';
    return put_digits(cursor, offset / 60 % 60, 2);
}

static char *put_placeholder(char *cursor, const struct clog_placeholder *placeholder, const struct timespec *time, int64_t count) {
    int64_t local = time->tv_sec + placeholder->utc_offset;
    switch (placeholder->kind) {
    case clog_placeholder_rfc3339:
        cursor = put_date(cursor, local / 86400);
        *cursor++ = 'T';
        return put_offset(put_clock(cursor, local % 86400, time->tv_nsec, placeholder->digits), placeholder);
    case clog_placeholder_clock: return put_clock(cursor, local % 86400, time->tv_nsec, placeholder->digits);
    case clog_placeholder_epoch:
        return put_decimal(cursor, time->tv_sec * power_of_ten(placeholder->digits) + time->tv_nsec / power_of_ten(9 - placeholder->digits));
    case clog_placeholder_epoch_binary: return put_binary(cursor, (uint64_t)time->tv_nsec << 34 | (uint64_t)time->tv_sec, 8);
    case clog_placeholder_decimal: return put_decimal(cursor, count);
    case clog_placeholder_binary: return put_binary(cursor, (uint64_t)count, 4);
    case clog_placeholder_octets: break; // known when all the rest is there
    }
    return cursor;
}

static size_t compose(struct cfd_crash_record *base, int signal, int64_t unwritten, int64_t undelivered, const char **bytes) {
    struct clog_crash_record *record = (struct clog_crash_record *)base;
    const struct layout *layout = &record->layouts[signal];
    if (!layout->text) return 0;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    char *const start = record->scratch + placeholder_limit, *cursor = start;
    intptr_t done = 0;
    for (int i = 0; i < layout->count; i++) {
        const struct clog_placeholder *placeholder = &layout->placeholders[i];
        memcpy(cursor, layout->text + done, (size_t)(placeholder->offset - done));
        cursor += placeholder->offset - done;
        cursor = put_placeholder(cursor, placeholder, &time, placeholder->count == clog_placeholder_unwritten ? unwritten : undelivered);
        done = placeholder->offset + placeholder->length;
    }
    memcpy(cursor, layout->text + done, (size_t)(layout->size - done));
    cursor += layout->size - done;
    *bytes = start;
    if (layout->count > 0 && layout->placeholders[0].kind == clog_placeholder_octets) {
        char digits[placeholder_limit];
        intptr_t length = put_decimal(digits, cursor - start - 1) - digits;
        memcpy(start - length, digits, (size_t)length);
        *bytes = start - length;
    }
    return (size_t)(cursor - *bytes);
}
