/* A resident: one long-lived process that is given tasks as lines on its stdin and answers them by
 * lines on its stdout. Here is all that concerns one of them; who gets which task, and the waiting,
 * is the engine's (work/stdio.h). Never blocks; knows no server. */
#ifndef DQ_WORK_RESIDENT_H
#define DQ_WORK_RESIDENT_H

#include <poll.h>

#include "base/fault.h"
#include "work/child.h"
#include "work/desk.h"
#include "work/log.h"
#include "work/said.h"

#define DQ_RESIDENT_FDS 4 /* descriptors of the worker's that one needs */

/* Where a resident stands. From every stage but the first it may go down: its process is gone.
 *
 *   down --> up --> leaving --> ending --> down
 *             +------------------->^
 */
typedef enum dq_resident_stage {
    DQ_RESIDENT_DOWN = 0, /* there is no process */
    DQ_RESIDENT_UP,       /* gets tasks */
    DQ_RESIDENT_LEAVING,  /* gets none any more, and is to exit: its stdin or stdout is closed */
    DQ_RESIDENT_ENDING,   /* has been sent TERM */
    DQ_RESIDENT_STAGES
} dq_resident_stage;

/* How a process came to its end. */
typedef enum dq_resident_end {
    DQ_ENDED_BY_ITSELF = 0,
    DQ_ENDED_LATE,   /* a task ran over its time */
    DQ_ENDED_BROKEN, /* what it says cannot be relied on: see `complaint` */
    DQ_ENDED_ORDER   /* the worker is to end */
} dq_resident_end;

/* How all residents of a worker are run; all borrowed. */
typedef struct dq_resident_plan {
    char *const *command;
    char *const *environment; /* dq_environment_base() */
    size_t window;            /* tasks in the hands of one, at most */
    int64_t timeout_ms;       /* 0: none */
    int64_t grace_ms;
    dq_desk *desk;
    int nudge_fd;
    dq_log *log;
} dq_resident_plan;

/* A task in its hands. */
typedef struct dq_resident_task {
    dueq_job *job;
    uint64_t line_at; /* where its line begins in all that is written to the process */
    int64_t late_at_us;
    bool told_lost;
} dq_resident_task;

/* Holds: `tasks` are in the order they were given, oldest first; while it is down it has none, and
 * no descriptor. What was written to the process is sent_len bytes long; what is to follow begins
 * at out.data + out_at. */
typedef struct dq_resident {
    const dq_resident_plan *plan;
    dq_resident_stage stage;
    dq_child child;
    bool exited; /* and is not reaped yet */
    dq_said said;

    dq_resident_task *tasks; /* room for plan->window */
    size_t task_count;

    dq_buf out;
    size_t out_at;
    uint64_t sent_len;
    uint64_t read_len; /* how much of that it had read when its stdin was closed */
    dq_buf line;       /* of its stdout, not ended yet */

    dq_resident_end end;
    dq_fault complaint;
    dq_order order;   /* the worst one obeyed */
    bool answered;    /* a task, since its start */
    int64_t failures; /* starts in a row after which it answered none */

    /* DQ_NEVER_US where it does not apply. */
    int64_t start_at_us; /* down: when to start it */
    int64_t ended_at_us; /* ending: since when */
    int64_t term_at_us;  /* leaving: when its time to exit by itself is over */
    int64_t kill_at_us;  /* ending: when KILL is due; never: it has been sent */
} dq_resident;

/* Down, to be started at once. `tasks` has room for plan->window of them and is borrowed. */
void dq_resident_init(dq_resident *r, const dq_resident_plan *plan, dq_resident_task *tasks);
void dq_resident_clear(dq_resident *r); /* it is down */

void dq_resident_start_if_due(dq_resident *r);

/* Whether it can begin a task now, and giving it one: it has it in hand then, or the task is back
 * on the desk already. */
bool dq_resident_has_room(const dq_resident *r);
void dq_resident_give(dq_resident *r, dueq_job *job);
void dq_resident_send(dq_resident *r); /* as much of what is to be written as its stdin takes */

/* Does what the orders to its tasks say; returns the worst of them. */
dq_order dq_resident_obey(dq_resident *r);

/* There will be no more tasks: once it has none in hand its stdin is closed, and after an order to
 * end it is ended. To be called again until it is down. */
void dq_resident_dismiss(dq_resident *r, dq_order order);

/* What is to be waited for, -1 where there is nothing, and until when. */
void dq_resident_poll(const dq_resident *r, struct pollfd fds[DQ_RESIDENT_FDS]);
int64_t dq_resident_next_moment(const dq_resident *r);

/* Moves the bytes that poll() told of, and hears answers. */
void dq_resident_exchange(dq_resident *r, const struct pollfd fds[DQ_RESIDENT_FDS]);
void dq_resident_keep_time(dq_resident *r);
void dq_resident_bury_if_through(dq_resident *r);

#endif
