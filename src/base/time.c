/* Points in time as people write them. Pure; knows no time zone but the one in the text. Reading
 * rounds up to the millisecond, so that nothing becomes due before the time written. */
#include <ctype.h>
#include <string.h>

#include "dueq.h"

#define UNIX_S_MIN (-62167219200) /* 0000-01-01T00:00:00Z */
#define UNIX_S_MAX 253402300799   /* 9999-12-31T23:59:59Z */

static bool read_char(const char **at, const char *any_of)
{
    if (**at == '\0' || strchr(any_of, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

/* Exactly `digits` digits, within the bounds. */
static bool read_field(const char **at, int digits, int min, int max, int *field)
{
    *field = 0;
    for (int i = 0; i < digits; i++, (*at)++) {
        if (!isdigit((unsigned char)**at)) {
            return false;
        }
        *field = *field * 10 + (**at - '0');
    }
    return *field >= min && *field <= max;
}

/* An optional ".digits", in milliseconds rounded up. */
static bool read_fraction(const char **at, int64_t *ms)
{
    *ms = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    bool more = false;
    for (int scale = 100; isdigit((unsigned char)**at); (*at)++, scale /= 10) {
        *ms += (**at - '0') * scale;
        more = more || (scale == 0 && **at != '0');
    }
    *ms += more ? 1 : 0;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01 in the Gregorian calendar, for years from 0. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t days = (int64_t)year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    for (int i = 1; i < month; i++) {
        days += days_of_month(year, i);
    }
    return days + day - 1 - 719528; /* days from 0000-01-01 to the epoch */
}

static bool read_date(const char **at, int64_t *days)
{
    int year, month, day;
    if (!read_field(at, 4, 0, 9999, &year) || !read_char(at, "-") ||
        !read_field(at, 2, 1, 12, &month) || !read_char(at, "-") ||
        !read_field(at, 2, 1, days_of_month(year, month), &day)) {
        return false;
    }
    *days = days_since_epoch(year, month, day);
    return true;
}

/* A second of 60 is a leap second: the one after it has the same number for Unix. */
static bool read_clock(const char **at, int64_t *seconds)
{
    int hour, minute, second;
    if (!read_field(at, 2, 0, 23, &hour) || !read_char(at, ":") ||
        !read_field(at, 2, 0, 59, &minute) || !read_char(at, ":") ||
        !read_field(at, 2, 0, 60, &second)) {
        return false;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* "Z", or how far ahead of UTC the written time is. */
static bool read_zone(const char **at, int64_t *ahead_s)
{
    *ahead_s = 0;
    if (read_char(at, "Zz")) {
        return true;
    }
    bool behind = **at == '-';
    int hour, minute;
    if (!read_char(at, "+-") || !read_field(at, 2, 0, 23, &hour) || !read_char(at, ":") ||
        !read_field(at, 2, 0, 59, &minute)) {
        return false;
    }
    *ahead_s = (behind ? -1 : 1) * (hour * 3600 + minute * 60);
    return true;
}

static bool read_rfc3339(const char **at, int64_t *ms)
{
    int64_t days, seconds, fraction_ms, ahead_s;
    if (!read_date(at, &days) || !read_char(at, "Tt ") || !read_clock(at, &seconds) ||
        !read_fraction(at, &fraction_ms) || !read_zone(at, &ahead_s)) {
        return false;
    }
    *ms = (days * 86400 + seconds - ahead_s) * 1000 + fraction_ms;
    return true;
}

/* "@1700000000.5"; before the epoch with a minus sign. */
static bool read_unix(const char **at, int64_t *ms)
{
    bool before = read_char(at, "-");
    int64_t seconds = 0, fraction_ms;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    for (; isdigit((unsigned char)**at); (*at)++) {
        seconds = seconds * 10 + (**at - '0');
        if (seconds > (before ? -UNIX_S_MIN : UNIX_S_MAX)) {
            return false;
        }
    }
    if (!read_fraction(at, &fraction_ms)) {
        return false;
    }
    *ms = before ? -(seconds * 1000 + fraction_ms) : seconds * 1000 + fraction_ms;
    return true;
}

int dueq_parse_time(const char *text, int64_t *ms)
{
    if (text == NULL) {
        return DUEQ_EINVAL;
    }
    const char *at = text;
    int64_t found_ms;
    bool read = read_char(&at, "@") ? read_unix(&at, &found_ms) : read_rfc3339(&at, &found_ms);
    if (!read || *at != '\0') {
        return DUEQ_EINVAL;
    }
    if (ms != NULL) {
        *ms = found_ms;
    }
    return DUEQ_OK;
}
