/* The arithmetic of locks. */
#include "queue/lock_rules.h"

#include "base/random.h"
#include "dueq.h"

enum { DRIFT_US = 2000, DRIFT_PART = 100 };
enum { PAUSE_MIN_MS = 10 };

int64_t dq_lock_sure_us(int64_t ttl_ms)
{
    int64_t ttl_us = ttl_ms * 1000;
    return ttl_us - ttl_us / DRIFT_PART - DRIFT_US;
}

int64_t dq_lock_share_ms(int64_t ttl_ms, size_t server_count, int64_t limit_ms)
{
    int64_t share_ms = ttl_ms / 2 / (int64_t)server_count;
    if (share_ms > limit_ms) share_ms = limit_ms;
    return share_ms > 1 ? share_ms : 1;
}

int64_t dq_lock_pause_ms(int64_t attempt, int64_t max_ms, int64_t left_ms, uint64_t rnd)
{
    int64_t pause_ms = dq_backoff_ms(attempt, PAUSE_MIN_MS, max_ms, rnd);
    /* Those who wait for one end all see it: spread them, a little. */
    int64_t end_ms = left_ms + 1 + (int64_t)(rnd % PAUSE_MIN_MS);
    return left_ms >= 0 && end_ms < pause_ms ? end_ms : pause_ms;
}

int dq_lock_verdict(const int *outcomes, size_t count)
{
    size_t quorum = count / 2 + 1, yes = 0, no = 0, unasked = 0;
    int first_no = 0, first_failure = 0;
    for (size_t i = 0; i < count; i++) {
        int outcome = outcomes[i];
        if (outcome == DQ_LOCK_UNASKED) {
            unasked++;
        } else if (outcome == DUEQ_OK) {
            yes++;
        } else if (outcome > 0) {
            no++;
            first_no = first_no ? first_no : outcome;
        } else {
            first_failure = first_failure ? first_failure : outcome;
        }
    }
    if (yes >= quorum) return DUEQ_OK;
    if (no > count - quorum) return first_no;
    if (unasked) return DQ_LOCK_UNASKED;
    return first_failure;
}
