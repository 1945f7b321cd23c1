/* One queue over a cluster's masters: every operation reaches every partition, wherever it lies, and
 * no node is asked for what is another's.
 * test-timeout-s: 120 */
#include "support/cluster_fixture.h"
#include "support/queue_fixture.h"
#include "support/rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

enum { AN_HOUR_MS = 3600000, PARTITIONS = 12, COUNT = 1200 };

typedef struct ground {
    cluster *cluster;
    dueq *handle;
} ground;

static ground the_ground;

static int start(void **state)
{
    the_ground.cluster = cluster_start(&(cluster_options){.masters = 3});
    *state = &the_ground;
    return 0;
}

static int end(void **state)
{
    cluster_free(((ground *)*state)->cluster);
    return 0;
}

static int set_up(void **state)
{
    ground *g = *state;
    cluster_reset(g->cluster);
    g->handle = cluster_open(g->cluster);
    dueq_settings settings = {.partitions = PARTITIONS};
    queue_make(g->handle, "q", &settings);
    return 0;
}

static int tear_down(void **state)
{
    ground *g = *state;
    dueq_queue_list *list;
    ASSERT_RC(g->handle, dueq_queues(g->handle, &list), DUEQ_OK);
    for (size_t i = 0; i < list->count; i++) queue_assert_sound(g->handle, list->names[i]);
    dueq_queue_list_free(list);
    dueq_close(g->handle);
    return 0;
}

/* A number of every master, summed: INFO's field. */
static long long sum_info(cluster *c, const char *section, const char *field)
{
    long long sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (server_pid(c->nodes[i]) == 0) continue;
        char *info = server_text(c->nodes[i], "INFO %s", section), *at = strstr(info, field);
        sum += at ? strtoll(at + strlen(field), NULL, 10) : 0;
        free(info);
    }
    return sum;
}

/* ---- Operations ------------------------------------------------------------------------------ */

static void tasks_lie_where_their_slot_is(void **state)
{
    ground *g = *state;
    queue_push_many(g->handle, "q", "t", COUNT, AN_HOUR_MS);
    bool used[3] = {false};
    long long sum = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        size_t owner = cluster_owner(g->cluster, 0, cluster_slot("q", p));
        used[owner] = true;
        sum += server_int(g->cluster->nodes[owner], "ZCARD dueq:{q:%d}:due", p) - 1;
    }
    assert_int_equal(sum, COUNT);
    for (int i = 0; i < 3; i++)
        if (!used[i]) fail_msg("no partition lies on master %d", i);
}

static void every_operation_reaches_all(void **state)
{
    ground *g = *state;
    static char texts[COUNT][16];
    static dueq_name names[COUNT];
    static dueq_lease leases[COUNT];
    queue_push_many(g->handle, "q", "t", COUNT, AN_HOUR_MS);
    for (int k = 0; k < COUNT; k++) {
        snprintf(texts[k], sizeof texts[k], "t%d", k);
        names[k] = (dueq_name){.id = texts[k]};
    }
    dueq_batch *found;
    ASSERT_RC(g->handle, dueq_get(g->handle, "q", names, COUNT, &found), DUEQ_OK);
    assert_int_equal(found->count, COUNT);
    dueq_batch_free(found);
    ASSERT_RC(g->handle, dueq_reschedule(g->handle, "q", names, COUNT, 0, 0), DUEQ_OK);
    assert_int_equal(queue_stats(g->handle, "q").ready, COUNT);

    dueq_batch *batch = queue_take(g->handle, "q", COUNT, 0);
    assert_int_equal(batch->count, COUNT);
    for (int k = 0; k < COUNT; k++) leases[k] = (dueq_lease){.receipt = batch->tasks[k].receipt};
    ASSERT_RC(g->handle, dueq_extend(g->handle, "q", leases, COUNT, 50000), DUEQ_OK);
    ASSERT_RC(g->handle, dueq_release(g->handle, "q", leases, COUNT / 2), DUEQ_OK);
    ASSERT_RC(g->handle, dueq_done(g->handle, "q", leases, COUNT), DUEQ_LOST);
    dueq_batch_free(batch);
    ASSERT_RC(g->handle, dueq_cancel(g->handle, "q", names, COUNT), DUEQ_MISSING);
    dueq_stats stats = queue_stats(g->handle, "q");
    assert_int_equal(stats.done, COUNT / 2);
    assert_int_equal(stats.cancelled, COUNT / 2);
    assert_int_equal(stats.partitions, PARTITIONS);
}

