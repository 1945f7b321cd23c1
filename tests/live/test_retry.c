/* Retry: attempts counted, delays, errors kept, and death at the limit. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000 };

/* Fails the task once more; returns the failure's outcome. */
static int fail_once(dueq *h, const dueq_failure *how)
{
    dueq_batch *batch = queue_await(h, "q", 1, 0);
    dueq_failure failure = *how;
    failure.receipt = batch->tasks[0].receipt;
    ASSERT_RC(h, dueq_retry(h, "q", &failure, 1), DUEQ_OK);
    dueq_batch_free(batch);
    return failure.outcome;
}

static void attempts_grow_and_the_error_is_kept(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    for (int attempt = 1; attempt <= 5; attempt++) {
        char error[32];
        snprintf(error, sizeof error, "failure: no. %d", attempt);
        dueq_failure how = {.error = error};
        assert_int_equal(fail_once(f->handle, &how), DUEQ_OK);
        dueq_batch *batch = queue_get(f->handle, "q", "t");
        assert_int_equal(batch->tasks[0].attempt, attempt);
        assert_string_equal(batch->tasks[0].error, error);
        dueq_batch_free(batch);
    }
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    assert_int_equal(batch->tasks[0].attempt, 6);
    assert_string_equal(batch->tasks[0].error, "failure: no. 5");
    dueq_batch_free(batch);
    assert_int_equal(queue_stats(f->handle, "q").retried, 5);
}

static void it_waits_for_its_delay(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    int64_t before_ms = fixture_now_us(f) / 1000;
    dueq_failure how = {.delay_ms = AN_HOUR_MS};
    assert_int_equal(fail_once(f->handle, &how), DUEQ_OK);
    int64_t after_ms = fixture_now_us(f) / 1000;
    dueq_batch *batch = queue_get(f->handle, "q", "t");
    assert_int_equal(batch->tasks[0].state, DUEQ_STATE_WAITING);
    assert_in_range(batch->tasks[0].due_ms, before_ms + AN_HOUR_MS, after_ms + AN_HOUR_MS);
    assert_null(batch->tasks[0].error);
    dueq_batch_free(batch);
    assert_null(queue_take(f->handle, "q", 1, 0));
}

/* Whose limit counts: the task's own, else the caller's, else the queue's. */
static void death_at_the_limit(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *id;
        int64_t own, callers, wanted;
    } cases[] = {{"queue", 0, 0, 4},
                 {"caller", 0, 2, 2},
                 {"own", 6, 2, 6},
                 {"one", 1, 0, 1},
                 {"caller's one", 0, 1, 1},
                 {"more", 0, 7, 7},
                 {"most", DUEQ_ATTEMPTS_MAX, 1, 10}};
    dueq_settings settings = {.max_attempts = 4};
    queue_make(f->handle, "q", &settings);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dueq_new_task task = {.id = cases[i].id, .max_attempts = cases[i].own};
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
        dueq_failure how = {.error = "no", .max_attempts = cases[i].callers};
        int64_t failures = 0;
        int outcome;
        do {
            outcome = fail_once(f->handle, &how);
            failures++;
        } while (outcome == DUEQ_OK && failures < 10);
        if (failures != cases[i].wanted)
            fail_msg("%s: %lld failures, wanted %lld", cases[i].id, (long long)failures,
                     (long long)cases[i].wanted);
        if (outcome == DUEQ_OK) queue_cancel(f->handle, "q", cases[i].id);
    }
    assert_int_equal(queue_stats(f->handle, "q").died, 6);
}

static void hopeless_is_dead_at_once(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    int64_t before_ms = fixture_now_us(f) / 1000;
    dueq_failure how = {.error = "a reason", .hopeless = true, .delay_ms = AN_HOUR_MS};
    assert_int_equal(fail_once(f->handle, &how), DUEQ_DEAD);
    int64_t after_ms = fixture_now_us(f) / 1000;
    dueq_batch *batch = queue_get(f->handle, "q", "t");
    const dueq_task *task = &batch->tasks[0];
    assert_int_equal(task->state, DUEQ_STATE_DEAD);
    assert_int_equal(task->attempt, 1);
    assert_string_equal(task->error, "a reason");
    assert_in_range(task->died_ms, before_ms, after_ms);
    assert_int_equal(task->due_ms, 0);
    dueq_batch_free(batch);
    assert_null(queue_take(f->handle, "q", 1, 0));
}

