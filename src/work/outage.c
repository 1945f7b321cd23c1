/* What the results of calls say about the server: within reach, away for a while, or a reason to
 * give up. */
#include "base/clock.h"
#include "base/random.h"
#include "work/shift.h"

#define RETRY_BASE_MS 200
#define RETRY_MAX_MS 5000

/* Failures that time or an operator can mend without the worker's help. The rest would only be
 * repeated: a worker that may not read its queue is to say so and end. */
static bool passes(int rc)
{
    switch (rc) {
    case DUEQ_ENOMEM:
    case DUEQ_ECONNECT:
    case DUEQ_EUNSURE:
    case DUEQ_ETIMEOUT:
    case DUEQ_EPROTO:
    case DUEQ_ESERVER:
    case DUEQ_EREADONLY:
    case DUEQ_EFULL:
    case DUEQ_EUNREADY:
        return true;
    default:
        return false;
    }
}

void dq_shift_reached(dq_shift *shift)
{
    if (!shift->ready && shift->tick_at_us != DQ_NEVER_US) shift->tick_at_us = 0;
    shift->ready = true;
    if (shift->outage.failures == 0) return;
    dq_log_entry entry;
    if (dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_INFO, "server back")) {
        dq_log_add_int(&entry, "after_ms", (dq_mono_us() - shift->outage.since_us) / 1000);
        dq_log_send(&entry);
    }
    shift->outage = (dq_outage){0};
}

static void say_away(dq_shift *shift)
{
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_WARN, "server away")) return;
    dq_log_add_text(&entry, "error", dueq_error(shift->handle));
    dq_log_send(&entry);
}

int dq_shift_failed(dq_shift *shift, int rc)
{
    if (rc == DUEQ_ECANCELED) return rc; /* a stop: the loop hears it next */
    if (!passes(rc) && shift->phase == DQ_PHASE_WORKING) dq_shift_fail(shift, rc);
    dq_outage *outage = &shift->outage;
    if (outage->failures++ == 0) {
        outage->since_us = dq_mono_us();
        say_away(shift);
    }
    int64_t wait_ms = dq_backoff_ms(outage->failures, RETRY_BASE_MS, RETRY_MAX_MS, dq_random_u64());
    outage->retry_at_us = dq_deadline_us(wait_ms);
    return rc;
}

bool dq_shift_is_away(const dq_shift *shift)
{
    return shift->outage.failures > 0 && dq_mono_us() < shift->outage.retry_at_us;
}
