/* A worker between its making and its freeing, whether it runs or not: what other threads and
 * signal handlers may touch. What belongs to one run is a shift (work/shift.h). */
#ifndef DQ_WORK_WORKER_H
#define DQ_WORK_WORKER_H

#include <stdatomic.h>

#include "base/fault.h"
#include "work/log.h"
#include "work/options.h"

typedef struct dq_counters {
    _Atomic int64_t taken, done, retried, dead, released, lost;
} dq_counters;

struct dueq_worker {
    dq_work_options own;
    dq_fault fault; /* of the making, or of the run once it has ended */
    dq_log log;
    dq_counters counters;

    /* dueq_worker_stop() counts, then makes both descriptors readable. */
    atomic_int stops;
    atomic_bool stopping; /* what handlers are told; also set when a run fails */
    int wake_fd;          /* an eventfd: a handler is through, or a stop; ends the loop's sleep */
    int stop_fd;          /* an eventfd: a stop; ends a call's waiting for a server that is away */
};

#endif
