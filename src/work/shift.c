/* Making a run and taking it apart. */
#include "work/shift.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "queue/check.h"
#include "work/environment.h"

#define SPARE_FDS 32 /* for the connections, the standard three, and the host's own few */

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
        job->nudge_fd = -1;
        job->stopping = &shift->worker->stopping;
        job->next = shift->free_jobs;
        shift->free_jobs = job;
    }
    shift->free_count = shift->job_count;
}

static void set_up_sources(dq_shift *shift)
{
    for (size_t i = 0; i < shift->source_count; i++) {
        shift->sources[i].name = shift->options->queues[i].name;
        shift->shares[i] = (dq_share){.weight = shift->options->queues[i].weight, .open = true};
    }
}

static int check_descriptors(dq_shift *shift)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)shift->job_count * DQ_PROCESS_FDS + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed) return DUEQ_OK;
    return dq_fault_set(&shift->worker->fault, DUEQ_ESYSTEM,
                        "%zu processes at a time need %llu open files; the limit is %llu "
                        "(ulimit -n)",
                        shift->job_count, (unsigned long long)needed,
                        (unsigned long long)limit.rlim_cur);
}

/* Where the host has its children reaped unseen, no exit status would ever be had. */
static int check_children(dq_shift *shift)
{
    struct sigaction action;
    bool unseen = sigaction(SIGCHLD, NULL, &action) == 0 &&
                  (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0);
    if (!unseen) return DUEQ_OK;
    return dq_fault_set(&shift->worker->fault, DUEQ_ESYSTEM,
                        "SIGCHLD is ignored, so that the exit status of a program is lost: set it "
                        "to SIG_DFL, without SA_NOCLDWAIT");
}

static int set_up_processes(dq_shift *shift)
{
    if (shift->options->command == NULL) return DUEQ_OK;
    int rc = check_descriptors(shift);
    if (rc == DUEQ_OK) rc = check_children(shift);
    if (rc < 0) return rc;
    shift->environment = dq_environment_base(environ);
    if (shift->environment == NULL) return fail_memory(shift);
    shift->plan = (dq_process_plan){.command = shift->options->command,
                                    .environment = shift->environment,
                                    .timeout_ms = shift->options->timeout_ms,
                                    .grace_ms = shift->options->grace_ms};
    for (size_t i = 0; i < shift->job_count; i++) {
        shift->jobs[i].nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (shift->jobs[i].nudge_fd >= 0) continue;
        return dq_fault_set(&shift->worker->fault, DUEQ_ESYSTEM, "cannot make an eventfd: %s",
                            strerror(errno));
    }
    return DUEQ_OK;
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

static int open_pool(dq_shift *shift)
{
    bool runs_command = shift->options->command != NULL;
    dq_pool_options options = {
        .thread_count = shift->job_count,
        .handler = runs_command ? dq_process_handle : shift->options->handler,
        .context = runs_command ? (void *)&shift->plan : shift->options->handler_context,
        .wake_fd = shift->worker->wake_fd,
    };
    return dq_pool_open(&shift->pool, &options, &shift->worker->fault);
}

static void say_started(dq_shift *shift)
{
    dq_buf line = {0}, names = {0};
    for (size_t i = 0; i < shift->source_count; i++) {
        dq_buf_printf(&names, "%s%s", i > 0 ? "," : "", shift->sources[i].name);
    }
    dq_buf_add_text(&line, "started");
    dq_log_add_text(&line, "queues", names.data == NULL ? "" : names.data);
    dq_log_add_int(&line, "concurrency", (int64_t)shift->job_count);
    dq_log_add_text(&line, "url", dueq_url(shift->handle));
    dq_log_send(&shift->worker->log, DUEQ_LOG_INFO, &line);
    dq_buf_clear(&names);
}

int dq_shift_open(dq_shift *shift, dueq_worker *worker)
{
    const dueq_worker_options *options = &worker->own.options;
    *shift = (dq_shift){
        .worker = worker,
        .options = options,
        .job_count = (size_t)options->concurrency,
        .source_count = options->queue_count,
        .end_at_us = DQ_NEVER_US,
        .renew_at_us = DQ_NEVER_US,
        .timeout_at_us = DQ_NEVER_US,
    };
    char bound[32];
    snprintf(shift->timeout_text, sizeof shift->timeout_text, "timed out after %s",
             dueq_format_duration(options->timeout_ms, bound, sizeof bound));
    int rc = allocate(shift);
    if (rc < 0) return rc;
    set_up_slots(shift);
    set_up_sources(shift);
    rc = set_up_processes(shift);
    if (rc == DUEQ_OK) rc = open_server(shift);
    if (rc == DUEQ_OK) rc = open_pool(shift);
    if (rc == DUEQ_OK) say_started(shift);
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
        if (job->nudge_fd >= 0) close(job->nudge_fd);
    }
}

static void say_stopped(dq_shift *shift)
{
    dueq_worker_stats stats;
    dueq_worker_get_stats(shift->worker, &stats);
    dq_log_say(&shift->worker->log, DUEQ_LOG_INFO,
               "stopped taken=%lld done=%lld retried=%lld dead=%lld released=%lld lost=%lld",
               (long long)stats.taken, (long long)stats.done, (long long)stats.retried,
               (long long)stats.dead, (long long)stats.released, (long long)stats.lost);
}

/* The server is left before the last handlers return: none of them holds a lease any more. */
void dq_shift_close(dq_shift *shift)
{
    bool ran = shift->pool != NULL;
    dq_waiter_free(shift->waiter);
    dueq_close(shift->handle);
    dq_pool_close(shift->pool);
    if (ran) say_stopped(shift);
    clear_slots(shift);
    free(shift->environment);
    free(shift->shares);
    free(shift->sources);
    free(shift->failures);
    free(shift->leases);
    free(shift->picked);
    free(shift->jobs);
}
