/* The worker with a callback: concurrency, order, leases kept and lost, answers, drain, wake-up.
 * test-timeout-s: 120 */
#include "support/rig.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 30000 }; /* longer than anything that works takes */

/* What a handler shares with its test. */
typedef struct probe {
    atomic_int calls;
    atomic_int inside;
    atomic_int inside_max;
    atomic_bool gate; /* handlers that wait for it go on */
    atomic_bool saw_lost;
    atomic_bool saw_stopping;
    pthread_mutex_t lock;
    char order[8192]; /* first characters of the ids, in the order they came */
    int64_t last_attempt;
    char last_payload[256];
    char last_queue[DUEQ_QUEUE_NAME_MAX + 1];
} probe;

static void enter(probe *p, const dueq_job *job)
{
    const dueq_task *task = dueq_job_task(job);
    int inside = atomic_fetch_add(&p->inside, 1) + 1;
    pthread_mutex_lock(&p->lock);
    if (inside > atomic_load(&p->inside_max)) atomic_store(&p->inside_max, inside);
    size_t at = (size_t)atomic_load(&p->calls);
    if (at < sizeof p->order - 1) p->order[at] = task->id[0];
    p->last_attempt = task->attempt;
    snprintf(p->last_payload, sizeof p->last_payload, "%s", task->payload);
    snprintf(p->last_queue, sizeof p->last_queue, "%s", dueq_job_queue(job));
    atomic_fetch_add(&p->calls, 1);
    pthread_mutex_unlock(&p->lock);
}

static dueq_verdict leave(probe *p, dueq_verdict verdict)
{
    atomic_fetch_sub(&p->inside, 1);
    return verdict;
}

static dueq_verdict do_at_once(dueq_job *job, void *context)
{
    enter(context, job);
    return leave(context, DUEQ_VERDICT_DONE);
}

/* Goes on once the gate is open; never for ever, so that a failed test can end. */
static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    probe *p = context;
    enter(p, job);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&p->gate) && until_again(end_ms)) {
        if (dueq_job_lost(job)) atomic_store(&p->saw_lost, true);
        if (dueq_job_stopping(job)) atomic_store(&p->saw_stopping, true);
    }
    return leave(p, DUEQ_VERDICT_DONE);
}

static probe new_probe(void)
{
    return (probe){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static dueq_worker_options with(dueq_handler_fn *handler, probe *p)
{
    return (dueq_worker_options){.handler = handler, .handler_context = p, .concurrency = 1};
}

/* ---- Handing out ---- */

static void test_task_reaches_handler(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "one", 0);
    rig_start(r, with(do_at_once, &p));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(p.last_attempt, 1);
    assert_string_equal(p.last_payload, "one");
    assert_string_equal(p.last_queue, "q");
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
    assert_int_equal(rig_look(r, "q", "one").state, DUEQ_STATE_NONE);
    assert_true(rig_logged(r, "taken queue=q id=one attempt=1"));
    assert_true(rig_logged(r, "done queue=q id=one attempt=1"));
}

static void test_concurrency_is_used_and_bounded(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "q", "t", 12);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.concurrency = 4;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.inside), 4);
    assert_int_equal(rig_queue_stats(r, "q").leased, 4);
    assert_int_equal(rig_queue_stats(r, "q").ready, 8);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 12);
    assert_int_equal(atomic_load(&p.inside_max), 4);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_a_thousand_handlers(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "q", "t", 3000);
    dueq_worker_options options = with(do_at_once, &p);
    options.concurrency = 1024;
    options.drain = true;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(atomic_load(&p.calls), 3000);
    assert_int_equal(rig_queue_stats(r, "q").done, 3000);
}

static size_t count_char(const char *text, size_t len, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += text[i] == c;
    }
    return count;
}

static void test_weights(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "heavy", "h", 200);
    rig_push_many(r, "light", "l", 200);
    const dueq_worker_queue queues[] = {{"light", 1}, {"heavy", 3}};
    dueq_worker_options options = with(do_at_once, &p);
    options.queues = queues;
    options.queue_count = 2;
    options.prefetch = -1; /* what is held ready comes in runs */
    options.drain = true;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(atomic_load(&p.calls), 400);
    assert_in_range(count_char(p.order, 100, 'h'), 70, 80);
}

static void test_strict_order(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "second", "s", 50);
    rig_push_many(r, "first", "f", 50);
    const dueq_worker_queue queues[] = {{"first", 1}, {"second", 50}};
    dueq_worker_options options = with(do_at_once, &p);
    options.queues = queues;
    options.queue_count = 2;
    options.strict_order = true;
    options.drain = true;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(count_char(p.order, 50, 'f'), 50);
    assert_int_equal(count_char(p.order + 50, 50, 's'), 50);
}

/* ---- Leases ---- */

static long long lease_end(rig *r)
{
    return server_int(r->server, "ZSCORE %s %s", "dueq:{q:0}:leased", "long");
}

