/* The handler threads: made once, fed with jobs, heard of through one descriptor. Knows how to call a
 * handler, nothing of leases or servers. */
#ifndef DQ_WORK_POOL_H
#define DQ_WORK_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "work/job.h"

typedef struct dq_pool dq_pool;

typedef struct dq_pool_options {
    size_t thread_count;
    dueq_handler_fn *handler;
    void *context;
    int wake_fd; /* an eventfd that is written to when a handler has returned; borrowed */
} dq_pool_options;

/* Starts the threads, with all signals blocked. DUEQ_OK, ENOMEM or ESYSTEM; *pool is NULL then. */
int dq_pool_open(dq_pool **pool, const dq_pool_options *options, dq_fault *fault);

/* Returns once every handler has returned and every thread has ended. NULL is fine. */
void dq_pool_close(dq_pool *pool);

/* The pool has the job until dq_pool_collect() or dq_pool_withdraw() gives it back. */
void dq_pool_hand(dq_pool *pool, dueq_job *job);

/* Takes back a job that no thread has begun; false when its handler has been called. */
bool dq_pool_withdraw(dq_pool *pool, dueq_job *job);

/* All jobs whose handlers have returned since the last call, chained by `next`; NULL: none. */
dueq_job *dq_pool_collect(dq_pool *pool);

#endif
