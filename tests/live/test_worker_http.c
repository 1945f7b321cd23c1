/* A worker whose tasks are posted to a URL: what becomes of them on the server, and what a stop or a
 * lost lease does to requests under way. What the requests themselves do is tests/fault/test_http.c.
 * test-timeout-s: 120 */
#include "support/descriptors.h"
#include "support/rig.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server.h"
#include "support/until.h"

enum { LONG_MS = 30000 };

/* ---- Endpoints ---- */

static bool body_is(const http_call *call, const char *text)
{
    size_t len;
    return strcmp(http_body(call, &len), text) == 0;
}

/* Does as the payload says. */
static void do_as_told(http_call *call, void *context)
{
    (void)context;
    if (body_is(call, "gone")) {
        http_say(call, "HTTP/1.1 410 Gone", "", "no such person\n");
    } else if (body_is(call, "later")) {
        http_say(call, "HTTP/1.1 503 Busy", "Retry-After: 3600\r\n", "busy");
    } else if (body_is(call, "broken")) {
        http_say(call, "HTTP/1.1 500 Oops", "", "oops");
    } else if (body_is(call, "second") && strcmp(http_header(call, "Dueq-Attempt"), "2") != 0) {
        http_say(call, "HTTP/1.1 502 Bad Gateway", "", "");
    } else {
        http_say(call, "HTTP/1.1 200 OK", "", "");
    }
}

/* Answers once the gate is open, or lets go when the other side does. */
typedef struct gate {
    atomic_bool open;
    atomic_int here, closed;
} gate;

static void wait_for_gate(http_call *call, void *context)
{
    gate *g = context;
    atomic_fetch_add(&g->here, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&g->open) && until_again(end_ms)) {}
    http_say(call, "HTTP/1.1 200 OK", "", "");
}

static void wait_for_close(http_call *call, void *context)
{
    gate *g = context;
    atomic_fetch_add(&g->here, 1);
    if (http_await_close(call)) atomic_fetch_add(&g->closed, 1);
}

static http_server *start_posting(rig *r, http_answer_fn *answer, void *context,
                                  dueq_worker_options options)
{
    http_server *server =
        http_server_start(&(http_server_options){.answer = answer, .context = context});
    options.http_url = http_server_url(server);
    rig_start(r, options);
    return server;
}

/* ---- Answers ---- */

static void test_answers_are_reported(void **state)
{
    rig *r = *state;
    static const char *const ids[] = {"good", "gone", "later", "broken", "second"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        rig_push(r, "q", ids[i], 0);
    }
    http_server *server = start_posting(
        r, do_as_told, NULL, (dueq_worker_options){.max_attempts = 2, .backoff_max_ms = 5});
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 2);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 2);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).retried, 3);
    rig_task gone = rig_look(r, "q", "gone"), later = rig_look(r, "q", "later");
    rig_task broken = rig_look(r, "q", "broken");
    assert_string_equal(gone.error, "HTTP 410: no such person");
    assert_int_equal(gone.failures, 1);
    assert_string_equal(broken.error, "HTTP 500: oops");
    assert_int_equal(broken.failures, 2);
    assert_string_equal(later.error, "HTTP 503: busy");
    assert_int_equal(later.state, DUEQ_STATE_WAITING);
    assert_true(later.due_ms > gone.due_ms + 3000000);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    http_server_free(server);
}

static void test_many_tasks(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "t", 2000);
    http_server *server =
        start_posting(r, do_as_told, NULL, (dueq_worker_options){.concurrency = 20, .drain = true});
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").done, 2000);
    assert_int_equal(http_server_requests(server), 2000);
    assert_in_range(http_server_connections(server), 1, 20);
    http_server_free(server);
}

/* A request that runs over is given up and tried again. */
static void test_a_request_that_runs_over(void **state)
{
    rig *r = *state;
    gate g = {0};
    rig_push(r, "q", "task", 0);
    http_server *server = start_posting(
        r, wait_for_close, &g, (dueq_worker_options){.timeout_ms = 50, .backoff_min_ms = 3600000});
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).retried, 1);
    assert_string_equal(rig_look(r, "q", "task").error, "no answer within 50ms");
    UNTIL_EQ(LONG_MS, atomic_load(&g.closed), 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    http_server_free(server);
}