static void test_lease_is_kept(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "long", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.lease_ms = 900;
    options.concurrency = 2; /* a free slot: if it were given again, it would be begun again */
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    long long first_end = lease_end(r);
    UNTIL(LONG_MS, lease_end(r) >= first_end + 1900000);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    assert_int_equal(atomic_load(&p.calls), 1);
    assert_int_equal(rig_queue_stats(r, "q").expired, 0);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* The lease that the queue itself asks for is kept as well. */
static void test_queue_lease_is_kept(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    dueq_settings settings = {.lease_ms = 1500};
    assert_int_equal(dueq_queue_create(r->handle, "q", &settings), DUEQ_OK);
    rig_push(r, "q", "long", 0);
    rig_start(r, with(wait_for_gate, &p));
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    long long first_end = lease_end(r);
    UNTIL(LONG_MS, lease_end(r) >= first_end + 1600000);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").expired, 0);
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
}

static void test_lost_lease_is_told(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "gone", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.lease_ms = 300;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    dueq_name name = {.id = "gone"};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL(LONG_MS, atomic_load(&p.saw_lost));
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, atomic_load(&p.inside), 0);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).lost, 1);
    assert_int_equal(rig_worker_stats(r).done, 0);
    assert_true(rig_logged(r, "lost queue=q id=gone"));
}

/* ---- Answers ---- */

static dueq_verdict fail_with_text(dueq_job *job, void *context)
{
    enter(context, job);
    dueq_job_set_error(job, "disk full");
    return leave(context, DUEQ_VERDICT_RETRY);
}

static void test_retries_until_dead(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "bad", 0);
    dueq_worker_options options = with(fail_with_text, &p);
    options.max_attempts = 3;
    options.backoff_max_ms = 5;
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 1);
    assert_int_equal(rig_worker_stats(r).retried, 2);
    assert_int_equal(atomic_load(&p.calls), 3);
    assert_int_equal(p.last_attempt, 3);
    rig_task task = rig_look(r, "q", "bad");
    assert_int_equal(task.state, DUEQ_STATE_DEAD);
    assert_int_equal(task.failures, 3);
    assert_string_equal(task.error, "disk full");
    assert_true(rig_logged(r, "dead queue=q id=bad attempt=3 error=\"disk full\""));
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static dueq_verdict fail_for_an_hour(dueq_job *job, void *context)
{
    enter(context, job);
    dueq_job_set_delay(job, 3600000);
    return leave(context, DUEQ_VERDICT_RETRY);
}

static void test_delay_of_the_handler(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "later", 0);
    int64_t pushed_due_ms = rig_look(r, "q", "later").due_ms;
    rig_start(r, with(fail_for_an_hour, &p));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).retried, 1);
    int64_t delay_ms = rig_look(r, "q", "later").due_ms - pushed_due_ms;
    assert_in_range(delay_ms, 3600000, 3600000 + LONG_MS);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* Drawn evenly from zero to the bound: below it for every one of many. */
static void test_backoff_is_bounded(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "q", "t", 50);
    dueq_worker_options options = with(fail_with_text, &p);
    options.backoff_min_ms = 3600000;
    options.backoff_max_ms = 3600000;
    options.concurrency = 50;
    rig_start(r, options);
    UNTIL(LONG_MS, rig_worker_stats(r).retried >= 50);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.waiting + stats.ready, 50);
    assert_in_range(stats.next_due_ms, 0, 3600000);
    /* All in the first half of the hour: one chance in 2^50. */
    dueq_list_options page = {.state = DUEQ_STATE_WAITING};
    dueq_batch *batch = NULL;
    char *cursor = NULL;
    assert_int_equal(dueq_list(r->handle, "q", &page, &batch, &cursor), DUEQ_OK);
    int64_t spread_ms = batch->tasks[batch->count - 1].due_ms - batch->tasks[0].due_ms;
    dueq_batch_free(batch);
    dueq_free(cursor);
    assert_in_range(spread_ms, 300000, 3600000 + LONG_MS);
}

static dueq_verdict give_up(dueq_job *job, void *context)
{
    enter(context, job);
    dueq_job_set_error(job, "no such address");
    return leave(context, DUEQ_VERDICT_DEAD);
}

static void test_dead_at_once(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "bad", 0);
    rig_start(r, with(give_up, &p));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 1);
    assert_int_equal(rig_look(r, "q", "bad").state, DUEQ_STATE_DEAD);
    assert_string_equal(rig_look(r, "q", "bad").error, "no such address");
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static dueq_verdict release_first(dueq_job *job, void *context)
{
    enter(context, job);
    bool first = atomic_load(&((probe *)context)->calls) == 1;
    return leave(context, first ? DUEQ_VERDICT_RELEASE : DUEQ_VERDICT_DONE);
}

