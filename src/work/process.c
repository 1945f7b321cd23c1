/* Runs a program for a task and watches it: feeds stdin, reads stderr, keeps the time, obeys the main
 * loop's orders; never blocks but in one poll(). Knows no server. */
#include "work/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "work/child.h"
#include "work/environment.h"
#include "work/job.h"
#include "work/said.h"

#define EXIT_LOOK_US 20000 /* between looks for the exit where the kernel cannot tell of it */

/* Why a process was told to end. */
typedef enum ending { ENDING_NONE, ENDING_TIMEOUT, ENDING_ORDER } ending;

/* One process. Holds: once `ending` is set, the process's own status decides nothing any more:
 * a program that exits with 0 on TERM has not done its task. */
typedef struct watch {
    const dq_process_plan *plan;
    dueq_job *job;
    dq_child child;
    size_t fed_len; /* payload bytes that are in its stdin */
    dq_said said;
    int order; /* the last one obeyed */
    ending ending;
    int64_t timeout_at_us;
    int64_t kill_at_us;
} watch;

/* ---- Starting ---- */

static dueq_verdict cannot_start(dueq_job *job, const char *program, int error)
{
    dq_buf line = {0};
    dq_child_describe_failure(program, error, &line);
    dueq_job_set_error(job, line.data);
    dq_buf_clear(&line);
    return DUEQ_VERDICT_RETRY;
}

/* 0 or an errno. */
static int start(watch *w)
{
    char **environment = dq_environment_of(w->plan->environment, w->job->queue, w->job->task);
    if (environment == NULL) return ENOMEM;
    dq_child_options options = {.command = w->plan->command, .environment = environment};
    int error = dq_child_start(&w->child, &options);
    free(environment);
    w->timeout_at_us = dq_deadline_us(w->plan->timeout_ms > 0 ? w->plan->timeout_ms : -1);
    w->kill_at_us = DQ_NEVER_US;
    return error;
}

/* ---- Moving bytes ---- */

/* A program may close its stdin, or exit, with the payload unread: that is its own affair. */
static void feed_stdin(watch *w)
{
    const dueq_task *task = w->job->task;
    while (w->child.in_fd >= 0 && w->fed_len < task->payload_len) {
        ssize_t len =
            write(w->child.in_fd, task->payload + w->fed_len, task->payload_len - w->fed_len);
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && errno == EAGAIN) return;
        if (len < 0) break;
        w->fed_len += (size_t)len;
    }
    dq_child_close(&w->child.in_fd);
}

/* ---- Ending ---- */

static void end_within(watch *w, ending why, int64_t grace_ms)
{
    if (w->ending == ENDING_NONE) {
        w->ending = why;
        dq_child_signal(&w->child, SIGTERM);
        dq_child_signal(&w->child, SIGCONT); /* a stopped process would not hear it */
    }
    int64_t kill_at_us = dq_deadline_us(grace_ms);
    if (kill_at_us < w->kill_at_us) w->kill_at_us = kill_at_us;
}

static void obey(watch *w)
{
    int order = atomic_load(&w->job->order);
    if (order <= w->order) return;
    w->order = order;
    if (order == DQ_ORDER_LEAVE && w->plan->lost_signal > 0) {
        /* Not its group: what others would die of, it has asked for. */
        dq_child_signal_alone(&w->child, w->plan->lost_signal);
        return;
    }
    int64_t grace_ms = w->plan->grace_ms;
    if (order == DQ_ORDER_END && grace_ms > DQ_END_GRACE_MS) grace_ms = DQ_END_GRACE_MS;
    end_within(w, ENDING_ORDER, order == DQ_ORDER_KILL ? 0 : grace_ms);
}

static void keep_time(watch *w)
{
    int64_t now_us = dq_mono_us();
    if (now_us >= w->timeout_at_us) {
        w->timeout_at_us = DQ_NEVER_US;
        end_within(w, ENDING_TIMEOUT, w->plan->grace_ms);
    }
    if (now_us >= w->kill_at_us) {
        w->kill_at_us = DQ_NEVER_US;
        dq_child_signal(&w->child, SIGKILL);
    }
}

