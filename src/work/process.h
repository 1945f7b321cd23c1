/* The handler that runs one process a task: payload on its stdin, the task in its environment, its
 * exit status and the end of its stderr as the answer. Knows no server. */
#ifndef DQ_WORK_PROCESS_H
#define DQ_WORK_PROCESS_H

#include "dueq.h"

#define DQ_EXIT_DEAD 100     /* "never try again" */
#define DQ_END_GRACE_MS 2000 /* from TERM to KILL once the grace of a stop is over, at most */
#define DQ_PROCESS_FDS 4     /* descriptors of the worker's that one process needs */

/* How all processes of a worker are run. Lives as long as the pool. */
typedef struct dq_process_plan {
    char *const *command;
    char *const *environment; /* dq_environment_base() */
    int64_t timeout_ms;       /* 0: none */
    int64_t grace_ms;
    int lost_signal; /* for a process whose lease is lost; 0: it is ended */
} dq_process_plan;

/* A dueq_handler_fn; the context is a dq_process_plan. For threads with SIGPIPE blocked. */
dueq_verdict dq_process_handle(dueq_job *job, void *context);

#endif
