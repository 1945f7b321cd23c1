/* Stopping a worker in every phase, once and twice: nothing new is begun, what is finished is
 * acknowledged, the rest goes back at once, nothing is acknowledged that was not done. */
#include "support/rig.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG_MS = 30000, GRACE_NEVER_MS = 600000 };

/* As good as for ever, but not if the test itself is killed. */
#define LINGER "for i in $(seq 1200); do sleep 0.05; done"

typedef struct probe {
    atomic_int calls;
    atomic_bool gate;
    atomic_bool saw_stopping;
    atomic_bool saw_lost;
} probe;

static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    probe *p = context;
    atomic_fetch_add(&p->calls, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&p->gate) && until_again(end_ms)) {
        if (dueq_job_stopping(job)) atomic_store(&p->saw_stopping, true);
        if (dueq_job_lost(job)) atomic_store(&p->saw_lost, true);
    }
    return DUEQ_VERDICT_DONE;
}

/* Ends by itself as soon as the worker is to stop. */
static dueq_verdict obey_stop(dueq_job *job, void *context)
{
    probe *p = context;
    atomic_fetch_add(&p->calls, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!dueq_job_stopping(job) && until_again(end_ms)) {}
    return DUEQ_VERDICT_RELEASE;
}

static dueq_worker_options with(dueq_handler_fn *handler, probe *p)
{
    return (dueq_worker_options){
        .handler = handler, .handler_context = p, .concurrency = 1, .grace_ms = GRACE_NEVER_MS};
}

static void test_stop_before_run(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push(r, "q", "task", 0);
    static const dueq_worker_queue q[] = {{.name = "q"}};
    dueq_worker_options options = with(wait_for_gate, &p);
    options.url = server_url(r->server);
    options.queues = q;
    options.queue_count = 1;
    assert_int_equal(dueq_worker_make(&r->worker, &options), DUEQ_OK);
    dueq_worker_stop(r->worker);
    assert_int_equal(dueq_worker_run(r->worker), DUEQ_OK);
    assert_int_equal(atomic_load(&p.calls), 0);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
}

static void test_stop_while_idle(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_start(r, with(wait_for_gate, &p));
    UNTIL(LONG_MS, rig_logged(r, "started"));
    int64_t began_ms = until_now_ms();
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_in_range(until_now_ms() - began_ms, 0, 5000);
}

static void test_handlers_finish_within_the_grace(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push_many(r, "q", "t", 5);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.concurrency = 2;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 2);
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, atomic_load(&p.saw_stopping));
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(atomic_load(&p.calls), 2);
    assert_int_equal(rig_worker_stats(r).done, 2);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.done, 2);
    assert_int_equal(stats.ready, 3);
    assert_int_equal(stats.leased, 0);
}

static void test_handlers_that_obey_release(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push(r, "q", "task", 0);
    rig_start(r, with(obey_stop, &p));
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
    assert_int_equal(rig_look(r, "q", "task").failures, 0);
}

