/* Masters that are replaced, in good order and by force, under load: found again within the calls'
 * deadline; nothing lost where the cluster loses nothing. What a replica had not been sent when its
 * master was killed is gone: that is counted and shown, not judged.
 * test-timeout-s: 180 */
#include "support/cluster_fixture.h"
#include "support/load.h"
#include "support/queue_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

enum { PARTITIONS = 12, CALLERS = 20 };

static int start(void **state)
{
    *state = cluster_start(&(cluster_options){.replicas = true});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    return 0;
}

static int set_up(void **state)
{
    cluster *c = *state;
    cluster_reset(c);
    dueq *handle = cluster_open(c);
    dueq_settings settings = {.partitions = PARTITIONS};
    queue_make(handle, "q", &settings);
    dueq_close(handle);
    return 0;
}

static void assert_sound(cluster *c)
{
    dueq *handle = cluster_open(c);
    queue_assert_sound(handle, "q");
    dueq_close(handle);
}

/* Every master hands over to its replica, one after the other. */
static void graceful_failovers_lose_nothing(void **state)
{
    cluster *c = *state;
    load *l = load_start(c->url, "q");
    load_await_more(l, 200);
    for (size_t i = 0; i < c->masters; i++) {
        cluster_fail_over(c, c->masters + i);
        load_await_more(l, 500);
    }
    load_stop(l);
    load_assert_clean(l);
    load_free(l);
    assert_sound(c);
}

/* A call that was made while the master was away, and when it got through. */
typedef struct caller {
    pthread_t thread;
    dueq *handle;
    char id[32];
    int rc;
    int64_t ended_ms;
} caller;

static void *push_there(void *context)
{
    caller *at = context;
    at->rc = queue_push(at->handle, "q", at->id, "x", 0);
    at->ended_ms = until_now_ms();
    return NULL;
}

/* An id whose partition lies on a node. */
static void find_id(cluster *c, size_t node, int number, char id[32])
{
    for (int n = 0;; n++) {
        int len = snprintf(id, 32, "0-%d", 390000 + 400 * number + n); /* as the load's own */
        int slot = cluster_slot("q", dq_crc16(id, (size_t)len) % PARTITIONS);
        if (cluster_owner(c, 0, slot) == node) return;
    }
}

static void start_callers(cluster *c, caller *callers)
{
    for (int i = 0; i < CALLERS; i++) {
        char url[8300];
        snprintf(url, sizeof url, "%s?timeout=20s", c->url);
        callers[i] = (caller){.handle = NULL};
        find_id(c, 0, i, callers[i].id);
        ASSERT_RC(callers[i].handle, dueq_open(&callers[i].handle, url, NULL), DUEQ_OK);
    }
}

/* A master dies; its replica takes over; every call gets through meanwhile. */
static void a_killed_master_is_replaced(void **state)
{
    cluster *c = *state;
    load *l = load_start(c->url, "q");
    load_await_more(l, 200);
    caller callers[CALLERS];
    start_callers(c, callers);
    server_kill(c->nodes[0]);
    int64_t from_ms = until_now_ms();
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&callers[i].thread, NULL, push_there, &callers[i]);
    UNTIL(30000, cluster_is_master(c, c->masters));
    int64_t promoted_ms = until_now_ms();
    for (int i = 0; i < CALLERS; i++) pthread_join(callers[i].thread, NULL);
    load_await_more(l, 500);
    load_stop(l);
    load_result r = load_results(l);
    int64_t worst_ms = 0;
    for (int i = 0; i < CALLERS; i++) {
        ASSERT_RC(callers[i].handle, callers[i].rc, DUEQ_OK);
        int64_t took_ms = callers[i].ended_ms - promoted_ms;
        if (took_ms > worst_ms) worst_ms = took_ms;
        dueq_close(callers[i].handle);
    }
    print_message(
        "replaced after %lld ms; %d calls got through %lld ms later at most; of %ld tasks "
        "%ld lost, %ld given again by the failover\n",
        (long long)(promoted_ms - from_ms), CALLERS, (long long)worst_ms, r.pushed, r.lost,
        r.after_done);
    if (r.failures) fail_msg("%ld calls failed, the last: %s", r.failures, r.failure);
    load_free(l);
    assert_sound(c);
}

