/* Queues as a whole: create, config, pause, resume, purge, delete, list, stats; and what heals by
 * itself when a part of a queue is gone. */
#include "support/queue_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000 };

static dueq_settings config_of(dueq *h, const char *queue)
{
    dueq_settings now;
    ASSERT_RC(h, dueq_queue_config(h, queue, NULL, &now), DUEQ_OK);
    return now;
}

static void assert_settings(dueq_settings have, dueq_settings wanted)
{
    assert_int_equal(have.partitions, wanted.partitions);
    assert_int_equal(have.max_attempts, wanted.max_attempts);
    assert_int_equal(have.lease_ms, wanted.lease_ms);
    assert_int_equal(have.payload_max, wanted.payload_max);
    assert_int_equal(have.dead_max, wanted.dead_max);
    assert_int_equal(have.dead_age_ms, wanted.dead_age_ms);
    assert_int_equal(have.retention_ms, wanted.retention_ms);
}

static const dueq_settings defaults = {1, 20, 30000, 1 << 20, 10000, INT64_C(30) * 86400000, -1};

/* ---- create and config ----------------------------------------------------------------------- */

static void create_with_defaults_or_not(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "plain", NULL);
    assert_settings(config_of(f->handle, "plain"), defaults);
    dueq_settings own = {7, 3, 100, 2000, -1, -1, 5000};
    queue_make(f->handle, "own", &own);
    assert_settings(config_of(f->handle, "own"), own);
    ASSERT_RC(f->handle, dueq_queue_create(f->handle, "own", NULL), DUEQ_EXISTS);
    ASSERT_RC(f->handle, dueq_queue_create(f->handle, "own", &defaults), DUEQ_EXISTS);
    assert_settings(config_of(f->handle, "own"), own); /* nothing changed */
}

static void config_changes_what_it_names(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    dueq_settings wanted = defaults, now;
    wanted.partitions = 3;
    dueq_settings change = {.lease_ms = 1234, .dead_max = -1};
    wanted.lease_ms = 1234;
    wanted.dead_max = -1;
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &change, &now), DUEQ_OK);
    assert_settings(now, wanted);
    change = (dueq_settings){.partitions = 3, .dead_max = 17, .retention_ms = 1, .dead_age_ms = -1};
    wanted.dead_max = 17;
    wanted.retention_ms = 1;
    wanted.dead_age_ms = -1;
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &change, &now), DUEQ_OK);
    assert_settings(now, wanted);
    change = (dueq_settings){.retention_ms = -1};
    wanted.retention_ms = -1;
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &change, NULL), DUEQ_OK);
    for (int p = 0; p < 3; p++) { /* in every partition */
        assert_int_equal(server_int(f->server, "HGET dueq:{q:%d}:meta lease_ms", p), 1234);
        assert_int_equal(server_int(f->server, "HGET dueq:{q:%d}:meta dead_max", p), 17);
        assert_int_equal(server_int(f->server, "HGET dueq:{q:%d}:meta retention_ms", p), 0);
    }
    dueq *other = fixture_open(f);
    assert_settings(config_of(other, "q"), wanted);
    dueq_close(other);
}

static void settings_out_of_bounds_are_refused(void **state)
{
    fixture *f = *state;
    static const dueq_settings bad[] = {
        {.partitions = -1},      {.partitions = 1025},
        {.max_attempts = -1},    {.max_attempts = DUEQ_ATTEMPTS_MAX + 1},
        {.lease_ms = -1},        {.lease_ms = DUEQ_LEASE_MS_MAX + 1},
        {.payload_max = -1},     {.payload_max = INT64_C(1) + DUEQ_PAYLOAD_MAX},
        {.dead_max = -2},        {.dead_max = INT64_MAX},
        {.dead_age_ms = -2},     {.dead_age_ms = DUEQ_DELAY_MS_MAX + 1},
        {.retention_ms = -2},    {.retention_ms = INT64_C(7) * 86400000 + 1},
        {.lease_ms = INT64_MIN},
    };
    queue_make(f->handle, "q", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ASSERT_RC(f->handle, dueq_queue_create(f->handle, "new", &bad[i]), DUEQ_EINVAL);
        ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &bad[i], NULL), DUEQ_EINVAL);
    }
    dueq_settings more_partitions = {.partitions = 2, .lease_ms = 5};
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "q", &more_partitions, NULL), DUEQ_EINVAL);
    fixture_assert_error(f->handle, "fixed when a queue is made");
    assert_settings(config_of(f->handle, "q"), defaults);
    ASSERT_RC(f->handle, dueq_queue_config(f->handle, "new", NULL, NULL), DUEQ_MISSING);
}