/* ---- Watching ---- */

static int64_t next_moment(const watch *w, bool exited)
{
    int64_t at_us = w->timeout_at_us < w->kill_at_us ? w->timeout_at_us : w->kill_at_us;
    if (w->child.pid_fd >= 0 || exited) return at_us;
    int64_t look_at_us = dq_mono_us() + EXIT_LOOK_US;
    return at_us < look_at_us ? at_us : look_at_us;
}

/* Descriptors of -1 are passed over by poll(). */
static void wait_for_something(watch *w, bool exited)
{
    bool full = dq_said_is_full(&w->said);
    struct pollfd fds[] = {
        {.fd = exited ? -1 : w->child.pid_fd, .events = POLLIN},
        {.fd = w->job->nudge_fd, .events = POLLIN},
        {.fd = w->child.in_fd, .events = POLLOUT},
        {.fd = full ? -1 : w->child.err_fd, .events = POLLIN},
        {.fd = dq_relay_ready(&w->said.relay) ? STDERR_FILENO : -1, .events = POLLOUT},
    };
    poll(fds, sizeof fds / sizeof fds[0], dq_poll_ms(next_moment(w, exited)));
    if (fds[1].revents != 0) {
        eventfd_t nudges;
        eventfd_read(w->job->nudge_fd, &nudges);
    }
}

/* A process that went by itself is through, whatever it left running. One that was told to end is
 * through when its group has let go of stderr too, or has been killed: its children have the same
 * grace. */
static bool is_through(const watch *w, bool exited)
{
    if (!exited) return false;
    if (w->ending == ENDING_NONE) return true;
    return w->child.err_fd < 0 || w->kill_at_us == DQ_NEVER_US;
}

static void watch_until_through(watch *w)
{
    for (bool exited = false; !is_through(w, exited);) {
        obey(w); /* first: an order may have come before the process was started */
        keep_time(w);
        wait_for_something(w, exited);
        feed_stdin(w);
        dq_said_read(&w->said, &w->child.err_fd);
        exited = exited || dq_child_exited(&w->child);
        dq_said_pass_on(&w->said, exited);
    }
    if (w->ending != ENDING_NONE) dq_child_signal(&w->child, SIGKILL);
    dq_said_drain(&w->said, &w->child.err_fd);
}

/* ---- Answering ---- */

static void set_error(watch *w, dq_buf *what)
{
    dq_said_add_to(&w->said, what);
    dueq_job_set_error(w->job, what->data);
    dq_buf_clear(what);
}

static dueq_verdict answer(watch *w, dq_child_end end)
{
    dq_buf what = {0};
    if (w->ending == ENDING_ORDER) return DUEQ_VERDICT_RELEASE;
    if (w->ending == ENDING_TIMEOUT) {
        char bound[32];
        dueq_format_duration(w->plan->timeout_ms, bound, sizeof bound);
        dq_buf_printf(&what, "timed out after %s", bound);
        set_error(w, &what);
        return DUEQ_VERDICT_RETRY;
    }
    bool by_itself = end.known && !end.signalled;
    if (by_itself && end.number == 0) return DUEQ_VERDICT_DONE;
    dq_child_describe_end(end, &what);
    set_error(w, &what);
    return by_itself && end.number == DQ_EXIT_DEAD ? DUEQ_VERDICT_DEAD : DUEQ_VERDICT_RETRY;
}

dueq_verdict dq_process_handle(dueq_job *job, void *context)
{
    watch w = {.plan = context, .job = job};
    int error = start(&w);
    if (error != 0) return cannot_start(job, w.plan->command[0], error);

    watch_until_through(&w);
    dq_child_close(&w.child.in_fd);
    return answer(&w, dq_child_reap(&w.child));
}
