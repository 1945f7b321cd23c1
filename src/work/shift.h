/* One run of a worker, from dueq_worker_run() to its return: the connection, the slots, the handler
 * threads, and the phases of the main loop. All of it belongs to the thread that runs the loop;
 * handlers are met at the desk and by the jobs' own atomics. */
#ifndef DQ_WORK_SHIFT_H
#define DQ_WORK_SHIFT_H

#include "queue/wait.h"
#include "work/crew.h"
#include "work/job.h"
#include "work/pace.h"
#include "work/share.h"
#include "work/worker.h"

typedef enum dq_phase {
    DQ_PHASE_WORKING,
    DQ_PHASE_FINISHING, /* stopping: takes no more, handlers have their grace */
    DQ_PHASE_ENDING,    /* the grace is over: handlers are ended, leases given back */
    DQ_PHASE_OVER
} dq_phase;

/* A queue that is worked on. */
typedef struct dq_source {
    const char *name;
    int64_t lease_ms;       /* asked for by each take and extension; 0: not known yet */
    int64_t lease_until_us; /* when to look at the queue's setting again */
    dueq_job *reports;      /* to be told to the server, chained by next_report in their order */
    dueq_job **reports_end; /* where the next one is hung */
} dq_source;

/* Holds: failures is 0 exactly while the server is within reach as far as is known. */
typedef struct dq_outage {
    int64_t failures; /* in a row */
    int64_t since_us;
    int64_t retry_at_us;
} dq_outage;

/* Holds: `counts` says how many slots are in each state; every slot is in `free_jobs` exactly while it is free; it is in its source's `reports`
 * exactly while it is given up, or answered. */
typedef struct dq_shift {
    dueq_worker *worker;
    const dueq_worker_options *options;
    dueq *handle;
    dq_waiter *waiter;
    dq_crew crew;
    char timeout_text[64];

    dueq_job *jobs; /* room for all that are at work, and all held ready */
    size_t job_count;
    size_t counts[DQ_JOB_STATES];
    dq_pace pace;
    size_t held_bytes; /* of the payloads of all tasks in slots */
    dueq_job *free_jobs;
    size_t free_count;

    dq_source *sources;
    dq_share *shares; /* of the sources, in the same order */
    size_t source_count;

    dueq_job **picked; /* room for what one call is about: job_count of each */
    dueq_lease *leases;
    dueq_failure *failures;

    bool started; /* all is open: the run has begun */
    dq_phase phase;
    int outcome;         /* of the run */
    dq_order order;      /* the worst given to all handlers */
    int64_t end_at_us;   /* of the phase; DQ_NEVER_US while working */
    int64_t renew_at_us; /* no lease is to be renewed before */
    int64_t moved_at_us; /* when a job last came back, or was handed out */
    int64_t
        timeout_at_us; /* no callback runs out of time before; DQ_NEVER_US: they are not timed */
    dq_outage outage;
    bool ready;         /* the server has answered the run's first call */
    int64_t tick_at_us; /* DQ_NEVER_US: the host wants no ticks */
} dq_shift;

/* Runs a worker; what dueq_worker_run() returns. */
int dq_shift_run(dueq_worker *worker);

/* shift.c: making one and taking it apart. */
int dq_shift_open(dq_shift *shift, dueq_worker *worker);
void dq_shift_close(dq_shift *shift);

/* slots.c: the slots and their tasks. */
void dq_shift_move(dq_shift *shift, dueq_job *job, dq_job_state to); /* the one door */
dueq_job *dq_shift_fill_slot(dq_shift *shift, size_t source, dq_held_batch *batch, size_t task);
void dq_shift_holds_from(const dq_shift *shift, dueq_job *job, int64_t sent_us);
void dq_shift_free_slot(dq_shift *shift, dueq_job *job);             /* left or answered: free */
void dq_shift_lose(dq_shift *shift, dueq_job *job, const char *why); /* handed: left, or free */
void dq_shift_give_up(dq_shift *shift, dueq_job *job, dueq_verdict verdict, const char *error);
void dq_shift_add_report(dq_shift *shift, dueq_job *job); /* answered or given up */
void dq_shift_withdraw_unbegun(dq_shift *shift);
void dq_shift_order_all(dq_shift *shift, dq_order order);

/* outage.c: what a call's result says about the server. */
void dq_shift_reached(dq_shift *shift);
int dq_shift_failed(dq_shift *shift, int rc); /* returns rc, which is negative */
bool dq_shift_is_away(const dq_shift *shift); /* and not to be tried again yet */

/* phase.c: stopping. */
void dq_shift_hear_stop(dq_shift *shift);
void dq_shift_fail(dq_shift *shift, int rc); /* cannot go on: finishes as after a stop */
void dq_shift_end_if_through(dq_shift *shift);
void dq_shift_shorten_calls(dq_shift *shift, int64_t most_ms); /* from here on; or a second */

/* How many jobs can be at work at a time as things are, and how many more tasks there is use for. */
size_t dq_shift_room(const dq_shift *shift);
size_t dq_shift_wants(const dq_shift *shift);

/* take.c, report.c, keep.c: the phases of the loop that talk to the server. */
void dq_shift_take_more(dq_shift *shift);
void dq_shift_gather_answers(dq_shift *shift);
void dq_shift_report_answers(dq_shift *shift);
void dq_shift_keep_leases(dq_shift *shift);
int64_t dq_shift_first_end(const dq_shift *shift); /* of a lease that is held; for outages */
void dq_shift_give_back_stuck(dq_shift *shift);
int64_t dq_shift_stuck_at(const dq_shift *shift); /* DQ_NEVER_US: nothing can be stuck */
void dq_shift_watch_clock(dq_shift *shift);

#endif
