/* How a run ends: stop heard, grace, ending of handlers, and when nothing is left to wait for. */
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "queue/handle.h"
#include "work/shift.h"

#define LAST_CALL_MS 1000 /* what a call to the server may take however little time is left */

/* From here on no call waits for the server longer than the phase is meant to last. */
static void shorten_calls(dq_shift *shift, int64_t phase_ms)
{
    int64_t *call_ms = &shift->handle->url.timeout_ms;
    if (phase_ms < LAST_CALL_MS) phase_ms = LAST_CALL_MS;
    if (*call_ms > phase_ms) *call_ms = phase_ms;
}

static void begin_finishing(dq_shift *shift)
{
    shift->phase = DQ_PHASE_FINISHING;
    shift->end_at_us = dq_deadline_us(shift->options->grace_ms);
    shorten_calls(shift, shift->options->grace_ms);
    dq_log_say(&shift->worker->log, DUEQ_LOG_INFO, "stopping in_hand=%zu",
               shift->job_count - shift->free_count);
    dq_shift_withdraw_unbegun(shift);
}

static void begin_ending(dq_shift *shift, dq_order order)
{
    shift->phase = DQ_PHASE_ENDING;
    shift->order = order;
    shift->end_at_us = dq_deadline_us(order == DQ_ORDER_KILL ? 0 : DQ_END_GRACE_MS);
    shorten_calls(shift, LAST_CALL_MS);
    dq_log_say(&shift->worker->log, DUEQ_LOG_INFO, "ending handlers in_hand=%zu",
               shift->job_count - shift->free_count);
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
    dq_buf line = {0};
    dq_buf_add_text(&line, "cannot go on");
    dq_log_add_text(&line, "error", dueq_error(shift->handle));
    dq_log_send(&shift->worker->log, DUEQ_LOG_ERROR, &line);
    begin_finishing(shift);
}

static size_t count_in(const dq_shift *shift, dq_job_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < shift->job_count; i++) {
        if (shift->jobs[i].state == state) count++;
    }
    return count;
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
    dq_log_say(&shift->worker->log, DUEQ_LOG_ERROR, "unreported count=%zu", untold);
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
    size_t handed = count_in(shift, DQ_JOB_HANDED);
    size_t untold = count_in(shift, DQ_JOB_ANSWERED) + count_in(shift, DQ_JOB_GIVEN_UP);
    if (handed > 0) return;
    if (untold == 0) {
        end_shift(shift);
    } else if (shift->phase == DQ_PHASE_ENDING && shift->outage.failures > 0 &&
               dq_mono_us() >= shift->end_at_us) {
        end_untold(shift, untold);
    }
}
