/* The clocks. Nothing here decides; deadlines are handed in and out as plain numbers. */
#include "base/clock.h"

#include <time.h>

#define POLL_MS_MAX 60000

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t dq_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t dq_boot_us(void)
{
#ifdef CLOCK_BOOTTIME
    return read_us(CLOCK_BOOTTIME);
#else
    return read_us(CLOCK_MONOTONIC);
#endif
}

int64_t dq_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t dq_deadline_us(int64_t ms)
{
    int64_t now_us = dq_mono_us();
    if (ms < 0 || ms > (DQ_NEVER_US - now_us) / 1000) {
        return DQ_NEVER_US;
    }
    return now_us + ms * 1000;
}

int dq_poll_ms(int64_t deadline_us)
{
    int64_t left_us = deadline_us - dq_mono_us(); /* both are past zero: no overflow */
    if (left_us <= 0) {
        return 0;
    }
    return left_us >= (int64_t)POLL_MS_MAX * 1000 ? POLL_MS_MAX : (int)((left_us + 999) / 1000);
}
