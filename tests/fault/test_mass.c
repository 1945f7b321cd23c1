/* A million tasks due in the same instant: drained at full speed, in bounded scripts, while new work
 * on another queue of the same server is not starved.
 * test-timeout-s: 240 */
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TASKS = 100000 }; /* the sanitizers' time is better spent elsewhere */
#else
enum { TASKS = 1000000 };
#endif

enum { CALL = 10000, DRAINERS = 2, AN_HOUR_MS = 3600000, LOOKS_MAX = 100000 };

/* All with one due time, which is past when the drain begins. */
static void push_all(const fixture *f)
{
    static dueq_new_task tasks[CALL];
    int64_t due_ms = fixture_now_us(f) / 1000 + 1;
    for (int first = 0; first < TASKS; first += CALL) {
        for (int i = 0; i < CALL; i++) {
            tasks[i] = (dueq_new_task){.payload = "payload", .payload_len = 7, .due_ms = due_ms};
        }
        ASSERT_RC(f->handle, dueq_push(f->handle, "mass", tasks, CALL, NULL), DUEQ_OK);
    }
}

typedef struct drainer {
    dueq *handle;
    pthread_t thread;
    atomic_int *done;
    atomic_bool *failed;
} drainer;

static void *drain(void *context)
{
    drainer *d = context;
    dueq_take_options options = {.tasks_max = 1000, .lease_ms = AN_HOUR_MS};
    static _Thread_local dueq_lease leases[1000];
    dueq_batch *batch = NULL;
    while (dueq_take(d->handle, "mass", &options, &batch) == DUEQ_OK) {
        for (size_t i = 0; i < batch->count; i++) leases[i].receipt = batch->tasks[i].receipt;
        if (dueq_done(d->handle, "mass", leases, batch->count) != DUEQ_OK) {
            atomic_store(d->failed, true);
        }
        atomic_fetch_add(d->done, (int)batch->count);
        dueq_batch_free(batch);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Meanwhile: a push, a take and a done of one task, again and again; returns how many rounds. */
static int go_on_with_new_work(const fixture *f, atomic_int *done, int64_t *took_us)
{
    int rounds = 0;
    while (atomic_load(done) < TASKS && rounds < LOOKS_MAX) {
        int64_t start_us = now_us();
        dueq_new_task task = {0};
        ASSERT_RC(f->handle, dueq_push(f->handle, "new", &task, 1, NULL), DUEQ_OK);
        queue_finish(f->handle, "new", queue_take_one(f->handle, "new", 0));
        took_us[rounds++] = now_us() - start_us;
    }
    return rounds;
}

static void a_million_in_one_instant(void **state)
{
    fixture *f = *state;
    drainer drainers[DRAINERS];
    atomic_int done = 0;
    atomic_bool failed = false;
    int64_t *took_us = calloc(LOOKS_MAX, sizeof *took_us);
    int64_t start_us = now_us();
    push_all(f);
    int64_t pushed_us = now_us();
    server_do(f->server, "CONFIG SET slowlog-log-slower-than 2000000");
    server_do(f->server, "SLOWLOG RESET");
    for (int i = 0; i < DRAINERS; i++) {
        drainers[i] = (drainer){.handle = fixture_open(f), .done = &done, .failed = &failed};
        pthread_create(&drainers[i].thread, NULL, drain, &drainers[i]);
    }
    int rounds = go_on_with_new_work(f, &done, took_us);
    for (int i = 0; i < DRAINERS; i++) {
        pthread_join(drainers[i].thread, NULL);
        dueq_close(drainers[i].handle);
    }
    int64_t drained_us = now_us();
    qsort(took_us, (size_t)rounds, sizeof *took_us, compare);
    print_message("%d tasks: pushed in %" PRId64 " ms, drained in %" PRId64
                  " ms; meanwhile %d of new work, p50 %" PRId64 " us, p99 %" PRId64 " us\n",
                  TASKS, (pushed_us - start_us) / 1000, (drained_us - pushed_us) / 1000, rounds,
                  took_us[rounds / 2], took_us[rounds * 99 / 100]);
    assert_false(atomic_load(&failed));
    assert_int_equal(atomic_load(&done), TASKS);
    assert_int_equal(queue_stats(f->handle, "mass").done, TASKS);
    /* A script that touches all of them takes longer, on any machine; and new work that had to wait for
     * them would wait for the whole drain. */
    assert_int_equal(server_int(f->server, "SLOWLOG LEN"), 0);
    assert_in_range(rounds, 20, LOOKS_MAX);
    assert_in_range(took_us[rounds * 99 / 100], 0, (drained_us - pushed_us) / 4);
    free(took_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FIXTURE_TEST(a_million_in_one_instant)};
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
