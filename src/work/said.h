/* What a handler's process says on stderr: passed on to the worker's own in whole lines, its end kept
 * for the error of a task. Knows no task. */
#ifndef DQ_WORK_SAID_H
#define DQ_WORK_SAID_H

#include "work/relay.h"
#include "work/tail.h"

/* A zeroed one is empty. */
typedef struct dq_said {
    dq_tail tail;
    dq_relay relay;
} dq_said;

/* Nothing more can be read before something has been passed on. */
bool dq_said_is_full(const dq_said *said);

/* Reads once from the process's stderr, which does not block; closes it at its end. False when
 * there is nothing to be had now, or ever. */
bool dq_said_read(dq_said *said, int *fd);

/* A process waits for a slow reader of our stderr as it would have for one of its own; what one
 * that has exited has left behind does not. */
void dq_said_pass_on(dq_said *said, bool exited);

/* Reads and passes on what a finished process has left in the pipe, as whole lines, and closes it.
 * Others may hold the pipe open, and write to it for ever: so no waiting, and a bound. */
void dq_said_drain(dq_said *said, int *fd);

/* Appends ": " and the end of what was said, printable, within DUEQ_ERROR_TEXT_MAX; nothing when
 * nothing was said. */
void dq_said_add_to(const dq_said *said, dq_buf *error);

#endif
