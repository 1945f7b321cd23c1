/* Making a run and taking it apart. */
#include "work/shift.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "queue/check.h"

/* ---- Opening ---- */

static int fail_memory(dq_shift *shift)
{
    return dq_fault_set(&shift->worker->fault, DUEQ_ENOMEM, "out of memory");
}

static int allocate(dq_shift *shift)
{
    size_t count = shift->job_count, sources = shift->source_count;
    shift->jobs = calloc(count, sizeof *shift->jobs);
    shift->picked = calloc(count, sizeof(dueq_job *));
    shift->leases = calloc(count, sizeof *shift->leases);
    shift->failures = calloc(count, sizeof *shift->failures);
    shift->sources = calloc(sources, sizeof *shift->sources);
    shift->shares = calloc(sources, sizeof *shift->shares);
    bool complete = shift->jobs && shift->picked && shift->leases && shift->failures &&
                    shift->sources && shift->shares;
    return complete ? DUEQ_OK : fail_memory(shift);
}

static void set_up_slots(dq_shift *shift)
{
    for (size_t i = shift->job_count; i-- > 0;) {
        dueq_job *job = &shift->jobs[i];
        job->stopping = &shift->worker->stopping;
        job->next = shift->free_jobs;
        shift->free_jobs = job;
    }
    shift->free_count = shift->counts[DQ_JOB_FREE] = shift->job_count;
}

static void set_up_sources(dq_shift *shift)
{
    for (size_t i = 0; i < shift->source_count; i++) {
        dq_source *source = &shift->sources[i];
        source->name = shift->options->queues[i].name;
        source->reports_end = &source->reports;
        shift->shares[i] = (dq_share){.weight = shift->options->queues[i].weight, .open = true};
    }
}

static int open_server(dq_shift *shift)
{
    int rc = dueq_open(&shift->handle, shift->options->url, shift->options->connect);
    if (shift->handle == NULL) return fail_memory(shift);
    for (size_t i = 0; i < shift->source_count && rc == DUEQ_OK; i++) {
        rc = dq_check_queue(shift->handle, shift->sources[i].name);
    }
    if (rc < 0) {
        shift->worker->fault = shift->handle->fault;
        return rc;
    }
    dueq_set_interrupt_fd(shift->handle, shift->worker->stop_fd);
    shift->waiter = dq_waiter_make(shift->handle);
    return shift->waiter == NULL ? fail_memory(shift) : DUEQ_OK;
}

static int open_crew(dq_shift *shift)
{
    dq_crew_options options = {
        .worker = shift->options,
        .through_fd = shift->worker->wake_fd,
        .stops = &shift->worker->stops,
        .log = &shift->worker->log,
    };
    return dq_crew_open(&shift->crew, &options, &shift->worker->fault);
}

static void say_started(dq_shift *shift)
{
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_INFO, "started")) return;
    dq_buf names = {0};
    for (size_t i = 0; i < shift->source_count; i++) {
        dq_buf_printf(&names, "%s%s", i > 0 ? "," : "", shift->sources[i].name);
    }
    dq_log_add(&entry, "queues", names.data, names.len);
    dq_log_add_int(&entry, "concurrency", shift->options->concurrency);
    if (shift->options->stdio) dq_log_add_int(&entry, "window", shift->options->window);
    dq_log_add_text(&entry, "url", dueq_url(shift->handle));
    dq_log_send(&entry);
    dq_buf_clear(&names);
}

/* Tasks that may be held ready. */
static size_t reserve_most(const dueq_worker_options *options)
{
    if (options->prefetch != 0) return options->prefetch > 0 ? (size_t)options->prefetch : 0;
    return DQ_PACE_MOST;
}

int dq_shift_open(dq_shift *shift, dueq_worker *worker)
{
    const dueq_worker_options *options = &worker->own.options;
    *shift = (dq_shift){
        .worker = worker,
        .options = options,
        .job_count = dq_crew_room(options) + reserve_most(options),
        .source_count = options->queue_count,
        .end_at_us = DQ_NEVER_US,
        .renew_at_us = DQ_NEVER_US,
        .timeout_at_us = DQ_NEVER_US,
        .tick_at_us = options->tick == NULL ? DQ_NEVER_US : 0,
    };
    char bound[32];
    snprintf(shift->timeout_text, sizeof shift->timeout_text, "timed out after %s",
             dueq_format_duration(options->timeout_ms, bound, sizeof bound));
    int rc = allocate(shift);
    if (rc < 0) return rc;
    set_up_slots(shift);
    set_up_sources(shift);
    rc = open_server(shift);
    if (rc == DUEQ_OK) rc = open_crew(shift);
    shift->started = rc == DUEQ_OK;
    if (shift->started) say_started(shift);
    return rc;
}

/* ---- Closing ---- */

static void clear_slots(dq_shift *shift)
{
    for (size_t i = 0; shift->jobs != NULL && i < shift->job_count; i++) {
        dueq_job *job = &shift->jobs[i];
        if (job->batch != NULL && --job->batch->task_count == 0) {
            dueq_batch_free(job->batch->batch);
            free(job->batch);
        }
    }
}

static void say_stopped(dq_shift *shift)
{
    dq_log_entry entry;
    if (!dq_log_begin(&shift->worker->log, &entry, DUEQ_LOG_INFO, "stopped")) return;
    dueq_worker_stats stats;
    dueq_worker_get_stats(shift->worker, &stats);
    dq_log_add_int(&entry, "taken", stats.taken);
    dq_log_add_int(&entry, "done", stats.done);
    dq_log_add_int(&entry, "retried", stats.retried);
    dq_log_add_int(&entry, "dead", stats.dead);
    dq_log_add_int(&entry, "released", stats.released);
    dq_log_add_int(&entry, "lost", stats.lost);
    dq_log_send(&entry);
}

/* The server is left before the last handlers return: none of them holds a lease any more. */
void dq_shift_close(dq_shift *shift)
{
    dq_waiter_free(shift->waiter);
    dueq_close(shift->handle);
    dq_crew_close(&shift->crew);
    if (shift->started) say_stopped(shift);
    clear_slots(shift);
    free(shift->shares);
    free(shift->sources);
    free(shift->failures);
    free(shift->leases);
    free(shift->picked);
    free(shift->jobs);
}
