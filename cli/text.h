/* Text on its way between people, terminals and bytes: UTF-8, escaping, display width, base64,
 * numbers and times as people like to read them. Knows nothing of queues. */
#ifndef DUEQ_CLI_TEXT_H
#define DUEQ_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character that `bytes` begins with, or 0 when it does not begin with one. */
size_t text_utf8_next(const unsigned char *bytes, size_t len, uint32_t *code);
bool text_is_utf8(const void *bytes, size_t len);

/* What may be written to a terminal or a log: bytes that would steer it (control characters,
 * marks that turn the direction of text, anything that is not UTF-8) become \n, \t, \xNN or
 * \u{N}. A backslash stays as it is: --json is there for exactness. The caller frees. */
char *text_escape(const void *bytes, size_t len);

/* Columns that a terminal gives to escaped text. */
size_t text_width(const char *text);
/* Bytes of the longest beginning of `text` that takes no more than `columns`. */
size_t text_cut(const char *text, size_t columns);
/* The length of the longest beginning that is no longer than `max` and cuts no character in two. */
size_t text_whole(const char *text, size_t len, size_t max);

/* Base64 with padding (RFC 4648). The caller frees. */
char *text_base64(const void *bytes, size_t len);
/* Decodes into `bytes` (3/4 of len is room enough). False unless it is base64, padded, whole. */
bool text_unbase64(const char *text, size_t len, unsigned char *bytes, size_t *bytes_len);

/* The whole text as a decimal number within the range. */
bool text_to_number(const char *text, int64_t min, int64_t max, int64_t *number);
/* A number of bytes: "4096", "64KiB", "1MiB", "1GiB" (also K, M, G, and with a blank before). */
bool text_to_size(const char *text, int64_t *size);

#define TEXT_SMALL 64 /* room enough for each of these */
typedef char text_small[TEXT_SMALL];

const char *text_number(int64_t number, text_small out);              /* 12,345 */
const char *text_size(int64_t size, text_small out);                  /* 57 B, 1.2 MiB */
const char *text_time(int64_t at_ms, text_small out);                 /* 2030-01-02T03:04:05.678Z */
const char *text_when(int64_t at_ms, int64_t now_ms, text_small out); /* in 4m 12s, 2h ago, now */

/* Of `names` (ended by NULL) the one that was probably meant, or NULL. */
const char *text_nearest(const char *typed, const char *const *names);

int64_t text_now_ms(void); /* this machine's clock: for showing times only */

#endif
