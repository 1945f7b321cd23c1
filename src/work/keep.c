/* What handlers at work need: their leases renewed in time, and, where the loop keeps a callback's
 * time, its task given back when it runs over. */
#include "base/clock.h"
#include "work/shift.h"

/* A renewal takes with it those that would be due within the next sixth of the lease, so that
 * leases taken apart come together in one call. */
#define TOGETHER 6

/* As many as one call may be about; the loop comes back for others. */
static size_t pick_due(dq_shift *shift, size_t source, int64_t now_us)
{
    int64_t soon_us = now_us + shift->sources[source].lease_ms * 1000 / TOGETHER;
    size_t count = 0;
    bool any_due = false;
    for (size_t i = 0; i < shift->job_count && count < DUEQ_CALL_TASKS_MAX; i++) {
        dueq_job *job = &shift->jobs[i];
        if (job->state != DQ_JOB_HANDED || job->source != source) continue;
        if (job->renew_at_us > soon_us) continue;
        any_due = any_due || job->renew_at_us <= now_us;
        shift->leases[count] = (dueq_lease){job->task->receipt, DUEQ_EUNSURE};
        shift->picked[count++] = job;
    }
    return any_due ? count : 0;
}

/* False when the server could not be told. */
static bool renew(dq_shift *shift, size_t at, int64_t now_us)
{
    dq_source *source = &shift->sources[at];
    size_t count = pick_due(shift, at, now_us);
    if (count == 0) return true;
    int64_t sent_us = dq_mono_us();
    int rc = dueq_extend(shift->handle, source->name, shift->leases, count, source->lease_ms);
    for (size_t i = 0; i < count; i++) {
        dueq_job *job = shift->picked[i];
        if (shift->leases[i].outcome == DUEQ_OK) {
            dq_shift_holds_from(shift, job, sent_us);
        } else if (shift->leases[i].outcome == DUEQ_LOST) {
            dq_shift_lose(shift, job, "the lease had ended when it was to be renewed");
        }
    }
    if (rc < 0) {
        dq_shift_failed(shift, rc);
        return false;
    }
    dq_shift_reached(shift);
    return true;
}

/* A lease that could not be renewed in time is lost, whether the server says so now or later:
 * what its handler does from here on another may do as well. */
static void lose_ended(dq_shift *shift, int64_t now_us)
{
    for (size_t i = 0; i < shift->job_count; i++) {
        dueq_job *job = &shift->jobs[i];
        if (job->state != DQ_JOB_HANDED || now_us < job->held_until_us) continue;
        dq_shift_lose(shift, job, "the lease ended while the server was away");
    }
}

int64_t dq_shift_first_end(const dq_shift *shift)
{
    int64_t at_us = DQ_NEVER_US;
    for (size_t i = 0; i < shift->job_count; i++) {
        const dueq_job *job = &shift->jobs[i];
        if (job->state == DQ_JOB_HANDED && job->held_until_us < at_us) at_us = job->held_until_us;
    }
    return at_us;
}

static int64_t first_renewal(const dq_shift *shift)
{
    int64_t at_us = DQ_NEVER_US;
    for (size_t i = 0; i < shift->job_count; i++) {
        const dueq_job *job = &shift->jobs[i];
        if (job->state == DQ_JOB_HANDED && job->renew_at_us < at_us) at_us = job->renew_at_us;
    }
    return at_us;
}

void dq_shift_keep_leases(dq_shift *shift)
{
    int64_t now_us = dq_mono_us();
    if (shift->outage.failures > 0) lose_ended(shift, now_us);
    if (now_us < shift->renew_at_us || dq_shift_is_away(shift)) return;
    for (size_t i = 0; i < shift->source_count; i++) {
        if (!renew(shift, i, now_us)) break;
    }
    shift->renew_at_us = first_renewal(shift);
}

/* Tasks are held ready because they will be begun soon. When no handler returns for long, or handlers
 * cannot have as many as they should, they would be kept from workers that have time: back they go.
 * A number that the options name is the caller's own decision, and stands while handlers can work. */
int64_t dq_shift_stuck_at(const dq_shift *shift)
{
    size_t room = dq_shift_room(shift);
    bool by_pace = shift->options->prefetch == 0 || room < shift->crew.room;
    bool holds_ready =
        by_pace && shift->phase == DQ_PHASE_WORKING && shift->counts[DQ_JOB_HANDED] > room;
    return holds_ready ? shift->moved_at_us + DQ_PACE_STUCK_US : DQ_NEVER_US;
}

void dq_shift_give_back_stuck(dq_shift *shift)
{
    if (dq_mono_us() < dq_shift_stuck_at(shift)) return;
    if (dq_shift_room(shift) == shift->crew.room) dq_pace_note_stuck(&shift->pace);
    shift->moved_at_us = dq_mono_us(); /* those that were begun just now stay */
    dq_shift_withdraw_unbegun(shift);
}

/* One that has not begun cannot run out before it has had its time from now. */
static int64_t runs_out_at(const dq_shift *shift, dueq_job *job, int64_t now_us)
{
    int64_t begun_us = atomic_load(&job->begun_us);
    return (begun_us > 0 ? begun_us : now_us) + shift->options->timeout_ms * 1000;
}

void dq_shift_watch_clock(dq_shift *shift)
{
    int64_t now_us = dq_mono_us();
    if (now_us < shift->timeout_at_us) return;
    shift->timeout_at_us = DQ_NEVER_US;
    for (size_t i = 0; i < shift->job_count; i++) {
        dueq_job *job = &shift->jobs[i];
        if (job->state != DQ_JOB_HANDED) continue;
        int64_t timeout_at_us = runs_out_at(shift, job, now_us);
        if (timeout_at_us <= now_us) {
            dq_shift_give_up(shift, job, DUEQ_VERDICT_RETRY, shift->timeout_text);
        } else if (timeout_at_us < shift->timeout_at_us) {
            shift->timeout_at_us = timeout_at_us;
        }
    }
}
