/* The worker's main loop: its phases in order, and its sleep. */
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "work/shift.h"
#include "work/thread.h"

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static bool has_reports(const dq_shift *shift)
{
    for (size_t i = 0; i < shift->source_count; i++) {
        if (shift->sources[i].reports != NULL) return true;
    }
    return false;
}

/* When the loop has something to do though nothing happens. */
static int64_t next_moment(const dq_shift *shift)
{
    int64_t at_us =
        sooner(shift->timeout_at_us, sooner(shift->tick_at_us, dq_shift_stuck_at(shift)));
    if (shift->phase == DQ_PHASE_FINISHING || shift->outage.failures > 0) {
        at_us = sooner(at_us, shift->end_at_us);
    }
    if (shift->outage.failures > 0) {
        return sooner(at_us, sooner(shift->outage.retry_at_us, dq_shift_first_end(shift)));
    }
    if (has_reports(shift)) return 0; /* come up since the reports were sent */
    return sooner(at_us, shift->renew_at_us);
}

/* Says that the loop comes round: not from a thread of its own, which would say so for a loop that
 * hangs as well. */
static void tick(dq_shift *shift)
{
    int64_t now_us = dq_mono_us();
    if (now_us < shift->tick_at_us) return;
    shift->tick_at_us = now_us + shift->options->tick_ms * 1000;
    shift->options->tick(shift->options->tick_context, shift->ready);
}

/* After a time of not listening nothing is known of any queue: all are worth a look. */
static void open_shares(dq_shift *shift, bool all)
{
    for (size_t i = 0; i < shift->source_count; i++) {
        dq_share *share = &shift->shares[i];
        share->open = share->open || all || dq_waiter_worth(shift->waiter, shift->sources[i].name);
    }
}

/* Listening for pushes is for workers that could take a task: others would swallow the wake-up. */
static void sleep_until_something(dq_shift *shift)
{
    if (shift->phase == DQ_PHASE_OVER) return;
    int wake_fd = shift->worker->wake_fd;
    int64_t until_us = next_moment(shift);
    bool away = shift->outage.failures > 0;
    bool listens = shift->phase == DQ_PHASE_WORKING && dq_shift_wants(shift) > 0 && !away &&
                   !shift->options->drain;
    if (listens) {
        dq_waiter_sleep(shift->waiter, until_us, wake_fd);
    } else {
        if (!away) dq_waiter_rest(shift->waiter);
        struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
        poll(&wake, 1, dq_poll_ms(until_us));
    }
    open_shares(shift, !listens);
    eventfd_t count;
    eventfd_read(wake_fd, &count);
}

int dq_shift_run(dueq_worker *worker)
{
    dq_shift shift;
    int rc = dq_shift_open(&shift, worker);
    int slack = dq_thread_be_punctual(); /* the handlers' threads were started before */
    while (rc == DUEQ_OK && shift.phase != DQ_PHASE_OVER) {
        dq_shift_hear_stop(&shift);
        dq_shift_gather_answers(&shift);
        dq_shift_watch_clock(&shift);
        dq_shift_give_back_stuck(&shift);
        dq_shift_report_answers(&shift);
        dq_shift_keep_leases(&shift);
        dq_shift_take_more(&shift);
        dq_shift_end_if_through(&shift);
        tick(&shift);
        sleep_until_something(&shift);
    }
    dq_thread_relax(slack);
    if (rc == DUEQ_OK) rc = shift.outcome;
    dq_shift_close(&shift);
    return rc;
}
