/* Slots that move and masters that come and go, with and without load: clients follow, nothing is
 * lost, doubled or given twice.
 * test-timeout-s: 180 */
#include "support/cluster_fixture.h"
#include "support/load.h"
#include "support/queue_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

enum { PARTITIONS = 12 };

static int start(void **state)
{
    *state = cluster_start(&(cluster_options){.masters = 3});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    return 0;
}

static void make_queue(cluster *c)
{
    dueq *handle = cluster_open(c);
    dueq_settings settings = {.partitions = PARTITIONS};
    queue_make(handle, "q", &settings);
    dueq_close(handle);
}

static int set_up(void **state)
{
    cluster_reset(*state);
    make_queue(*state);
    return 0;
}

static void assert_sound(cluster *c)
{
    dueq *handle = cluster_open(c);
    queue_assert_sound(handle, "q");
    dueq_close(handle);
}

/* A number of every master's INFO, summed. */
static long long sum_of(cluster *c, const char *section, const char *field)
{
    long long sum = 0;
    for (size_t i = 0; i < c->masters; i++) {
        char *info = server_text(c->nodes[i], "INFO %s", section), *at = strstr(info, field);
        sum += at ? strtoll(at + strlen(field), NULL, 10) : 0;
        free(info);
    }
    return sum;
}

/* Whether working off a batch had anybody asked who serves what. */
static bool asks_for_the_map(cluster *c, dueq *handle)
{
    for (size_t i = 0; i < c->masters; i++) server_do(c->nodes[i], "CONFIG RESETSTAT");
    queue_push_many(handle, "q", "u", 240, 0);
    assert_int_equal(queue_drain(handle, "q"), 240);
    return sum_of(c, "commandstats", "cmdstat_cluster|slots:calls=") > 0;
}

/* A handle that knows the old place finds the new one, and remembers it: it asks once more when it
 * may, and then no more. */
static void a_moved_slot_is_followed(void **state)
{
    cluster *c = *state;
    dueq *handle = cluster_open(c);
    queue_push_many(handle, "q", "t", 240, 0);
    int slot = cluster_slot("q", 3);
    size_t from = cluster_owner(c, 0, slot), to = (from + 1) % 3;
    cluster_move_slot(c, slot, from, to);
    assert_int_equal(queue_drain(handle, "q"), 240);
    UNTIL(20000, !asks_for_the_map(c, handle));
    dueq_close(handle);
    assert_sound(c);
}

/* One key by its name: in which order a node lists the keys of a slot is its own affair. */
static void migrate_key(cluster *c, const char *key, size_t from, size_t to)
{
    server_do(c->nodes[from], "MIGRATE 127.0.0.1 %d %s 0 5000", server_port(c->nodes[to]), key);
}

/* A slot half moved: what is there already is asked for there, once; what is torn is waited for. */
static void a_slot_half_moved_is_waited_out(void **state)
{
    cluster *c = *state;
    dueq *handle = cluster_open(c);
    queue_push_many(handle, "q", "t", 240, 0);
    int slot = cluster_slot("q", 7);
    size_t from = cluster_owner(c, 0, slot), to = (from + 2) % 3;
    cluster_migrate_begin(c, slot, from, to);
    migrate_key(c, "dueq:{q:7}:meta", from, to);
    migrate_key(c, "dueq:{q:7}:body", from, to);

    dueq *hasty = NULL;
    char url[8300];
    snprintf(url, sizeof url, "%s?timeout=300ms", c->url);
    ASSERT_RC(hasty, dueq_open(&hasty, url, NULL), DUEQ_OK);
    dueq_stats stats;
    ASSERT_RC(hasty, dueq_queue_stats(hasty, "q", &stats), DUEQ_EUNREADY);
    fixture_assert_error(hasty, "the slot is being moved");
    dueq_close(hasty);

    while (cluster_migrate_keys(c, slot, from, to, 1) > 0) {}
    assert_int_equal(queue_stats(handle, "q").ready, 240); /* by ASK: the slot is still the old's */
    assert_true(sum_of(c, "commandstats", "cmdstat_asking:calls=") > 0);
    assert_int_equal(queue_drain(handle, "q"), 240);
    cluster_migrate_end(c, slot, to);
    queue_push_many(handle, "q", "u", 240, 0);
    assert_int_equal(queue_drain(handle, "q"), 240);
    dueq_close(handle);
    assert_sound(c);
}