/* ---- Error texts ----------------------------------------------------------------------------- */

typedef struct error_case {
    const char *error;
    size_t len;
    size_t kept;
} error_case;

static void errors_come_back_to_the_byte(void **state)
{
    fixture *f = *state;
    static char longest[DUEQ_ERROR_TEXT_MAX + 500];
    memset(longest, 'e', sizeof longest);
    const error_case cases[] = {
        {"a:b::c:", 7, 7},
        {"line\nline\n\n", 11, 11},
        {"nul\0nul", 7, 7},
        {"\xff\x80", 2, 2},
        {"%d %s %%", 8, 8},
        {longest, DUEQ_ERROR_TEXT_MAX, DUEQ_ERROR_TEXT_MAX},
        {longest, DUEQ_ERROR_TEXT_MAX + 1, DUEQ_ERROR_TEXT_MAX},
        {longest, sizeof longest, DUEQ_ERROR_TEXT_MAX},
    };
    dueq_settings settings = {.max_attempts = 100};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dueq_failure how = {.error = cases[i].error, .error_len = cases[i].len};
        assert_int_equal(fail_once(f->handle, &how), DUEQ_OK);
        dueq_batch *batch = queue_get(f->handle, "q", "t");
        assert_int_equal(batch->tasks[0].error_len, cases[i].kept);
        assert_memory_equal(batch->tasks[0].error, cases[i].error, cases[i].kept);
        dueq_batch_free(batch);
    }
    dueq_failure how = {.error = ""};
    assert_int_equal(fail_once(f->handle, &how), DUEQ_OK);
    dueq_batch *batch = queue_get(f->handle, "q", "t");
    assert_null(batch->tasks[0].error);
    dueq_batch_free(batch);
}

/* ---- Many ------------------------------------------------------------------------------------ */

static void each_failure_has_its_own_outcome(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 3, 0);
    dueq_failure failures[] = {
        {.receipt = batch->tasks[0].receipt},
        {.receipt = batch->tasks[1].receipt, .hopeless = true},
        {.receipt = batch->tasks[2].receipt},
    };
    ASSERT_RC(f->handle, queue_done(f->handle, "q", failures[2].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", failures, 3), DUEQ_LOST);
    assert_int_equal(failures[0].outcome, DUEQ_OK);
    assert_int_equal(failures[1].outcome, DUEQ_DEAD);
    assert_int_equal(failures[2].outcome, DUEQ_LOST);
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", failures, 3), DUEQ_LOST); /* the same again */
    for (int i = 0; i < 3; i++) assert_int_equal(failures[i].outcome, DUEQ_LOST);
    dueq_batch_free(batch);
}

static void big_batches_fail_and_die(void **state)
{
    fixture *f = *state;
    enum { COUNT = 2500 };
    queue_push_many(f->handle, "q", "t", COUNT, 0);
    dueq_failure *failures = calloc(COUNT, sizeof *failures);
    for (int round = 0; round < 2; round++) {
        dueq_batch *batch = queue_take(f->handle, "q", COUNT, 0);
        assert_int_equal(batch->count, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            failures[i] = (dueq_failure){
                .receipt = batch->tasks[i].receipt, .error = "again", .max_attempts = 2};
        ASSERT_RC(f->handle, dueq_retry(f->handle, "q", failures, COUNT), DUEQ_OK);
        for (size_t i = 0; i < COUNT; i++)
            assert_int_equal(failures[i].outcome, round ? DUEQ_DEAD : DUEQ_OK);
        dueq_batch_free(batch);
    }
    free(failures);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.dead, COUNT);
    assert_int_equal(stats.retried, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(attempts_grow_and_the_error_is_kept),
        FIXTURE_TEST(it_waits_for_its_delay),
        FIXTURE_TEST(death_at_the_limit),
        FIXTURE_TEST(hopeless_is_dead_at_once),
        FIXTURE_TEST(errors_come_back_to_the_byte),
        FIXTURE_TEST(each_failure_has_its_own_outcome),
        FIXTURE_TEST(big_batches_fail_and_die),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
