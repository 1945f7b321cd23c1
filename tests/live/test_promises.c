/* The nine promises of doc/design.md, a test each. Each was seen to fail with the promise broken in
 * the scripts or the library; what else holds of an operation is tested beside its kind. */
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000, PATIENCE_MS = 20000 };

/* Numbers that look random and are the same in every run. */
static unsigned draw(unsigned *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

/* ---- 1. Never early -------------------------------------------------------------------------- */

enum { EARLY_TASKS = 1500, EARLY_SPREAD_MS = 400 };

/* Pushed in four ways; due_us has the earliest due time each task may have. */
static void push_spread(const fixture *f, int64_t due_us[EARLY_TASKS])
{
    unsigned seed = 1;
    static dueq_new_task tasks[EARLY_TASKS];
    static char ids[EARLY_TASKS][16];
    int64_t start_us = fixture_now_us(f);
    for (int i = 0; i < EARLY_TASKS; i++) {
        int64_t delay_ms = draw(&seed, EARLY_SPREAD_MS);
        snprintf(ids[i], sizeof ids[i], "t%d", i);
        tasks[i] = (dueq_new_task){.id = ids[i], .delay_ms = delay_ms};
        due_us[i] = start_us + delay_ms * 1000;
        if (i % 2) {
            tasks[i].due_ms = start_us / 1000 + delay_ms;
            due_us[i] = tasks[i].due_ms * 1000;
        }
    }
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, EARLY_TASKS, NULL), DUEQ_OK);
}

/* Every third task comes a second time, by a retry or a new due time. */
static void again(const fixture *f, const dueq_task *task, int64_t *due_us)
{
    int64_t delay_ms = 50, now_us = fixture_now_us(f);
    if (atoi(task->id + 1) % 2) {
        ASSERT_RC(f->handle, queue_retry(f->handle, "q", task->receipt, delay_ms, ""), DUEQ_OK);
    } else {
        dueq_name name = {.id = task->id, .id_len = task->id_len};
        ASSERT_RC(f->handle, queue_retry(f->handle, "q", task->receipt, AN_HOUR_MS, ""), DUEQ_OK);
        ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, delay_ms, 0), DUEQ_OK);
    }
    *due_us = now_us + delay_ms * 1000;
}

/* The lease tells the server's time of the take; its clock, asked afterwards, can only be later. */
static void assert_not_early(const dueq_task *task, int64_t due_us, int64_t later_us)
{
    int64_t taken_ms = task->deadline_ms - AN_HOUR_MS;
    if (taken_ms >= due_us / 1000 && later_us >= due_us && taken_ms >= task->due_ms) return;
    fail_msg("%s was due at %" PRId64 " us, was taken at %" PRId64 " ms, before %" PRId64 " us",
             task->id, due_us, taken_ms, later_us);
}

static void promise_1_never_early(void **state)
{
    fixture *f = *state;
    static int64_t due_us[EARLY_TASKS];
    push_spread(f, due_us);
    int64_t deadline_ms = until_now_ms() + PATIENCE_MS;
    for (int done = 0; done < EARLY_TASKS;) {
        if (until_now_ms() > deadline_ms) fail_msg("%d of %d came", done, EARLY_TASKS);
        dueq_batch *batch = queue_take(f->handle, "q", 10, AN_HOUR_MS);
        int64_t later_us = fixture_now_us(f);
        for (size_t i = 0; batch && i < batch->count; i++) {
            const dueq_task *task = &batch->tasks[i];
            int number = atoi(task->id + 1);
            assert_not_early(task, due_us[number], later_us);
            if (number % 3 == 0 && task->attempt == 1) {
                again(f, task, &due_us[number]);
                continue;
            }
            ASSERT_RC(f->handle, queue_done(f->handle, "q", task->receipt), DUEQ_OK);
            done++;
        }
        dueq_batch_free(batch);
    }
}

/* ---- 2. Never lost --------------------------------------------------------------------------- */

enum { LIVES = 600 };

/* One holder's doings: finish, fail, give back, extend, or forget about it. True: it is done. */
static bool live_on(dueq *h, const dueq_task *task, unsigned *seed)
{
    const char *receipt = task->receipt;
    int rc = DUEQ_OK;
    switch (draw(seed, 6)) {
    case 0:
        return queue_done(h, "q", receipt) == DUEQ_OK;
    case 1:
        rc = queue_retry(h, "q", receipt, draw(seed, 20), "failed");
        break;
    case 2:
        rc = queue_release(h, "q", receipt);
        break;
    case 3:
        rc = queue_extend(h, "q", receipt, 1 + draw(seed, 20));
        break;
    case 4:
        rc = queue_retry(h, "q", receipt, 0, "failed at once");
        break;
    default:
        break; /* a crash: the lease runs out */
    }
    if (rc < 0) fail_msg("%s", dueq_error(h));
    return false;
}

