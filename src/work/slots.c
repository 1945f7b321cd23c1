/* The slots: filled with a task, given up, lost, emptied. Every move of a job but the gathering of
 * answers is here. Knows no calls to the server. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "work/shift.h"

static void reset_for_handler(dueq_job *job, int nudge_fd)
{
    atomic_store(&job->nudge_fd, nudge_fd);
    atomic_store(&job->begun_us, 0);
    atomic_store(&job->lost, false);
    atomic_store(&job->order, DQ_ORDER_NONE);
    job->answer.verdict = DUEQ_VERDICT_RETRY;
    job->answer.delay_ms = -1;
    job->answer.error.len = 0;
    job->answer.error.bytes[0] = '\0';
    job->unsure = false;
}

void dq_shift_move(dq_shift *shift, dueq_job *job, dq_job_state to)
{
    shift->counts[job->state]--;
    dq_job_move(job, to);
    shift->counts[to]++;
}

/* The lease was asked for at sent_us, so that it ends no sooner than its length after that. */
void dq_shift_holds_from(const dq_shift *shift, dueq_job *job, int64_t sent_us)
{
    int64_t lease_us = shift->sources[job->source].lease_ms * 1000;
    job->renew_at_us = sent_us + lease_us / 3;
    job->held_until_us = sent_us + lease_us;
}

dueq_job *dq_shift_fill_slot(dq_shift *shift, size_t source, dq_held_batch *batch, size_t task)
{
    dueq_job *job = shift->free_jobs;
    shift->free_jobs = job->next;
    shift->free_count--;
    job->task = &batch->batch->tasks[task];
    job->queue = shift->sources[source].name;
    job->source = source;
    job->batch = batch;
    shift->held_bytes += job->task->payload_len;
    reset_for_handler(job, shift->crew.nudge_fd);
    dq_shift_move(shift, job, DQ_JOB_HANDED);
    return job;
}

static void let_go_of_batch(dq_held_batch *held)
{
    if (--held->task_count > 0) return;
    dueq_batch_free(held->batch);
    free(held);
}

void dq_shift_free_slot(dq_shift *shift, dueq_job *job)
{
    dq_shift_move(shift, job, DQ_JOB_FREE);
    shift->held_bytes -= job->task->payload_len;
    let_go_of_batch(job->batch);
    job->task = NULL;
    job->batch = NULL;
    job->next = shift->free_jobs;
    shift->free_jobs = job;
    shift->free_count++;
}

void dq_shift_lose(dq_shift *shift, dueq_job *job, const char *why)
{
    atomic_fetch_add(&shift->worker->counters.lost, 1);
    dq_log_entry entry;
    if (dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_WARN, "lost")) {
        dq_job_log(job, &entry);
        dq_log_add_text(&entry, "why", why);
        dq_log_send(&entry);
    }
    atomic_store(&job->lost, true);
    dq_shift_move(shift, job, DQ_JOB_LEFT);
    if (dq_desk_withdraw(shift->crew.desk, job)) {
        dq_shift_free_slot(shift, job);
    } else {
        dq_job_order(job, DQ_ORDER_LEAVE);
    }
}

void dq_shift_add_report(dq_shift *shift, dueq_job *job)
{
    dq_source *source = &shift->sources[job->source];
    job->next_report = NULL;
    *source->reports_end = job;
    source->reports_end = &job->next_report;
}

/* Its handler is still at it; what it does counts no more, and it can know. */
void dq_shift_give_up(dq_shift *shift, dueq_job *job, dueq_verdict verdict, const char *error)
{
    job->report = (dq_report){.verdict = verdict,
                              .delay_ms = -1,
                              .error = error,
                              .error_len = error == NULL ? 0 : strlen(error)};
    atomic_store(&job->lost, true);
    dq_shift_move(shift, job, DQ_JOB_GIVEN_UP);
    dq_shift_add_report(shift, job);
}

void dq_shift_withdraw_unbegun(dq_shift *shift)
{
    dq_job_list unbegun = dq_desk_withdraw_all(shift->crew.desk);
    for (dueq_job *job; (job = dq_job_list_pop(&unbegun)) != NULL;) {
        job->report = (dq_report){.verdict = DUEQ_VERDICT_RELEASE, .delay_ms = -1};
        dq_shift_move(shift, job, DQ_JOB_ANSWERED);
        dq_shift_add_report(shift, job);
    }
}

/* Those that take orders are told to end, and answer then. Callbacks cannot be ended: their tasks go back. */
void dq_shift_order_all(dq_shift *shift, dq_order order)
{
    bool obeyed = dq_crew_takes_orders(&shift->crew);
    for (size_t i = 0; i < shift->job_count; i++) {
        dueq_job *job = &shift->jobs[i];
        if (job->state == DQ_JOB_FREE || job->state == DQ_JOB_ANSWERED) continue;
        dq_job_order(job, order);
        if (!obeyed && job->state == DQ_JOB_HANDED) {
            dq_shift_give_up(shift, job, DUEQ_VERDICT_RELEASE, NULL);
        }
    }
}

/* ---- Answers ---- */

static void take_answer(dueq_job *job)
{
    const dq_handler_answer *answer = &job->answer;
    job->report = (dq_report){.verdict = answer->verdict,
                              .delay_ms = answer->delay_ms,
                              .error = answer->error.len > 0 ? answer->error.bytes : NULL,
                              .error_len = answer->error.len};
}

static void take_back(dq_shift *shift, dueq_job *job)
{
    switch (job->state) {
    case DQ_JOB_HANDED:
        take_answer(job);
        dq_shift_move(shift, job, DQ_JOB_ANSWERED);
        dq_shift_add_report(shift, job);
        break;
    case DQ_JOB_GIVEN_UP: /* too late: what is reported was settled before */
        dq_shift_move(shift, job, DQ_JOB_ANSWERED);
        break;
    default:
        dq_shift_free_slot(shift, job);
        break;
    }
}

/* One that was given back untried says nothing of how long tasks take. */
static void note_pace(dq_shift *shift, dueq_job *job)
{
    if (job->answer.verdict == DUEQ_VERDICT_RELEASE) return;
    dq_pace_note(&shift->pace, atomic_load(&job->returned_us) - atomic_load(&job->begun_us));
}

void dq_shift_gather_answers(dq_shift *shift)
{
    dq_job_list through = dq_desk_collect(shift->crew.desk);
    if (through.count > 0) shift->moved_at_us = dq_mono_us();
    for (dueq_job *job; (job = dq_job_list_pop(&through)) != NULL;) {
        note_pace(shift, job);
        take_back(shift, job);
    }
}
