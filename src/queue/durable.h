/* How durable changes are to be before a call returns, and how durable the last ones are known to
 * be. None of it changes what a call itself comes to. */
#ifndef DQ_QUEUE_DURABLE_H
#define DQ_QUEUE_DURABLE_H

#include "queue/handle.h"

/* Reads a level as callers write it. DUEQ_OK, or DUEQ_EINVAL with the handle's fault set. */
int dq_durable_read(dueq *handle, const char *text, dq_level *level);

/* A call that changes something begins, at the handle's level: what the one before it has reached is
 * forgotten. Its arguments have been checked. */
void dq_durable_begin(dueq *handle);
/* The same, at a level of its own until dq_durable_end(). */
void dq_durable_begin_at(dueq *handle, dq_level level);
void dq_durable_end(dueq *handle);
/* A long call goes on with its next part, which is waited for again, whatever became of the ones before;
 * what is reached stays the least of all. */
void dq_durable_next(dueq *handle);

/* As dq_link_exchange(), for requests that change something: waits for the level of the call. */
int dq_durable_exchange(dueq *handle, dq_request *requests, size_t count, int64_t deadline_us);

/* Refuses a server that cannot do what is asked for, as soon as there is a connection to it. */
int dq_durable_greet(dueq *handle, dq_conn *conn, int64_t deadline_us, dq_fault *fault);

#endif