static void promise_2_never_lost(void **state)
{
    fixture *f = *state;
    static int done[LIVES];
    memset(done, 0, sizeof done);
    dueq_settings settings = {.partitions = 3, .max_attempts = 6};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", LIVES, 5);
    int left = LIVES;
    unsigned seed = 2;
    int64_t deadline_ms = until_now_ms() + PATIENCE_MS;
    while (left > 0) {
        if (until_now_ms() > deadline_ms) fail_msg("%d tasks did not come again", left);
        dueq_batch *batch = queue_take(f->handle, "q", 50, 20);
        for (size_t i = 0; batch && i < batch->count; i++) {
            if (!live_on(f->handle, &batch->tasks[i], &seed)) continue;
            done[atoi(batch->tasks[i].id + 1)]++;
            left--;
        }
        dueq_batch_free(batch);
        ASSERT_RC(f->handle, dueq_redrive_all(f->handle, "q", NULL), DUEQ_OK);
    }
    for (int i = 0; i < LIVES; i++)
        if (done[i] != 1) fail_msg("task %d was done %d times", i, done[i]);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.done, LIVES);
    if (!stats.died || !stats.expired || !stats.released || !stats.retried)
        fail_msg("too little happened: died %" PRId64 " expired %" PRId64, stats.died,
                 stats.expired);
}

/* ---- 3. Never two holders -------------------------------------------------------------------- */

enum { HOLDERS = 5, HELD_TASKS = 40, HOLDS_MAX = 20000, HOLDS_WANTED = 400 };

/* One lease. ended: its holder gave it back. Times of the server. */
typedef struct hold {
    int task;
    int64_t token, taken_ms, deadline_ms;
    bool ended;
} hold;

typedef struct holds {
    pthread_mutex_t lock;
    hold list[HOLDS_MAX];
    int count;
    atomic_int expired; /* leases that were not given back: the promise is about these */
    const char *problem;
} holds;

typedef struct holder {
    holds *holds;
    dueq *handle;
    unsigned seed;
} holder;

static void note_hold(holds *all, const hold *one)
{
    pthread_mutex_lock(&all->lock);
    if (all->count < HOLDS_MAX) all->list[all->count++] = *one;
    pthread_mutex_unlock(&all->lock);
}

/* Lets most leases run out, extends some, gives few back. */
static void hold_one(holder *h, const dueq_task *task, int64_t lease_ms)
{
    hold one = {atoi(task->id + 1), task->token, task->deadline_ms - lease_ms, task->deadline_ms,
                false};
    dueq_lease lease = {.receipt = task->receipt};
    unsigned choice = draw(&h->seed, 5);
    int rc = DUEQ_OK;
    if (choice == 0) {
        rc = dueq_release(h->handle, "q", &lease, 1);
        one.ended = rc == DUEQ_OK;
    } else if (choice == 1) {
        dueq_batch *now;
        dueq_name name = {.id = task->id, .id_len = task->id_len};
        rc = dueq_extend(h->handle, "q", &lease, 1, 15);
        if (rc == DUEQ_OK && dueq_get(h->handle, "q", &name, 1, &now) == DUEQ_OK) {
            /* Ours still, unless it has run out and been taken since: then its end is not known. */
            int64_t until_ms = now->tasks[0].deadline_ms;
            if (until_ms && until_ms < one.taken_ms + lease_ms + 15) one.deadline_ms = until_ms;
            dueq_batch_free(now);
        }
    }
    if (rc < 0) h->holds->problem = "a call failed";
    if (!one.ended) atomic_fetch_add(&h->holds->expired, 1);
    note_hold(h->holds, &one);
}

static void *hold_and_let_go(void *context)
{
    holder *h = context;
    enum { LEASE_MS = 10 };
    dueq_take_options options = {.tasks_max = 4, .lease_ms = LEASE_MS, .max_attempts = 1000000};
    int64_t deadline_ms = until_now_ms() + PATIENCE_MS;
    while (atomic_load(&h->holds->expired) < HOLDS_WANTED && until_now_ms() < deadline_ms) {
        dueq_batch *batch;
        if (dueq_take(h->handle, "q", &options, &batch) < 0) h->holds->problem = "a take failed";
        for (size_t i = 0; batch && i < batch->count; i++) hold_one(h, &batch->tasks[i], LEASE_MS);
        dueq_batch_free(batch);
    }
    return NULL;
}