static void *create_with_many(void *context)
{
    dueq_settings settings = {.partitions = 5, .lease_ms = 5555};
    return dueq_queue_create(context, "q", &settings) < 0 ? context : NULL;
}

static void *create_with_few(void *context)
{
    dueq_settings settings = {.partitions = 3, .lease_ms = 3333};
    return dueq_queue_create(context, "q", &settings) < 0 ? context : NULL;
}

/* Whoever comes first decides; all handles agree, and no partition is of the other's making. */
static void two_make_the_same_queue_at_once(void **state)
{
    fixture *f = *state;
    dueq *few = fixture_open(f), *many = fixture_open(f);
    for (int round = 0; round < 30; round++) {
        pthread_t threads[2];
        void *failed[2];
        pthread_create(&threads[0], NULL, create_with_few, few);
        pthread_create(&threads[1], NULL, create_with_many, many);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], &failed[i]);
        if (failed[0] || failed[1]) fail_msg("%s; %s", dueq_error(few), dueq_error(many));
        dueq_settings seen_by_few = config_of(few, "q");
        assert_settings(seen_by_few, config_of(many, "q"));
        assert_int_equal(seen_by_few.lease_ms, seen_by_few.partitions * 1111);
        queue_push_many(many, "q", "t", 100, 0);
        assert_int_equal(queue_drain(few, "q"), 100);
        queue_assert_sound(few, "q");
        ASSERT_RC(few, dueq_queue_delete(few, "q", false), DUEQ_OK);
        assert_int_equal(server_int(f->server, "DBSIZE"), 0);
    }
    dueq_close(few);
    dueq_close(many);
}

/* ---- pause and resume ------------------------------------------------------------------------ */

static void nothing_is_taken_from_a_paused_queue(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 9, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 3, 0);
    ASSERT_RC(f->handle, dueq_queue_pause(f->handle, "q"), DUEQ_OK);
    assert_true(queue_stats(f->handle, "q").paused);
    assert_null(queue_take(f->handle, "q", 10, 0));
    queue_push_many(f->handle, "q", "more", 2, 0); /* all else goes on */
    assert_int_equal(queue_state(f->handle, "q", "more0"), DUEQ_STATE_READY);
    queue_finish(f->handle, "q", batch);
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "more1"), DUEQ_OK);
    assert_null(queue_take(f->handle, "q", 10, 0));
    ASSERT_RC(f->handle, dueq_queue_resume(f->handle, "q"), DUEQ_OK);
    assert_false(queue_stats(f->handle, "q").paused);
    assert_int_equal(queue_drain(f->handle, "q"), 7);
    ASSERT_RC(f->handle, dueq_queue_pause(f->handle, "none"), DUEQ_MISSING);
    ASSERT_RC(f->handle, dueq_queue_resume(f->handle, "none"), DUEQ_MISSING);
}

/* A pause holds for leases that run out too. */
static void expired_leases_wait_out_a_pause(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 1);
    ASSERT_RC(f->handle, dueq_queue_pause(f->handle, "q"), DUEQ_OK);
    UNTIL(10000, fixture_now_us(f) / 1000 > batch->tasks[0].deadline_ms);
    assert_null(queue_take(f->handle, "q", 1, 0));
    assert_int_equal(queue_stats(f->handle, "q").expired, 1);
    ASSERT_RC(f->handle, dueq_queue_resume(f->handle, "q"), DUEQ_OK);
    dueq_batch_free(batch);
    batch = queue_take_one(f->handle, "q", 0);
    assert_int_equal(batch->tasks[0].attempt, 2);
    dueq_batch_free(batch);
}

/* ---- purge and delete ------------------------------------------------------------------------ */

/* Some tasks in each state; returns a batch of leased ones. */
static dueq_batch *fill(dueq *h, const char *queue)
{
    queue_push_many(h, queue, "dead", 2, 0);
    for (int i = 0; i < 2; i++) queue_kill_one(h, queue);
    queue_push_many(h, queue, "leased", 5, 0);
    dueq_batch *batch = queue_take(h, queue, 5, 0);
    assert_int_equal(batch->count, 5);
    queue_push_many(h, queue, "ready", 4, 0);
    queue_push_many(h, queue, "waiting", 3, AN_HOUR_MS);
    return batch;
}

