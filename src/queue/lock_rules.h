/* What decides about locks: how long one is sure, what the servers' answers add up to, when to try
 * again. Pure: clock and randomness come in as arguments. */
#ifndef DQ_QUEUE_LOCK_RULES_H
#define DQ_QUEUE_LOCK_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long a lock of ttl_ms is surely held, counted from before it was asked for: less 1% and 2 ms,
 * which clocks may drift apart, and servers may round. */
int64_t dq_lock_sure_us(int64_t ttl_ms);

/* How long one of several servers is waited for: an even share of half the lock's time, and no more
 * than limit_ms; at least 1. */
int64_t dq_lock_share_ms(int64_t ttl_ms, size_t server_count, int64_t limit_ms);

/* The pause after the attempt'th try that found the lock held for left_ms more (negative: unknown):
 * full jitter up to max_ms, or until just after it ends, whichever is first. */
int64_t dq_lock_pause_ms(int64_t attempt, int64_t max_ms, int64_t left_ms, uint64_t rnd);

/* A server's outcome as long as it was not asked. None of dueq.h's. */
#define DQ_LOCK_UNASKED (-300)

/* What the outcomes add up to: DUEQ_OK when more than half are, the first positive one when so many
 * are positive that more than half cannot be, the first failure when neither is so and all were
 * asked; else DQ_LOCK_UNASKED. */
int dq_lock_verdict(const int *outcomes, size_t count);

#endif