static int compare_holds(const void *a, const void *b)
{
    const hold *left = a, *right = b;
    if (left->task != right->task) return left->task - right->task;
    return left->token < right->token ? -1 : left->token > right->token;
}

/* By task and token, which grows with every take: a lease begins when the one before has ended. */
static void check_holds(holds *all)
{
    qsort(all->list, (size_t)all->count, sizeof all->list[0], compare_holds);
    for (int i = 1; i < all->count; i++) {
        const hold *before = &all->list[i - 1], *after = &all->list[i];
        if (before->task != after->task) continue;
        if (before->token == after->token)
            fail_msg("task %d was given to two holders by one take", after->task);
        if (!before->ended && after->taken_ms < before->deadline_ms)
            fail_msg("task %d was taken at %" PRId64 ", held until %" PRId64, after->task,
                     after->taken_ms, before->deadline_ms);
    }
}

static void promise_3_never_two_holders(void **state)
{
    fixture *f = *state;
    static holds all = {.lock = PTHREAD_MUTEX_INITIALIZER};
    holder holders[HOLDERS];
    pthread_t threads[HOLDERS];
    dueq_settings settings = {.max_attempts = DUEQ_ATTEMPTS_MAX};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", HELD_TASKS, 0);
    for (int i = 0; i < HOLDERS; i++) {
        holders[i] = (holder){&all, fixture_open(f), (unsigned)i};
        pthread_create(&threads[i], NULL, hold_and_let_go, &holders[i]);
    }
    for (int i = 0; i < HOLDERS; i++) {
        pthread_join(threads[i], NULL);
        dueq_close(holders[i].handle);
    }
    if (all.problem) fail_msg("%s", all.problem);
    assert_true(atomic_load(&all.expired) >= HOLDS_WANTED);
    check_holds(&all);
}

/* ---- 4. Fenced ------------------------------------------------------------------------------- */

typedef void ending_fn(fixture *f, const dueq_task *task);

static void until_over(fixture *f, const dueq_task *task)
{
    dueq_lease lease = {.receipt = task->receipt};
    ASSERT_RC(f->handle, dueq_extend(f->handle, "q", &lease, 1, 1), DUEQ_OK);
    int64_t ends_us = fixture_now_us(f) + 2000;
    UNTIL(PATIENCE_MS, fixture_now_us(f) > ends_us);
}

static void until_taken_again(fixture *f, const dueq_task *task)
{
    until_over(f, task);
    dueq_batch_free(queue_take_one(f->handle, "q", AN_HOUR_MS));
}

static void until_retaken_and_extended(fixture *f, const dueq_task *task)
{
    until_over(f, task);
    dueq_batch *batch = queue_take_one(f->handle, "q", AN_HOUR_MS);
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", batch->tasks[0].receipt, 9999), DUEQ_OK);
    dueq_batch_free(batch);
}

static void until_done(fixture *f, const dueq_task *task)
{
    ASSERT_RC(f->handle, queue_done(f->handle, "q", task->receipt), DUEQ_OK);
}

static void until_pushed_anew(fixture *f, const dueq_task *task)
{
    until_done(f, task);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "anew", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(f->handle, "q", AN_HOUR_MS));
}

static void until_released(fixture *f, const dueq_task *task)
{
    ASSERT_RC(f->handle, queue_release(f->handle, "q", task->receipt), DUEQ_OK);
}

static void until_released_and_taken(fixture *f, const dueq_task *task)
{
    until_released(f, task);
    dueq_batch_free(queue_take_one(f->handle, "q", AN_HOUR_MS));
}

static void until_retried(fixture *f, const dueq_task *task)
{
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", task->receipt, AN_HOUR_MS, "no"), DUEQ_OK);
}

static void until_dead(fixture *f, const dueq_task *task)
{
    dueq_failure failure = {.receipt = task->receipt, .hopeless = true};
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", &failure, 1), DUEQ_OK);
}

static void until_cancelled(fixture *f, const dueq_task *task)
{
    (void)task;
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "t"), DUEQ_OK);
}

