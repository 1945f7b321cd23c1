/* Durability over a cluster's masters: each that is written to is asked once, on the connection that
 * wrote, and the least counts.
 * test-timeout-s: 120 */
#include "support/cluster_fixture.h"
#include "support/queue_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { MASTERS = 3, PARTITIONS = 12, COUNT = 600, WAIT_MS = 1500 };

static int start(void **state)
{
    *state = cluster_start(&(cluster_options){.masters = MASTERS, .replicas = true});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    return 0;
}

static dueq *open_with_queue(const cluster *c)
{
    dueq *handle = NULL;
    dueq_options options = {.durability_timeout_ms = WAIT_MS};
    ASSERT_RC(handle, dueq_open(&handle, c->url, &options), DUEQ_OK);
    queue_make(handle, "q", &(dueq_settings){.partitions = PARTITIONS});
    queue_push_many(handle, "q", "warm", COUNT, 0); /* connected everywhere, scripts loaded */
    assert_int_equal(queue_drain(handle, "q"), COUNT);
    ASSERT_RC(handle, dueq_set_durability(handle, "replicas:1"), DUEQ_OK);
    return handle;
}

static long long waits_of(test_server *node)
{
    return fixture_calls(&(fixture){.server = node}, "wait");
}

static void assert_reach(const dueq *handle, bool met, int64_t replicas)
{
    dueq_reach reach;
    dueq_reached(handle, &reach);
    if (!reach.waited || reach.met != met || reach.replicas != replicas)
        fail_msg("waited %d, met %d, %lld replicas; wanted 1, %d, %lld", reach.waited, reach.met,
                 (long long)reach.replicas, met, (long long)replicas);
}

static void every_master_written_to_is_asked_once(void **state)
{
    cluster *c = *state;
    cluster_reset(c);
    dueq *handle = open_with_queue(c);
    for (size_t i = 0; i < MASTERS; i++) server_do(c->nodes[i], "CONFIG RESETSTAT");
    queue_push_many(handle, "q", "t", COUNT, 0);
    assert_reach(handle, true, 1);
    for (size_t i = 0; i < MASTERS; i++) assert_int_equal(waits_of(c->nodes[i]), 1);

    ASSERT_RC(handle, queue_push(handle, "q", "one", "x", 0), DUEQ_OK);
    assert_reach(handle, true, 1);
    long long sum = 0;
    for (size_t i = 0; i < MASTERS; i++) sum += waits_of(c->nodes[i]);
    assert_int_equal(sum, MASTERS + 1);
    assert_int_equal(queue_drain(handle, "q"), COUNT + 1);
    dueq_close(handle);
}

/* One of three replicas acknowledges nothing: all is pushed, and the whole is as good as its worst. */
static void one_stopped_replica_makes_it_short(void **state)
{
    cluster *c = *state;
    cluster_reset(c);
    dueq *handle = open_with_queue(c);
    dueq_new_task *tasks = calloc(COUNT, sizeof *tasks);
    server_freeze(c->nodes[MASTERS + 1]);
    int rc = dueq_push(handle, "q", tasks, COUNT, NULL);
    server_thaw(c->nodes[MASTERS + 1]);
    ASSERT_RC(handle, rc, DUEQ_OK);
    assert_reach(handle, false, 0);
    assert_int_equal(queue_live(handle, "q"), COUNT);
    assert_int_equal(queue_drain(handle, "q"), COUNT);
    queue_assert_sound(handle, "q");
    free(tasks);
    dueq_close(handle);
}

/* The partition has moved: what the old node answered does not count, the new one is asked. */
static void a_moved_slot_is_asked_about_where_it_is(void **state)
{
    cluster *c = *state;
    cluster_reset(c);
    dueq *handle = open_with_queue(c);
    int slot = cluster_slot("q", 0);
    size_t from = cluster_owner(c, 0, slot), to = (from + 1) % MASTERS;
    cluster_move_slot(c, slot, from, to);
    queue_push_many(handle, "q", "t", COUNT, 0);
    assert_reach(handle, true, 1);
    assert_int_equal(queue_drain(handle, "q"), COUNT);
    dueq_close(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_master_written_to_is_asked_once),
        cmocka_unit_test(one_stopped_replica_makes_it_short),
        cmocka_unit_test(a_moved_slot_is_asked_about_where_it_is),
    };
    return cmocka_run_group_tests(tests, start, end);
}
