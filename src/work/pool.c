/* Handler threads around a desk. */
#include "work/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "work/thread.h"

typedef struct hand {
    pthread_t thread;
    dq_pool *pool;
    int nudge_fd; /* -1: orders are not taken */
} hand;

struct dq_pool {
    dq_pool_options options;
    size_t hand_count; /* whose threads run */
    hand hands[];
};

/* From here on orders nudge this thread. One that was given before is in job->order. */
static void hear_orders(const hand *h, dueq_job *job)
{
    if (h->nudge_fd < 0) return;
    eventfd_t stale;
    eventfd_read(h->nudge_fd, &stale);
    atomic_store(&job->nudge_fd, h->nudge_fd);
}

static void *handle_jobs(void *context)
{
    const hand *h = context;
    const dq_pool_options *options = &h->pool->options;
    dueq_job *job = dq_desk_await(options->desk);
    while (job != NULL) {
        hear_orders(h, job);
        job->answer.verdict = options->handler(job, options->context);
        job = dq_desk_exchange(options->desk, job);
    }
    return NULL;
}

/* 0 or an errno. */
static int start_hand(dq_pool *pool, hand *h)
{
    h->pool = pool;
    h->nudge_fd = -1;
    if (pool->options.takes_orders) {
        h->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (h->nudge_fd < 0) return errno;
    }
    int error = dq_thread_start(&h->thread, handle_jobs, h);
    if (error != 0 && h->nudge_fd >= 0) close(h->nudge_fd);
    return error;
}

int dq_pool_open(dq_pool **pool, const dq_pool_options *options, dq_fault *fault)
{
    *pool = calloc(1, sizeof **pool + options->thread_count * sizeof(hand));
    if (*pool == NULL) return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    (*pool)->options = *options;
    int error = 0;
    while ((*pool)->hand_count < options->thread_count) {
        error = start_hand(*pool, &(*pool)->hands[(*pool)->hand_count]);
        if (error != 0) break;
        (*pool)->hand_count++;
    }
    if (error == 0) return DUEQ_OK;

    dq_fault_set(fault, DUEQ_ESYSTEM, "cannot start handler thread %zu of %zu: %s",
                 (*pool)->hand_count + 1, options->thread_count, strerror(error));
    dq_pool_close(*pool);
    *pool = NULL;
    return DUEQ_ESYSTEM;
}

void dq_pool_close(dq_pool *pool)
{
    if (pool == NULL) return;
    dq_desk_close(pool->options.desk);
    for (size_t i = 0; i < pool->hand_count; i++) {
        pthread_join(pool->hands[i].thread, NULL);
        if (pool->hands[i].nudge_fd >= 0) close(pool->hands[i].nudge_fd);
    }
    free(pool);
}
