/* Take: what a lease is and when it ends, how much is taken at once, attempts, pauses.
 * Waiting is in test_wait.c. */
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nothing_is_there(void **state)
{
    fixture *f = *state;
    dueq_batch *batch = (dueq_batch *)f;
    ASSERT_RC(f->handle, dueq_take(f->handle, "no-such-queue", NULL, &batch), DUEQ_EMPTY);
    assert_null(batch);
    dueq_stats stats;
    ASSERT_RC(f->handle, dueq_queue_stats(f->handle, "no-such-queue", &stats), DUEQ_MISSING);
    queue_make(f->handle, "q", NULL);
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", NULL, &batch), DUEQ_EMPTY);
    assert_null(batch);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "later", "x", 3600000), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", NULL, &batch), DUEQ_EMPTY);
    assert_null(batch);
}

static void a_task_tells_all_about_itself(void **state)
{
    fixture *f = *state;
    int64_t before_ms = fixture_now_us(f) / 1000;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "payload", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 60000);
    int64_t after_ms = fixture_now_us(f) / 1000;
    const dueq_task *task = &batch->tasks[0];
    assert_string_equal(task->id, "t");
    assert_string_equal(task->payload, "payload");
    assert_int_equal(task->attempt, 1);
    assert_int_equal(task->state, DUEQ_STATE_LEASED);
    assert_int_equal(task->max_attempts, 0);
    assert_int_equal(task->died_ms, 0);
    assert_null(task->error);
    assert_true(task->token > 0);
    assert_in_range(task->due_ms, before_ms, after_ms);
    assert_in_range(task->deadline_ms, before_ms + 60000, after_ms + 60000);
    dueq_batch_free(batch);
}

/* Tokens grow with every take, also when the server's clock does not: its last one is put ahead. */
static void tokens_only_grow(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 20, 0);
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        if (i == 10) {
            last = fixture_now_us(f) + INT64_C(3600) * 1000000;
            server_do(f->server, "HSET dueq:{q:0}:meta token %lld", (long long)last);
        }
        dueq_batch *batch = queue_take_one(f->handle, "q", 0);
        if (batch->tasks[0].token <= last)
            fail_msg("token %" PRId64 " after %" PRId64, batch->tasks[0].token, last);
        last = batch->tasks[0].token;
        queue_finish(f->handle, "q", batch); /* the receipt holds with such a token too */
    }
}

/* ---- How much -------------------------------------------------------------------------------- */

static void as_many_as_are_wanted(void **state)
{
    fixture *f = *state;
    static const size_t wanted[] = {1, 999, 1000, 1001, 10000};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        queue_push_many(f->handle, "q", "t", wanted[i] + 5, 0);
        dueq_batch *batch = queue_take(f->handle, "q", wanted[i], 0);
        assert_int_equal(batch->count, wanted[i]);
        queue_finish(f->handle, "q", batch);
        batch = queue_take(f->handle, "q", 100, 0);
        assert_int_equal(batch->count, 5);
        queue_finish(f->handle, "q", batch);
    }
}

static size_t payload_bytes(const dueq_batch *batch)
{
    size_t sum = 0;
    for (size_t i = 0; i < batch->count; i++) sum += batch->tasks[i].payload_len;
    return sum;
}

static void push_sized(dueq *h, const char *queue, size_t count, size_t len)
{
    char *payload = calloc(1, len + 1);
    dueq_new_task *tasks = calloc(count, sizeof *tasks);
    for (size_t i = 0; i < count; i++) tasks[i].payload = payload, tasks[i].payload_len = len;
    ASSERT_RC(h, dueq_push(h, queue, tasks, count, NULL), DUEQ_OK);
    free(tasks);
    free(payload);
}

/* Never more bytes than allowed, except a single task that is larger alone; and never nothing. */
static void bytes_are_bounded(void **state)
{
    fixture *f = *state;
    static const size_t partition_counts[] = {1, 3, 16};
    static const size_t caps[] = {1, 999, 1000, 1100, 2500, 10000, 50000};
    for (size_t p = 0; p < 3; p++) {
        char queue[16];
        snprintf(queue, sizeof queue, "q%zu", partition_counts[p]);
        dueq_settings settings = {.partitions = (int64_t)partition_counts[p]};
        queue_make(f->handle, queue, &settings);
        for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
            push_sized(f->handle, queue, 60, 1000);
            dueq_take_options options = {.tasks_max = 100, .bytes_max = caps[i]};
            dueq_batch *batch;
            ASSERT_RC(f->handle, dueq_take(f->handle, queue, &options, &batch), DUEQ_OK);
            if (batch->count > 1 && payload_bytes(batch) > caps[i])
                fail_msg("%zu partitions: %zu bytes in %zu tasks, at most %zu wanted",
                         partition_counts[p], payload_bytes(batch), batch->count, caps[i]);
            queue_finish(f->handle, queue, batch);
            queue_drain(f->handle, queue);
        }
    }
}

