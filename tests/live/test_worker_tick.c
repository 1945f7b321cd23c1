/* Ticks: on the loop's own thread, at least as often as asked for, ready once the server has answered;
 * neither a handler that hangs nor a server that is away stops them, and they cost the server
 * nothing. */
#include "support/rig.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 30000 };

typedef struct ticks {
    atomic_int before, ready; /* how many without `ready`, and with it */
    atomic_bool relapsed;     /* not ready after it was */
    atomic_bool strange;      /* not on the thread of the run */
    rig *rig;
} ticks;

static void count_tick(void *context, bool ready)
{
    ticks *t = context;
    if (!pthread_equal(pthread_self(), t->rig->thread)) atomic_store(&t->strange, true);
    if (!ready && atomic_load(&t->ready) > 0) atomic_store(&t->relapsed, true);
    atomic_fetch_add(ready ? &t->ready : &t->before, 1);
}

typedef struct gate {
    atomic_bool open;
    atomic_bool waited_at; /* a handler has begun */
} gate;

static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    (void)job;
    gate *g = context;
    atomic_store(&g->waited_at, true);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&g->open) && until_again(end_ms)) {}
    return DUEQ_VERDICT_DONE;
}

static dueq_worker_options with(ticks *t, gate *g)
{
    return (dueq_worker_options){.handler = wait_for_gate,
                                 .handler_context = g,
                                 .tick = count_tick,
                                 .tick_context = t,
                                 .tick_ms = 10};
}

static void check_thread(const ticks *t)
{
    assert_false(atomic_load(&t->relapsed));
    assert_false(atomic_load(&t->strange));
}

static void test_ticks_beside_a_handler_that_hangs(void **state)
{
    rig *r = *state;
    ticks t = {.rig = r};
    gate g = {0};
    rig_push(r, "q", "task", 0);
    rig_start(r, with(&t, &g));
    UNTIL(LONG_MS, atomic_load(&g.waited_at));
    int seen = atomic_load(&t.ready);
    UNTIL(LONG_MS, atomic_load(&t.ready) >= seen + 10);
    assert_int_equal(rig_worker_stats(r).done, 0);
    dueq_worker_stop(r->worker); /* the grace is ticked through as well */
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    seen = atomic_load(&t.ready);
    UNTIL(LONG_MS, atomic_load(&t.ready) >= seen + 10);
    atomic_store(&g.open, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 1);
    seen = atomic_load(&t.ready);
    check_thread(&t);
    dueq_worker_free(r->worker);
    r->worker = NULL;
    assert_int_equal(atomic_load(&t.ready), seen);
}

static void test_ready_once_the_server_answers(void **state)
{
    rig *r = *state;
    ticks t = {.rig = r};
    gate g = {.open = true};
    rig_push(r, "q", "task", 0);
    server_do(r->server, "CONFIG SET min-replicas-to-write 1"); /* takes are refused */
    dueq_options connect = {.timeout_ms = 1000};
    dueq_worker_options options = with(&t, &g);
    options.connect = &connect;
    rig_start(r, options);
    UNTIL(LONG_MS, rig_logged(r, "server away"));
    UNTIL(LONG_MS, atomic_load(&t.before) >= 3);
    assert_int_equal(atomic_load(&t.ready), 0);
    server_do(r->server, "CONFIG SET min-replicas-to-write 0");
    UNTIL(LONG_MS, atomic_load(&t.ready) > 0);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    check_thread(&t);
}

/* Not with the next tick only. */
static void test_ready_is_told_at_once(void **state)
{
    rig *r = *state;
    ticks t = {.rig = r};
    gate g = {.open = true};
    rig_push(r, "q", "task", 0);
    server_do(r->server, "CONFIG SET min-replicas-to-write 1");
    dueq_options connect = {.timeout_ms = 1000};
    dueq_worker_options options = with(&t, &g);
    options.connect = &connect;
    options.tick_ms = 3600000;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&t.before), 1);
    server_do(r->server, "CONFIG SET min-replicas-to-write 0");
    UNTIL_EQ(LONG_MS, atomic_load(&t.ready), 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(atomic_load(&t.before) + atomic_load(&t.ready), 2);
}

static void test_ticks_while_the_server_is_away(void **state)
{
    rig *r = *state;
    ticks t = {.rig = r};
    gate g = {0};
    rig_push(r, "q", "task", 0);
    dueq_options connect = {.timeout_ms = 1000}; /* what a call tries for holds up a round */
    dueq_worker_options options = with(&t, &g);
    options.connect = &connect;
    rig_start(r, options);
    UNTIL(LONG_MS, atomic_load(&g.waited_at));
    server_shut_down(r->server);
    atomic_store(&g.open, true);
    UNTIL(LONG_MS, rig_logged(r, "server away"));
    int seen = atomic_load(&t.ready);
    UNTIL(LONG_MS, atomic_load(&t.ready) >= seen + 10);
    dueq_worker_stop(r->worker);
    assert_int_equal(rig_stop(r), DUEQ_ECONNECT); /* the result could not be reported */
    check_thread(&t);
}

static long long commands_processed(rig *r)
{
    char *info = server_text(r->server, "INFO stats");
    const char *at = strstr(info, "total_commands_processed:");
    assert_non_null(at);
    long long count = strtoll(at + strlen("total_commands_processed:"), NULL, 10);
    free(info);
    return count;
}

/* A worker that waits is not woken to ask the server anything. */
static void test_ticks_cost_the_server_nothing(void **state)
{
    rig *r = *state;
    ticks t = {.rig = r};
    gate g = {.open = true};
    rig_push(r, "q", "task", 0);
    rig_start(r, with(&t, &g));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    int seen = atomic_load(&t.ready);
    UNTIL(LONG_MS, atomic_load(&t.ready) >= seen + 10); /* it has settled */
    long long before = commands_processed(r);
    seen = atomic_load(&t.ready);
    UNTIL(LONG_MS, atomic_load(&t.ready) >= seen + 50);
    assert_in_range(commands_processed(r) - before, 0, 10);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ticks_beside_a_handler_that_hangs),
        TEST(test_ready_once_the_server_answers),
        TEST(test_ready_is_told_at_once),
        TEST(test_ticks_while_the_server_is_away),
        TEST(test_ticks_cost_the_server_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
