/* Handler threads: each takes a job from the desk, calls the handler, gives the job back. Knows
 * nothing of leases or servers. */
#ifndef DQ_WORK_POOL_H
#define DQ_WORK_POOL_H

#include "base/fault.h"
#include "work/desk.h"

typedef struct dq_pool dq_pool;

typedef struct dq_pool_options {
    size_t thread_count;
    dueq_handler_fn *handler;
    void *context;
    bool takes_orders; /* job->nudge_fd is to be set for the handler */
    dq_desk *desk;     /* borrowed */
} dq_pool_options;

/* Starts the threads, with all signals blocked. DUEQ_OK, ENOMEM or ESYSTEM; *pool is NULL then. */
int dq_pool_open(dq_pool **pool, const dq_pool_options *options, dq_fault *fault);

/* Closes the desk; returns once every handler has returned and every thread has ended. NULL is
 * fine. */
void dq_pool_close(dq_pool *pool);

#endif