static size_t count_listed(dueq *handle, dueq_state which)
{
    size_t count = 0;
    char *cursor = NULL;
    do {
        dueq_list_options options = {.state = which, .tasks_max = 100, .cursor = cursor};
        dueq_batch *page;
        char *next;
        ASSERT_RC(handle, dueq_list(handle, "q", &options, &page, &next), DUEQ_OK);
        dueq_free(cursor);
        cursor = next;
        count += page->count;
        dueq_batch_free(page);
    } while (cursor);
    return count;
}

static void lists_the_dead_and_purges_reach_all(void **state)
{
    ground *g = *state;
    queue_push_many(g->handle, "q", "w", 300, AN_HOUR_MS);
    queue_push_many(g->handle, "q", "d", 300, 0);
    dueq_batch *batch = queue_take(g->handle, "q", 300, 0);
    static dueq_failure failures[300];
    for (int k = 0; k < 300; k++)
        failures[k] = (dueq_failure){
            .receipt = batch->tasks[k].receipt, .error = "hopeless", .hopeless = true};
    ASSERT_RC(g->handle, dueq_retry(g->handle, "q", failures, 300), DUEQ_OK);
    dueq_batch_free(batch);
    assert_int_equal(count_listed(g->handle, DUEQ_STATE_WAITING), 300);
    assert_int_equal(count_listed(g->handle, DUEQ_STATE_DEAD), 300);
    int64_t count;
    ASSERT_RC(g->handle, dueq_redrive_all(g->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 300);
    assert_int_equal(queue_stats(g->handle, "q").ready, 300);
    ASSERT_RC(g->handle, dueq_queue_purge(g->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 600);
    assert_int_equal(queue_live(g->handle, "q"), 0);
}

static void settings_and_pauses_reach_all(void **state)
{
    ground *g = *state;
    dueq_settings change = {.max_attempts = 7}, now;
    ASSERT_RC(g->handle, dueq_queue_config(g->handle, "q", &change, &now), DUEQ_OK);
    assert_int_equal(now.max_attempts, 7);
    ASSERT_RC(g->handle, dueq_queue_pause(g->handle, "q"), DUEQ_OK);
    queue_push_many(g->handle, "q", "t", 120, 0);
    assert_null(queue_take(g->handle, "q", 120, 0));
    ASSERT_RC(g->handle, dueq_queue_resume(g->handle, "q"), DUEQ_OK);
    assert_int_equal(queue_drain(g->handle, "q"), 120);
    for (int p = 0; p < PARTITIONS; p++) {
        test_server *s = g->cluster->nodes[cluster_owner(g->cluster, 0, cluster_slot("q", p))];
        assert_int_equal(server_int(s, "HGET dueq:{q:%d}:meta max_attempts", p), 7);
    }
}

/* A partition that was lost, and one of which a key was, are found and mended where they lie. */
static void fsck_mends_where_it_lies(void **state)
{
    ground *g = *state;
    queue_push_many(g->handle, "q", "t", 240, AN_HOUR_MS);
    test_server *s = g->cluster->nodes[cluster_owner(g->cluster, 0, cluster_slot("q", 5))];
    server_do(s, "DEL dueq:{q:5}:due");
    server_do(s, "SET dueq:{q:5}:wake x");
    dueq_fsck_options repair = {.repair = true};
    dueq_fsck_result result;
    ASSERT_RC(g->handle, dueq_fsck(g->handle, "q", &repair, NULL, NULL, &result), DUEQ_OK);
    assert_true(result.repaired > 0);
    assert_int_equal(server_int(s, "EXISTS dueq:{q:5}:wake:aside"), 1);
    assert_int_equal(queue_live(g->handle, "q"), 240);
}

static void queues_come_and_go(void **state)
{
    ground *g = *state;
    dueq_settings many = {.partitions = 100};
    queue_make(g->handle, "r", &many);
    queue_push_many(g->handle, "r", "t", 500, 0);
    ASSERT_RC(g->handle, dueq_queue_delete(g->handle, "r", true), DUEQ_OK);
    ASSERT_RC(g->handle, dueq_queue_delete(g->handle, "q", false), DUEQ_OK);
    for (size_t i = 0; i < 3; i++) assert_int_equal(server_int(g->cluster->nodes[i], "DBSIZE"), 0);
}

/* ---- A wrong number of partitions ------------------------------------------------------------ */

/* The queue is made anew with another number under a handle that knows the old one. */
static void a_changed_number_is_noticed(void **state)
{
    ground *g = *state;
    dueq *other = cluster_open(g->cluster);
    queue_push_many(other, "q", "t", 120, 0);
    dueq_settings fewer = {.partitions = 5};
    ASSERT_RC(g->handle, dueq_queue_delete(g->handle, "q", true), DUEQ_OK);
    queue_make(g->handle, "q", &fewer);
    queue_push_many(other, "q", "t", 120, 0); /* believes in 12 */
    assert_int_equal(queue_stats(other, "q").partitions, 5);
    assert_int_equal(queue_drain(other, "q"), 120);
    dueq_close(other);
}

/* The registry is lost, and somebody makes the queue with another number: the partitions know. */
static void a_wrong_number_is_put_right(void **state)
{
    ground *g = *state;
    queue_push_many(g->handle, "q", "t", 120, 0);
    int slot = dq_crc16("dueq:queues", 11) % CLUSTER_SLOTS;
    server_do(g->cluster->nodes[cluster_owner(g->cluster, 0, slot)], "DEL dueq:queues");
    dueq *other = cluster_open(g->cluster);
    dueq_settings wrong = {.partitions = 3};
    dueq_queue_create(other, "q", &wrong);
    assert_int_equal(queue_stats(other, "q").partitions, PARTITIONS);
    assert_int_equal(queue_drain(other, "q"), 120);
    dueq_close(other);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

typedef struct waiter {
    pthread_t thread;
    dueq *handle;
    dueq_batch *batch;
    int rc;
} waiter;

static void *wait_for_one(void *context)
{
    waiter *w = context;
    dueq_take_options options = {.wait_ms = 20000, .lease_ms = AN_HOUR_MS};
    w->rc = dueq_take(w->handle, "q", &options, &w->batch);
    return NULL;
}

/* Whichever partition the task falls into, it wakes a sleeper that has nothing else to wait for. */
static void a_sleeper_is_woken_by_any_partition(void **state)
{
    ground *g = *state;
    bool seen[PARTITIONS] = {false};
    for (int k = 0, left = PARTITIONS; left > 0; k++) {
        char id[16];
        int len = snprintf(id, sizeof id, "t%d", k);
        int p = dq_crc16(id, (size_t)len) % PARTITIONS;
        if (seen[p]) continue;
        seen[p] = true;
        left--;
        waiter w = {.handle = cluster_open(g->cluster)};
        pthread_create(&w.thread, NULL, wait_for_one, &w);
        UNTIL(10000, sum_info(g->cluster, "clients", "blocked_clients:") == 8);
        int64_t from_ms = until_now_ms();
        ASSERT_RC(g->handle, queue_push(g->handle, "q", id, "x", 0), DUEQ_OK);
        pthread_join(w.thread, NULL);
        int64_t took_ms = until_now_ms() - from_ms;
        ASSERT_RC(w.handle, w.rc, DUEQ_OK);
        if (took_ms > 6000) fail_msg("partition %d woke after %lld ms", p, (long long)took_ms);
        queue_finish(w.handle, "q", w.batch);
        dueq_close(w.handle);
    }
}

/* A handle has a connection to each master, and eight at most to listen, however many partitions. */
static void connections_are_bounded(void **state)
{
    ground *g = *state;
    enum { WAITERS = 5 };
    long long before = sum_info(g->cluster, "clients", "connected_clients:");
    waiter waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (waiter){.handle = cluster_open(g->cluster)};
        pthread_create(&waiters[i].thread, NULL, wait_for_one, &waiters[i]);
    }
    UNTIL(10000, sum_info(g->cluster, "clients", "blocked_clients:") == WAITERS * 8);
    long long more = sum_info(g->cluster, "clients", "connected_clients:") - before;
    if (more > WAITERS * (8 + 3)) fail_msg("%lld connections of %d waiters", more, WAITERS);
    queue_push_many(g->handle, "q", "t", WAITERS, 0);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        ASSERT_RC(waiters[i].handle, waiters[i].rc, DUEQ_OK);
        queue_finish(waiters[i].handle, "q", waiters[i].batch);
        dueq_close(waiters[i].handle);
    }
}

/* ---- The worker ------------------------------------------------------------------------------ */

static dueq_verdict count_one(dueq_job *job, void *context)
{
    (void)job;
    atomic_fetch_add((atomic_int *)context, 1);
    return DUEQ_VERDICT_DONE;
}

static void a_worker_works_them_all_off(void **state)
{
    ground *g = *state;
    atomic_int handled = 0;
    rig r = {.handle = g->handle};
    queue_push_many(g->handle, "q", "soon", COUNT, 0);
    rig_start(&r, (dueq_worker_options){.url = g->cluster->url,
                                        .concurrency = 4,
                                        .handler = count_one,
                                        .handler_context = &handled});
    UNTIL_EQ(20000, atomic_load(&handled), COUNT);
    queue_push_many(g->handle, "q", "late", PARTITIONS, 300); /* it sleeps until then */
    UNTIL_EQ(20000, atomic_load(&handled), COUNT + PARTITIONS);
    assert_int_equal(rig_stop(&r), DUEQ_OK);
    dueq_worker_free(r.worker);
    assert_int_equal(queue_stats(g->handle, "q").done, COUNT + PARTITIONS);
}

/* ---- What the nodes tell --------------------------------------------------------------------- */

typedef struct findings {
    int graded[4];
    char text[16384];
} findings;

static void note_finding(void *context, const dueq_finding *finding)
{
    findings *f = context;
    size_t len = strlen(f->text);
    f->graded[finding->grade]++;
    snprintf(f->text + len, sizeof f->text - len, "%s: %s\n", finding->name, finding->found);
}

static void doctor_looks_at_every_master(void **state)
{
    ground *g = *state;
    findings f = {0};
    dueq_doctor(g->cluster->url, NULL, note_finding, &f);
    if (f.graded[DUEQ_GRADE_FAIL]) fail_msg("doctor fails a cluster that is well:\n%s", f.text);
    if (!strstr(f.text, "cluster: 3 masters, 16384 of 16384 slots assigned"))
        fail_msg("doctor says nothing of the cluster:\n%s", f.text);
    if (!strstr(f.text, "commands: all allowed")) fail_msg("doctor on commands:\n%s", f.text);
    for (size_t i = 0; i < 3; i++) {
        char part[64];
        snprintf(part, sizeof part, "role: 127.0.0.1:%d: master",
                 server_port(g->cluster->nodes[i]));
        if (!strstr(f.text, part)) fail_msg("doctor passes master %zu by:\n%s", i, f.text);
    }
}

static void facts_are_of_all_masters(void **state)
{
    ground *g = *state;
    queue_push_many(g->handle, "q", "t", COUNT, 0);
    dueq_facts facts;
    ASSERT_RC(g->handle, dueq_server_facts(g->handle, &facts), DUEQ_OK);
    int64_t one = server_int(g->cluster->nodes[0], "DBSIZE");
    assert_true(one > 0);
    long long clients = sum_info(g->cluster, "clients", "connected_clients:");
    long long memory = sum_info(g->cluster, "memory", "used_memory:");
    assert_int_equal(facts.clients, clients);
    assert_int_equal(facts.server_count, 3);
    int64_t sum_us = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_true(facts.cpu_us_of[i] > 0);
        sum_us += facts.cpu_us_of[i];
    }
    assert_int_equal(facts.cpu_us, sum_us);
    if (facts.memory_used < memory / 2 || facts.memory_used > memory * 2)
        fail_msg("%lld bytes, the nodes say %lld", (long long)facts.memory_used, memory);
    assert_true(facts.script_time_count > 0);
    for (size_t i = 1; i < facts.script_time_count; i++) {
        assert_true(facts.script_times[i].us > facts.script_times[i - 1].us);
        assert_true(facts.script_times[i].calls >= facts.script_times[i - 1].calls);
    }
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* What the nodes announce is of no use from here (another network): their ports at the host that
 * was asked are. */
static void announced_addresses_can_be_passed_over(void **state)
{
    ground *g = *state;
    char url[256];
    queue_push_many(g->handle, "q", "t", COUNT, 0);
    cluster_announce(g->cluster, "node.invalid");

    dueq *lost = NULL;
    snprintf(url, sizeof url, "redis-cluster://127.0.0.1:%d?timeout=500ms",
             server_port(g->cluster->nodes[1]));
    ASSERT_RC(lost, dueq_open(&lost, url, NULL), DUEQ_OK);
    dueq_stats stats;
    ASSERT_RC(lost, dueq_queue_stats(lost, "q", &stats), DUEQ_ECONNECT);
    fixture_assert_error(lost, "node.invalid");
    dueq_close(lost);

    dueq *found = NULL;
    strcat(url, "&endpoints=seed");
    ASSERT_RC(found, dueq_open(&found, url, NULL), DUEQ_OK);
    assert_int_equal(queue_drain(found, "q"), COUNT);
    dueq_close(found);
    cluster_announce(g->cluster, NULL);
}

/* A node that does not know its own address, or will not say: it is where it was asked. */
static void unknown_addresses_are_those_that_were_asked(void **state)
{
    ground *g = *state;
    for (size_t i = 0; i < 3; i++)
        server_do(g->cluster->nodes[i],
                  "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint");
    dueq *handle = cluster_open(g->cluster);
    queue_push_many(handle, "q", "t", COUNT, 0);
    assert_int_equal(queue_drain(handle, "q"), COUNT);
    dueq_close(handle);
    for (size_t i = 0; i < 3; i++)
        server_do(g->cluster->nodes[i], "CONFIG SET cluster-preferred-endpoint-type ip");
}

/* A node's own URL leads to that node alone, which is told. */
static void a_nodes_own_url_is_not_enough(void **state)
{
    ground *g = *state;
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, server_tcp_url(g->cluster->nodes[0]), NULL), DUEQ_OK);
    dueq_stats stats;
    int rc = DUEQ_OK;
    for (int i = 0; i < 3 && rc == DUEQ_OK; i++) {
        dueq_close(handle);
        ASSERT_RC(handle, dueq_open(&handle, server_tcp_url(g->cluster->nodes[i]), NULL), DUEQ_OK);
        rc = dueq_queue_stats(handle, "q", &stats);
    }
    ASSERT_RC(handle, rc, DUEQ_ESERVER);
    fixture_assert_error(handle, "redis-cluster://");
    dueq_close(handle);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tasks_lie_where_their_slot_is),
        TEST(every_operation_reaches_all),
        TEST(lists_the_dead_and_purges_reach_all),
        TEST(settings_and_pauses_reach_all),
        TEST(fsck_mends_where_it_lies),
        TEST(queues_come_and_go),
        TEST(a_changed_number_is_noticed),
        TEST(a_wrong_number_is_put_right),
        TEST(a_sleeper_is_woken_by_any_partition),
        TEST(connections_are_bounded),
        TEST(a_worker_works_them_all_off),
        TEST(doctor_looks_at_every_master),
        TEST(facts_are_of_all_masters),
        TEST(announced_addresses_can_be_passed_over),
        TEST(unknown_addresses_are_those_that_were_asked),
        TEST(a_nodes_own_url_is_not_enough),
    };
    return cmocka_run_group_tests(tests, start, end);
}
