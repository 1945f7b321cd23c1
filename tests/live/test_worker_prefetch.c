/* Tasks held ready beside those at work: how many, whose time runs, what becomes of them at a stop,
 * and that they make few calls of many tasks.
 * test-timeout-s: 120 */
#include "support/rig.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/until.h"

enum { LONG_MS = 30000 };

typedef struct probe {
    atomic_int begun;
    atomic_bool gate;
    atomic_bool cancelled_was_handled;
    atomic_bool saw_lost;
    int64_t pause_ms; /* 0: handlers wait for the gate, if it is not open */
} probe;

static dueq_verdict handle(dueq_job *job, void *context)
{
    probe *p = context;
    atomic_fetch_add(&p->begun, 1);
    if (strcmp(dueq_job_task(job)->payload, "cancelled") == 0) {
        atomic_store(&p->cancelled_was_handled, true);
    }
    int64_t end_ms = until_now_ms() + (p->pause_ms > 0 ? p->pause_ms : LONG_MS);
    while (!atomic_load(&p->gate) && until_again(end_ms)) {
        if (dueq_job_lost(job)) atomic_store(&p->saw_lost, true);
    }
    return DUEQ_VERDICT_DONE;
}

static dueq_worker_options with(probe *p, int concurrency, int64_t prefetch)
{
    return (dueq_worker_options){
        .handler = handle, .handler_context = p, .concurrency = concurrency, .prefetch = prefetch};
}

static int64_t script_calls(rig *r)
{
    char *info = server_text(r->server, "INFO commandstats");
    const char *at = strstr(info, "cmdstat_evalsha:calls=");
    int64_t calls = at == NULL ? 0 : strtoll(at + strlen("cmdstat_evalsha:calls="), NULL, 10);
    free(info);
    return calls;
}

/* ---- How many ---- */

static void test_as_many_as_asked_for(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 20);
    rig_start(r, with(&p, 2, 5));
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 2);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 7);
    assert_int_equal(rig_queue_stats(r, "q").ready, 13);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 20);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_none(void **state)
{
    rig *r = *state;
    probe p = {.pause_ms = 1}; /* quick enough to hold some ready by default */
    rig_push_many(r, "q", "t", 30);
    rig_start(r, with(&p, 1, -1));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 30);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_true(script_calls(r) >= 60); /* a take and a done for each */
}

/* Slow handlers, known to be slow after the first: nobody else's tasks wait for them. */
static void test_by_default_none_for_slow_handlers(void **state)
{
    rig *r = *state;
    probe p = {.pause_ms = 50};
    rig_push_many(r, "q", "t", 4);
    rig_start(r, with(&p, 2, 0));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 4);
    rig_push_many(r, "q", "u", 10);
    for (int done = 4; done < 14;) {
        assert_in_range(rig_queue_stats(r, "q").leased, 0, 2);
        done = (int)rig_worker_stats(r).done;
    }
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_by_default_few_calls_for_quick_handlers(void **state)
{
    rig *r = *state;
    probe p = {.gate = true};
    rig_push_many(r, "q", "t", 9000);
    int64_t before = script_calls(r);
    rig_start(r, with(&p, 2, 0));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 9000);
    assert_in_range(script_calls(r) - before, 10, 900); /* 18,000 one by one */
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* ---- While they wait ---- */

static void test_their_leases_are_kept(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 5);
    dueq_worker_options options = with(&p, 1, 4);
    options.lease_ms = 200;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 5);
    int64_t end_ms = until_now_ms() + 900;
    while (until_again(end_ms)) {}
    dueq_batch *batch;
    dueq_take_options take = {.tasks_max = 10};
    assert_int_equal(dueq_take(r->handle, "q", &take, &batch), DUEQ_EMPTY);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 5);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").expired, 0);
}

/* A handler's time begins when it does, not when its task was taken. */
static void test_their_time_does_not_run(void **state)
{
    rig *r = *state;
    probe p = {.pause_ms = 100};
    rig_push_many(r, "q", "t", 8);
    dueq_worker_options options = with(&p, 1, 8);
    options.timeout_ms = 600; /* less than the last of them waits */
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 8);
    assert_int_equal(rig_worker_stats(r).retried, 0);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_one_that_runs_over_is_retried(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 3);
    dueq_worker_options options = with(&p, 1, 8);
    options.timeout_ms = 100;
    options.max_attempts = 1;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 1); /* only the one that was begun */
    assert_int_equal(rig_queue_stats(r, "q").leased, 2);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 2);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* Found lost when its lease was to be renewed: no handler ever sees it. */
