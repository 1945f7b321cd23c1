/* Two lists under one lock. */
#include "work/desk.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/clock.h"

/* Holds: `lock` guards all below it; a job is in one of the lists, or in its handler's hands, from
 * dq_desk_hand() until it is given back. `idle` handlers wait for `begun`, `called` of which have
 * been signalled and have not come round yet: no more are woken than there are jobs. */
struct dq_desk {
    int through_fd, todo_fd;
    pthread_mutex_t lock;
    pthread_cond_t begun; /* something to begin, or closing */
    size_t idle, called;
    dq_job_list todo;
    dq_job_list through;
    bool closing;
    size_t able;
};

/* ---- Lists ---- */

void dq_job_list_add(dq_job_list *list, dueq_job *job)
{
    job->next = NULL;
    if (list->first == NULL) {
        list->first = job;
    } else {
        list->last->next = job;
    }
    list->last = job;
    list->count++;
}

dueq_job *dq_job_list_pop(dq_job_list *list)
{
    dueq_job *job = list->first;
    if (job == NULL) return NULL;
    list->first = job->next;
    if (list->first == NULL) list->last = NULL;
    list->count--;
    job->next = NULL;
    return job;
}

static void append(dq_job_list *list, dq_job_list *more)
{
    if (more->first == NULL) return;
    if (list->first == NULL) {
        *list = *more;
    } else {
        list->last->next = more->first;
        list->last = more->last;
        list->count += more->count;
    }
    *more = (dq_job_list){0};
}

static bool remove_job(dq_job_list *list, const dueq_job *job)
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
        list->count--;
        at->next = NULL;
        return true;
    }
    return false;
}

/* ---- The main loop's side ---- */

dq_desk *dq_desk_make(int through_fd, int todo_fd)
{
    dq_desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL) return NULL;
    desk->through_fd = through_fd;
    desk->todo_fd = todo_fd;
    desk->able = SIZE_MAX;
    pthread_mutex_init(&desk->lock, NULL);
    pthread_cond_init(&desk->begun, NULL);
    return desk;
}

void dq_desk_free(dq_desk *desk)
{
    if (desk == NULL) return;
    pthread_cond_destroy(&desk->begun);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
}

/* One idle handler more, if there is a job more than have been called. Each that comes round calls
 * the next: so as many wake as there is work for, one after the other. */
static void call_one(dq_desk *desk)
{
    if (desk->called >= desk->idle || desk->called >= desk->todo.count) return;
    desk->called++;
    pthread_cond_signal(&desk->begun);
}

void dq_desk_hand(dq_desk *desk, dq_job_list *jobs)
{
    if (jobs->first == NULL) return;
    pthread_mutex_lock(&desk->lock);
    bool none = desk->todo.first == NULL;
    append(&desk->todo, jobs);
    call_one(desk);
    pthread_mutex_unlock(&desk->lock);
    if (none && desk->todo_fd >= 0) eventfd_write(desk->todo_fd, 1);
}

bool dq_desk_withdraw(dq_desk *desk, dueq_job *job)
{
    pthread_mutex_lock(&desk->lock);
    bool withdrawn = remove_job(&desk->todo, job);
    pthread_mutex_unlock(&desk->lock);
    return withdrawn;
}

static dq_job_list take_all(dq_desk *desk, dq_job_list *list)
{
    pthread_mutex_lock(&desk->lock);
    dq_job_list all = *list;
    *list = (dq_job_list){0};
    pthread_mutex_unlock(&desk->lock);
    return all;
}

dq_job_list dq_desk_withdraw_all(dq_desk *desk)
{
    return take_all(desk, &desk->todo);
}

dq_job_list dq_desk_collect(dq_desk *desk)
{
    return take_all(desk, &desk->through);
}

size_t dq_desk_able(dq_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    size_t able = desk->able;
    pthread_mutex_unlock(&desk->lock);
    return able;
}

void dq_desk_close(dq_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->closing = true;
    pthread_cond_broadcast(&desk->begun);
    pthread_mutex_unlock(&desk->lock);
    if (desk->todo_fd >= 0) eventfd_write(desk->todo_fd, 1);
}

/* ---- The handlers' side. The first three are called with the lock held. ---- */

static dueq_job *begin_next(dq_desk *desk)
{
    dueq_job *job = dq_job_list_pop(&desk->todo);
    if (job != NULL) atomic_store_explicit(&job->begun_us, dq_mono_us(), memory_order_release);
    return job;
}

static dueq_job *await_next(dq_desk *desk)
{
    while (desk->todo.first == NULL && !desk->closing) {
        desk->idle++;
        pthread_cond_wait(&desk->begun, &desk->lock);
        desk->idle--;
        if (desk->called > 0) desk->called--;
    }
    dueq_job *job = begin_next(desk);
    call_one(desk);
    return job;
}

/* True when the main loop is to be told. */
static bool put_through(dq_desk *desk, dueq_job *job)
{
    atomic_store_explicit(&job->returned_us, dq_mono_us(), memory_order_release);
    bool first = desk->through.first == NULL;
    dq_job_list_add(&desk->through, job);
    return first;
}

dueq_job *dq_desk_await(dq_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    dueq_job *job = await_next(desk);
    pthread_mutex_unlock(&desk->lock);
    return job;
}

dueq_job *dq_desk_next(dq_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    dueq_job *job = begin_next(desk);
    pthread_mutex_unlock(&desk->lock);
    return job;
}

bool dq_desk_is_closed(dq_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    bool closed = desk->closing;
    pthread_mutex_unlock(&desk->lock);
    return closed;
}

void dq_desk_set_able(dq_desk *desk, size_t job_count)
{
    pthread_mutex_lock(&desk->lock);
    bool more = job_count > desk->able;
    desk->able = job_count;
    pthread_mutex_unlock(&desk->lock);
    if (more) eventfd_write(desk->through_fd, 1);
}

void dq_desk_return(dq_desk *desk, dueq_job *job)
{
    pthread_mutex_lock(&desk->lock);
    bool first = put_through(desk, job);
    pthread_mutex_unlock(&desk->lock);
    if (first) eventfd_write(desk->through_fd, 1);
}

dueq_job *dq_desk_exchange(dq_desk *desk, dueq_job *job)
{
    pthread_mutex_lock(&desk->lock);
    if (put_through(desk, job)) eventfd_write(desk->through_fd, 1);
    dueq_job *next = await_next(desk);
    pthread_mutex_unlock(&desk->lock);
    return next;
}