static void a_reply_is_bounded_by_default(void **state)
{
    fixture *f = *state;
    enum { MIB = 1 << 20 };
    push_sized(f->handle, "q", 20, MIB);
    dueq_batch *batch = queue_take(f->handle, "q", 10000, 0);
    if (batch->count < 4 || payload_bytes(batch) > 8 * MIB)
        fail_msg("%zu bytes in %zu tasks; at most 8 MiB", payload_bytes(batch), batch->count);
    queue_finish(f->handle, "q", batch);
    assert_true(queue_drain(f->handle, "q") > 0);
}

/* No limit at all is a limit like any other. */
static void the_largest_byte_limit(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3000, 0);
    server_do(f->server, "CONFIG RESETSTAT");
    dueq_take_options options = {.tasks_max = 3000, .bytes_max = SIZE_MAX};
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", &options, &batch), DUEQ_OK);
    assert_int_equal(batch->count, 3000);
    assert_in_range(fixture_calls(f, "evalsha"), 3, 5);
    dueq_batch_free(batch);
}

/* ---- Leases ---------------------------------------------------------------------------------- */

static void a_leased_task_is_not_taken_again(void **state)
{
    fixture *f = *state;
    dueq *other = fixture_open(f);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 60000);
    assert_null(queue_take(other, "q", 10, 0));
    assert_int_equal(queue_state(other, "q", "t"), DUEQ_STATE_LEASED);
    ASSERT_RC(other, queue_done(other, "q", batch->tasks[0].receipt), DUEQ_OK); /* anyone may */
    dueq_batch_free(batch);
    dueq_close(other);
}

static void a_lease_ends_and_counts_an_attempt(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *first = queue_take_one(f->handle, "q", 20);
    dueq_batch *second = queue_await(f->handle, "q", 1, 0);
    assert_true(fixture_now_us(f) / 1000 >= first->tasks[0].deadline_ms);
    assert_string_equal(second->tasks[0].id, "t");
    assert_int_equal(second->tasks[0].attempt, 2);
    assert_string_equal(second->tasks[0].error, "lease expired");
    assert_true(second->tasks[0].token > first->tasks[0].token);
    assert_int_equal(queue_stats(f->handle, "q").expired, 1);
    ASSERT_RC(f->handle, queue_done(f->handle, "q", first->tasks[0].receipt), DUEQ_LOST);
    queue_finish(f->handle, "q", second);
    dueq_batch_free(first);
}

static void the_queue_says_how_long_a_lease_is(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.lease_ms = 7000000};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    int64_t before_ms = fixture_now_us(f) / 1000;
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    int64_t after_ms = fixture_now_us(f) / 1000;
    assert_in_range(batch->tasks[0].deadline_ms, before_ms + 7000000, after_ms + 7000000);
    dueq_batch_free(batch);
}

/* A thousand leases that end at once come back in bounded scripts, each once. */
static void many_leases_end_at_once(void **state)
{
    fixture *f = *state;
    enum { COUNT = 1000 };
    queue_push_many(f->handle, "q", "t", COUNT, 0);
    dueq_batch *batch = queue_take(f->handle, "q", COUNT, 10);
    assert_int_equal(batch->count, COUNT);
    dueq_batch_free(batch);
    int64_t seen = 0;
    while (seen < COUNT) {
        batch = queue_await(f->handle, "q", COUNT, 0);
        for (size_t i = 0; i < batch->count; i++) assert_int_equal(batch->tasks[i].attempt, 2);
        seen += (int64_t)batch->count;
        queue_finish(f->handle, "q", batch);
    }
    assert_int_equal(seen, COUNT);
    assert_int_equal(queue_stats(f->handle, "q").expired, COUNT);
}

/* ---- Attempts -------------------------------------------------------------------------------- */