static void assert_receipts_lost(dueq *h, const char *queue, const dueq_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const char *receipt = batch->tasks[i].receipt;
        ASSERT_RC(h, queue_extend(h, queue, receipt, 1000), DUEQ_LOST);
        ASSERT_RC(h, queue_release(h, queue, receipt), DUEQ_LOST);
        ASSERT_RC(h, queue_retry(h, queue, receipt, 0, "late"), DUEQ_LOST);
        ASSERT_RC(h, queue_done(h, queue, receipt), DUEQ_LOST);
    }
}

static void purge_empties_and_keeps_the_queue(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3, .lease_ms = 4321};
    queue_make(f->handle, "q", &settings);
    dueq_batch *leased = fill(f->handle, "q");
    int64_t count;
    ASSERT_RC(f->handle, dueq_queue_purge(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 14);
    assert_int_equal(queue_live(f->handle, "q"), 0);
    assert_receipts_lost(f->handle, "q", leased);
    dueq_batch_free(leased);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.pushed, 14);
    assert_int_equal(stats.cancelled, 14);
    assert_int_equal(config_of(f->handle, "q").lease_ms, 4321);
    queue_push_many(f->handle, "q", "ready", 4, 0);
    assert_int_equal(queue_drain(f->handle, "q"), 4);
    ASSERT_RC(f->handle, dueq_queue_purge(f->handle, "q", NULL), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_queue_purge(f->handle, "none", NULL), DUEQ_MISSING);
}

/* Purging does not tie the server up: it unlinks, however many tasks there are. */
static void purge_takes_one_script_a_partition(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 20000, AN_HOUR_MS);
    server_do(f->server, "CONFIG RESETSTAT");
    int64_t count;
    ASSERT_RC(f->handle, dueq_queue_purge(f->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, 20000);
    assert_in_range(fixture_calls(f, "evalsha") + fixture_calls(f, "eval"), 1, 2);
    assert_int_equal(fixture_calls(f, "unlink"), 1);
}

static void delete_wants_an_empty_queue_or_force(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 4};
    queue_make(f->handle, "q", &settings);
    dueq_batch *leased = fill(f->handle, "q");
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", false), DUEQ_STATE);
    assert_int_equal(queue_live(f->handle, "q"), 14);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_OK);
    assert_int_equal(server_int(f->server, "DBSIZE"), 0);
    assert_receipts_lost(f->handle, "q", leased);
    dueq_batch_free(leased);
    dueq_stats stats;
    ASSERT_RC(f->handle, dueq_queue_stats(f->handle, "q", &stats), DUEQ_MISSING);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_MISSING);
    queue_make(f->handle, "q", NULL);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", false), DUEQ_OK);
    assert_int_equal(server_int(f->server, "DBSIZE"), 0);
}

/* ---- list and stats -------------------------------------------------------------------------- */

static void queues_are_listed_sorted(void **state)
{
    fixture *f = *state;
    dueq_queue_list *list;
    ASSERT_RC(f->handle, dueq_queues(f->handle, &list), DUEQ_OK);
    assert_int_equal(list->count, 0);
    dueq_queue_list_free(list);
    char longest[DUEQ_QUEUE_NAME_MAX + 1] = "";
    memset(longest, 'z', DUEQ_QUEUE_NAME_MAX);
    const char *const names[] = {"A:b.c-d_9", "a", "b", "b.1", longest};
    static const int order[] = {3, 4, 0, 2, 1};
    for (int i = 0; i < 5; i++) queue_make(f->handle, names[order[i]], NULL);
    ASSERT_RC(f->handle, dueq_queues(f->handle, &list), DUEQ_OK);
    assert_int_equal(list->count, 5);
    for (size_t i = 0; i < 5; i++) assert_string_equal(list->names[i], names[i]);
    dueq_queue_list_free(list);
}

/* Two prefixes are two worlds. */
static void prefixes_do_not_meet(void **state)
{
    fixture *f = *state;
    dueq *other = NULL;
    dueq_options options = {.prefix = "other:app"};
    ASSERT_RC(other, dueq_open(&other, server_url(f->server), &options), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    assert_null(queue_take(other, "q", 1, 0));
    ASSERT_RC(other, queue_push(other, "q", "t", "y", 0), DUEQ_OK);
    assert_int_equal(server_int(f->server, "EXISTS other:app:{q:0}:body other:app:queues"), 2);
    queue_finish(other, "q", queue_take_one(other, "q", 0));
    assert_int_equal(queue_live(f->handle, "q"), 1);
    dueq_close(other);
}

static void stats_count_everything(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.oldest_ready_ms, -1);
    assert_int_equal(stats.next_due_ms, -1);
    dueq_batch *leased = fill(f->handle, "q");
    ASSERT_RC(f->handle, queue_done(f->handle, "q", leased->tasks[0].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", leased->tasks[1].receipt), DUEQ_OK);
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", leased->tasks[2].receipt, 60000, ""), DUEQ_OK);
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", leased->tasks[3].id), DUEQ_OK);
    dueq_batch_free(leased);
    stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.partitions, 3);
    assert_false(stats.paused);
    assert_int_equal(stats.waiting, 4);
    assert_int_equal(stats.ready, 5);
    assert_int_equal(stats.leased, 1);
    assert_int_equal(stats.dead, 2);
    assert_int_equal(stats.pushed, 14);
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.retried, 1);
    assert_int_equal(stats.released, 1);
    assert_int_equal(stats.died, 2);
    assert_int_equal(stats.cancelled, 1);
    assert_int_equal(stats.dropped, 0);
    assert_in_range(stats.next_due_ms, 30000, 60000);
    assert_in_range(stats.oldest_ready_ms, 0, 60000);
}