static void fill(dueq *handle, cluster *c, size_t each)
{
    (void)c;
    queue_push_many(handle, "q", "t", each * PARTITIONS, 0);
}

/* How many ready tasks lie on a node. */
static long long ready_on(cluster *c, size_t node)
{
    long long sum = 0;
    for (int p = 0; p < PARTITIONS; p++)
        if (cluster_owner(c, 0, cluster_slot("q", p)) == node)
            sum += server_int(c->nodes[node], "ZCARD dueq:{q:%d}:due", p) - 1;
    return sum;
}

/* Where the cluster serves the slots it has while a master is away, dueq does: the other partitions'
 * tasks are given, and those of the lost one are missed by nobody who asks for all. */
static void the_others_go_on_meanwhile(void **state)
{
    cluster *c = *state;
    dueq *handle = cluster_open(c);
    char url[8300];
    snprintf(url, sizeof url, "%s?timeout=800ms", c->url);
    dueq *hasty = NULL;
    ASSERT_RC(hasty, dueq_open(&hasty, url, NULL), DUEQ_OK);
    fill(handle, c, 50);
    for (size_t i = 0; i < c->count; i++)
        server_do(c->nodes[i], "CONFIG SET cluster-require-full-coverage no");
    size_t away = cluster_owner(c, 0, cluster_slot("q", 0));
    long long there = ready_on(c, away);
    server_do(c->nodes[away + c->masters], "CONFIG SET cluster-replica-no-failover yes");
    assert_true(there > 0 && there < 50 * PARTITIONS);
    server_kill(c->nodes[away]);

    size_t got = 0, wanted = 50 * PARTITIONS - (size_t)there;
    int64_t from_ms = until_now_ms();
    while (got < wanted) {
        dueq_batch *batch = queue_take(hasty, "q", 20, 60000);
        if (!batch) fail_msg("%zu of %zu tasks given, and then none", got, wanted);
        got += batch->count;
        dueq_batch_free(batch);
    }
    assert_in_range(until_now_ms() - from_ms, 0, 10000);

    dueq_batch *none;
    dueq_take_options at_once = {.tasks_max = 1};
    int rc = dueq_take(hasty, "q", &at_once, &none); /* not "empty": it is not known */
    if (rc != DUEQ_EUNREADY && rc != DUEQ_ECONNECT) ASSERT_RC(hasty, rc, DUEQ_ECONNECT);
    dueq_take_options patient = {.tasks_max = 1, .wait_ms = 1000};
    ASSERT_RC(hasty, dueq_take(hasty, "q", &patient, &none), DUEQ_EMPTY);

    server_do(c->nodes[away + c->masters], "CONFIG SET cluster-replica-no-failover no");
    UNTIL(30000, cluster_is_master(c, away + c->masters));
    dueq_take_options longer = {.tasks_max = 1, .wait_ms = 20000};
    dueq_batch *batch;
    ASSERT_RC(handle, dueq_take(handle, "q", &longer, &batch), DUEQ_OK);
    queue_finish(handle, "q", batch);
    for (size_t i = 0; i < c->count; i++)
        if (server_pid(c->nodes[i]))
            server_do(c->nodes[i], "CONFIG SET cluster-require-full-coverage yes");
    dueq_close(hasty);
    dueq_close(handle);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(graceful_failovers_lose_nothing),
        TEST(a_killed_master_is_replaced),
        TEST(the_others_go_on_meanwhile),
    };
    return cmocka_run_group_tests(tests, start, end);
}
