/* One long-lived process: its stages, its time, and what becomes of its tasks when it ends. The
 * bytes between it and us are moved in resident_talk.c. */
#include "work/resident.h"

#include <assert.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "work/process.h"
#include "work/resident_talk.h"

#define RESTART_BASE_MS 100
#define RESTART_MAX_MS 30000
#define EXIT_LOOK_US 20000 /* between looks for the exit where the kernel cannot tell of it */

/* ---- Stages ---- */

#define TO(stage) (1u << (unsigned)(stage))

static const unsigned may_follow[DQ_RESIDENT_STAGES] = {
    [DQ_RESIDENT_DOWN] = TO(DQ_RESIDENT_UP),
    [DQ_RESIDENT_UP] = TO(DQ_RESIDENT_LEAVING) | TO(DQ_RESIDENT_ENDING) | TO(DQ_RESIDENT_DOWN),
    [DQ_RESIDENT_LEAVING] = TO(DQ_RESIDENT_ENDING) | TO(DQ_RESIDENT_DOWN),
    [DQ_RESIDENT_ENDING] = TO(DQ_RESIDENT_DOWN),
};

/* The one door. */
static void move(dq_resident *r, dq_resident_stage to)
{
    bool may = (may_follow[r->stage] & TO(to)) != 0;
    assert(may);
    (void)may; /* without assertions */
    r->stage = to;
}

void dq_resident_init(dq_resident *r, const dq_resident_plan *plan, dq_resident_task *tasks)
{
    *r = (dq_resident){.plan = plan,
                       .tasks = tasks,
                       .child = {.pid_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1},
                       .ended_at_us = DQ_NEVER_US,
                       .term_at_us = DQ_NEVER_US,
                       .kill_at_us = DQ_NEVER_US};
}

void dq_resident_clear(dq_resident *r)
{
    assert(r->stage == DQ_RESIDENT_DOWN);
    dq_buf_clear(&r->out);
    dq_buf_clear(&r->line);
}

/* ---- Starting ---- */

/* At once the first time, then later and later as long as it does nothing useful. */
static void plan_next_start(dq_resident *r)
{
    r->failures = r->answered ? 0 : r->failures + 1;
    int64_t wait_ms = 0;
    if (r->failures > 1) {
        wait_ms = dq_backoff_ms(r->failures - 1, RESTART_BASE_MS, RESTART_MAX_MS, dq_random_u64());
    }
    r->start_at_us = dq_deadline_us(wait_ms);
}

static void say_started(const dq_resident *r)
{
    dq_log_entry entry;
    if (!dq_log_begin(r->plan->log, &entry, DUEQ_LOG_DEBUG, "process started")) return;
    dq_log_add_int(&entry, "pid", r->child.pid);
    dq_log_send(&entry);
}

static void say_not_started(const dq_resident *r, int error)
{
    dq_log_entry entry;
    if (!dq_log_begin(r->plan->log, &entry, DUEQ_LOG_ERROR, "process not started")) return;
    dq_buf why = {0};
    dq_child_describe_failure(r->plan->command[0], error, &why);
    dq_log_add(&entry, "error", why.data, why.len);
    dq_log_add_int(&entry, "next_try_ms", (r->start_at_us - dq_mono_us()) / 1000);
    dq_log_send(&entry);
    dq_buf_clear(&why);
}

void dq_resident_start_if_due(dq_resident *r)
{
    if (r->stage != DQ_RESIDENT_DOWN || dq_mono_us() < r->start_at_us) return;
    const dq_child_options options = {
        .command = r->plan->command, .environment = r->plan->environment, .reads_stdout = true};
    r->answered = false;
    int error = dq_child_start(&r->child, &options);
    if (error != 0) {
        plan_next_start(r);
        say_not_started(r, error);
        return;
    }
    r->said.tail.seen = 0;
    r->sent_len = r->read_len = 0;
    r->exited = false;
    r->end = DQ_ENDED_BY_ITSELF;
    r->order = DQ_ORDER_NONE;
    r->ended_at_us = r->term_at_us = r->kill_at_us = DQ_NEVER_US;
    move(r, DQ_RESIDENT_UP);
    say_started(r);
}

/* ---- Its tasks ---- */

bool dq_resident_has_room(const dq_resident *r)
{
    return r->stage == DQ_RESIDENT_UP && r->task_count < r->plan->window &&
           !dq_resident_is_choked(r);
}

void dq_resident_return(dq_resident *r, size_t at, dueq_verdict verdict)
{
    dueq_job *job = r->tasks[at].job;
    r->task_count--;
    memmove(&r->tasks[at], &r->tasks[at + 1], (r->task_count - at) * sizeof *r->tasks);
    job->answer.verdict = verdict;
    dq_desk_return(r->plan->desk, job);
}

