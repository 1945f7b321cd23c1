/* One slot of the worker: the task in it, where it stands, and what its handler said. Knows no
 * server and no thread: who may touch which part is said at each. */
#ifndef DQ_WORK_JOB_H
#define DQ_WORK_JOB_H

#include <stdatomic.h>

#include "dueq.h"
#include "work/log.h"

/* Where a slot stands. Only the main loop looks at it and moves it (dq_job_move).
 *
 *   free --> handed --> answered --> free
 *              |  |         ^
 *              |  +--> given up --> left --> free
 *              +-------------------->^
 */
typedef enum dq_job_state {
    DQ_JOB_FREE = 0, /* no task in it */
    DQ_JOB_HANDED,   /* the desk has it; its lease is kept */
    DQ_JOB_ANSWERED, /* its handler is through: to be reported */
    DQ_JOB_GIVEN_UP, /* its handler is still at it, but what to report is settled without it */
    DQ_JOB_LEFT,     /* its handler is still at it, and nothing is left to be reported */
    DQ_JOB_STATES
} dq_job_state;

/* What a process handler is told to do with its process, each worse than the one before. */
typedef enum dq_order {
    DQ_ORDER_NONE = 0,
    DQ_ORDER_LEAVE, /* the lease is lost: TERM, and KILL after the grace */
    DQ_ORDER_END,   /* the grace of a stop is over: TERM, and KILL soon */
    DQ_ORDER_KILL   /* at once */
} dq_order;

/* What the handler said. */
typedef struct dq_answer_text {
    size_t len;
    char bytes[DUEQ_ERROR_TEXT_MAX + 1]; /* len of them and a NUL */
} dq_answer_text;

typedef struct dq_handler_answer {
    dueq_verdict verdict;
    int64_t delay_ms; /* -1: the worker's backoff */
    dq_answer_text error;
} dq_handler_answer;

/* What is to be told to the server. */
typedef struct dq_report {
    dueq_verdict verdict;
    int64_t delay_ms;
    const char *error; /* NULL: none; borrowed from the answer or a constant of the run */
    size_t error_len;
} dq_report;

/* A batch that is freed with the last of its tasks. Main loop only. */
typedef struct dq_held_batch {
    dueq_batch *batch;
    size_t task_count; /* still in slots */
} dq_held_batch;

struct dueq_job {
    /* Set before the job is handed to the desk, then only read. */
    const dueq_task *task;
    const char *queue;
    const atomic_bool *stopping;

    /* Any thread. */
    atomic_bool lost;
    atomic_int order;            /* a dq_order */
    atomic_int nudge_fd;         /* an eventfd, written to after each new order; -1: none yet */
    _Atomic int64_t begun_us;    /* when the desk gave it to a handler; 0: it has not */
    _Atomic int64_t returned_us; /* when it came back */

    /* The handler's from the desk's giving it out until it is returned there. */
    dq_handler_answer answer;

    /* The main loop's. */
    dq_job_state state;
    size_t source; /* index of its queue */
    dq_held_batch *batch;
    int64_t renew_at_us;
    int64_t held_until_us; /* its lease does not end before, for all this machine knows */
    dq_report report;
    bool unsure; /* reported before, but the answer was lost */

    struct dueq_job *next_report; /* in its queue's list of reports */
    struct dueq_job *next;        /* in the list of the free, or in one of the desk's */
};

/* May a slot go from one state to the other? */
bool dq_job_may(dq_job_state from, dq_job_state to);

/* The one door. */
void dq_job_move(dueq_job *job, dq_job_state to);

/* Gives an order to a handler, unless it has had that one or a worse one. */
void dq_job_order(dueq_job *job, dq_order order);

/* dueq_job_set_error() for text that may hold NULs. */
void dq_job_set_error(dueq_job *job, const char *bytes, size_t len);

/* Adds which task it is: queue, id, attempt. */
void dq_job_log(const dueq_job *job, dq_log_entry *entry);

#endif
