/* The desk between the main loop and its handlers: jobs to begin on one side, jobs that are through
 * on the other. Knows neither who handles nor how. */
#ifndef DQ_WORK_DESK_H
#define DQ_WORK_DESK_H

#include <stdbool.h>
#include <stddef.h>

#include "work/job.h"

/* Jobs chained by `next`, in order. A zeroed list is empty. */
typedef struct dq_job_list {
    dueq_job *first;
    dueq_job *last;
    size_t count;
} dq_job_list;

void dq_job_list_add(dq_job_list *list, dueq_job *job);
dueq_job *dq_job_list_pop(dq_job_list *list); /* NULL: empty */

typedef struct dq_desk dq_desk;

/* Both descriptors are eventfds, borrowed: through_fd is written to when jobs are through after none
 * was; todo_fd when jobs are to be begun, or the desk closes (-1: handlers block in
 * dq_desk_await() instead). NULL when out of memory. */
dq_desk *dq_desk_make(int through_fd, int todo_fd);
void dq_desk_free(dq_desk *desk); /* nobody uses it any more; NULL is fine */

/* ---- The main loop's side ---- */

/* The desk has the jobs until they are collected or withdrawn. Empties the list. */
void dq_desk_hand(dq_desk *desk, dq_job_list *jobs);

/* Takes back a job that nobody has begun; false when somebody has. */
bool dq_desk_withdraw(dq_desk *desk, dueq_job *job);

/* Takes back all jobs that nobody has begun. */
dq_job_list dq_desk_withdraw_all(dq_desk *desk);

/* All jobs that are through since the last call. */
dq_job_list dq_desk_collect(dq_desk *desk);

/* How many jobs handlers can have at a time as things are; SIZE_MAX unless they have said so. */
size_t dq_desk_able(dq_desk *desk);

/* Handlers are to end once nothing is left to begin. */
void dq_desk_close(dq_desk *desk);

/* ---- The handlers' side; any thread ---- */

/* The next job to begin, `begun_us` set; waits for one. NULL once the desk is closed and empty. */
dueq_job *dq_desk_await(dq_desk *desk);

/* The same without waiting: NULL when there is none now. */
dueq_job *dq_desk_next(dq_desk *desk);

bool dq_desk_is_closed(dq_desk *desk);

/* Handlers can have so many jobs at a time from now on, those that they have among them: an endpoint
 * is away, a program is not up. The main loop is told when it is more than before. */
void dq_desk_set_able(dq_desk *desk, size_t job_count);

/* The job is through: its answer is in it. */
void dq_desk_return(dq_desk *desk, dueq_job *job);

/* dq_desk_return() and dq_desk_await() at once. */
dueq_job *dq_desk_exchange(dq_desk *desk, dueq_job *job);

#endif
