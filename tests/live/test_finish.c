/* What a holder does with its lease: done, release, extend; and what a holder whose lease has ended
 * is told. Retry is in test_retry.c. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- done ------------------------------------------------------------------------------------ */

static void done_is_gone(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    ASSERT_RC(f->handle, queue_done(f->handle, "q", batch->tasks[0].receipt), DUEQ_OK);
    assert_int_equal(queue_state(f->handle, "q", "t"), DUEQ_STATE_NONE);
    ASSERT_RC(f->handle, queue_done(f->handle, "q", batch->tasks[0].receipt), DUEQ_LOST);
    assert_int_equal(queue_stats(f->handle, "q").done, 1);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "again", 0), DUEQ_OK);
    dueq_batch_free(batch);
}

static void batches_of_every_size(void **state)
{
    fixture *f = *state;
    static const size_t sizes[] = {1, 999, 1000, 1001, 10000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        queue_push_many(f->handle, "q", "t", sizes[i], 0);
        dueq_batch *batch = queue_take(f->handle, "q", sizes[i], 0);
        assert_int_equal(batch->count, sizes[i]);
        queue_finish(f->handle, "q", batch);
        assert_int_equal(queue_live(f->handle, "q"), 0);
    }
}

/* Held, lost, held: each has its own outcome, and the held ones are done. */
static void one_lost_among_held_ones(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 3, 0);
    dueq_lease leases[3] = {
        {batch->tasks[0].receipt, 0}, {batch->tasks[1].receipt, 0}, {batch->tasks[2].receipt, 0}};
    ASSERT_RC(f->handle, queue_release(f->handle, "q", leases[1].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_done(f->handle, "q", leases, 3), DUEQ_LOST);
    assert_int_equal(leases[0].outcome, DUEQ_OK);
    assert_int_equal(leases[1].outcome, DUEQ_LOST);
    assert_int_equal(leases[2].outcome, DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").done, 2);
    assert_int_equal(queue_state(f->handle, "q", batch->tasks[1].id), DUEQ_STATE_READY);
    dueq_batch_free(batch);
}

static void the_same_receipt_twice_in_a_call(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 2, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 2, 0);
    const char *first = batch->tasks[0].receipt, *second = batch->tasks[1].receipt;
    dueq_lease released[] = {{first, 0}, {first, 0}};
    ASSERT_RC(f->handle, dueq_release(f->handle, "q", released, 2), DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").released, 1);
    dueq_lease extended[] = {{second, 0}, {second, 0}};
    ASSERT_RC(f->handle, dueq_extend(f->handle, "q", extended, 2, 50000), DUEQ_OK);
    dueq_lease finished[] = {{second, 0}, {second, 0}};
    ASSERT_RC(f->handle, dueq_done(f->handle, "q", finished, 2), DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").done, 1);
    dueq_batch_free(batch);
}

/* ---- Retention ------------------------------------------------------------------------------- */

static void a_finished_id_is_remembered_for_a_while(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.retention_ms = 150};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    int64_t before_us = fixture_now_us(f);
    queue_finish(f->handle, "q", queue_take_one(f->handle, "q", 0));
    int rc = queue_push(f->handle, "q", "t", "again", 0);
    if (fixture_now_us(f) - before_us < 150000) ASSERT_RC(f->handle, rc, DUEQ_EXISTS);
    UNTIL_EQ(10000, queue_push(f->handle, "q", "t", "again", 0) == DUEQ_EXISTS, 0);
    assert_true(fixture_now_us(f) - before_us >= 150000);
    assert_int_equal(queue_stats(f->handle, "q").pushed, 2);
}

/* What is remembered is cleared away by later calls: it does not grow for ever. */
static void old_memories_are_cleared(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.retention_ms = 1};
    queue_make(f->handle, "q", &settings);
    for (int round = 0; round < 20; round++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "r%d-", round);
        queue_push_many(f->handle, "q", prefix, 100, 0);
        assert_int_equal(queue_drain(f->handle, "q"), 100);
    }
    long long kept = server_int(f->server, "ZCARD dueq:{q:0}:gone");
    if (kept > 301) fail_msg("%lld entries are kept of 2,000", kept);
}

/* Cancelled, dropped and purged ids are not remembered: only finished ones. */
static void only_finished_ids_are_remembered(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.retention_ms = 3600000};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "t"), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", batch->tasks[0].receipt), DUEQ_OK);
    dueq_batch_free(batch);
    queue_finish(f->handle, "q", queue_take_one(f->handle, "q", 0));
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_EXISTS);
}

/* ---- release --------------------------------------------------------------------------------- */

static void release_gives_back_uncounted(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    for (int i = 0; i < 30; i++) { /* more often than a task may fail */
        dueq_batch *batch = queue_take_one(f->handle, "q", 0);
        assert_int_equal(batch->tasks[0].attempt, 1);
        const char *receipt = batch->tasks[0].receipt;
        ASSERT_RC(f->handle, queue_release(f->handle, "q", receipt), DUEQ_OK);
        ASSERT_RC(f->handle, queue_release(f->handle, "q", receipt), DUEQ_LOST);
        dueq_batch_free(batch);
    }
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.released, 30);
    assert_int_equal(stats.ready, 1);
}

/* ---- extend ---------------------------------------------------------------------------------- */

static int64_t deadline_ms(dueq *h, const char *id)
{
    dueq_batch *batch = queue_get(h, "q", id);
    int64_t at_ms = batch ? batch->tasks[0].deadline_ms : 0;
    dueq_batch_free(batch);
    return at_ms;
}

