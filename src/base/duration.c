/* Lengths of time as people write and read them. Pure. Reading rounds up to the millisecond: a
 * delay may be a little longer than asked, never shorter. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dueq.h"

#define FRACTION_UNITS 1000000000 /* nine digits of a fraction count; more only round up */

typedef struct unit {
    const char *name;
    int64_t ms;
} unit;

/* From large to small, which is also the order in which they must be written. */
static const unit units[] = {
    {"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const size_t unit_count = sizeof units / sizeof units[0];

/* ---- Reading --------------------------------------------------------------------------------- */

/* A decimal number: `whole` and, of FRACTION_UNITS, `fraction`, rounded up. */
typedef struct decimal {
    int64_t whole;
    int64_t fraction;
} decimal;

static bool read_whole(const char **at, int64_t *whole)
{
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    *whole = 0;
    for (; isdigit((unsigned char)**at); (*at)++) {
        *whole = *whole * 10 + (**at - '0');
        if (*whole > DUEQ_DELAY_MS_MAX) {
            return false;
        }
    }
    return true;
}

static bool read_decimal(const char **at, decimal *number)
{
    number->fraction = 0;
    if (!read_whole(at, &number->whole)) {
        return false;
    }
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    bool more = false;
    for (int64_t scale = FRACTION_UNITS / 10; isdigit((unsigned char)**at); (*at)++, scale /= 10) {
        number->fraction += (**at - '0') * scale;
        more = more || (scale == 0 && **at != '0');
    }
    number->fraction += more ? 1 : 0;
    return true;
}

/* The longest name wins: "ms" is no minutes. Units before `first` have had their turn. */
static bool read_unit(const char **at, size_t first, size_t *found)
{
    size_t len = strspn(*at, "wdhms");
    for (size_t i = first; i < unit_count; i++) {
        if (strlen(units[i].name) == len && memcmp(*at, units[i].name, len) == 0) {
            *at += len;
            *found = i;
            return true;
        }
    }
    return false;
}

/* number × unit, rounded up, added to *ms; false past the longest delay. */
static bool add_part(int64_t *ms, const decimal *number, const unit *of)
{
    if (number->whole > DUEQ_DELAY_MS_MAX / of->ms) {
        return false;
    }
    *ms +=
        number->whole * of->ms + (number->fraction * of->ms + FRACTION_UNITS - 1) / FRACTION_UNITS;
    return *ms <= DUEQ_DELAY_MS_MAX;
}

int dueq_parse_duration(const char *text, int64_t *ms)
{
    if (text == NULL || *text == '\0') {
        return DUEQ_EINVAL;
    }
    int64_t total_ms = 0;
    size_t next_unit = 0;
    for (const char *at = strcmp(text, "0") == 0 ? "0s" : text; *at != '\0';) {
        decimal number;
        size_t found;
        if (!read_decimal(&at, &number) || !read_unit(&at, next_unit, &found) ||
            !add_part(&total_ms, &number, &units[found])) {
            return DUEQ_EINVAL;
        }
        next_unit = found + 1;
        if (at[0] == ' ' && at[1] != '\0') {
            at++; /* as dueq_format_duration() writes it */
        }
    }
    if (ms != NULL) {
        *ms = total_ms;
    }
    return DUEQ_OK;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* The largest unit that fits and the next one down; days are the largest people read well. */
static void write_two_units(char *text, size_t text_size, const char *sign, uint64_t ms)
{
    size_t i = 1;
    while (i < unit_count - 2 && ms < (uint64_t)units[i].ms) {
        i++;
    }
    uint64_t first = ms / (uint64_t)units[i].ms;
    uint64_t second = ms % (uint64_t)units[i].ms / (uint64_t)units[i + 1].ms;
    if (second == 0 || units[i + 1].ms == 1) {
        snprintf(text, text_size, "%s%" PRIu64 "%s", sign, first, units[i].name);
    } else {
        snprintf(text, text_size, "%s%" PRIu64 "%s %" PRIu64 "%s", sign, first, units[i].name,
                 second, units[i + 1].name);
    }
}

char *dueq_format_duration(int64_t ms, char *text, size_t text_size)
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t size_ms = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (size_ms < 1000) {
        snprintf(text, text_size, "%s%" PRIu64 "ms", sign, size_ms);
    } else if (size_ms < 10000 && size_ms % 1000 >= 100) {
        snprintf(text, text_size, "%s%" PRIu64 ".%" PRIu64 "s", sign, size_ms / 1000,
                 size_ms % 1000 / 100);
    } else {
        write_two_units(text, text_size, sign, size_ms);
    }
    return text;
}
