/* The dead: redrive and drop, named and all; their cap by number and by age. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes dead all that is ready. */
static void kill_all(dueq *h, const char *queue)
{
    for (dueq_batch *batch; (batch = queue_take(h, queue, 10000, 0)); dueq_batch_free(batch)) {
        dueq_failure *failures = calloc(batch->count, sizeof *failures);
        for (size_t i = 0; i < batch->count; i++)
            failures[i] =
                (dueq_failure){.receipt = batch->tasks[i].receipt, .error = "no", .hopeless = true};
        ASSERT_RC(h, dueq_retry(h, queue, failures, batch->count), DUEQ_OK);
        free(failures);
    }
}

static void fill_with_dead(dueq *h, const char *queue, const char *prefix, size_t count)
{
    queue_push_many(h, queue, prefix, count, 0);
    kill_all(h, queue);
}

/* ---- Named ----------------------------------------------------------------------------------- */

typedef int named_fn(dueq *, const char *, dueq_name *, size_t);

static void act_on_each_state(fixture *f, named_fn *act, dueq_state wanted)
{
    fill_with_dead(f->handle, "q", "dead", 2);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "leased", "x", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(f->handle, "q", 0));
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "ready", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "waiting", "x", 1000000), DUEQ_OK);
    dueq_name names[] = {{.id = "dead1"}, {.id = "leased"}, {.id = "missing"},
                         {.id = "ready"}, {.id = "dead0"},  {.id = "waiting"}};
    static const int outcomes[] = {DUEQ_OK,    DUEQ_STATE, DUEQ_MISSING,
                                   DUEQ_STATE, DUEQ_OK,    DUEQ_STATE};
    ASSERT_RC(f->handle, act(f->handle, "q", names, 6), DUEQ_STATE);
    for (int i = 0; i < 6; i++) assert_int_equal(names[i].outcome, outcomes[i]);
    assert_int_equal(queue_state(f->handle, "q", "dead0"), wanted);
    assert_int_equal(queue_state(f->handle, "q", "dead1"), wanted);
    assert_int_equal(queue_state(f->handle, "q", "leased"), DUEQ_STATE_LEASED);
    assert_int_equal(queue_state(f->handle, "q", "waiting"), DUEQ_STATE_WAITING);
}

static void redrive_makes_ready(void **state)
{
    fixture *f = *state;
    act_on_each_state(f, dueq_redrive, DUEQ_STATE_READY);
    dueq_batch *batch = queue_take(f->handle, "q", 10, 0);
    assert_int_equal(batch->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(batch->tasks[i].attempt, 1); /* the attempts are forgotten */
        assert_null(batch->tasks[i].error);
    }
    dueq_batch_free(batch);
}

static void drop_forgets(void **state)
{
    fixture *f = *state;
    act_on_each_state(f, dueq_drop, DUEQ_STATE_NONE);
    assert_int_equal(queue_stats(f->handle, "q").dropped, 2);
    assert_int_equal(server_int(f->server, "HLEN dueq:{q:0}:tries"), 1);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "dead0", "anew", 0), DUEQ_OK);
}

/* An id named twice is one task. */
static void the_same_id_twice_in_a_call(void **state)
{
    fixture *f = *state;
    fill_with_dead(f->handle, "q", "t", 2);
    dueq_name redriven[] = {{.id = "t0"}, {.id = "t0"}};
    assert_true(dueq_redrive(f->handle, "q", redriven, 2) >= 0);
    assert_int_equal(redriven[0].outcome, DUEQ_OK);
    dueq_name dropped[] = {{.id = "t1"}, {.id = "t1"}};
    assert_true(dueq_drop(f->handle, "q", dropped, 2) >= 0);
    assert_int_equal(dropped[0].outcome, DUEQ_OK);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.dropped, 1);
    assert_int_equal(stats.ready, 1);
}

static void no_such_queue(void **state)
{
    fixture *f = *state;
    dueq_name name = {.id = "t"};
    int64_t count = 99;
    ASSERT_RC(f->handle, dueq_redrive(f->handle, "q", &name, 1), DUEQ_MISSING);
    ASSERT_RC(f->handle, dueq_drop(f->handle, "q", &name, 1), DUEQ_MISSING);
    ASSERT_RC(f->handle, dueq_redrive_all(f->handle, "q", &count), DUEQ_MISSING);
    assert_int_equal(count, 0);
    ASSERT_RC(f->handle, dueq_drop_all(f->handle, "q", NULL), DUEQ_MISSING);
}

/* ---- All ------------------------------------------------------------------------------------- */