/* Leases are kept while handlers have their grace. */
static void test_leases_are_kept_in_the_grace(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push(r, "q", "task", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.lease_ms = 300;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    long long end = server_int(r->server, "ZSCORE %s %s", "dueq:{q:0}:leased", "task");
    UNTIL(LONG_MS,
          server_int(r->server, "ZSCORE %s %s", "dueq:{q:0}:leased", "task") >= end + 900000);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
    assert_int_equal(rig_queue_stats(r, "q").expired, 0);
}

/* The callback is still at it when its task is back in the queue; what it says then counts no
 * more. */
static void test_callbacks_that_outlast_the_grace(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push(r, "q", "task", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.grace_ms = 50;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    dueq_worker_stop(r->worker);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").ready, 1);
    UNTIL(LONG_MS, atomic_load(&p.saw_lost));
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    dueq_worker_stats stats = rig_worker_stats(r);
    assert_int_equal(stats.released, 1);
    assert_int_equal(stats.done, 0);
    assert_int_equal(rig_look(r, "q", "task").failures, 0);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
}

static void test_second_stop_releases_at_once(void **state)
{
    rig *r = *state;
    probe p = {0};
    rig_push(r, "q", "task", 0);
    rig_start(r, with(wait_for_gate, &p));
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    assert_int_equal(rig_queue_stats(r, "q").leased, 1);
    dueq_worker_stop(r->worker);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").ready, 1);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 0);
}

static rig *signalled;

static void stop_on_signal(int number)
{
    (void)number;
    dueq_worker_stop(signalled->worker);
}

/* As a command line does it: from a signal handler. */
static void test_stop_from_a_signal_handler(void **state)
{
    rig *r = *state;
    probe p = {0};
    signalled = r;
    struct sigaction action = {.sa_handler = stop_on_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    rig_start(r, with(wait_for_gate, &p));
    UNTIL(LONG_MS, rig_logged(r, "started"));
    kill(getpid(), SIGUSR1);
    assert_int_equal(rig_join(r), DUEQ_OK);
    sigaction(SIGUSR1, &before, NULL);
}

/* ---- Processes ---- */

static void run_program(rig *r, const char *script, int64_t grace_ms)
{
    char *copy = strdup(script);
    char *command[] = {"sh", "-c", copy, NULL};
    dueq_worker_options options = {.command = command, .grace_ms = grace_ms};
    rig_push(r, "q", "task", 0);
    setenv("DIR", server_dir(r->server), 1);
    rig_start(r, options);
    free(copy);
}

static bool has_file(rig *r, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", server_dir(r->server), name);
    return access(path, F_OK) == 0;
}

static void test_process_finishes_in_the_grace(void **state)
{
    rig *r = *state;
    run_program(r, "touch $DIR/up; while [ -d $DIR ] && [ ! -e $DIR/go ]; do sleep 0.05; done",
                GRACE_NEVER_MS);
    UNTIL(LONG_MS, has_file(r, "up"));
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    char path[512];
    snprintf(path, sizeof path, "%s/go", server_dir(r->server));
    fclose(fopen(path, "w"));
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
}

/* TERM after the grace; that it then exits with 0 is no success. */
static void test_process_is_ended_after_the_grace(void **state)
{
    rig *r = *state;
    run_program(r, "trap 'touch $DIR/term; exit 0' TERM; touch $DIR/up; " LINGER, 100);
    UNTIL(LONG_MS, has_file(r, "up"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_true(has_file(r, "term"));
    assert_int_equal(rig_queue_stats(r, "q").done, 0);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
    assert_int_equal(rig_look(r, "q", "task").failures, 0);
}

static void test_stubborn_process_is_killed(void **state)
{
    rig *r = *state;
    run_program(r, "trap '' TERM; touch $DIR/up; " LINGER, 100);
    UNTIL(LONG_MS, has_file(r, "up"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
}

static void test_second_stop_kills(void **state)
{
    rig *r = *state;
    run_program(r, "trap '' TERM; touch $DIR/up; " LINGER, GRACE_NEVER_MS);
    UNTIL(LONG_MS, has_file(r, "up"));
    dueq_worker_stop(r->worker);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
}

/* ---- With the server away ---- */

/* What could not be told is said, and the run ends all the same. */
static void test_stop_while_the_server_is_gone(void **state)
{
    rig *r = *state;
    probe p = {0};
    dueq_options connect = {.timeout_ms = 500};
    rig_push(r, "q", "task", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.connect = &connect;
    options.lease_ms = 6000; /* does not end meanwhile */
    options.grace_ms = 200;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    server_kill(r->server);
    UNTIL(LONG_MS, rig_logged(r, "server away"));
    atomic_store(&p.gate, true);
    assert_true(rig_stop(r) < 0);
    assert_non_null(strstr(dueq_worker_error(r->worker), "1 results could not be reported"));
    assert_int_equal(rig_worker_stats(r).done, 0);
    server_restart(r->server);
}

/* It neither answers nor refuses: two stops do not wait for it for long. */
static void test_two_stops_while_the_server_is_frozen(void **state)
{
    rig *r = *state;
    probe p = {0};
    dueq_options connect = {.timeout_ms = 2000};
    rig_push(r, "q", "task", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.connect = &connect;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    server_freeze(r->server);
    atomic_store(&p.gate, true);
    dueq_worker_stop(r->worker);
    assert_true(rig_stop(r) < 0);
    server_thaw(r->server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stop_before_run),
        TEST(test_stop_while_idle),
        TEST(test_handlers_finish_within_the_grace),
        TEST(test_handlers_that_obey_release),
        TEST(test_leases_are_kept_in_the_grace),
        TEST(test_callbacks_that_outlast_the_grace),
        TEST(test_second_stop_releases_at_once),
        TEST(test_stop_from_a_signal_handler),
        TEST(test_process_finishes_in_the_grace),
        TEST(test_process_is_ended_after_the_grace),
        TEST(test_stubborn_process_is_killed),
        TEST(test_second_stop_kills),
        TEST(test_stop_while_the_server_is_gone),
        TEST(test_two_stops_while_the_server_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