/* Takes the task until it is dead; returns the attempts that were handed out. */
static int64_t expire_until_dead(dueq *h, const char *queue, const char *id, int64_t max_attempts)
{
    dueq_take_options options = {.lease_ms = 1, .max_attempts = max_attempts};
    int64_t attempts = 0;
    int64_t deadline_ms = until_now_ms() + 20000;
    while (queue_state(h, queue, id) != DUEQ_STATE_DEAD) {
        dueq_batch *batch;
        int rc = dueq_take(h, queue, &options, &batch);
        if (rc == DUEQ_OK) assert_int_equal(batch->tasks[0].attempt, ++attempts);
        dueq_batch_free(batch);
        if (!until_again(deadline_ms)) fail_msg("\"%s\" does not die", id);
    }
    return attempts;
}

static void crashes_count_up_to_the_limit(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.max_attempts = 3};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "queue's", "x", 0), DUEQ_OK);
    assert_int_equal(expire_until_dead(f->handle, "q", "queue's", 0), 3);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "caller's", "x", 0), DUEQ_OK);
    assert_int_equal(expire_until_dead(f->handle, "q", "caller's", 2), 2);
    dueq_new_task own = {.id = "own", .max_attempts = 5};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &own, 1, NULL), DUEQ_OK);
    assert_int_equal(expire_until_dead(f->handle, "q", "own", 2), 5);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.dead, 3);
    assert_int_equal(stats.died, 3);
    assert_int_equal(stats.expired, 3 + 2 + 5);
    dueq_batch *batch = queue_get(f->handle, "q", "own");
    assert_int_equal(batch->tasks[0].attempt, 5);
    assert_string_equal(batch->tasks[0].error, "lease expired");
    dueq_batch_free(batch);
}

/* ---- Several at once ------------------------------------------------------------------------- */

enum { TAKERS = 6, SHARED_TASKS = 3000 };

typedef struct taker {
    dueq *handle;
    unsigned char *seen; /* by task number, this taker's */
    size_t count;
    const char *problem;
} taker;

static void *take_all(void *context)
{
    taker *t = context;
    dueq_take_options options = {.tasks_max = 7, .lease_ms = 600000};
    dueq_batch *batch;
    while (dueq_take(t->handle, "q", &options, &batch) == DUEQ_OK) {
        for (size_t i = 0; i < batch->count; i++) {
            t->seen[atoi(batch->tasks[i].id + 1)]++;
            dueq_lease lease = {.receipt = batch->tasks[i].receipt};
            if (dueq_done(t->handle, "q", &lease, 1) != DUEQ_OK) t->problem = "done was refused";
        }
        t->count += batch->count;
        dueq_batch_free(batch);
    }
    return NULL;
}

static void many_takers_get_each_task_once(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", SHARED_TASKS, 0);
    taker takers[TAKERS] = {0};
    pthread_t threads[TAKERS];
    for (int i = 0; i < TAKERS; i++) {
        takers[i] = (taker){.handle = fixture_open(f), .seen = calloc(SHARED_TASKS, 1)};
        pthread_create(&threads[i], NULL, take_all, &takers[i]);
    }
    for (int i = 0; i < TAKERS; i++) pthread_join(threads[i], NULL);
    for (int task = 0; task < SHARED_TASKS; task++) {
        int times = 0;
        for (int i = 0; i < TAKERS; i++) times += takers[i].seen[task];
        if (times != 1) fail_msg("task %d was taken %d times", task, times);
    }
    for (int i = 0; i < TAKERS; i++) {
        if (takers[i].problem) fail_msg("%s", takers[i].problem);
        dueq_close(takers[i].handle);
        free(takers[i].seen);
    }
    assert_int_equal(queue_stats(f->handle, "q").done, SHARED_TASKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(nothing_is_there),
        FIXTURE_TEST(a_task_tells_all_about_itself),
        FIXTURE_TEST(tokens_only_grow),
        FIXTURE_TEST(as_many_as_are_wanted),
        FIXTURE_TEST(bytes_are_bounded),
        FIXTURE_TEST(a_reply_is_bounded_by_default),
        FIXTURE_TEST(the_largest_byte_limit),
        FIXTURE_TEST(a_leased_task_is_not_taken_again),
        FIXTURE_TEST(a_lease_ends_and_counts_an_attempt),
        FIXTURE_TEST(the_queue_says_how_long_a_lease_is),
        FIXTURE_TEST(many_leases_end_at_once),
        FIXTURE_TEST(crashes_count_up_to_the_limit),
        FIXTURE_TEST(many_takers_get_each_task_once),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