static void test_release_counts_no_attempt(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "back", 0);
    rig_start(r, with(release_first, &p));
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    assert_int_equal(rig_worker_stats(r).released, 1);
    assert_int_equal(p.last_attempt, 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* A callback cannot be ended: its task is given back, and it can know. */
static void test_callback_over_its_time(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "slow", 0);
    dueq_worker_options options = with(wait_for_gate, &p);
    options.timeout_ms = 200;
    options.backoff_min_ms = 3600000; /* not again in this test, but for luck of 1 in a million */
    rig_start(r, options);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).retried, 1);
    UNTIL(LONG_MS, atomic_load(&p.saw_lost));
    assert_string_equal(rig_look(r, "q", "slow").error, "timed out after 200ms");
    assert_int_equal(atomic_load(&p.inside), 1);
    atomic_store(&p.gate, true);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 0);
}

/* ---- Drain ---- */

static void test_drain(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push_many(r, "q", "t", 100);
    rig_push(r, "q", "later", 3600000);
    dueq_worker_options options = with(do_at_once, &p);
    options.drain = true;
    options.concurrency = 8;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 100);
    assert_int_equal(rig_queue_stats(r, "q").waiting, 1);
}

static void test_drain_of_nothing(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    dueq_worker_options options = with(do_at_once, &p);
    options.drain = true;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).taken, 0);
}

/* What a drain itself made ready again is drained too. */
static void test_drain_goes_on_after_release(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "back", 0);
    dueq_worker_options options = with(release_first, &p);
    options.drain = true;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 1);
}

/* ---- Waking up ---- */

static long long commands(rig *r)
{
    char *info = server_text(r->server, "INFO stats");
    const char *at = strstr(info, "total_commands_processed:");
    long long count = at == NULL ? -1 : atoll(at + strlen("total_commands_processed:"));
    free(info);
    return count;
}

static bool listens(rig *r)
{
    char *clients = server_text(r->server, "CLIENT LIST");
    bool found = strstr(clients, "cmd=blpop") != NULL;
    free(clients);
    return found;
}

/* Well before anybody would have looked of himself (15 s). */
static void test_push_wakes_an_idle_worker(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_push(r, "q", "first", 0);
    rig_start(r, with(do_at_once, &p));
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    UNTIL(LONG_MS, listens(r));
    int64_t began_ms = until_now_ms();
    rig_push(r, "q", "second", 0);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 2);
    assert_in_range(until_now_ms() - began_ms, 0, 4000);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* The queue is made by the push; the worker was there before. */
static void test_push_to_a_new_queue(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_start(r, with(do_at_once, &p));
    UNTIL(LONG_MS, listens(r));
    int64_t began_ms = until_now_ms();
    rig_push(r, "q", "first", 0);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    assert_in_range(until_now_ms() - began_ms, 0, 4000);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* A delayed task is begun when it is due; nobody asked every now and then in between. */
static void test_idle_costs_nothing(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    rig_start(r, with(do_at_once, &p));
    UNTIL(LONG_MS, listens(r));
    int64_t pushed_ms = until_now_ms();
    rig_push(r, "q", "due", 2000);
    long long before = commands(r);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    int64_t took_ms = until_now_ms() - pushed_ms;
    assert_in_range(took_ms, 1999, 4000);
    assert_in_range(commands(r) - before, 1, 120); /* scripts' own commands count too */
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* ---- Refusals ---- */

static void test_bad_names_and_places(void **state)
{
    rig *r = *state;
    probe p = new_probe();
    const dueq_worker_queue bad[] = {{.name = "a b"}};
    dueq_worker_options options = with(do_at_once, &p);
    options.queues = bad;
    options.queue_count = 1;
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_EINVAL);
    assert_non_null(strstr(dueq_worker_error(r->worker), "a b"));

    options = with(do_at_once, &p);
    options.url = "unix:/nowhere/at/all";
    rig_start(r, options);
    assert_int_equal(rig_join(r), DUEQ_ECONNECT);
    assert_non_null(strstr(dueq_worker_error(r->worker), "/nowhere/at/all"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_task_reaches_handler),
        TEST(test_concurrency_is_used_and_bounded),
        TEST(test_a_thousand_handlers),
        TEST(test_weights),
        TEST(test_strict_order),
        TEST(test_lease_is_kept),
        TEST(test_queue_lease_is_kept),
        TEST(test_lost_lease_is_told),
        TEST(test_retries_until_dead),
        TEST(test_delay_of_the_handler),
        TEST(test_backoff_is_bounded),
        TEST(test_dead_at_once),
        TEST(test_release_counts_no_attempt),
        TEST(test_callback_over_its_time),
        TEST(test_drain),
        TEST(test_drain_of_nothing),
        TEST(test_drain_goes_on_after_release),
        TEST(test_push_wakes_an_idle_worker),
        TEST(test_push_to_a_new_queue),
        TEST(test_idle_costs_nothing),
        TEST(test_bad_names_and_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