static void test_one_that_is_lost_is_never_begun(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 1);
    dueq_worker_options options = with(&p, 1, 4);
    options.lease_ms = 300;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 1);
    rig_push(r, "q", "cancelled", 0);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 2);
    dueq_name name = {.id = "cancelled", .id_len = strlen("cancelled")};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).lost, 1);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_false(atomic_load(&p.cancelled_was_handled));
}

/* Quick handlers, of which one then hangs: what was held ready goes back to others. */
static void test_a_stuck_handler_keeps_no_others(void **state)
{
    rig *r = *state;
    probe p = {.gate = true};
    rig_push_many(r, "q", "t", 500);
    rig_start(r, with(&p, 1, 0));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 500);
    atomic_store(&p.gate, false);
    rig_push_many(r, "q", "u", 100);
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 501);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").released, rig_worker_stats(r).taken - 501);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 1);
    assert_int_equal(rig_queue_stats(r, "q").ready, 99);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 600);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* An endpoint that is known to be away gets one task at a time to try it: the others are there for
 * workers that can do them. */
static void test_who_cannot_work_holds_none(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "t", 20);
    rig_start(r, (dueq_worker_options){.http_url = "http://127.0.0.1:9/", /* nobody is there */
                                       .concurrency = 20,
                                       .backoff_min_ms = 3600000,
                                       .backoff_max_ms = 3600000});
    UNTIL(LONG_MS, rig_logged(r, "endpoint away"));
    UNTIL(LONG_MS, rig_queue_stats(r, "q").leased <= 1);
    rig_push_many(r, "q", "u", 20);
    int64_t end_ms = until_now_ms() + 1000;
    while (until_again(end_ms)) {
        assert_in_range(rig_queue_stats(r, "q").leased, 0, 1);
    }
    assert_true(rig_queue_stats(r, "q").ready >= 10);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* More than one call may be about: kept, and given back, in several. */
static void test_very_many(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 6000);
    rig_push_many(r, "q", "u", 4200);
    dueq_worker_options options = with(&p, 100, 10000);
    options.lease_ms = 9000;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 10100);
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 100);
    int64_t end_ms = until_now_ms() + 4000; /* a renewal of all */
    while (until_again(end_ms)) {}
    assert_int_equal(rig_worker_stats(r).lost, 0);
    assert_int_equal(rig_queue_stats(r, "q").leased, 10100);
    dueq_worker_stop(r->worker);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 100);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").ready, 10100);
    assert_int_equal(rig_queue_stats(r, "q").done, 100);
}

/* Leases that end while the server is away: who is at work is told, and none is begun any more. */
static void test_none_is_begun_after_its_lease(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 6);
    dueq_worker_options options = with(&p, 1, 5);
    options.lease_ms = 1500;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 6);
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 1); /* the take was answered */
    server_freeze(r->server);
    UNTIL(LONG_MS, atomic_load(&p.saw_lost));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).lost, 6);
    atomic_store(&p.gate, true); /* its handler is free, and there is nothing to begin */
    assert_int_equal(atomic_load(&p.begun), 1);
    server_thaw(r->server);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 6);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").expired, 6);
}

/* ---- Stopping ---- */

static void test_a_stop_gives_them_back_at_once(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 10);
    rig_start(r, with(&p, 1, 9));
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 10);
    UNTIL_EQ(LONG_MS, atomic_load(&p.begun), 1);
    dueq_worker_stop(r->worker);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").ready, 9); /* while the handler is still at it */
    assert_int_equal(atomic_load(&p.begun), 1);
    assert_int_equal(rig_queue_stats(r, "q").leased, 1);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
    assert_int_equal(rig_queue_stats(r, "q").released, 9);
    dueq_batch *batch;
    dueq_take_options take = {.tasks_max = 10};
    assert_int_equal(dueq_take(r->handle, "q", &take, &batch), DUEQ_OK);
    assert_int_equal(batch->count, 9);
    for (size_t i = 0; i < batch->count; i++) {
        assert_int_equal(batch->tasks[i].attempt, 1); /* not counted */
    }
    dueq_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_as_many_as_asked_for, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_none, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_by_default_none_for_slow_handlers, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_by_default_few_calls_for_quick_handlers, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_their_leases_are_kept, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_their_time_does_not_run, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_runs_over_is_retried, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_lost_is_never_begun, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_stuck_handler_keeps_no_others, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_who_cannot_work_holds_none, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_very_many, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(test_none_is_begun_after_its_lease, rig_set_up,
                                        rig_tear_down),
        cmocka_unit_test_setup_teardown(test_a_stop_gives_them_back_at_once, rig_set_up,
                                        rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