static void extend_moves_the_deadline(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 60000);
    const char *receipt = batch->tasks[0].receipt;
    static const int64_t leases_ms[] = {600000, 1000000, 30000, DUEQ_LEASE_MS_MAX, 50000};
    for (size_t i = 0; i < sizeof leases_ms / sizeof *leases_ms; i++) {
        int64_t before_ms = fixture_now_us(f) / 1000;
        ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, leases_ms[i]), DUEQ_OK);
        int64_t after_ms = fixture_now_us(f) / 1000;
        assert_in_range(deadline_ms(f->handle, "t"), before_ms + leases_ms[i],
                        after_ms + leases_ms[i]);
    }
    ASSERT_RC(f->handle, queue_done(f->handle, "q", receipt), DUEQ_OK);  /* the same receipt */
    assert_int_equal(server_int(f->server, "HLEN dueq:{q:0}:tries"), 1); /* nothing is left of it */
    dueq_batch_free(batch);
}

/* Each way to end a lease knows the receipt of an extended one. */
static void an_extended_lease_ends_like_any(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 4, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 4, 60000);
    for (size_t i = 0; i < 4; i++)
        ASSERT_RC(f->handle, queue_extend(f->handle, "q", batch->tasks[i].receipt, 90000), DUEQ_OK);
    ASSERT_RC(f->handle, queue_done(f->handle, "q", batch->tasks[0].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", batch->tasks[1].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", batch->tasks[2].receipt, 0, "why"), DUEQ_OK);
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", batch->tasks[3].id), DUEQ_OK);
    for (size_t i = 0; i < 4; i++)
        ASSERT_RC(f->handle, queue_extend(f->handle, "q", batch->tasks[i].receipt, 1000),
                  DUEQ_LOST);
    dueq_batch *again = queue_take(f->handle, "q", 4, 0);
    assert_int_equal(again->count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool released = strcmp(again->tasks[i].id, batch->tasks[1].id) == 0;
        assert_int_equal(again->tasks[i].attempt, released ? 1 : 2);
    }
    queue_finish(f->handle, "q", again);
    dueq_batch_free(batch);
}

static void an_extended_lease_runs_out_too(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 60000);
    const char *receipt = batch->tasks[0].receipt;
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, 10), DUEQ_OK);
    dueq_batch *again = queue_await(f->handle, "q", 1, 0);
    assert_int_equal(again->tasks[0].attempt, 2);
    ASSERT_RC(f->handle, queue_done(f->handle, "q", receipt), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, 1000), DUEQ_LOST);
    queue_finish(f->handle, "q", again);
    dueq_batch_free(batch);
}

/* Failures are not forgotten over an extension. */
static void extend_keeps_the_failures(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    queue_retry(f->handle, "q", batch->tasks[0].receipt, 0, "first: it broke");
    dueq_batch_free(batch);
    batch = queue_take_one(f->handle, "q", 0);
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", batch->tasks[0].receipt, 60000), DUEQ_OK);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", batch->tasks[0].receipt), DUEQ_OK);
    dueq_batch_free(batch);
    batch = queue_take_one(f->handle, "q", 0);
    assert_int_equal(batch->tasks[0].attempt, 2);
    assert_string_equal(batch->tasks[0].error, "first: it broke");
    dueq_batch_free(batch);
}

static void big_batches_are_extended_and_released(void **state)
{
    fixture *f = *state;
    enum { COUNT = 2500 };
    queue_push_many(f->handle, "q", "t", COUNT, 0);
    dueq_batch *batch = queue_take(f->handle, "q", COUNT, 0);
    dueq_lease *leases = calloc(COUNT, sizeof *leases);
    for (size_t i = 0; i < COUNT; i++) leases[i].receipt = batch->tasks[i].receipt;
    ASSERT_RC(f->handle, dueq_extend(f->handle, "q", leases, COUNT, 100000), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_release(f->handle, "q", leases, COUNT), DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").ready, COUNT);
    free(leases);
    dueq_batch_free(batch);
}

/* ---- Of whoever comes too late --------------------------------------------------------------- */

static void lost_leases_change_nothing(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *late = queue_take_one(f->handle, "q", 1);
    dueq_batch *holder = queue_await(f->handle, "q", 1, 60000);
    const char *receipt = late->tasks[0].receipt;
    int64_t held_until_ms = deadline_ms(f->handle, "t");
    ASSERT_RC(f->handle, queue_done(f->handle, "q", receipt), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", receipt), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, 1), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, 0, "late"), DUEQ_LOST);
    assert_int_equal(deadline_ms(f->handle, "t"), held_until_ms);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.done + stats.released + stats.retried, 0);
    queue_finish(f->handle, "q", holder);
    dueq_batch_free(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(done_is_gone),
        FIXTURE_TEST(batches_of_every_size),
        FIXTURE_TEST(one_lost_among_held_ones),
        FIXTURE_TEST(the_same_receipt_twice_in_a_call),
        FIXTURE_TEST(a_finished_id_is_remembered_for_a_while),
        FIXTURE_TEST(old_memories_are_cleared),
        FIXTURE_TEST(only_finished_ids_are_remembered),
        FIXTURE_TEST(release_gives_back_uncounted),
        FIXTURE_TEST(extend_moves_the_deadline),
        FIXTURE_TEST(an_extended_lease_ends_like_any),
        FIXTURE_TEST(an_extended_lease_runs_out_too),
        FIXTURE_TEST(extend_keeps_the_failures),
        FIXTURE_TEST(big_batches_are_extended_and_released),
        FIXTURE_TEST(lost_leases_change_nothing),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