/* ---- What heals ------------------------------------------------------------------------------ */

static void a_lost_registry_entry_heals(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 30, 0);
    server_do(f->server, "DEL dueq:queues");
    dueq *other = fixture_open(f);
    dueq_batch *batch = queue_take_one(other, "q", 60000); /* a partition stands: so it knows */
    ASSERT_RC(other, queue_release(other, "q", batch->tasks[0].receipt), DUEQ_OK);
    dueq_batch_free(batch);
    assert_int_equal(server_int(f->server, "HEXISTS dueq:queues q"), 1);
    ASSERT_RC(other, queue_push(other, "q", "one more", "x", 0), DUEQ_OK);
    assert_int_equal(config_of(other, "q").partitions, 3);
    assert_int_equal(queue_drain(other, "q"), 31);
    dueq_close(other);
    queue_push_many(f->handle, "q", "again", 3, 0);
    assert_int_equal(queue_drain(f->handle, "q"), 3);
}

typedef struct pusher {
    dueq *handle;
    atomic_bool stop;
    int failures;
} pusher;

static void *keep_pushing(void *context)
{
    pusher *p = context;
    while (!atomic_load(&p->stop)) {
        dueq_new_task tasks[3] = {{.payload = "x", .payload_len = 1}};
        if (dueq_push(p->handle, "q", tasks, 3, NULL) < 0) p->failures++;
    }
    return NULL;
}

/* However a deletion and pushes meet, no task is left in a queue that is not registered. */
static void a_deletion_under_pushes_strands_nothing(void **state)
{
    fixture *f = *state;
    enum { ROUNDS = 20, DELETIONS = 20, PARTITIONS = 4 };
    dueq_settings settings = {.partitions = PARTITIONS};
    for (int i = 0; i < ROUNDS; i++) {
        queue_make(f->handle, "q", &settings);
        pusher p = {.handle = fixture_open(f)};
        pthread_t thread;
        pthread_create(&thread, NULL, keep_pushing, &p);
        for (int k = 0; k < DELETIONS; k++) {
            UNTIL(10000, server_int(f->server, "HLEN dueq:{q:0}:body") > 3);
            int rc = dueq_queue_delete(f->handle, "q", true);
            if (rc != DUEQ_MISSING) ASSERT_RC(f->handle, rc, DUEQ_OK);
        }
        atomic_store(&p.stop, true);
        pthread_join(thread, NULL);
        assert_int_equal(p.failures, 0);
        dueq_close(p.handle);
        long long stranded = 0;
        for (int k = 0; k < PARTITIONS; k++)
            if (server_int(f->server, "EXISTS dueq:{q:%d}:meta", k))
                stranded += server_int(f->server, "HLEN dueq:{q:%d}:body", k) - 1;
        if (stranded && !server_int(f->server, "HEXISTS dueq:queues q"))
            fail_msg("%lld tasks in a queue that is not registered", stranded);
        int rc = dueq_queue_delete(f->handle, "q", true);
        if (rc != DUEQ_OK && rc != DUEQ_MISSING) ASSERT_RC(f->handle, rc, DUEQ_OK);
    }
}

/* Made anew with another number of partitions while the old ones stand: the old number counts, and
 * nothing of the other is left behind. */
