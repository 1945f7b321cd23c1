/* Waiting for tasks without polling (doc/design.md, "Waking up"): a handle that waits sleeps on its
 * own timer until the next moment that matters, and listens meanwhile for the markers that pushes
 * leave. */
#ifndef DQ_QUEUE_WAIT_H
#define DQ_QUEUE_WAIT_H

#include "queue/take.h"

typedef struct dq_waiter dq_waiter;

/* Holds: it listens to the wake keys of all watched queues while it sleeps (listen.h); a waiter whose
 * owner is busy does not, so it never swallows a wake-up that another could use. */
dq_waiter *dq_waiter_make(dueq *handle); /* NULL: out of memory */
void dq_waiter_free(dq_waiter *waiter);  /* NULL is fine */

/* Says what the last take on a queue found; a queue not named before is watched from now on.
 * Queues are watched until the waiter is freed. */
int dq_waiter_watch(dq_waiter *waiter, const char *queue, const dq_outlook *outlook);

/* Whether a queue is worth looking at now: woken, its time has come, or never looked at. */
bool dq_waiter_worth(const dq_waiter *waiter, const char *queue);

/* Sleeps until some watched queue is worth looking at (DUEQ_OK), the deadline passes (DUEQ_EMPTY),
 * or interrupt_fd (-1: none) becomes readable (DUEQ_ECANCELED). Negative otherwise: a failure to
 * listen does not count as one, it only makes the sleep shorter. */
int dq_waiter_sleep(dq_waiter *waiter, int64_t deadline_us, int interrupt_fd);

/* Call before the owner turns to other things without sleeping again soon: takes the BLPOP back,
 * and passes a marker on that had just arrived. Cheap when nothing is outstanding. */
void dq_waiter_rest(dq_waiter *waiter);

#endif
