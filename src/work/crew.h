/* Those who handle jobs: threads that call back or run a program a task, long-lived programs, or
 * requests to a URL. Knows the worker's options; nothing of leases or servers. */
#ifndef DQ_WORK_CREW_H
#define DQ_WORK_CREW_H

#include "work/desk.h"
#include "work/http.h"
#include "work/log.h"
#include "work/pool.h"
#include "work/process.h"
#include "work/stdio.h"

/* Holds: of pool, stdio and http one is set once it is open. */
typedef struct dq_crew {
    size_t room; /* jobs that can be at work at a time */
    dq_desk *desk;
    dq_pool *pool;
    dq_stdio *stdio;
    dq_http *http;
    dq_process_plan plan;
    char **environment; /* dq_environment_base(); only with a command */
    int nudge_fd; /* an eventfd for new jobs and orders to any; -1: threads have their own, or none */
} dq_crew;

/* How many jobs the options let be at work at a time. */
size_t dq_crew_room(const dueq_worker_options *options);

typedef struct dq_crew_options {
    const dueq_worker_options *worker;
    int through_fd;          /* see dq_desk_make() */
    const atomic_int *stops; /* asked of the worker so far; outlives the crew */
    dq_log *log;
} dq_crew_options;

/* DUEQ_OK or negative; to be closed in either case. */
int dq_crew_open(dq_crew *crew, const dq_crew_options *options, dq_fault *fault);

/* Whether handlers do as dq_job_order() says. Callbacks cannot be told. */
bool dq_crew_takes_orders(const dq_crew *crew);

/* Waits until every handler has returned. A zeroed crew is fine. */
void dq_crew_close(dq_crew *crew);

#endif