static void all_of_many_partitions(void **state)
{
    fixture *f = *state;
    enum { COUNT = 3500 };
    dueq_settings settings = {.partitions = 3, .dead_max = 100000};
    queue_make(f->handle, "q", &settings);
    fill_with_dead(f->handle, "q", "t", COUNT);
    assert_int_equal(queue_stats(f->handle, "q").dead, COUNT);
    int64_t count;
    ASSERT_RC(f->handle, dueq_redrive_all(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, COUNT);
    assert_int_equal(queue_stats(f->handle, "q").ready, COUNT);
    kill_all(f->handle, "q");
    ASSERT_RC(f->handle, dueq_drop_all(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, COUNT);
    assert_int_equal(queue_live(f->handle, "q"), 0);
    ASSERT_RC(f->handle, dueq_drop_all(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 0);
}

/* A task that dies after the call began is left alone: the time of death decides. */
static void those_who_die_later_stay(void **state)
{
    fixture *f = *state;
    fill_with_dead(f->handle, "q", "t", 3);
    long long future_us = fixture_now_us(f) + 60000000;
    server_do(f->server, "ZADD dueq:{q:0}:dead %lld t1", future_us);
    int64_t count;
    ASSERT_RC(f->handle, dueq_drop_all(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 2);
    assert_int_equal(queue_state(f->handle, "q", "t1"), DUEQ_STATE_DEAD);
}

/* ---- Caps ------------------------------------------------------------------------------------ */

/* The cap is kept in bounded steps by the calls that make tasks dead: the oldest go first. */
static void the_oldest_go_when_there_are_too_many(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.dead_max = 5};
    queue_make(f->handle, "q", &settings);
    for (int i = 0; i < 12; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        fill_with_dead(f->handle, "q", id, 1); /* "t00", "t10" … */
    }
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.dead, 5);
    assert_int_equal(stats.dropped, 7);
    assert_int_equal(queue_state(f->handle, "q", "t60"), DUEQ_STATE_NONE);
    assert_int_equal(queue_state(f->handle, "q", "t70"), DUEQ_STATE_DEAD);
    assert_int_equal(queue_state(f->handle, "q", "t110"), DUEQ_STATE_DEAD);
}

static void a_cap_is_shared_by_the_partitions(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3, .dead_max = 30};
    queue_make(f->handle, "q", &settings);
    fill_with_dead(f->handle, "q", "t", 250);
    assert_int_equal(queue_stats(f->handle, "q").dead, 30);
}

static void none_are_kept_if_none_are_wanted(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.dead_max = -1};
    queue_make(f->handle, "q", &settings);
    fill_with_dead(f->handle, "q", "t", 3);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.dead, 0);
    assert_int_equal(stats.died, 3);
    assert_int_equal(stats.dropped, 3);
}

/* An idle worker's look, which clears up to a hundred away. */
static int64_t dead_after_a_look(dueq *h, const char *queue)
{
    dueq_take_options options = {.wait_ms = 1};
    dueq_batch *batch;
    ASSERT_RC(h, dueq_take(h, queue, &options, &batch), DUEQ_EMPTY);
    return queue_stats(h, queue).dead;
}

static void the_old_go_with_time(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.dead_age_ms = 1};
    queue_make(f->handle, "q", &settings);
    fill_with_dead(f->handle, "q", "t", 300);
    UNTIL_EQ(10000, dead_after_a_look(f->handle, "q"), 0);
    assert_int_equal(queue_stats(f->handle, "q").dropped, 300);
}

static void for_ever_is_for_ever(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.dead_age_ms = -1};
    queue_make(f->handle, "q", &settings);
    fill_with_dead(f->handle, "q", "t", 3);
    server_do(f->server, "ZADD dueq:{q:0}:dead 1 t0"); /* in 1970 */
    assert_int_equal(dead_after_a_look(f->handle, "q"), 3);
    dueq_settings a_day = {.dead_age_ms = 86400000};
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &a_day, NULL), DUEQ_OK);
    assert_int_equal(dead_after_a_look(f->handle, "q"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(redrive_makes_ready),
        FIXTURE_TEST(drop_forgets),
        FIXTURE_TEST(the_same_id_twice_in_a_call),
        FIXTURE_TEST(no_such_queue),
        FIXTURE_TEST(all_of_many_partitions),
        FIXTURE_TEST(those_who_die_later_stay),
        FIXTURE_TEST(the_oldest_go_when_there_are_too_many),
        FIXTURE_TEST(a_cap_is_shared_by_the_partitions),
        FIXTURE_TEST(none_are_kept_if_none_are_wanted),
        FIXTURE_TEST(the_old_go_with_time),
        FIXTURE_TEST(for_ever_is_for_ever),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
