/* The stdio engine's loop: which process gets which task, and its one sleep. */
#include "work/stdio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "work/resident.h"
#include "work/thread.h"

#define STOP_LOOK_MS 100 /* between looks for a further stop while closing: nothing tells of it */

enum { FD_NUDGE, FD_STDERR, FD_FIRST_RESIDENT }; /* the order of what is polled */

/* Holds: all but `thread` belongs to the engine's thread once it runs. */
struct dq_stdio {
    pthread_t thread;
    dq_resident_plan plan;
    dq_resident *residents;
    size_t resident_count;
    dq_resident_task *tasks; /* plan.window of them a resident */
    struct pollfd *fds;
    size_t able_count; /* jobs there is room for, as the desk was told last */
    const atomic_int *stops;
    bool closing;   /* the desk is closed */
    dq_order order; /* the worst given to any job, or to all */
};

/* ---- Jobs ---- */

static void start_residents(dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count && !s->closing; i++) {
        dq_resident_start_if_due(&s->residents[i]);
    }
}

/* One that has exited is not buried yet: the desk hears that it is gone before it has its jobs back,
 * and others could be taken in their place. */
static void tell_what_there_is_room_for(dq_stdio *s)
{
    size_t able_count = 0;
    for (size_t i = 0; i < s->resident_count; i++) {
        const dq_resident *r = &s->residents[i];
        if (r->stage == DQ_RESIDENT_UP && !r->exited) able_count += s->plan.window;
    }
    if (able_count == s->able_count) return;
    s->able_count = able_count;
    dq_desk_set_able(s->plan.desk, able_count);
}

/* The one with the fewest tasks, so that none waits behind another's while a process is idle. */
static dq_resident *find_least_busy(dq_stdio *s)
{
    dq_resident *best = NULL;
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident *r = &s->residents[i];
        if (!dq_resident_has_room(r)) continue;
        if (best == NULL || r->task_count < best->task_count) best = r;
        if (best->task_count == 0) break;
    }
    return best;
}

static void begin_jobs(dq_stdio *s)
{
    while (!s->closing) {
        dq_resident *r = find_least_busy(s);
        dueq_job *job = r == NULL ? NULL : dq_desk_next(s->plan.desk);
        if (job == NULL) break;
        dq_resident_give(r, job);
    }
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_send(&s->residents[i]);
    }
}

/* The main loop has ended by then, and gives no orders. */
static bool is_hurried(const dq_stdio *s)
{
    return s->stops != NULL && atomic_load(s->stops) > 1;
}

static void hear_orders(dq_stdio *s)
{
    if (s->fds[FD_NUDGE].revents != 0) {
        eventfd_t nudges;
        eventfd_read(s->plan.nudge_fd, &nudges);
        s->closing = dq_desk_is_closed(s->plan.desk);
        for (size_t i = 0; i < s->resident_count; i++) {
            dq_order order = dq_resident_obey(&s->residents[i]);
            if (order > s->order) s->order = order;
        }
    }
    if (s->closing && is_hurried(s)) s->order = DQ_ORDER_KILL;
    for (size_t i = 0; i < s->resident_count && s->closing; i++) {
        dq_resident_dismiss(&s->residents[i], s->order);
    }
}

/* ---- Waiting ---- */

static int64_t next_moment(const dq_stdio *s)
{
    int64_t at_us = s->closing && s->stops != NULL ? dq_deadline_us(STOP_LOOK_MS) : DQ_NEVER_US;
    for (size_t i = 0; i < s->resident_count; i++) {
        const dq_resident *r = &s->residents[i];
        if (s->closing && r->stage == DQ_RESIDENT_DOWN) continue;
        int64_t its_us = dq_resident_next_moment(r);
        if (its_us < at_us) at_us = its_us;
    }
    return at_us;
}