static void until_purged(fixture *f, const dueq_task *task)
{
    (void)task;
    ASSERT_RC(f->handle, dueq_queue_purge(f->handle, "q", NULL), DUEQ_OK);
}

/* All that can be seen of the task "t" and of its queue's counts. */
static void snapshot(dueq *h, char text[512])
{
    dueq_batch *batch = queue_get(h, "q", "t");
    const dueq_task none = {.payload = "none"};
    const dueq_task *t = batch ? &batch->tasks[0] : &none;
    dueq_stats s = queue_stats(h, "q");
    snprintf(text, 512,
             "%s %s attempt %" PRId64 " due %" PRId64 " deadline %" PRId64 " died %" PRId64
             " error %s; done %" PRId64 " retried %" PRId64 " released %" PRId64 " died %" PRId64,
             t->payload, dueq_state_name(t->state), t->attempt, t->due_ms, t->deadline_ms,
             t->died_ms, t->error ? t->error : "-", s.done, s.retried, s.released, s.died);
    dueq_batch_free(batch);
}

static void assert_lost(dueq *h, int outcome, const char *doing, const char *before)
{
    char after[512];
    snapshot(h, after);
    if (outcome != DUEQ_LOST) fail_msg("%s: %s", doing, dueq_outcome_text(outcome));
    if (strcmp(before, after) != 0) fail_msg("%s: \"%s\" became \"%s\"", doing, before, after);
}

static void promise_4_fenced(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    static ending_fn *const endings[] = {
        until_over,        until_taken_again, until_retaken_and_extended,
        until_done,        until_released,    until_released_and_taken,
        until_pushed_anew, until_retried,     until_dead,
        until_cancelled,   until_purged};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        for (int extended = 0; extended < 2; extended++) {
            queue_make(h, "q", NULL);
            ASSERT_RC(h, queue_push(h, "q", "t", "x", 0), DUEQ_OK);
            dueq_batch *batch = queue_take_one(h, "q", AN_HOUR_MS);
            const char *receipt = batch->tasks[0].receipt;
            if (extended) ASSERT_RC(h, queue_extend(h, "q", receipt, 2 * AN_HOUR_MS), DUEQ_OK);
            endings[i](f, &batch->tasks[0]);
            char before[512];
            snapshot(h, before);
            assert_lost(h, queue_done(h, "q", receipt), "done", before);
            assert_lost(h, queue_retry(h, "q", receipt, 0, "late"), "retry", before);
            assert_lost(h, queue_release(h, "q", receipt), "release", before);
            assert_lost(h, queue_extend(h, "q", receipt, AN_HOUR_MS), "extend", before);
            dueq_batch_free(batch);
            queue_assert_sound(h, "q");
            ASSERT_RC(h, dueq_queue_delete(h, "q", true), DUEQ_OK);
        }
    }
}

/* ---- 5. One state ---------------------------------------------------------------------------- */

enum { MEDDLERS = 4, MEDDLINGS = 400, MEDDLED_IDS = 30 };

typedef struct meddler {
    dueq *handle;
    unsigned seed;
    int failed; /* the first failure, 0: none */
    atomic_bool *over;
} meddler;

static int meddle_with_leases(meddler *m)
{
    dueq_take_options options = {.tasks_max = 1 + draw(&m->seed, 5),
                                 .lease_ms = 1 + draw(&m->seed, 10)};
    dueq_batch *batch;
    int rc = dueq_take(m->handle, "q", &options, &batch);
    for (size_t i = 0; batch && i < batch->count && rc >= 0; i++) {
        dueq_lease lease = {.receipt = batch->tasks[i].receipt};
        dueq_failure failure = {.receipt = lease.receipt,
                                .error = "meddled",
                                .delay_ms = draw(&m->seed, 10),
                                .hopeless = draw(&m->seed, 3) == 0};
        switch (draw(&m->seed, 5)) {
        case 0:
            rc = dueq_done(m->handle, "q", &lease, 1);
            break;
        case 1:
            rc = dueq_release(m->handle, "q", &lease, 1);
            break;
        case 2:
            rc = dueq_extend(m->handle, "q", &lease, 1, 1 + draw(&m->seed, 10));
            break;
        case 3:
            rc = dueq_retry(m->handle, "q", &failure, 1);
            break;
        default:
            break; /* it runs out */
        }
    }
    dueq_batch_free(batch);
    return rc;
}