static void the_standing_partitions_decide(void **state)
{
    fixture *f = *state;
    dueq_settings three = {.partitions = 3}, sixteen = {.partitions = 16}, five = {.partitions = 5};
    queue_make(f->handle, "q", &three);
    queue_push_many(f->handle, "q", "t", 30, 0);
    server_do(f->server, "DEL dueq:queues");
    dueq *other = fixture_open(f);
    assert_true(dueq_queue_create(other, "q", &sixteen) >= 0);
    assert_int_equal(config_of(other, "q").partitions, 3);
    assert_int_equal(queue_drain(other, "q"), 30);
    ASSERT_RC(other, dueq_queue_delete(other, "q", false), DUEQ_OK);
    queue_make(other, "q", &five);
    queue_push_many(f->handle, "q", "t", 30, 0); /* by a handle that believes in three */
    assert_int_equal(queue_drain(other, "q"), 30);
    dueq_close(other);
}

static void lost_settings_heal(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3, .lease_ms = 7777};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 30, 0);
    for (int p = 0; p < 3; p++) server_do(f->server, "DEL dueq:{q:%d}:meta", p);
    queue_push_many(f->handle, "q", "more", 30, 0);
    assert_int_equal(queue_live(f->handle, "q"), 60);
    assert_int_equal(config_of(f->handle, "q").lease_ms, 7777);
    queue_assert_sound(f->handle, "q"); /* what is there counts as pushed */
    assert_int_equal(queue_drain(f->handle, "q"), 60);
}

/* Without the settings it is not known how large records are: replies are bounded all the same. */
static void lost_settings_leave_replies_bounded(void **state)
{
    fixture *f = *state;
    enum { COUNT = 24, LEN = 1 << 20 };
    char *payload = calloc(1, LEN);
    dueq_new_task tasks[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) tasks[i].payload = payload, tasks[i].payload_len = LEN;
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, NULL), DUEQ_OK);
    server_do(f->server, "DEL dueq:{q:0}:meta");
    dueq_batch *batch = queue_take(f->handle, "q", COUNT, 0);
    if (batch->count > 8) fail_msg("%zu MiB in one take", batch->count);
    dueq_batch_free(batch);
    free(payload);
}

/* Deleted and made anew with other partitions, under a handle that believes in the old ones. */
static void a_queue_made_anew_is_found_by_old_handles(void **state)
{
    fixture *f = *state;
    dueq *old = fixture_open(f);
    static const int64_t partition_counts[] = {16, 1, 3, 2, 16, 4};
    for (size_t i = 0; i < sizeof partition_counts / sizeof *partition_counts; i++) {
        dueq_settings settings = {.partitions = partition_counts[i]};
        queue_make(f->handle, "q", &settings);
        queue_push_many(f->handle, "q", "t", 20, 0);
        assert_int_equal(queue_state(old, "q", "t7"), DUEQ_STATE_READY);
        assert_int_equal(queue_stats(old, "q").partitions, partition_counts[i]);
        assert_int_equal(queue_stats(old, "q").ready, 20);
        queue_push_many(old, "q", "u", 20, 0);
        assert_int_equal(queue_drain(old, "q"), 40);
        ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", false), DUEQ_OK);
        assert_null(queue_take(old, "q", 1, 0));
    }
    dueq_close(old);
}

/* A push into a queue that another handle has just deleted makes it anew. */
static void push_into_a_deleted_queue(void **state)
{
    fixture *f = *state;
    dueq *old = fixture_open(f);
    ASSERT_RC(old, queue_push(old, "q", "t", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_OK);
    ASSERT_RC(old, queue_push(old, "q", "t", "x", 0), DUEQ_OK);
    assert_int_equal(queue_live(f->handle, "q"), 1);
    dueq_close(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(create_with_defaults_or_not),
        FIXTURE_TEST(config_changes_what_it_names),
        FIXTURE_TEST(settings_out_of_bounds_are_refused),
        FIXTURE_TEST(two_make_the_same_queue_at_once),
        FIXTURE_TEST(nothing_is_taken_from_a_paused_queue),
        FIXTURE_TEST(expired_leases_wait_out_a_pause),
        FIXTURE_TEST(purge_empties_and_keeps_the_queue),
        FIXTURE_TEST(purge_takes_one_script_a_partition),
        FIXTURE_TEST(delete_wants_an_empty_queue_or_force),
        FIXTURE_TEST(queues_are_listed_sorted),
        FIXTURE_TEST(prefixes_do_not_meet),
        FIXTURE_TEST(stats_count_everything),
        FIXTURE_TEST(a_lost_registry_entry_heals),
        FIXTURE_TEST(a_deletion_under_pushes_strands_nothing),
        FIXTURE_TEST(the_standing_partitions_decide),
        FIXTURE_TEST(lost_settings_heal),
        FIXTURE_TEST(lost_settings_leave_replies_bounded),
        FIXTURE_TEST(a_queue_made_anew_is_found_by_old_handles),
        FIXTURE_TEST(push_into_a_deleted_queue),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
