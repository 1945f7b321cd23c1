/* A master that sentinels watch: found by asking them, found again when it is replaced, and never
 * gone back to.
 * test-timeout-s: 180 */
#include "support/cluster_fixture.h"
#include "support/load.h"
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILOVER_MS = 30000 };

static int set_up(void **state)
{
    *state = sentinel_start();
    return 0;
}

static int tear_down(void **state)
{
    sentinel_free(*state);
    return 0;
}

static dueq *open_at(const char *url)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_OK);
    return handle;
}

/* Waits until every sentinel names the same server, another than `old`; which one. */
static size_t await_other(sentinel_set *s, size_t old)
{
    size_t now = old;
    for (size_t i = 0; i < SENTINELS; i++)
        if (server_pid(s->sentinels[i]))
            UNTIL(FAILOVER_MS, (now = sentinel_master(s, i)) != old && now < SENTINEL_SERVERS);
    return now;
}

/* Scripts that clients have run on a server; what it replicates does not count. */
static long long writes_of(test_server *s)
{
    char *info = server_text(s, "INFO commandstats");
    static const char *const fields[] = {"cmdstat_evalsha:calls=", "cmdstat_eval:calls="};
    long long sum = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(info, fields[i]);
        sum += at ? strtoll(at + strlen(fields[i]), NULL, 10) : 0;
    }
    free(info);
    return sum;
}

static void the_master_is_found_by_any_sentinel(void **state)
{
    sentinel_set *s = *state;
    dueq *handle = open_at(s->url);
    queue_push_many(handle, "q", "t", 100, 0);
    assert_true(server_int(s->servers[0], "ZCARD dueq:{q:0}:due") > 100);
    for (size_t i = 1; i < SENTINEL_SERVERS; i++) assert_int_equal(writes_of(s->servers[i]), 0);
    assert_int_equal(queue_drain(handle, "q"), 100);
    queue_assert_sound(handle, "q");
    dueq_close(handle);

    server_kill(s->sentinels[0]); /* one of three is enough */
    server_kill(s->sentinels[2]);
    handle = open_at(s->url);
    ASSERT_RC(handle, queue_push(handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_close(handle);

    char url[600];
    snprintf(url, sizeof url, "redis-sentinel://127.0.0.1:%d/other", server_port(s->sentinels[1]));
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_ECONNECT);
    fixture_assert_error(handle, "no master by the name \"other\"");
    dueq_close(handle);
    snprintf(url, sizeof url, "redis-sentinel://127.0.0.1:%d/mymaster", server_port(s->servers[0]));
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_EPROTO);
    fixture_assert_error(handle, "no sentinel");
    dueq_close(handle);
    server_kill(s->sentinels[1]);
    ASSERT_RC(handle, dueq_open(&handle, s->url, NULL), DUEQ_ECONNECT);
    fixture_assert_error(handle, "sentinel 127.0.0.1:");
    dueq_close(handle);
}

/* Handed over in good order, under load: no call fails. */
static void a_handover_is_followed(void **state)
{
    sentinel_set *s = *state;
    load *l = load_start(s->url, "q");
    load_await_more(l, 200);
    size_t now = sentinel_fail_over(s, 0);
    await_other(s, 0);
    load_await_more(l, 500);
    load_stop(l);
    load_result r = load_results(l);
    print_message("handed over to server %zu; of %ld tasks %ld lost, %ld given again\n", now,
                  r.pushed, r.lost, r.after_done);
    if (r.failures) fail_msg("%ld calls failed, the last: %s", r.failures, r.failure);
    load_free(l);
}

/* Killed under load; when it comes back it is a replica, and nobody writes to it. */
static void a_dead_master_is_replaced_and_stays_left(void **state)
{
    sentinel_set *s = *state;
    load *l = load_start(s->url, "q");
    load_await_more(l, 200);
    server_kill(s->servers[0]);
    size_t now = await_other(s, 0);
    load_await_more(l, 500);
    server_restart(s->servers[0]); /* it believes that it is the master still */
    load_await_more(l, 500);
    load_stop(l);
    load_result r = load_results(l);
    print_message("server %zu took over; of %ld tasks %ld lost, %ld given again\n", now, r.pushed,
                  r.lost, r.after_done);
    if (r.failures) fail_msg("%ld calls failed, the last: %s", r.failures, r.failure);
    assert_int_equal(writes_of(s->servers[0]), 0);
    load_free(l);
}

/* The master lives on, cut off from the sentinels that have replaced it: a handle that is connected
 * to it leaves it within seconds, though it answers well, and does not come back. */
static void a_master_that_was_replaced_is_left(void **state)
{
    sentinel_set *s = *state;
    dueq *handle = open_at(s->url);
    ASSERT_RC(handle, queue_push(handle, "q", "first", "x", 0), DUEQ_OK);
    int port = server_port(s->servers[1]);
    for (size_t i = 0; i < SENTINELS; i++) { /* as after a failover that server 0 did not hear of */
        server_do(s->sentinels[i], "SENTINEL REMOVE mymaster");
        server_do(s->sentinels[i], "SENTINEL MONITOR mymaster 127.0.0.1 %d 2", port);
    }
    server_do(s->servers[1], "REPLICAOF NO ONE");
    int64_t deadline_ms = until_now_ms() + 20000;
    for (int n = 0; writes_of(s->servers[1]) == 0; n++) {
        char id[32];
        snprintf(id, sizeof id, "t%d", n);
        ASSERT_RC(handle, queue_push(handle, "q", id, "x", 0), DUEQ_OK);
        if (!until_again(deadline_ms)) fail_msg("it is still written to after 20 s");
    }
    long long before = writes_of(s->servers[0]);
    for (int n = 0; n < 200; n++) {
        char id[32];
        snprintf(id, sizeof id, "u%d", n);
        ASSERT_RC(handle, queue_push(handle, "q", id, "x", 0), DUEQ_OK);
    }
    assert_int_equal(writes_of(s->servers[0]), before);
    dueq_close(handle);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_master_is_found_by_any_sentinel),
        TEST(a_handover_is_followed),
        TEST(a_dead_master_is_replaced_and_stays_left),
        TEST(a_master_that_was_replaced_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