static int meddle(meddler *m)
{
    char ids[3][16];
    dueq_new_task tasks[3];
    dueq_name names[3];
    for (int i = 0; i < 3; i++) {
        snprintf(ids[i], sizeof ids[i], "t%u", draw(&m->seed, MEDDLED_IDS));
        tasks[i] = (dueq_new_task){.id = ids[i], .delay_ms = draw(&m->seed, 10)};
        names[i] = (dueq_name){.id = ids[i]};
    }
    dueq_push_options options = {.if_exists = (dueq_if_exists)draw(&m->seed, 4)};
    switch (draw(&m->seed, 12)) {
    case 0:
        return dueq_cancel(m->handle, "q", names, 3);
    case 1:
        return dueq_reschedule(m->handle, "q", names, 3, draw(&m->seed, 10), 0);
    case 2:
        return dueq_redrive(m->handle, "q", names, 3);
    case 3:
        return dueq_drop(m->handle, "q", names, 3);
    case 4:
        return draw(&m->seed, 8) ? 0 : dueq_redrive_all(m->handle, "q", NULL);
    case 5:
        return draw(&m->seed, 8) ? 0 : dueq_queue_purge(m->handle, "q", NULL);
    case 6:
    case 7:
    case 8:
        return dueq_push(m->handle, "q", tasks, 3, &options);
    default:
        return meddle_with_leases(m);
    }
}

static void *meddle_on(void *context)
{
    meddler *m = context;
    for (int i = 0; i < MEDDLINGS && !m->failed; i++) {
        int rc = meddle(m);
        if (rc < 0) m->failed = rc;
    }
    atomic_store(m->over, true);
    return NULL;
}

/* Alone, and looked at after every step. */
static void meddle_step_by_step(const fixture *f)
{
    meddler one = {.handle = f->handle, .seed = 1};
    for (int i = 0; i < MEDDLINGS; i++) {
        if (meddle(&one) < 0) fail_msg("%s", dueq_error(f->handle));
        queue_assert_sound(f->handle, "q");
    }
}

/* Several at once, and looked at all the while. */
static void meddle_together(const fixture *f)
{
    meddler meddlers[MEDDLERS];
    pthread_t threads[MEDDLERS];
    atomic_bool over = false;
    for (int i = 0; i < MEDDLERS; i++) {
        meddlers[i] = (meddler){fixture_open(f), (unsigned)i + 5, 0, &over};
        pthread_create(&threads[i], NULL, meddle_on, &meddlers[i]);
    }
    int rc;
    do rc = dueq_fsck(f->handle, "q", NULL, NULL, NULL, NULL);
    while (rc == DUEQ_OK && !atomic_load(&over));
    for (int i = 0; i < MEDDLERS; i++) pthread_join(threads[i], NULL);
    ASSERT_RC(f->handle, rc, DUEQ_OK);
    for (int i = 0; i < MEDDLERS; i++) {
        if (meddlers[i].failed) fail_msg("%s", dueq_error(meddlers[i].handle));
        dueq_close(meddlers[i].handle);
    }
}

/* The rarest thing of all, that chance may have left out: a dead task is dropped. */
static void drop_one(const fixture *f)
{
    dueq_new_task task = {.payload = "x", .payload_len = 1};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 60000);
    dueq_failure failure = {.receipt = batch->tasks[0].receipt, .hopeless = true};
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", &failure, 1), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_drop_all(f->handle, "q", NULL), DUEQ_OK);
    dueq_batch_free(batch);
}

static void promise_5_one_state(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 2, .max_attempts = 3, .dead_max = 6};
    queue_make(f->handle, "q", &settings);
    meddle_step_by_step(f);
    meddle_together(f);
    drop_one(f);
    dueq_stats s = queue_stats(f->handle, "q");
    if (!s.done || !s.retried || !s.released || !s.died || !s.cancelled || !s.dropped || !s.expired)
        fail_msg("too little happened: expired %" PRId64 " dropped %" PRId64, s.expired, s.dropped);
}

/* ---- 6. Done is final ------------------------------------------------------------------------ */