/* From here on orders nudge the engine. One that was given before is in job->order. */
void dq_resident_give(dq_resident *r, dueq_job *job)
{
    atomic_store(&job->nudge_fd, r->plan->nudge_fd);
    if (r->task_count == 0)
        r->said.tail.seen = 0; /* what it says from here on is about its tasks */
    int64_t timeout_ms = r->plan->timeout_ms > 0 ? r->plan->timeout_ms : -1;
    r->tasks[r->task_count++] = (dq_resident_task){.job = job,
                                                   .line_at = dq_resident_end_of_lines(r),
                                                   .late_at_us = dq_deadline_us(timeout_ms)};
    if (atomic_load(&job->order) != DQ_ORDER_NONE) {
        dq_resident_return(r, r->task_count - 1, DUEQ_VERDICT_RELEASE);
    } else if (!dq_resident_write_task(r, job)) {
        dueq_job_set_error(job, "out of memory");
        dq_resident_return(r, r->task_count - 1, DUEQ_VERDICT_RETRY);
    }
}

/* ---- Ending ---- */

static int64_t short_grace_ms(const dq_resident *r)
{
    return r->plan->grace_ms < DQ_END_GRACE_MS ? r->plan->grace_ms : DQ_END_GRACE_MS;
}

static void end_within(dq_resident *r, dq_resident_end end, int64_t grace_ms)
{
    if (r->stage != DQ_RESIDENT_ENDING) {
        move(r, DQ_RESIDENT_ENDING);
        r->end = end;
        r->ended_at_us = dq_mono_us();
        dq_resident_close_stdin(r);
        dq_child_signal(&r->child, SIGTERM);
        dq_child_signal(&r->child, SIGCONT); /* a stopped process would not hear it */
    } else if (r->kill_at_us == DQ_NEVER_US) {
        return; /* killed */
    }
    int64_t kill_at_us = dq_deadline_us(grace_ms);
    if (kill_at_us < r->kill_at_us) r->kill_at_us = kill_at_us;
}

void dq_resident_leave(dq_resident *r)
{
    if (r->stage == DQ_RESIDENT_UP) move(r, DQ_RESIDENT_LEAVING);
    dq_resident_close_stdin(r);
}

void dq_resident_break(dq_resident *r)
{
    if (r->stage == DQ_RESIDENT_ENDING || r->exited) return;
    end_within(r, DQ_ENDED_BROKEN, r->plan->grace_ms);
}

static void obey(dq_resident *r, dq_order order)
{
    if (r->stage == DQ_RESIDENT_DOWN || order < DQ_ORDER_END || order <= r->order) return;
    r->order = order;
    end_within(r, DQ_ENDED_ORDER, order == DQ_ORDER_KILL ? 0 : short_grace_ms(r));
}

dq_order dq_resident_obey(dq_resident *r)
{
    dq_order worst = DQ_ORDER_NONE;
    for (size_t i = 0; i < r->task_count; i++) {
        dq_order order = (dq_order)atomic_load(&r->tasks[i].job->order);
        if (order == DQ_ORDER_LEAVE) dq_resident_tell_lost(r, &r->tasks[i]);
        if (order > worst) worst = order;
    }
    obey(r, worst);
    return worst;
}

void dq_resident_dismiss(dq_resident *r, dq_order order)
{
    if (order >= DQ_ORDER_END) {
        obey(r, order);
    } else if (r->stage == DQ_RESIDENT_UP && r->task_count == 0) {
        dq_resident_leave(r);
    }
}

/* ---- Time ---- */

/* One that is leaving may take as long as its tasks do, while it can still answer them. */
static void time_leaving(dq_resident *r, int64_t now_us)
{
    bool is_waited_for = r->task_count > 0 && r->child.out_fd >= 0;
    if (r->term_at_us == DQ_NEVER_US && !is_waited_for) {
        r->term_at_us = dq_deadline_us(short_grace_ms(r));
    }
    if (now_us < r->term_at_us) return;
    bool was_asked_to = r->complaint.code == DUEQ_OK;
    end_within(r, was_asked_to ? DQ_ENDED_ORDER : DQ_ENDED_BROKEN, short_grace_ms(r));
}

