/* The public face of the worker: making, stopping, asking, freeing. */
#include "work/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "work/shift.h"

static int open_descriptors(dueq_worker *worker)
{
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd >= 0 && worker->stop_fd >= 0) return DUEQ_OK;
    return dq_fault_set(&worker->fault, DUEQ_ESYSTEM, "cannot make an eventfd: %s",
                        strerror(errno));
}

int dueq_worker_make(dueq_worker **worker, const dueq_worker_options *options)
{
    *worker = calloc(1, sizeof **worker);
    if (*worker == NULL) return DUEQ_ENOMEM;
    dueq_worker *w = *worker;
    w->wake_fd = w->stop_fd = -1;
    const dueq_worker_options none = {0};
    const dueq_worker_options *o = options == NULL ? &none : options;
    dq_log_init(&w->log, o->log, o->log_context, o->log_most);
    int rc = dq_work_options_copy(&w->own, options, &w->fault);
    return rc < 0 ? rc : open_descriptors(w);
}

void dueq_worker_free(dueq_worker *worker)
{
    if (worker == NULL) return;
    if (worker->wake_fd >= 0) close(worker->wake_fd);
    if (worker->stop_fd >= 0) close(worker->stop_fd);
    dq_work_options_clear(&worker->own);
    dq_log_clear(&worker->log);
    free(worker);
}

int dueq_worker_run(dueq_worker *worker)
{
    if (worker->stop_fd < 0) return worker->fault.code; /* it was not made well */
    dq_fault_clear(&worker->fault);
    return dq_shift_run(worker);
}

void dueq_worker_stop(dueq_worker *worker)
{
    int saved = errno; /* a signal handler may be the caller */
    atomic_fetch_add(&worker->stops, 1);
    atomic_store(&worker->stopping, true);
    if (worker->stop_fd >= 0) eventfd_write(worker->stop_fd, 1);
    if (worker->wake_fd >= 0) eventfd_write(worker->wake_fd, 1);
    errno = saved;
}

const char *dueq_worker_error(const dueq_worker *worker)
{
    return worker->fault.text;
}

void dueq_worker_get_stats(const dueq_worker *worker, dueq_worker_stats *stats)
{
    const dq_counters *c = &worker->counters;
    *stats = (dueq_worker_stats){
        .taken = atomic_load(&c->taken),
        .done = atomic_load(&c->done),
        .retried = atomic_load(&c->retried),
        .dead = atomic_load(&c->dead),
        .released = atomic_load(&c->released),
        .lost = atomic_load(&c->lost),
    };
}