/* Finished in each way a task can have lived, while its lease is about to end. */
static void promise_6_done_is_final(void **state)
{
    fixture *f = *state;
    enum { COUNT = 300, LEASE_MS = 300, LONGER_MS = 50 };
    queue_push_many(f->handle, "q", "t", COUNT, 0);
    dueq_batch *failed = queue_take(f->handle, "q", COUNT / 3, 0);
    for (size_t i = 0; i < failed->count; i++)
        queue_retry(f->handle, "q", failed->tasks[i].receipt, 0, "at first");
    dueq_batch_free(failed);

    dueq_batch *batch = queue_take(f->handle, "q", COUNT, LEASE_MS);
    assert_int_equal(batch->count, COUNT);
    dueq_lease leases[COUNT];
    for (size_t i = 0; i < COUNT; i++) leases[i].receipt = batch->tasks[i].receipt;
    int rc = dueq_extend(f->handle, "q", leases, COUNT / 2, LEASE_MS + LONGER_MS);
    ASSERT_RC(f->handle, rc, DUEQ_OK);
    int64_t last_ms = fixture_now_us(f) / 1000 + LEASE_MS + LONGER_MS + 1;
    ASSERT_RC(f->handle, dueq_done(f->handle, "q", leases, COUNT), DUEQ_OK);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(leases[i].outcome, DUEQ_OK);

    ASSERT_RC(f->handle, dueq_redrive_all(f->handle, "q", NULL), DUEQ_OK);
    while (fixture_now_us(f) / 1000 <= last_ms) { /* until every lease would have ended */
        dueq_batch *again = queue_take(f->handle, "q", 1, 0);
        if (again) fail_msg("%s came again after it was done", again->tasks[0].id);
    }
    assert_null(queue_take(f->handle, "q", 1, 0));
    assert_int_equal(queue_stats(f->handle, "q").done, COUNT);
    assert_int_equal(queue_live(f->handle, "q"), 0);
    dueq_batch_free(batch);
}

/* ---- 7. Idempotent push ---------------------------------------------------------------------- */

enum { PUSHERS = 4, SAME_IDS = 500 };

typedef struct pusher {
    dueq *handle;
    char payload[16];
    int pushed;
    int rc;
} pusher;

static void *push_the_same(void *context)
{
    pusher *p = context;
    dueq_new_task tasks[50];
    char ids[50][16];
    for (int first = 0; first < SAME_IDS && p->rc >= 0; first += 50) {
        for (int i = 0; i < 50; i++) {
            snprintf(ids[i], sizeof ids[i], "t%d", first + i);
            tasks[i] = (dueq_new_task){.id = ids[i], .payload = p->payload, .payload_len = 2};
        }
        p->rc = dueq_push(p->handle, "q", tasks, 50, NULL);
        for (int i = 0; i < 50; i++) p->pushed += tasks[i].outcome == DUEQ_OK;
    }
    return NULL;
}

/* Several producers push the same tasks at once: each is there once, and is the first one's. */
static void race_pushers(const fixture *f)
{
    pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (pusher){.handle = fixture_open(f)};
        snprintf(pushers[i].payload, sizeof pushers[i].payload, "p%d", i);
        pthread_create(&threads[i], NULL, push_the_same, &pushers[i]);
    }
    int pushed = 0, seen[PUSHERS] = {0};
    for (int i = 0; i < PUSHERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < PUSHERS; i++) {
        assert_true(pushers[i].rc >= 0);
        pushed += pushers[i].pushed;
        dueq_close(pushers[i].handle);
    }
    assert_int_equal(pushed, SAME_IDS);
    dueq_batch *batch = queue_take(f->handle, "q", 2 * SAME_IDS, 0);
    assert_int_equal(batch->count, SAME_IDS);
    for (size_t i = 0; i < batch->count; i++) seen[batch->tasks[i].payload[1] - '0']++;
    for (int i = 0; i < PUSHERS; i++) assert_int_equal(seen[i], pushers[i].pushed);
    queue_finish(f->handle, "q", batch);
}

static void promise_7_idempotent_push(void **state)
{
    fixture *f = *state;
    race_pushers(f);
    /* In each state: the same push again changes nothing that can be seen. */
    char before[512], after[512];
    for (int stage = 0; stage < 4; stage++) {
        ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", stage ? 0 : AN_HOUR_MS), DUEQ_OK);
        if (stage == 2) dueq_batch_free(queue_take_one(f->handle, "q", AN_HOUR_MS));
        if (stage == 3) queue_kill_one(f->handle, "q");
        snapshot(f->handle, before);
        int64_t pushed = queue_stats(f->handle, "q").pushed;
        for (int i = 0; i < 3; i++)
            ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "other", 1), DUEQ_EXISTS);
        snapshot(f->handle, after);
        assert_string_equal(before, after);
        assert_int_equal(queue_stats(f->handle, "q").pushed, pushed);
        ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "t"), DUEQ_OK);
    }
}