/* Every slot of the queue moves, key by key, while tasks are pushed, taken and finished. */
static void slots_move_under_load(void **state)
{
    cluster *c = *state;
    load *l = load_start(c->url, "q");
    load_await_more(l, 200);
    for (int p = 0; p < PARTITIONS; p++) {
        int slot = cluster_slot("q", p);
        size_t from = cluster_owner(c, 0, slot), to = (from + 1) % 3;
        cluster_migrate_begin(c, slot, from, to);
        while (cluster_migrate_keys(c, slot, from, to, 1) > 0) {}
        cluster_migrate_end(c, slot, to);
        load_await_more(l, 50);
    }
    load_stop(l);
    load_assert_clean(l);
    load_free(l);
    assert_sound(c);
}

/* One more master takes partitions over, works, gives them back, and leaves. */
static void a_master_comes_and_goes(void **state)
{
    cluster *c = *state;
    load *l = load_start(c->url, "q");
    load_await_more(l, 100);
    size_t added = cluster_add(c);
    size_t owners[PARTITIONS];
    for (int p = 0; p < PARTITIONS; p += 2) {
        owners[p] = cluster_owner(c, 0, cluster_slot("q", p));
        cluster_move_slot(c, cluster_slot("q", p), owners[p], added);
    }
    load_await_more(l, 500);
    assert_true(server_int(c->nodes[added], "DBSIZE") > 0);
    for (int p = 0; p < PARTITIONS; p += 2)
        cluster_move_slot(c, cluster_slot("q", p), added, owners[p]);
    cluster_forget(c, added);
    load_await_more(l, 500);
    load_stop(l);
    load_assert_clean(l);
    load_free(l);
    assert_sound(c);
}

/* ---- Sleepers -------------------------------------------------------------------------------- */

typedef struct sleeper {
    pthread_t thread;
    dueq *handle;
    dueq_batch *batch;
    int rc;
} sleeper;

static void *sleep_on(void *context)
{
    sleeper *s = context;
    dueq_take_options options = {.wait_ms = 30000};
    s->rc = dueq_take(s->handle, "q", &options, &s->batch);
    return NULL;
}

/* Its ears follow the slot: the server ends the listening at the old place. */
static void a_sleeper_follows_a_moved_slot(void **state)
{
    cluster *c = *state;
    dueq_settings settings = {.partitions = 3};
    dueq *handle = cluster_open(c);
    ASSERT_RC(handle, dueq_queue_delete(handle, "q", true), DUEQ_OK);
    queue_make(handle, "q", &settings);
    sleeper s = {.handle = cluster_open(c)};
    pthread_create(&s.thread, NULL, sleep_on, &s);
    int slot = cluster_slot("q", 1);
    size_t from = cluster_owner(c, 0, slot), to = (from + 1) % 3;
    char id[16];
    int n = 0;
    do {
        snprintf(id, sizeof id, "t%d", n++);
    } while (dq_crc16(id, strlen(id)) % 3 != 1);
    UNTIL_EQ(10000, sum_of(c, "clients", "blocked_clients:"), 3);
    cluster_move_slot(c, slot, from, to);
    int64_t from_ms = until_now_ms();
    ASSERT_RC(handle, queue_push(handle, "q", id, "x", 0), DUEQ_OK);
    pthread_join(s.thread, NULL);
    ASSERT_RC(s.handle, s.rc, DUEQ_OK);
    int64_t took_ms = until_now_ms() - from_ms;
    if (took_ms > 6000) fail_msg("woken after %lld ms", (long long)took_ms);
    queue_finish(s.handle, "q", s.batch);
    dueq_close(s.handle);
    dueq_close(handle);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_moved_slot_is_followed),       TEST(a_slot_half_moved_is_waited_out),
        TEST(slots_move_under_load),          TEST(a_master_comes_and_goes),
        TEST(a_sleeper_follows_a_moved_slot),
    };
    return cmocka_run_group_tests(tests, start, end);
}
