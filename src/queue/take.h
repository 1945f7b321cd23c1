/* Taking tasks, and what an empty-handed taker learns about when to look again. */
#ifndef DQ_QUEUE_TAKE_H
#define DQ_QUEUE_TAKE_H

#include "queue/handle.h"

/* When a queue is worth looking at again, as its last take found it. Monotonic time. */
typedef struct dq_outlook {
    bool more;                /* ready tasks were left behind: look again at once */
    int64_t look_at_us;       /* look again then, unless woken before; never far off: a bound */
    uint32_t partition_count; /* 0: there is no such queue yet */
    int64_t clock_step_ms;    /* a server's clock was put forward (negative: back); 0: none was */
} dq_outlook;

/* Whether the caller will wait on this queue after the look. */
typedef enum dq_stays {
    DQ_STAYS_NOT,
    DQ_STAYS_EMPTY, /* if it gets nothing */
    DQ_STAYS_ROOM   /* if it gets fewer than it wants */
} dq_stays;

typedef struct dq_take_call {
    const dueq_take_options *options;
    dq_stays stays;
    int64_t deadline_us; /* of the exchange */
} dq_take_call;

/* One look at a queue, without waiting. DUEQ_OK with a batch, DUEQ_EMPTY (also when there is no
 * such queue), or negative with the handle's fault set. *outlook is filled unless negative. */
int dq_take_once(dueq *handle, const char *name, const dq_take_call *call, dueq_batch **batch,
                 dq_outlook *outlook);

/* Says of every partition that relies on this handle to look in time that it will not, so that
 * another worker is woken for it. */
void dq_take_disarm(dueq *handle, int64_t deadline_us);

/* Passes a marker on that this handle cannot use: the script leaves another if there is need. */
void dq_take_pass_on(dueq *handle, const char *name, uint32_t partition, int64_t deadline_us);

#endif
