/* Random numbers from the kernel, a block at a time for each thread. A forked child throws its
 * parent's block away, so that two processes never make the same id. */
#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

#define POOL_LEN 32u

/* Holds: values[used …] have never been given away, and belong to process `owner`. */
typedef struct pool {
    uint64_t values[POOL_LEN];
    size_t used;
    pid_t owner;
} pool;

/* For a kernel that refuses getrandom(): numbers that are still spread, if no longer secret. */
static void fill_from_clock(uint64_t *values, size_t count)
{
    uint64_t seed = (uint64_t)dq_mono_us() ^ (uint64_t)dq_wall_us() << 20 ^
                    (uint64_t)getpid() << 44 ^ (uint64_t)(uintptr_t)values;
    for (size_t i = 0; i < count; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        values[i] = mixed ^ mixed >> 31;
    }
}

static void refill(pool *numbers)
{
    unsigned char *to = (unsigned char *)numbers->values;
    size_t have = 0;
    while (have < sizeof numbers->values) {
        ssize_t got = getrandom(to + have, sizeof numbers->values - have, 0);
        if (got < 0 && errno != EINTR) {
            fill_from_clock(numbers->values, POOL_LEN);
            break;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    numbers->used = 0;
}

uint64_t dq_random_u64(void)
{
    static _Thread_local pool numbers = {.used = POOL_LEN};
    pid_t self = getpid();
    if (numbers.used == POOL_LEN || numbers.owner != self) {
        refill(&numbers);
        numbers.owner = self;
    }
    return numbers.values[numbers.used++];
}

uint64_t dq_random_below(uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    uint64_t uneven = (UINT64_MAX % bound + 1) % bound; /* so many at the top would favour some */
    uint64_t number;
    do {
        number = dq_random_u64();
    } while (number > UINT64_MAX - uneven);
    return number % bound;
}

int64_t dq_backoff_ms(int64_t attempt, int64_t base_ms, int64_t max_ms, uint64_t rnd)
{
    if (base_ms <= 0 || max_ms <= 0) {
        return 0;
    }
    int64_t bound_ms = base_ms < max_ms ? base_ms : max_ms;
    for (int64_t i = 1; i < attempt && bound_ms < max_ms; i++) {
        bound_ms = bound_ms > max_ms / 2 ? max_ms : bound_ms * 2;
    }
    return (int64_t)(rnd % ((uint64_t)bound_ms + 1));
}