void dq_resident_keep_time(dq_resident *r)
{
    int64_t now_us = dq_mono_us();
    if (r->stage == DQ_RESIDENT_LEAVING) time_leaving(r, now_us);
    bool is_ending = r->stage == DQ_RESIDENT_ENDING || r->stage == DQ_RESIDENT_DOWN;
    if (!is_ending && r->task_count > 0 && r->tasks[0].late_at_us <= now_us) {
        end_within(r, DQ_ENDED_LATE, r->plan->grace_ms);
    }
    if (now_us >= r->kill_at_us) {
        r->kill_at_us = DQ_NEVER_US;
        dq_child_signal(&r->child, SIGKILL);
    }
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

int64_t dq_resident_next_moment(const dq_resident *r)
{
    if (r->stage == DQ_RESIDENT_DOWN) return r->start_at_us;
    int64_t at_us = r->stage == DQ_RESIDENT_ENDING ? r->kill_at_us : r->term_at_us;
    bool is_timed = r->stage != DQ_RESIDENT_ENDING && r->task_count > 0;
    if (is_timed) at_us = sooner(at_us, r->tasks[0].late_at_us);
    bool is_looked_at = r->child.pid_fd < 0 && !r->exited;
    return is_looked_at ? sooner(at_us, dq_mono_us() + EXIT_LOOK_US) : at_us;
}

/* ---- Its end ---- */

/* One that went by itself is through, whatever it left running. One that was told to end is through
 * when its group has let go of its pipes too, or has been killed: its children have the same
 * grace. */
static bool is_through(const dq_resident *r)
{
    if (r->stage == DQ_RESIDENT_DOWN || !r->exited) return false;
    if (r->stage != DQ_RESIDENT_ENDING || r->kill_at_us == DQ_NEVER_US) return true;
    return r->child.out_fd < 0 && r->child.err_fd < 0;
}

static bool is_clean(dq_child_end end)
{
    return end.known && !end.signalled && end.number == 0;
}

/* One that exits well may still have left tasks: it may end itself after any answer. */
static void describe_exit(const dq_resident *r, dq_child_end end, dq_buf *what)
{
    dq_child_describe_end(end, what);
    if (r->task_count == 0 || !is_clean(end)) return;
    if (r->answered) {
        const char *plural = r->task_count > 1 ? "s" : "";
        dq_buf_printf(what, " with %zu task%s unanswered", r->task_count, plural);
    } else {
        dq_buf_add_text(what, " without an answer");
    }
}

/* Why its tasks were not finished. */
static void describe(const dq_resident *r, dq_child_end end, dq_buf *what)
{
    char bound[32];
    switch (r->end) {
    case DQ_ENDED_LATE:
        dueq_format_duration(r->plan->timeout_ms, bound, sizeof bound);
        dq_buf_printf(what, "timed out after %s", bound);
        break;
    case DQ_ENDED_BROKEN:
        dq_buf_add_text(what, r->complaint.text);
        break;
    default:
        describe_exit(r, end, what);
        break;
    }
    dq_said_add_to(&r->said, what);
}

/* It is no failure of a task that the worker is to end, that the process never read its line, nor
 * that another one ran over its time. */
static dueq_verdict verdict_of(const dq_resident *r, const dq_resident_task *task)
{
    bool was_read = task->line_at < r->read_len;
    bool is_to_blame = r->end != DQ_ENDED_LATE || task->late_at_us <= r->ended_at_us;
    bool failed = r->end != DQ_ENDED_ORDER && was_read && is_to_blame;
    return failed ? DUEQ_VERDICT_RETRY : DUEQ_VERDICT_RELEASE;
}

static void return_all(dq_resident *r, const dq_buf *what)
{
    while (r->task_count > 0) {
        dueq_verdict verdict = verdict_of(r, &r->tasks[0]);
        if (verdict == DUEQ_VERDICT_RETRY) {
            dq_job_set_error(r->tasks[0].job, what->data, what->len);
        }
        dq_resident_return(r, 0, verdict);
    }
}

/* It was to end, or may: a matter of course. */
static bool is_expected(const dq_resident *r, dq_child_end end)
{
    bool was_asked_to = r->end == DQ_ENDED_ORDER ||
                        (r->stage == DQ_RESIDENT_LEAVING && r->complaint.code == DUEQ_OK);
    return was_asked_to || (r->end == DQ_ENDED_BY_ITSELF && r->answered && is_clean(end));
}

static void say_ended(const dq_resident *r, pid_t pid, dq_child_end end, const dq_buf *what)
{
    dq_log_entry entry;
    dueq_log_level level = is_expected(r, end) ? DUEQ_LOG_DEBUG : DUEQ_LOG_WARN;
    if (!dq_log_begin(r->plan->log, &entry, level, "process ended")) return;
    dq_log_add_int(&entry, "pid", pid);
    dq_log_add(&entry, "error", what->data, what->len);
    dq_log_add_int(&entry, "in_hand", (int64_t)r->task_count);
    dq_log_send(&entry);
}

void dq_resident_bury_if_through(dq_resident *r)
{
    if (!is_through(r)) return;
    if (r->stage == DQ_RESIDENT_ENDING) dq_child_signal(&r->child, SIGKILL);
    dq_resident_drain_stdout(r);
    dq_said_drain(&r->said, &r->child.err_fd);
    dq_resident_close_stdin(r);
    pid_t pid = r->child.pid;
    dq_buf what = {0};
    dq_child_end end = dq_child_reap(&r->child);
    describe(r, end, &what);
    say_ended(r, pid, end, &what);
    return_all(r, &what);
    dq_buf_clear(&what);
    dq_fault_clear(&r->complaint);
    plan_next_start(r);
    move(r, DQ_RESIDENT_DOWN);
}
