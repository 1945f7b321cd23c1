/* Pushers and takers. A task's record here is a few bits that only grow, so no locks are needed. */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dueq.h>

enum { PUSHERS = 2, TAKERS = 3, TASKS_MAX = 400000, PUSH_COUNT = 8, TAKE_COUNT = 20 };
enum { PUSHED = 1, GIVEN = 2, FINISHED = 4, GIVEN_AFTER = 8 };
enum { STOP_MS = 60000 };

/* However long an election takes on a busy machine. */
static const dueq_options patient = {.timeout_ms = STOP_MS};

typedef struct part {
    struct load *load;
    int index;
    pthread_t thread;
    dueq *handle;
} part;

struct load {
    char url[8192];
    char queue[64];
    part pushers[PUSHERS], takers[TAKERS];
    atomic_bool stop_pushing, stop_taking;
    atomic_long done, pushed, failures;
    atomic_uchar *tasks[PUSHERS];
    pthread_mutex_t lock;
    char failure[600];
};

static void note_failure(load *l, const char *call, int rc, const dueq *handle)
{
    atomic_fetch_add(&l->failures, 1);
    pthread_mutex_lock(&l->lock);
    snprintf(l->failure, sizeof l->failure, "%s is %d: %s", call, rc, dueq_error(handle));
    pthread_mutex_unlock(&l->lock);
}

static void push_some(part *p, int first)
{
    dueq_new_task tasks[PUSH_COUNT];
    char ids[PUSH_COUNT][32];
    for (int i = 0; i < PUSH_COUNT; i++) {
        int len = snprintf(ids[i], sizeof ids[i], "%d-%d", p->index, first + i);
        tasks[i] = (dueq_new_task){.id = ids[i], .payload = ids[i], .payload_len = (size_t)len};
    }
    int rc = dueq_push(p->handle, p->load->queue, tasks, PUSH_COUNT, NULL);
    if (rc < 0) note_failure(p->load, "push", rc, p->handle);
    for (int i = 0; i < PUSH_COUNT; i++) {
        if (tasks[i].outcome < 0) continue;
        atomic_fetch_or(&p->load->tasks[p->index][first + i], PUSHED);
        atomic_fetch_add(&p->load->pushed, 1);
    }
}

