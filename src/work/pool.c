/* Handler threads around two queues under one lock: jobs to begin, jobs that are through. */
#include "work/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* A thousand threads are to fit; a callback that needs more makes threads of its own. */
#define STACK_SIZE ((size_t)512 * 1024)

typedef struct job_list {
    dueq_job *first;
    dueq_job *last;
} job_list;

/* Holds: `lock` guards both lists and `closing`; a job is in one of them, or in its handler's
 * hands, from dq_pool_hand() until it is given back. */
struct dq_pool {
    dq_pool_options options;
    pthread_mutex_t lock;
    pthread_cond_t begun; /* something to begin, or closing */
    job_list todo;
    job_list through;
    bool closing;
    size_t thread_count; /* that run */
    pthread_t threads[];
};

static void append(job_list *list, dueq_job *job)
{
    job->next = NULL;
    if (list->first == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
}

static dueq_job *remove_first(job_list *list)
{
    dueq_job *job = list->first;
    list->first = job->next;
    job->next = NULL;
    return job;
}

static bool remove_job(job_list *list, const dueq_job *job)
{
    dueq_job *before = NULL;
    for (dueq_job *at = list->first; at != NULL; before = at, at = at->next) {
        if (at != job) continue;
        if (before == NULL) {
            list->first = at->next;
        } else {
            before->next = at->next;
        }
        if (list->last == at) list->last = before;
        at->next = NULL;
        return true;
    }
    return false;
}

/* The next job to begin; NULL when the pool closes. Called with the lock held. */
static dueq_job *await_job(dq_pool *pool)
{
    while (pool->todo.first == NULL && !pool->closing) {
        pthread_cond_wait(&pool->begun, &pool->lock);
    }
    return pool->todo.first == NULL ? NULL : remove_first(&pool->todo);
}

static void *handle_jobs(void *context)
{
    dq_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (dueq_job *job; (job = await_job(pool)) != NULL;) {
        pthread_mutex_unlock(&pool->lock);
        job->answer.verdict = pool->options.handler(job, pool->options.context);
        pthread_mutex_lock(&pool->lock);
        bool first = pool->through.first == NULL;
        append(&pool->through, job);
        if (first) eventfd_write(pool->options.wake_fd, 1);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Starts one thread; an errno, 0 when it runs. */
static int start_thread(dq_pool *pool, const pthread_attr_t *attributes)
{
    int error = pthread_create(&pool->threads[pool->thread_count], attributes, handle_jobs, pool);
    if (error == 0) pool->thread_count++;
    return error;
}

/* Signals are the host program's: its own threads get them, never a handler's. */
static int start_threads(dq_pool *pool)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    for (size_t i = 0; i < pool->options.thread_count && error == 0; i++) {
        error = start_thread(pool, &attributes);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int dq_pool_open(dq_pool **pool, const dq_pool_options *options, dq_fault *fault)
{
    *pool = calloc(1, sizeof **pool + options->thread_count * sizeof(pthread_t));
    if (*pool == NULL) return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    (*pool)->options = *options;
    pthread_mutex_init(&(*pool)->lock, NULL);
    pthread_cond_init(&(*pool)->begun, NULL);
    int error = start_threads(*pool);
    if (error == 0) return DUEQ_OK;

    dq_fault_set(fault, DUEQ_ESYSTEM, "cannot start handler thread %zu of %zu: %s",
                 (*pool)->thread_count + 1, options->thread_count, strerror(error));
    dq_pool_close(*pool);
    *pool = NULL;
    return DUEQ_ESYSTEM;
}

void dq_pool_close(dq_pool *pool)
{
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->begun);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->begun);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void dq_pool_hand(dq_pool *pool, dueq_job *job)
{
    pthread_mutex_lock(&pool->lock);
    append(&pool->todo, job);
    pthread_cond_signal(&pool->begun);
    pthread_mutex_unlock(&pool->lock);
}

bool dq_pool_withdraw(dq_pool *pool, dueq_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool withdrawn = remove_job(&pool->todo, job);
    pthread_mutex_unlock(&pool->lock);
    return withdrawn;
}

dueq_job *dq_pool_collect(dq_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    dueq_job *jobs = pool->through.first;
    pool->through = (job_list){0};
    pthread_mutex_unlock(&pool->lock);
    return jobs;
}