/* ---- 8. Cost --------------------------------------------------------------------------------- */

/* Microseconds the server has spent in scripts. */
static long long script_us(const fixture *f)
{
    char *info = server_text(f->server, "INFO commandstats");
    const char *at = strstr(info, "cmdstat_evalsha:");
    at = at ? strstr(at, "usec=") : NULL;
    long long us = at ? strtoll(at + strlen("usec="), NULL, 10) : 0;
    free(info);
    return us;
}

/* Server time of some work in a queue: push, take, fail, take, extend, finish, one by one. */
static long long work_us(const fixture *f)
{
    enum { ROUNDS = 150 };
    long long before_us = script_us(f);
    for (int i = 0; i < ROUNDS; i++) {
        ASSERT_RC(f->handle, queue_push(f->handle, "q", "work", "x", 0), DUEQ_OK);
        dueq_batch *batch = queue_take_one(f->handle, "q", 0);
        queue_retry(f->handle, "q", batch->tasks[0].receipt, 0, "again");
        dueq_batch_free(batch);
        batch = queue_take_one(f->handle, "q", 0);
        queue_extend(f->handle, "q", batch->tasks[0].receipt, AN_HOUR_MS);
        queue_finish(f->handle, "q", batch);
        queue_stats(f->handle, "q");
    }
    return script_us(f) - before_us;
}

static long long best_work_us(const fixture *f)
{
    long long best_us = work_us(f);
    for (int i = 0; i < 3; i++) {
        long long us = work_us(f);
        if (us < best_us) best_us = us;
    }
    return best_us;
}

/* Two hundred times as many tasks that wait cost no more than the logarithm; an idle worker's look
 * costs nothing of them; and a batch is not paid by the task more than a single one. */
static void promise_8_cost(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "few", 1000, AN_HOUR_MS);
    long long few_us = best_work_us(f);
    queue_push_many(f->handle, "q", "many", 199000, AN_HOUR_MS);
    long long many_us = best_work_us(f);
    if (many_us > 3 * few_us)
        fail_msg("%lld us with 1,000 tasks waiting, %lld us with 200,000", few_us, many_us);

    dueq_take_options idle = {.wait_ms = 300};
    dueq_batch *batch;
    server_do(f->server, "CONFIG RESETSTAT");
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", &idle, &batch), DUEQ_EMPTY);
    long long looks = fixture_calls(f, "evalsha");
    if (looks > 3) fail_msg("an idle worker looked %lld times", looks);
    if (script_us(f) > few_us) fail_msg("its looks took %lld us", script_us(f));
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_OK);
}

/* ---- 9. Bounded ------------------------------------------------------------------------------ */

static void assert_unchanged(dueq *h, int outcome, int wanted, const char *what)
{
    char error[600];
    snprintf(error, sizeof error, "%s", dueq_error(h));
    if (outcome != wanted) fail_msg("%s: %s", what, dueq_outcome_text(outcome));
    if (!*error || strchr(error, '\n')) fail_msg("%s: the error is \"%s\"", what, error);
    dueq_stats stats = queue_stats(h, "q");
    if (stats.pushed != 1 || stats.ready != 1) fail_msg("%s: the queue has changed", what);
}

