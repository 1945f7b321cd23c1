/* Waiting for facts: UNTIL and UNTIL_EQ look at a condition again and again until it holds, and
 * fail the test, naming it, when it does not within the bound. The bound is generous, never tight:
 * a test's success must not depend on it. */
#ifndef TESTS_SUPPORT_UNTIL_H
#define TESTS_SUPPORT_UNTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdbool.h>
#include <time.h>

static inline int64_t until_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True while there is time left; lets others run for a moment before the next look. */
static inline bool until_again(int64_t deadline_ms)
{
    if (until_now_ms() >= deadline_ms) return false;
    poll(NULL, 0, 1);
    return true;
}

/* UNTIL(5000, server_int(s, "ZCARD due") == 1); */
#define UNTIL(bound_ms, condition)                                             \
    do {                                                                       \
        int64_t until_deadline_ms_ = until_now_ms() + (bound_ms);              \
        while (!(condition)) {                                                 \
            if (!until_again(until_deadline_ms_)) {                            \
                fail_msg("not within %d ms: %s", (int)(bound_ms), #condition); \
            }                                                                  \
        }                                                                      \
    } while (0)

/* The same for two integers, both shown when they stay apart: UNTIL_EQ(5000, count(q), 3); */
#define UNTIL_EQ(bound_ms, expression, wanted)                                         \
    do {                                                                               \
        int64_t until_deadline_ms_ = until_now_ms() + (bound_ms);                      \
        for (;;) {                                                                     \
            long long until_have_ = (long long)(expression);                           \
            long long until_want_ = (long long)(wanted);                               \
            if (until_have_ == until_want_) break;                                     \
            if (!until_again(until_deadline_ms_)) {                                    \
                fail_msg("not within %d ms: %s is %lld, wanted %lld", (int)(bound_ms), \
                         #expression, until_have_, until_want_);                       \
            }                                                                          \
        }                                                                              \
    } while (0)

#endif
