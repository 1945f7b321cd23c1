/* How a run ends: stop heard, grace, ending of handlers, and when nothing is left to wait for. */
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "queue/handle.h"
#include "work/shift.h"

#define LAST_CALL_MS 1000 /* what a call to the server may take however little time is left */

void dq_shift_shorten_calls(dq_shift *shift, int64_t most_ms)
{
    int64_t *call_ms = &shift->handle->url.timeout_ms;
    if (most_ms < LAST_CALL_MS) most_ms = LAST_CALL_MS;
    if (*call_ms > most_ms) *call_ms = most_ms;
}

static void say_in_hand(dq_shift *shift, const char *event)
{
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_INFO, event)) return;
    dq_log_add_int(&entry, "in_hand", (int64_t)(shift->job_count - shift->free_count));
    dq_log_send(&entry);
}

static void begin_finishing(dq_shift *shift)
{
    shift->phase = DQ_PHASE_FINISHING;
    shift->end_at_us = dq_deadline_us(shift->options->grace_ms);
    dq_shift_shorten_calls(shift, shift->options->grace_ms);
    say_in_hand(shift, "stopping");
    dq_shift_withdraw_unbegun(shift);
}

static void begin_ending(dq_shift *shift, dq_order order)
{
    shift->phase = DQ_PHASE_ENDING;
    shift->order = order;
    shift->end_at_us = dq_deadline_us(order == DQ_ORDER_KILL ? 0 : DQ_END_GRACE_MS);
    dq_shift_shorten_calls(shift, LAST_CALL_MS);
    say_in_hand(shift, "ending handlers");
    dq_shift_order_all(shift, order);
}

void dq_shift_hear_stop(dq_shift *shift)
{
    eventfd_t count;
    eventfd_read(shift->worker->stop_fd, &count); /* heard: calls may wait for the server again */
    int stops = atomic_load(&shift->worker->stops);
    if (stops > 0 && shift->phase == DQ_PHASE_WORKING) begin_finishing(shift);
    if (stops > 1 && shift->order < DQ_ORDER_KILL) begin_ending(shift, DQ_ORDER_KILL);
    if (shift->phase == DQ_PHASE_FINISHING && dq_mono_us() >= shift->end_at_us) {
        begin_ending(shift, DQ_ORDER_END);
    }
}

void dq_shift_fail(dq_shift *shift, int rc)
{
    shift->outcome = rc;
    shift->worker->fault = shift->handle->fault;
    atomic_store(&shift->worker->stopping, true);
    dq_log_entry entry;
    if (dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_ERROR, "cannot go on")) {
        dq_log_add_text(&entry, "error", dueq_error(shift->handle));
        dq_log_send(&entry);
    }
    begin_finishing(shift);
}

static void end_shift(dq_shift *shift)
{
    shift->phase = DQ_PHASE_OVER;
    dq_shift_order_all(shift,
                       DQ_ORDER_END); /* handlers whose tasks are lost; run() waits for them */
}

/* The server stayed away to the end: what was done and could not be told will be done again. */
static void end_untold(dq_shift *shift, size_t untold)
{
    dq_log_entry entry;
    if (dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_ERROR, "unreported")) {
        dq_log_add_int(&entry, "count", (int64_t)untold);
        dq_log_send(&entry);
    }
    if (shift->outcome == DUEQ_OK) {
        shift->outcome = shift->handle->fault.code;
        dq_fault_set(&shift->worker->fault, shift->outcome,
                     "%zu results could not be reported, their leases will run out: %s", untold,
                     dueq_error(shift->handle));
    }
    end_shift(shift);
}

static bool is_drained(const dq_shift *shift)
{
    if (!shift->options->drain || shift->free_count < shift->job_count) return false;
    for (size_t i = 0; i < shift->source_count; i++) {
        if (shift->shares[i].open) return false;
    }
    return shift->outage.failures == 0;
}

void dq_shift_end_if_through(dq_shift *shift)
{
    if (shift->phase == DQ_PHASE_WORKING) {
        if (is_drained(shift)) end_shift(shift);
        return;
    }
    size_t untold = shift->counts[DQ_JOB_ANSWERED] + shift->counts[DQ_JOB_GIVEN_UP];
    if (shift->counts[DQ_JOB_HANDED] > 0) return;
    if (untold == 0) {
        end_shift(shift);
    } else if (shift->phase == DQ_PHASE_ENDING && shift->outage.failures > 0 &&
               dq_mono_us() >= shift->end_at_us) {
        end_untold(shift, untold);
    }
}
