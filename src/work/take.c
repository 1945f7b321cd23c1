/* Filling free slots: from which queue, under what lease, and what is learnt when there is nothing. */
#include <stdlib.h>

#include "base/clock.h"
#include "queue/handle.h"
#include "work/shift.h"

#define LEASE_LOOK_MS 60000                /* how long a queue's own lease setting is relied upon */
#define READY_BYTES_MAX ((size_t)64 << 20) /* of payload; with more in hand none are held ready */
#define LEASE_DEFAULT_MS 30000             /* of a queue that its first push will make */

/* The lease is always named in the take, so that how long it is, and when it is to be renewed, is
 * known by this machine's monotonic clock alone. */
static int find_lease(dq_shift *shift, dq_source *source)
{
    if (shift->options->lease_ms > 0) {
        source->lease_ms = shift->options->lease_ms;
        return DUEQ_OK;
    }
    if (source->lease_ms > 0 && dq_mono_us() < source->lease_until_us) return DUEQ_OK;
    dueq_settings settings = {0};
    int rc = dueq_queue_config(shift->handle, source->name, NULL, &settings);
    if (rc < 0) return rc;
    source->lease_ms = rc == DUEQ_OK ? settings.lease_ms : LEASE_DEFAULT_MS;
    source->lease_until_us = rc == DUEQ_OK ? dq_deadline_us(LEASE_LOOK_MS) : 0;
    return DUEQ_OK;
}

/* While a call waits for the server nothing else is done: so none waits until leases end. */
static int learn_lease(dq_shift *shift, dq_source *source)
{
    int rc = find_lease(shift, source);
    if (rc == DUEQ_OK) dq_shift_shorten_calls(shift, source->lease_ms / 3);
    return rc;
}

static void hand_out(dq_shift *shift, size_t source, dq_held_batch *held, int64_t sent_us)
{
    dq_job_list jobs = {0};
    held->task_count = held->batch->count;
    for (size_t i = 0; i < held->batch->count; i++) {
        dueq_job *job = dq_shift_fill_slot(shift, source, held, i);
        dq_shift_holds_from(shift, job, sent_us);
        dq_job_list_add(&jobs, job);
        dq_log_entry entry;
        if (dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_DEBUG, "taken")) {
            dq_job_log(job, &entry);
            dq_log_send(&entry);
        }
    }
    atomic_fetch_add(&shift->worker->counters.taken, (int64_t)jobs.count);
    int64_t renew_at_us = jobs.first->renew_at_us; /* as all the others' */
    if (renew_at_us < shift->renew_at_us) shift->renew_at_us = renew_at_us;
    if (shift->options->timeout_ms > 0 && !dq_crew_takes_orders(&shift->crew)) {
        int64_t timeout_at_us = dq_deadline_us(shift->options->timeout_ms);
        if (timeout_at_us < shift->timeout_at_us) shift->timeout_at_us = timeout_at_us;
    }
    shift->moved_at_us = dq_mono_us();
    dq_desk_hand(shift->crew.desk, &jobs);
}

/* Nothing is lost by it, but people will wonder. */
static void tell_of_clock(dq_shift *shift, const char *queue, int64_t step_ms)
{
    dq_log_entry entry;
    if (step_ms == 0) return;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_WARN, "server clock stepped")) return;
    dq_log_add_text(&entry, "queue", queue);
    dq_log_add_int(&entry, "forward_ms", step_ms);
    dq_log_send(&entry);
}

/* One look at one queue. Negative: the server is away, or the run is to end. */
static int take_from(dq_shift *shift, size_t at)
{
    dq_source *source = &shift->sources[at];
    dq_share *share = &shift->shares[at];
    int rc = learn_lease(shift, source);
    if (rc < 0) return dq_shift_failed(shift, rc);
    dq_held_batch *held = calloc(1, sizeof *held);
    if (held == NULL) {
        rc = dq_fault_set(&shift->handle->fault, DUEQ_ENOMEM, "out of memory for a batch");
        return dq_shift_failed(shift, rc);
    }

    dueq_take_options options = {.tasks_max = share->quota,
                                 .lease_ms = source->lease_ms,
                                 .max_attempts = shift->options->max_attempts};
    dq_take_call call = {.options = &options,
                         .stays = shift->options->drain ? DQ_STAYS_NOT : DQ_STAYS_ROOM,
                         .deadline_us = dq_handle_deadline_us(shift->handle, 0)};
    dq_outlook outlook;
    int64_t sent_us = dq_mono_us();
    rc = dq_take_once(shift->handle, source->name, &call, &held->batch, &outlook);
    size_t got = rc == DUEQ_OK ? held->batch->count : 0;
    if (got > 0) {
        hand_out(shift, at, held, sent_us);
    } else {
        free(held);
    }
    if (rc < 0) return dq_shift_failed(shift, rc);
    dq_shift_reached(shift);
    tell_of_clock(shift, source->name, outlook.clock_step_ms);
    if (!outlook.more) dq_share_close(share);
    if (shift->options->drain) return DUEQ_OK;
    rc = dq_waiter_watch(shift->waiter, source->name, &outlook);
    return rc < 0 ? dq_shift_failed(shift, rc) : DUEQ_OK;
}

size_t dq_shift_room(const dq_shift *shift)
{
    size_t able = dq_desk_able(shift->crew.desk);
    return able < shift->crew.room ? able : shift->crew.room;
}

/* How many tasks are to be held ready beside `room` at work. */
static size_t reserve_of(const dq_shift *shift, size_t room)
{
    int64_t asked = shift->options->prefetch;
    if (asked < 0 || room < shift->crew.room || shift->held_bytes >= READY_BYTES_MAX) return 0;
    return asked > 0 ? (size_t)asked : dq_pace_soon(&shift->pace, room);
}

/* The reserve is filled up once half of it is used: a few calls for many tasks, not one for each. */
size_t dq_shift_wants(const dq_shift *shift)
{
    size_t room = dq_shift_room(shift);
    size_t reserve = reserve_of(shift, room);
    size_t held =
        shift->counts[DQ_JOB_HANDED] + shift->counts[DQ_JOB_GIVEN_UP] + shift->counts[DQ_JOB_LEFT];
    if (held >= room + reserve) return 0;
    size_t wanted = room + reserve - held;
    if (held >= room && wanted <= reserve / 2) return 0;
    return wanted < shift->free_count ? wanted : shift->free_count;
}

void dq_shift_take_more(dq_shift *shift)
{
    size_t wanted;
    while (
        shift->phase == DQ_PHASE_WORKING && (wanted = dq_shift_wants(shift)) > 0 &&
        !dq_shift_is_away(shift) &&
        dq_share_deal(shift->shares, shift->source_count, wanted, shift->options->strict_order)) {
        for (size_t i = 0; i < shift->source_count; i++) {
            if (shift->shares[i].quota > 0 && take_from(shift, i) < 0) return;
        }
    }
}