static void over_each_limit(dueq *h)
{
    static char bytes[(1 << 20) + 1], long_queue[DUEQ_QUEUE_NAME_MAX + 2];
    static dueq_new_task tasks[DUEQ_CALL_TASKS_MAX + 1];
    static dueq_header headers[DUEQ_HEADERS_MAX + 1];
    memset(bytes, 'b', sizeof bytes);
    memset(long_queue, 'q', sizeof long_queue - 1);
    for (int i = 0; i <= DUEQ_HEADERS_MAX; i++) headers[i] = (dueq_header){"a", "b", 1};
    dueq_header long_value = {"a", bytes, DUEQ_HEADER_VALUE_MAX + 1};
    dueq_new_task long_id[] = {{.id = "fine"}, {.id = bytes, .id_len = DUEQ_ID_MAX + 1}};
    dueq_new_task large[] = {{.id = "fine"}, {.payload = bytes, .payload_len = sizeof bytes}};
    dueq_new_task many_headers = {.headers = headers, .header_count = DUEQ_HEADERS_MAX + 1};
    dueq_new_task large_header = {.headers = &long_value, .header_count = 1};
    dueq_new_task far = {.delay_ms = DUEQ_DELAY_MS_MAX + 1};
    dueq_take_options many = {.tasks_max = DUEQ_CALL_TASKS_MAX + 1};
    dueq_take_options long_lease = {.lease_ms = DUEQ_LEASE_MS_MAX + 1};
    dueq_list_options wide = {.tasks_max = 1001};
    dueq_batch *batch;
    char *cursor;
    assert_unchanged(h, dueq_push(h, "q", tasks, DUEQ_CALL_TASKS_MAX + 1, NULL), DUEQ_ELIMIT,
                     "10,001 tasks");
    assert_unchanged(h, dueq_push(h, long_queue, tasks, 1, NULL), DUEQ_EINVAL, "a queue's name");
    assert_unchanged(h, dueq_push(h, "q", long_id, 2, NULL), DUEQ_EINVAL, "an id");
    assert_unchanged(h, dueq_push(h, "q", large, 2, NULL), DUEQ_ELIMIT, "a payload");
    assert_unchanged(h, dueq_push(h, "q", &many_headers, 1, NULL), DUEQ_ELIMIT, "65 headers");
    assert_unchanged(h, dueq_push(h, "q", &large_header, 1, NULL), DUEQ_ELIMIT, "a header");
    assert_unchanged(h, dueq_push(h, "q", &far, 1, NULL), DUEQ_EINVAL, "a delay");
    assert_unchanged(h, dueq_take(h, "q", &many, &batch), DUEQ_ELIMIT, "a take");
    assert_unchanged(h, dueq_take(h, "q", &long_lease, &batch), DUEQ_EINVAL, "a lease");
    assert_unchanged(h, dueq_list(h, "q", &wide, &batch, &cursor), DUEQ_ELIMIT, "a page");
}

/* However many leases end at once, or dead ones are too many, a script deals with a hundred. */
static void each_script_does_a_bounded_part(const fixture *f)
{
    enum { COUNT = 1000, PART = 100 };
    dueq *h = f->handle;
    dueq_settings settings = {.max_attempts = 1};
    queue_make(h, "leases", &settings);
    queue_push_many(h, "leases", "t", COUNT, 0);
    dueq_batch *batch = queue_take(h, "leases", COUNT, 1);
    UNTIL(PATIENCE_MS, fixture_now_us(f) / 1000 > batch->tasks[COUNT - 1].deadline_ms);
    dueq_batch_free(batch);
    ASSERT_RC(h, queue_push(h, "leases", "ready", "x", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(h, "leases", 0)); /* new work does not starve */
    assert_in_range(queue_stats(h, "leases").expired, 1, PART);
    while (queue_stats(h, "leases").dead < COUNT) queue_take(h, "leases", 1, 0);

    settings = (dueq_settings){.dead_max = 10};
    ASSERT_RC(h, dueq_queue_config(h, "leases", &settings, NULL), DUEQ_OK);
    ASSERT_RC(h, queue_push(h, "leases", "one more", "x", 0), DUEQ_OK);
    queue_kill_one(h, "leases");
    assert_in_range(queue_stats(h, "leases").dropped, 1, PART);
}

static void promise_9_bounded(void **state)
{
    fixture *f = *state;
    enum { COUNT = 30, LEN = 1 << 20, REPLY_MAX = 8 << 20 };
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "one", "x", 0), DUEQ_OK);
    over_each_limit(f->handle);
    each_script_does_a_bounded_part(f);

    char *payload = calloc(1, LEN);
    dueq_new_task tasks[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) tasks[i].payload = payload, tasks[i].payload_len = LEN;
    ASSERT_RC(f->handle, dueq_push(f->handle, "large", tasks, COUNT, NULL), DUEQ_OK);
    size_t bytes = 0;
    dueq_batch *batch = queue_take(f->handle, "large", DUEQ_CALL_TASKS_MAX, 0);
    for (size_t i = 0; i < batch->count; i++) bytes += batch->tasks[i].payload_len;
    if (bytes > REPLY_MAX) fail_msg("%zu bytes in one take", bytes);
    dueq_batch_free(batch);
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(promise_1_never_early),       FIXTURE_TEST(promise_2_never_lost),
        FIXTURE_TEST(promise_3_never_two_holders), FIXTURE_TEST(promise_4_fenced),
        FIXTURE_TEST(promise_5_one_state),         FIXTURE_TEST(promise_6_done_is_final),
        FIXTURE_TEST(promise_7_idempotent_push),   FIXTURE_TEST(promise_8_cost),
        FIXTURE_TEST(promise_9_bounded),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
