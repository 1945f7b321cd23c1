/* Ids of the library's own making, and the checksum that places ids in partitions. */
#include "base/id.h"

#include <stdbool.h>

#include "base/random.h"

/* 84 bits in 14 characters: 42 of milliseconds since 2020 (until 2159), 42 that begin at random in
 * each millisecond and count up from there. A server's allocator gives 15 bytes and less half the
 * room of 22, twice a task. */
#define TIME_BITS 42
#define COUNT_BITS 42
#define EPOCH_MS INT64_C(1577836800000)
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)
#define COUNT_START_BELOW (UINT64_C(1) << (COUNT_BITS - 1)) /* leaves as many to count up to */
#define CLOCK_SLACK_MS 1000 /* further back than this the clock was set, not overtaken */

/* 64 characters in ASCII order, none of which a shell, a URL or a file name minds. */
static const char id_digits[64] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/* Holds: (ms, count) only grows while the clock does not step back. */
typedef struct tick {
    int64_t ms;
    uint64_t count;
} tick;

static void advance(tick *last, int64_t unix_ms)
{
    bool follows = unix_ms <= last->ms && last->ms - unix_ms <= CLOCK_SLACK_MS;
    if (follows && last->count < COUNT_MAX) {
        last->count++;
        return;
    }
    last->ms = follows ? last->ms + 1 : unix_ms;
    last->count = dq_random_below(COUNT_START_BELOW);
}

static void write_digits(char *out, uint64_t number, int len)
{
    for (int i = len - 1; i >= 0; i--, number >>= 6) out[i] = id_digits[number & 63];
}

void dq_id_make(char out[DUEQ_MADE_ID_LEN + 1], int64_t unix_ms)
{
    static _Thread_local tick last;
    advance(&last, unix_ms);
    write_digits(out, (uint64_t)(last.ms - EPOCH_MS), TIME_BITS / 6);
    write_digits(out + TIME_BITS / 6, last.count, COUNT_BITS / 6);
    out[DUEQ_MADE_ID_LEN] = '\0';
}

uint16_t dq_crc16(const void *bytes, size_t len)
{
    static const uint16_t of_nibble[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    const unsigned char *in = bytes;
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (crc << 4 ^ of_nibble[(crc >> 12 ^ in[i] >> 4) & 15]) & 0xffffu;
        crc = (crc << 4 ^ of_nibble[(crc >> 12 ^ in[i]) & 15]) & 0xffffu;
    }
    return (uint16_t)crc;
}
