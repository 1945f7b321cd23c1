/* The engine that handles tasks by long-lived processes: JSON lines to their stdin, JSON lines from
 * their stdout. One thread, any number of processes. Knows no server. */
#ifndef DQ_WORK_STDIO_H
#define DQ_WORK_STDIO_H

#include "base/fault.h"
#include "work/desk.h"
#include "work/log.h"

typedef struct dq_stdio dq_stdio;

/* All borrowed, for as long as the engine is open. */
typedef struct dq_stdio_options {
    char *const *command;
    char *const *environment; /* dq_environment_base() */
    size_t process_count;
    size_t window;      /* tasks in the hands of one process, at most */
    int64_t timeout_ms; /* of a task, from when its line is written; 0: none */
    int64_t grace_ms;   /* from TERM to KILL */
    dq_desk *desk;
    int nudge_fd;            /* the desk's todo_fd and that of each of its jobs, at once */
    const atomic_int *stops; /* asked for so far: two while closing are DQ_ORDER_KILL; or NULL */
    dq_log *log;
} dq_stdio_options;

/* Starts the processes and keeps them up. DUEQ_OK; DUEQ_ENOMEM or ESYSTEM with the fault set, and
 * *stdio NULL. A program that cannot be started is none of these: it is logged, and tried again. */
int dq_stdio_open(dq_stdio **stdio, const dq_stdio_options *options, dq_fault *fault);

/* Closes the desk and returns once every job is back and every process is gone: each gets the end
 * of its stdin; TERM if it has not exited within the grace, DQ_END_GRACE_MS at most; KILL after as
 * long again, or once there have been two stops. NULL is fine. */
void dq_stdio_close(dq_stdio *stdio);

#endif
