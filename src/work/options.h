/* The worker's options, checked, with defaults filled in, and owned. Knows nothing of running. */
#ifndef DQ_WORK_OPTIONS_H
#define DQ_WORK_OPTIONS_H

#include "base/fault.h"

#define DQ_WORK_QUEUES_MAX 64
#define DQ_WORK_CONCURRENCY_MAX 1024
#define DQ_WORK_WEIGHT_MAX 1000000
#define DQ_WORK_PREFETCH_MAX 10000
#define DQ_WORK_WINDOW_MAX 1000
#define DQ_WORK_AT_WORK_MAX 10000 /* concurrency times window */

/* Holds: every text and list that `options` points to is ours and in `owned`, but for the contexts
 * of callbacks. */
typedef struct dq_work_options {
    dueq_worker_options options;
    dueq_options connect;
    void **owned;
    size_t owned_count;
} dq_work_options;

/* Checks and copies. DUEQ_OK, EINVAL or ENOMEM with the fault set; clear in either case. */
int dq_work_options_copy(dq_work_options *to, const dueq_worker_options *from, dq_fault *fault);
void dq_work_options_clear(dq_work_options *options);

#endif
