#define _GNU_SOURCE
#include "LastWords.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const int cel_crash_signals[cel_crash_signal_count] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE};

struct line {
    char *text;
    intptr_t size;
    struct cel_blank *blanks;
    int blank_count;
};

struct cel_last_words {
    struct line lines[cel_crash_signal_count];
    /// Where a line is put together: room for the largest.
    char *scratch;
    intptr_t capacity;
};

/// What a blank takes at most.
enum { blank_limit = 48 };

struct cel_last_words *cel_last_words_make(void) { return calloc(1, sizeof(struct cel_last_words)); }

int cel_last_words_add(struct cel_last_words *words, int index, const void *text, intptr_t size, const struct cel_blank *blanks, int count) {
    struct line line = {.text = malloc((size_t)size + 1), .size = size, .blanks = calloc((size_t)count + 1, sizeof *blanks), .blank_count = count};
    intptr_t capacity = size + (count + 1) * blank_limit;
    char *scratch = capacity > words->capacity ? realloc(words->scratch, (size_t)capacity) : words->scratch;
    if (scratch) words->scratch = scratch;
    if (!line.text || !line.blanks || !scratch) {
        free(line.text);
        free(line.blanks);
        return 0;
    }
    if (capacity > words->capacity) words->capacity = capacity;
    memcpy(line.text, text, (size_t)size);
    memcpy(line.blanks, blanks, (size_t)count * sizeof *blanks);
    words->lines[index] = line;
    return 1;
}

void cel_last_words_free(struct cel_last_words *words) {
    if (!words) return;
    for (int i = 0; i < cel_crash_signal_count; i++) {
        free(words->lines[i].text);
        free(words->lines[i].blanks);
    }
    free(words->scratch);
    free(words);
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

static char *put_offset(char *cursor, const struct cel_blank *blank) {
    if (blank->is_utc) {
        *cursor++ = 'Z';
        return cursor;
    }
    int64_t offset = blank->utc_offset < 0 ? -(int64_t)blank->utc_offset : blank->utc_offset;
    *cursor++ = blank->utc_offset < 0 ? '-' : '+';
    cursor = put_digits(cursor, offset / 3600, 2);
    *cursor++ = ':';
    return put_digits(cursor, offset / 60 % 60, 2);
}

static char *put_blank(char *cursor, const struct cel_blank *blank, const struct timespec *time, int64_t count) {
    int64_t local = time->tv_sec + blank->utc_offset;
    switch (blank->kind) {
    case cel_blank_rfc3339:
        cursor = put_date(cursor, local / 86400);
        *cursor++ = 'T';
        return put_offset(put_clock(cursor, local % 86400, time->tv_nsec, blank->digits), blank);
    case cel_blank_clock: return put_clock(cursor, local % 86400, time->tv_nsec, blank->digits);
    case cel_blank_epoch:
        return put_decimal(cursor, time->tv_sec * power_of_ten(blank->digits) + time->tv_nsec / power_of_ten(9 - blank->digits));
    case cel_blank_epoch_binary: return put_binary(cursor, (uint64_t)time->tv_nsec << 34 | (uint64_t)time->tv_sec, 8);
    case cel_blank_decimal: return put_decimal(cursor, count);
    case cel_blank_binary: return put_binary(cursor, (uint64_t)count, 4);
    case cel_blank_octets: break; // known when all the rest is there
    }
    return cursor;
}

size_t cel_last_words_compose(struct cel_last_words *words, int signal, int64_t unwritten, int64_t undelivered, const char **result) {
    struct line *line = NULL;
    for (int i = 0; i < cel_crash_signal_count; i++) {
        if (cel_crash_signals[i] == signal) line = &words->lines[i];
    }
    if (!line || !line->text) return 0;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    char *const start = words->scratch + blank_limit, *cursor = start;
    intptr_t done = 0;
    for (int i = 0; i < line->blank_count; i++) {
        const struct cel_blank *blank = &line->blanks[i];
        memcpy(cursor, line->text + done, (size_t)(blank->offset - done));
        cursor += blank->offset - done;
        cursor = put_blank(cursor, blank, &time, blank->count == cel_blank_unwritten ? unwritten : undelivered);
        done = blank->offset + blank->length;
    }
    memcpy(cursor, line->text + done, (size_t)(line->size - done));
    cursor += line->size - done;
    *result = start;
    if (line->blank_count > 0 && line->blanks[0].kind == cel_blank_octets) {
        char digits[blank_limit];
        intptr_t length = put_decimal(digits, cursor - start - 1) - digits;
        memcpy(start - length, digits, (size_t)length);
        *result = start - length;
    }
    return (size_t)(cursor - *result);
}

// MARK: Records on their way

/// All counters that were ever made. Grows at the front, never shrinks: a crash handler may be walking it.
static struct cel_in_flight *counters;

struct cel_in_flight *cel_in_flight_make(void) {
    for (struct cel_in_flight *counter = __atomic_load_n(&counters, __ATOMIC_ACQUIRE); counter; counter = counter->next) {
        int unused = 0;
        if (__atomic_compare_exchange_n(&counter->is_used, &unused, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return counter;
    }
    struct cel_in_flight *counter = calloc(1, sizeof *counter);
    if (!counter) return NULL;
    counter->is_used = 1;
    counter->next = __atomic_load_n(&counters, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&counters, &counter->next, counter, 1, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {}
    return counter;
}

void cel_in_flight_release(struct cel_in_flight *counter) {
    __atomic_store_n(&counter->word, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&counter->is_used, 0, __ATOMIC_RELEASE);
}

int64_t cel_undelivered_records(void) {
    int64_t sum = 0;
    for (struct cel_in_flight *counter = __atomic_load_n(&counters, __ATOMIC_ACQUIRE); counter; counter = counter->next) {
        int64_t left = __atomic_load_n(&counter->word, __ATOMIC_RELAXED) - __atomic_load_n(&counter->done, __ATOMIC_RELAXED);
        if (left > 0) sum += left >> cel_in_flight_shift;
    }
    return sum;
}

void cel_in_flight_forked(void) {
    for (struct cel_in_flight *counter = counters; counter; counter = counter->next) counter->word = counter->done = 0;
}
