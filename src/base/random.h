/* Random numbers for ids, jitter and names; from the kernel, buffered per thread, safe after
 * fork. Not for secrets. */
#ifndef DQ_BASE_RANDOM_H
#define DQ_BASE_RANDOM_H

#include <stdint.h>

uint64_t dq_random_u64(void);

/* Even over 0 … bound-1; 0 when bound is 0. */
uint64_t dq_random_below(uint64_t bound);

/* Full jitter: even over 0 … min(max_ms, base_ms * 2^(attempt-1)). Pure: `rnd` is the randomness. */
int64_t dq_backoff_ms(int64_t attempt, int64_t base_ms, int64_t max_ms, uint64_t rnd);

#endif
