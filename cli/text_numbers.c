/* Numbers, sizes and times: read from people and shown to them; and the nearest word. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <dueq.h>

#include "text.h"

bool text_to_number(const char *text, int64_t min, int64_t max, int64_t *number)
{
    char *end;
    long long value;

    if (*text == '\0' || strspn(text, "-0123456789") != strlen(text)) return false;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max) return false;
    *number = value;
    return true;
}

bool text_to_size(const char *text, int64_t *size)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},   {"B", 0},    {"K", 10}, {"KiB", 10},
                 {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}};
    size_t digit_count = strspn(text, "0123456789");
    text_small digits;

    if (digit_count == 0 || digit_count > 9) return false;
    memcpy(digits, text, digit_count);
    digits[digit_count] = '\0';
    if (text[digit_count] == ' ' && text[digit_count + 1] != '\0')
        text++; /* as text_size() writes it */
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(text + digit_count, units[i].name) == 0) {
            *size = strtoll(digits, NULL, 10) << units[i].shift;
            return true;
        }
    }
    return false;
}

const char *text_number(int64_t number, text_small out)
{
    text_small plain;
    size_t len, at = 0;

    len = (size_t)snprintf(plain, sizeof(plain), "%" PRId64, number);
    for (size_t i = 0; i < len; i++) {
        bool after_digit = i > 0 && plain[i - 1] != '-';

        if (after_digit && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = plain[i];
    }
    out[at] = '\0';
    return out;
}

const char *text_size(int64_t size, text_small out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)size;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TEXT_SMALL, unit == 0 || value == (double)(int64_t)value ? "%.0f %s" : "%.1f %s",
             value, units[unit]);
    return out;
}

const char *text_time(int64_t at_ms, text_small out)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    size_t len;

    if (at_ms < 0 || gmtime_r(&seconds, &parts) == NULL) {
        snprintf(out, TEXT_SMALL, "@%" PRId64, at_ms / 1000);
        return out;
    }
    len = strftime(out, TEXT_SMALL, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + len, TEXT_SMALL - len, ".%03dZ", (int)(at_ms % 1000));
    return out;
}

const char *text_when(int64_t at_ms, int64_t now_ms, text_small out)
{
    text_small span;

    if (at_ms > now_ms)
        snprintf(out, TEXT_SMALL, "in %.48s",
                 dueq_format_duration(at_ms - now_ms, span, sizeof(span)));
    else if (at_ms < now_ms)
        snprintf(out, TEXT_SMALL, "%.48s ago",
                 dueq_format_duration(now_ms - at_ms, span, sizeof(span)));
    else
        snprintf(out, TEXT_SMALL, "now");
    return out;
}

int64_t text_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define WORD_MAX 24 /* longer words are not compared */

static size_t smallest_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters have to be put in, taken out or changed. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++) row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];

            row[j] = smallest_of(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *text_nearest(const char *typed, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = strlen(typed) / 3 + 1;

    if (strlen(typed) > WORD_MAX) return NULL;
    for (; *names != NULL; names++) {
        size_t found = strlen(*names) <= WORD_MAX ? distance(typed, *names) : WORD_MAX;

        if (found <= best_distance && (best == NULL || found < best_distance)) {
            best = *names;
            best_distance = found;
        }
    }
    return best;
}
