/* Telling the server what became of tasks: everything that has come together in one call a queue
 * and kind. What cannot be told now is told later, with the same receipt. */
#include "base/random.h"
#include "queue/finish.h"
#include "work/shift.h"

typedef enum kind { KIND_DONE, KIND_FAILED, KIND_RELEASED, KINDS } kind;

static kind kind_of(dueq_verdict verdict)
{
    switch (verdict) {
    case DUEQ_VERDICT_DONE:
        return KIND_DONE;
    case DUEQ_VERDICT_RELEASE:
        return KIND_RELEASED;
    default: /* also what no handler should answer: better tried again than dropped */
        return KIND_FAILED;
    }
}

/* Moves reports of one kind out of the queue's list, as many as one call may be about; returns how
 * many. `again`: those whose earlier report's answer was lost. */
static size_t pick(dq_shift *shift, dq_source *source, kind wanted, bool again)
{
    size_t count = 0;
    dueq_job **link = &source->reports;
    while (*link != NULL) {
        dueq_job *job = *link;
        bool fits = kind_of(job->report.verdict) == wanted && job->unsure == again;
        if (fits && count < DUEQ_CALL_TASKS_MAX) {
            *link = job->next_report;
            shift->picked[count++] = job;
        } else {
            link = &job->next_report;
        }
    }
    source->reports_end = link;
    return count;
}

/* ---- The calls. Outcomes start as "not known": a call may fail before it sets them. ---- */

static void fill_leases(dq_shift *shift, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        shift->leases[i] = (dueq_lease){shift->picked[i]->task->receipt, DUEQ_EUNSURE};
    }
}

/* Drawn once: a report that is sent again is to be the same. */
static int64_t delay_of(const dq_shift *shift, dueq_job *job)
{
    if (job->report.delay_ms < 0) {
        const dueq_worker_options *o = shift->options;
        job->report.delay_ms = dq_backoff_ms(job->task->attempt, o->backoff_min_ms,
                                             o->backoff_max_ms, dq_random_u64());
    }
    return job->report.delay_ms;
}

static void fill_failures(dq_shift *shift, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dueq_job *job = shift->picked[i];
        shift->failures[i] = (dueq_failure){
            .receipt = job->task->receipt,
            .delay_ms = delay_of(shift, job),
            .error = job->report.error,
            .error_len = job->report.error_len,
            .max_attempts = shift->options->max_attempts,
            .hopeless = job->report.verdict == DUEQ_VERDICT_DEAD,
            .outcome = DUEQ_EUNSURE,
        };
    }
}

static int tell(dq_shift *shift, const char *queue, kind what, size_t count)
{
    bool again = shift->picked[0]->unsure; /* as the others are */
    if (what == KIND_FAILED) {
        fill_failures(shift, count);
        return dq_retry(shift->handle, queue, shift->failures, count, again);
    }
    fill_leases(shift, count);
    if (what == KIND_DONE) return dq_done(shift->handle, queue, shift->leases, count, again);
    return dq_release(shift->handle, queue, shift->leases, count, again);
}

/* ---- What came of it ---- */

static void log_told(dq_shift *shift, const dueq_job *job, kind what, int outcome)
{
    static const char *const events[KINDS] = {"done", "retry", "released"};
    bool dead =
        outcome == DUEQ_DEAD || (what == KIND_FAILED && job->report.verdict == DUEQ_VERDICT_DEAD);
    dueq_log_level level = what == KIND_FAILED ? DUEQ_LOG_WARN : DUEQ_LOG_DEBUG;
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, level, dead ? "dead" : events[what])) return;
    dq_job_log(job, &entry);
    if (what == KIND_FAILED && !dead) dq_log_add_int(&entry, "delay_ms", job->report.delay_ms);
    if (job->report.error != NULL) {
        dq_log_add(&entry, "error", job->report.error, job->report.error_len);
    }
    dq_log_send(&entry);
}

static void log_lost(dq_shift *shift, const dueq_job *job)
{
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_WARN, "lost")) return;
    dq_job_log(job, &entry);
    dq_log_add_text(&entry, "why",
                    job->unsure
                        ? "an earlier report's answer was lost, and the lease has ended since"
                        : "the lease had ended before the result was reported");
    dq_log_send(&entry);
}

static void count_told(dq_counters *counters, const dueq_job *job, kind what, int outcome)
{
    bool dead = outcome == DUEQ_DEAD || job->report.verdict == DUEQ_VERDICT_DEAD;
    if (outcome == DUEQ_LOST) {
        atomic_fetch_add(&counters->lost, 1);
    } else if (what == KIND_DONE) {
        atomic_fetch_add(&counters->done, 1);
    } else if (what == KIND_RELEASED) {
        atomic_fetch_add(&counters->released, 1);
    } else {
        atomic_fetch_add(dead ? &counters->dead : &counters->retried, 1);
    }
}

static void settle(dq_shift *shift, dueq_job *job, kind what, int outcome)
{
    count_told(&shift->worker->counters, job, what, outcome);
    if (outcome == DUEQ_LOST) {
        log_lost(shift, job);
    } else {
        log_told(shift, job, what, outcome);
    }
    if (job->state == DQ_JOB_GIVEN_UP) {
        dq_shift_move(shift, job, DQ_JOB_LEFT);
    } else {
        dq_shift_free_slot(shift, job);
    }
}

/* False when the server could not be told. */
static bool report_kind(dq_shift *shift, dq_source *source, kind what, bool again)
{
    size_t count = pick(shift, source, what, again);
    if (count == 0) return true;
    int rc = tell(shift, source->name, what, count);
    for (size_t i = 0; i < count; i++) {
        dueq_job *job = shift->picked[i];
        int outcome = what == KIND_FAILED ? shift->failures[i].outcome : shift->leases[i].outcome;
        if (outcome >= 0) {
            settle(shift, job, what, outcome);
        } else {
            job->unsure = job->unsure || outcome == DUEQ_EUNSURE || outcome == DUEQ_EPROTO;
            dq_shift_add_report(shift, job);
        }
    }
    if (rc < 0) {
        dq_shift_failed(shift, rc);
        return false;
    }
    dq_shift_reached(shift);
    return true;
}

void dq_shift_report_answers(dq_shift *shift)
{
    if (dq_shift_is_away(shift)) return;
    for (size_t i = 0; i < shift->source_count; i++) {
        for (kind what = 0; what < KINDS && shift->sources[i].reports != NULL; what++) {
            if (!report_kind(shift, &shift->sources[i], what, true)) return;
            if (!report_kind(shift, &shift->sources[i], what, false)) return;
        }
    }
}
