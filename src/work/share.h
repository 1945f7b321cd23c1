/* Which queue the free slots go to: by weight (smooth weighted round robin, so that shares mix
 * instead of coming in runs) or in strict order. Pure: knows no queue, no task, no clock. */
#ifndef DQ_WORK_SHARE_H
#define DQ_WORK_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holds: the credits of all shares sum to zero as long as none was closed. */
typedef struct dq_share {
    int weight;     /* at least 1 */
    bool open;      /* worth looking at; a closed share is dealt nothing */
    int64_t credit; /* how far behind its due part it is, in weights */
    size_t quota;   /* out: slots dealt to it */
} dq_share;

/* Deals `slots` among the open shares. False, and nothing dealt, when none is open. */
bool dq_share_deal(dq_share *shares, size_t count, size_t slots, bool strict);

/* Nothing is to be had there: closes it, and forgets its credit, so that a queue that was dry
 * for an hour does not come back with an hour's claims. */
void dq_share_close(dq_share *share);

#endif