static void test_refused_options(void **state)
{
    rig *r = *state;
    rig_start(r, (dueq_worker_options){.http_url = "https://127.0.0.1:1/",
                                       .http_ca_file = "/nonexistent/ca.pem"});
    assert_int_equal(rig_join(r), DUEQ_EINVAL);
    assert_string_equal(dueq_worker_error(r->worker),
                        "cannot use the certificates in /nonexistent/ca.pem: No such file or "
                        "directory");
}

/* ---- Leases and stops ---- */

static void test_a_lost_lease_ends_the_request(void **state)
{
    rig *r = *state;
    gate g = {0};
    rig_push(r, "q", "task", 0);
    http_server *server =
        start_posting(r, wait_for_close, &g, (dueq_worker_options){.lease_ms = 300});
    UNTIL_EQ(LONG_MS, atomic_load(&g.here), 1);
    dueq_name name = {.id = "task"};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL_EQ(LONG_MS, atomic_load(&g.closed), 1);
    rig_push(r, "q", "another", 0); /* its place is free again */
    UNTIL_EQ(LONG_MS, atomic_load(&g.here), 2);
    assert_int_equal(rig_worker_stats(r).lost, 1);
    dueq_worker_stop(r->worker);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    http_server_free(server);
}

/* In microseconds. */
static int64_t leased_until(rig *r, const char *id)
{
    return server_int(r->server, "ZSCORE dueq:{q:0}:leased %s", id);
}

/* The leases are kept while the endpoint takes its time, during a stop too. */
static void test_a_stop_waits_for_answers(void **state)
{
    rig *r = *state;
    enum { LEASE_MS = 300 };
    gate g = {0};
    rig_push_many(r, "q", "t", 10);
    http_server *server = start_posting(
        r, wait_for_gate, &g,
        (dueq_worker_options){.concurrency = 2, .lease_ms = LEASE_MS, .grace_ms = 60000});
    UNTIL_EQ(LONG_MS, atomic_load(&g.here), 2);
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 2); /* the others are back */
    int64_t first_until = leased_until(r, "t-0"), second_until = leased_until(r, "t-1");
    UNTIL(LONG_MS, leased_until(r, "t-0") >= first_until + LEASE_MS * 3000);
    UNTIL(LONG_MS, leased_until(r, "t-1") >= second_until + LEASE_MS * 3000);
    atomic_store(&g.open, true);
    assert_int_equal(rig_join(r), DUEQ_OK);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.done, 2);
    assert_int_equal(stats.ready, 8);
    assert_int_equal(stats.leased, 0);
    http_server_free(server);
}

static void check_stopped_in_flight(rig *r, dueq_worker_options options, int stops)
{
    gate g = {0};
    options.concurrency = 3;
    rig_push_many(r, "q", "t", 5);
    http_server *server = start_posting(r, wait_for_close, &g, options);
    UNTIL_EQ(LONG_MS, atomic_load(&g.here), 3);
    for (int i = 0; i < stops; i++) {
        dueq_worker_stop(r->worker);
    }
    assert_int_equal(rig_join(r), DUEQ_OK);
    UNTIL_EQ(LONG_MS, atomic_load(&g.closed), 3);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.ready, 5);
    assert_int_equal(stats.leased, 0);
    assert_int_equal(rig_look(r, "q", "t-0").failures, 0);
    http_server_free(server);
}

static void test_what_outlasts_the_grace_is_released(void **state)
{
    check_stopped_in_flight(*state, (dueq_worker_options){.grace_ms = 1}, 1);
}

static void test_a_second_stop_does_not_wait(void **state)
{
    check_stopped_in_flight(*state, (dueq_worker_options){.grace_ms = 600000}, 2);
}

static void test_no_descriptor_leaks(void **state)
{
    rig *r = *state;
    rig_queue_stats(r, "q");
    int before = count_descriptors();
    rig_push_many(r, "q", "t", 100);
    http_server *server =
        start_posting(r, do_as_told, NULL, (dueq_worker_options){.concurrency = 10, .drain = true});
    assert_int_equal(rig_join(r), DUEQ_OK);
    http_server_free(server);
    dueq_worker_free(r->worker);
    r->worker = NULL;
    assert_int_equal(count_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_are_reported),
        TEST(test_many_tasks),
        TEST(test_a_request_that_runs_over),
        TEST(test_refused_options),
        TEST(test_a_lost_lease_ends_the_request),
        TEST(test_a_stop_waits_for_answers),
        TEST(test_what_outlasts_the_grace_is_released),
        TEST(test_a_second_stop_does_not_wait),
        TEST(test_no_descriptor_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