static void *push_on(void *context)
{
    part *p = context;
    for (int n = 0; !atomic_load(&p->load->stop_pushing) && n + PUSH_COUNT <= TASKS_MAX;
         n += PUSH_COUNT) {
        push_some(p, n);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static atomic_uchar *record_of(load *l, const dueq_task *task)
{
    int pusher = 0, number = 0;
    sscanf(task->id, "%d-%d", &pusher, &number);
    return &l->tasks[pusher][number];
}

static void finish(part *p, dueq_batch *batch)
{
    load *l = p->load;
    dueq_lease leases[TAKE_COUNT];
    for (size_t i = 0; i < batch->count; i++) {
        atomic_uchar *record = record_of(l, &batch->tasks[i]);
        if (atomic_fetch_or(record, GIVEN) & FINISHED) atomic_fetch_or(record, GIVEN_AFTER);
        leases[i] = (dueq_lease){.receipt = batch->tasks[i].receipt};
    }
    int rc = dueq_done(p->handle, l->queue, leases, batch->count);
    if (rc < 0) note_failure(l, "done", rc, p->handle);
    for (size_t i = 0; i < batch->count; i++) {
        if (leases[i].outcome != DUEQ_OK) continue;
        atomic_uchar *record = record_of(l, &batch->tasks[i]);
        if (!(atomic_fetch_or(record, FINISHED) & FINISHED)) atomic_fetch_add(&l->done, 1);
    }
    dueq_batch_free(batch);
}

static void *take_on(void *context)
{
    part *p = context;
    dueq_take_options options = {.tasks_max = TAKE_COUNT, .lease_ms = 2000, .wait_ms = 50};
    while (!atomic_load(&p->load->stop_taking)) {
        dueq_batch *batch;
        int rc = dueq_take(p->handle, p->load->queue, &options, &batch);
        if (rc < 0) note_failure(p->load, "take", rc, p->handle);
        if (rc == DUEQ_OK) finish(p, batch);
    }
    return NULL;
}

static void start_part(load *l, part *p, int index, void *(*run)(void *))
{
    *p = (part){.load = l, .index = index};
    int rc = dueq_open(&p->handle, l->url, &patient);
    if (rc < 0) fail_msg("%s: %d, %s", l->url, rc, dueq_error(p->handle));
    assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
}

load *load_start(const char *url, const char *queue)
{
    load *l = calloc(1, sizeof *l);
    snprintf(l->url, sizeof l->url, "%s%stimeout=20s", url, strchr(url, '?') ? "&" : "?");
    snprintf(l->queue, sizeof l->queue, "%s", queue);
    pthread_mutex_init(&l->lock, NULL);
    for (int i = 0; i < PUSHERS; i++) l->tasks[i] = calloc(TASKS_MAX, sizeof(atomic_uchar));
    for (int i = 0; i < PUSHERS; i++) start_part(l, &l->pushers[i], i, push_on);
    for (int i = 0; i < TAKERS; i++) start_part(l, &l->takers[i], i, take_on);
    return l;
}

long load_done(const load *l)
{
    return atomic_load(&l->done);
}

void load_await_more(load *l, long more)
{
    long wanted = load_done(l) + more;
    int64_t deadline_ms = until_now_ms() + STOP_MS;
    while (load_done(l) < wanted)
        if (!until_again(deadline_ms))
            fail_msg("%ld of %ld tasks done; %ld calls failed, the last: %s", load_done(l), wanted,
                     atomic_load(&l->failures), l->failure);
}

/* Nothing on the queue any more, so that what was not given never will be. */
static bool is_empty(load *l, dueq *handle)
{
    dueq_stats stats;
    return dueq_queue_stats(handle, l->queue, &stats) == DUEQ_OK &&
           stats.ready + stats.leased + stats.waiting == 0;
}

void load_stop(load *l)
{
    dueq *handle = NULL;
    atomic_store(&l->stop_pushing, true);
    for (int i = 0; i < PUSHERS; i++) pthread_join(l->pushers[i].thread, NULL);
    if (dueq_open(&handle, l->url, &patient) < 0) fail_msg("%s", dueq_error(handle));
    UNTIL(STOP_MS, is_empty(l, handle));
    dueq_close(handle);
    atomic_store(&l->stop_taking, true);
    for (int i = 0; i < TAKERS; i++) pthread_join(l->takers[i].thread, NULL);
}

load_result load_results(load *l)
{
    load_result r = {.pushed = atomic_load(&l->pushed),
                     .done = atomic_load(&l->done),
                     .failures = atomic_load(&l->failures)};
    memcpy(r.failure, l->failure, sizeof r.failure);
    for (int p = 0; p < PUSHERS; p++) {
        for (int i = 0; i < TASKS_MAX; i++) {
            unsigned record = atomic_load(&l->tasks[p][i]);
            r.lost += (record & PUSHED) && !(record & GIVEN);
            r.after_done += (record & GIVEN_AFTER) != 0;
        }
    }
    return r;
}

void load_assert_clean(load *l)
{
    load_result r = load_results(l);
    if (r.lost || r.after_done || r.failures)
        fail_msg("of %ld tasks %ld lost, %ld given after they were done; %ld calls failed, the "
                 "last: %s",
                 r.pushed, r.lost, r.after_done, r.failures, r.failure);
}

void load_free(load *l)
{
    if (l == NULL) return;
    for (int i = 0; i < PUSHERS; i++) {
        dueq_close(l->pushers[i].handle);
        free(l->tasks[i]);
    }
    for (int i = 0; i < TAKERS; i++) dueq_close(l->takers[i].handle);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