static void wait_for_something(dq_stdio *s)
{
    bool has_said = false;
    for (size_t i = 0; i < s->resident_count; i++) {
        const dq_resident *r = &s->residents[i];
        dq_resident_poll(r, &s->fds[FD_FIRST_RESIDENT + i * DQ_RESIDENT_FDS]);
        has_said = has_said || dq_relay_ready(&r->said.relay);
    }
    s->fds[FD_NUDGE] = (struct pollfd){.fd = s->plan.nudge_fd, .events = POLLIN};
    s->fds[FD_STDERR] = (struct pollfd){.fd = has_said ? STDERR_FILENO : -1, .events = POLLOUT};
    nfds_t count = FD_FIRST_RESIDENT + s->resident_count * DQ_RESIDENT_FDS;
    poll(s->fds, count, dq_poll_ms(next_moment(s)));
}

/* ---- The loop ---- */

static void keep_time(dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_keep_time(&s->residents[i]);
    }
}

static void exchange_bytes(dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_exchange(&s->residents[i], &s->fds[FD_FIRST_RESIDENT + i * DQ_RESIDENT_FDS]);
    }
}

static void bury_the_dead(dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_bury_if_through(&s->residents[i]);
    }
}

static bool is_over(const dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count; i++) {
        if (s->residents[i].stage != DQ_RESIDENT_DOWN) return false;
    }
    return s->closing;
}

/* What nobody began, should the desk be closed over it. */
static void release_the_rest(dq_stdio *s)
{
    for (dueq_job *job; (job = dq_desk_next(s->plan.desk)) != NULL;) {
        job->answer.verdict = DUEQ_VERDICT_RELEASE;
        dq_desk_return(s->plan.desk, job);
    }
}

static void *work(void *context)
{
    dq_stdio *s = context;
    while (!is_over(s)) {
        start_residents(s);
        tell_what_there_is_room_for(s);
        begin_jobs(s);
        keep_time(s);
        wait_for_something(s);
        hear_orders(s);
        exchange_bytes(s);
        tell_what_there_is_room_for(s);
        bury_the_dead(s);
    }
    release_the_rest(s);
    return NULL;
}

/* ---- Opening, closing ---- */

static void free_all(dq_stdio *s)
{
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_clear(&s->residents[i]);
    }
    free(s->fds);
    free(s->tasks);
    free(s->residents);
    free(s);
}

static dq_stdio *make(const dq_stdio_options *o)
{
    dq_stdio *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->plan = (dq_resident_plan){.command = o->command,
                                 .environment = o->environment,
                                 .window = o->window,
                                 .timeout_ms = o->timeout_ms,
                                 .grace_ms = o->grace_ms,
                                 .desk = o->desk,
                                 .nudge_fd = o->nudge_fd,
                                 .log = o->log};
    s->stops = o->stops;
    s->residents = calloc(o->process_count, sizeof *s->residents);
    s->tasks = calloc(o->process_count * o->window, sizeof *s->tasks);
    s->fds = calloc(FD_FIRST_RESIDENT + o->process_count * DQ_RESIDENT_FDS, sizeof *s->fds);
    if (s->residents == NULL || s->tasks == NULL || s->fds == NULL) {
        free_all(s);
        return NULL;
    }
    s->resident_count = o->process_count;
    for (size_t i = 0; i < s->resident_count; i++) {
        dq_resident_init(&s->residents[i], &s->plan, &s->tasks[i * o->window]);
    }
    return s;
}

int dq_stdio_open(dq_stdio **stdio, const dq_stdio_options *options, dq_fault *fault)
{
    *stdio = make(options);
    if (*stdio == NULL) return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    dq_desk_set_able(options->desk, 0); /* until there is a process */
    int error = dq_thread_start(&(*stdio)->thread, work, *stdio);
    if (error == 0) return DUEQ_OK;
    free_all(*stdio);
    *stdio = NULL;
    return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot start the thread of the processes: %s",
                        strerror(error));
}

void dq_stdio_close(dq_stdio *stdio)
{
    if (stdio == NULL) return;
    dq_desk_close(stdio->plan.desk);
    pthread_join(stdio->thread, NULL);
    free_all(stdio);
}
