/* How durable a change has become, on a master with one replica: told, never the change's own
 * outcome, and not asked for unless wanted. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for a replica on a busy machine, and well within a call's 5 s. */
enum { WAIT_MS = 1500 };

typedef struct pair {
    test_server *master, *replica;
    dueq *handle; /* waits for nothing, unless the test says so */
    bool has_waitaof;
} pair;

static pair the_pair;

/* Something written now arrives there. That the master says "online" is not enough: its stream
 * begins with the replica's first acknowledgement, up to a second later. */
static bool replica_follows(const pair *p)
{
    server_do(p->master, "INCR probe");
    return server_int(p->replica, "EXISTS probe") == 1;
}

static int start_pair(void **state)
{
    char config[64];
    pair *p = *state = &the_pair;
    p->master = server_start(&(server_options){.tcp = true, .keep = true});
    snprintf(config, sizeof config, "replicaof 127.0.0.1 %d\n", server_port(p->master));
    p->replica = server_start(&(server_options){.config = config});
    UNTIL(30000, replica_follows(p));
    valkeyReply *reply = server_command(p->master, "WAITAOF 0 0 1");
    p->has_waitaof = reply->type != VALKEY_REPLY_ERROR;
    freeReplyObject(reply);
    return 0;
}

static int end_pair(void **state)
{
    pair *p = *state;
    server_free(p->replica);
    server_free(p->master);
    return 0;
}

static dueq *open_with(const char *url, const char *level)
{
    dueq *handle = NULL;
    dueq_options options = {.durability = level, .durability_timeout_ms = WAIT_MS};
    ASSERT_RC(handle, dueq_open(&handle, url, &options), DUEQ_OK);
    return handle;
}

static int set_up(void **state)
{
    pair *p = *state;
    server_do(p->master, "FLUSHALL SYNC");
    p->handle = open_with(server_url(p->master), NULL);
    queue_make(p->handle, "q", NULL);
    server_do(p->master, "CONFIG RESETSTAT");
    return 0;
}

static int tear_down(void **state)
{
    pair *p = *state;
    dueq_close(p->handle);
    return 0;
}

static long long waits(const pair *p)
{
    return fixture_calls(&(fixture){.server = p->master}, "wait");
}

static dueq_reach reach_of(const dueq *handle)
{
    dueq_reach reach;
    dueq_reached(handle, &reach);
    return reach;
}

static void assert_reach(const dueq *handle, bool waited, bool met, int64_t replicas)
{
    dueq_reach reach = reach_of(handle);
    if (reach.waited != waited || reach.met != met || reach.replicas != replicas)
        fail_msg("waited %d, met %d, %lld replicas; wanted %d, %d, %lld", reach.waited, reach.met,
                 (long long)reach.replicas, waited, met, (long long)replicas);
}

static int push_at(dueq *handle, const char *id, const char *level)
{
    dueq_new_task task = {.id = id};
    return dueq_push(handle, "q", &task, 1, &(dueq_push_options){.durability = level});
}

static void nothing_is_waited_for_unless_asked(void **state)
{
    pair *p = *state;
    ASSERT_RC(p->handle, queue_push(p->handle, "q", "a", "x", 0), DUEQ_OK);
    ASSERT_RC(p->handle, push_at(p->handle, "b", "none"), DUEQ_OK);
    assert_int_equal(queue_drain(p->handle, "q"), 2);
    assert_reach(p->handle, false, true, -1);
    assert_int_equal(waits(p), 0);
}

static void a_replica_acknowledges(void **state)
{
    pair *p = *state;
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:1"), DUEQ_OK);
    ASSERT_RC(p->handle, queue_push(p->handle, "q", "a", "x", 0), DUEQ_OK);
    assert_reach(p->handle, true, true, 1);
    assert_int_equal(waits(p), 1);
    assert_int_equal(server_int(p->replica, "HEXISTS dueq:{q:0}:body a"), 1);
    queue_push_many(p->handle, "q", "t", 3000, 0); /* several scripts, one question */
    assert_reach(p->handle, true, true, 1);
    assert_int_equal(waits(p), 2);
}

static void a_call_has_a_level_of_its_own(void **state)
{
    pair *p = *state;
    ASSERT_RC(p->handle, push_at(p->handle, "a", "replicas:1"), DUEQ_OK);
    assert_reach(p->handle, true, true, 1);
    ASSERT_RC(p->handle, push_at(p->handle, "b", NULL), DUEQ_OK);
    assert_reach(p->handle, false, true, -1);
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:1"), DUEQ_OK);
    ASSERT_RC(p->handle, push_at(p->handle, "c", "none"), DUEQ_OK);
    assert_reach(p->handle, false, true, -1);
    assert_int_equal(waits(p), 1);
}

static void the_handle_s_level_comes_from_url_or_options(void **state)
{
    pair *p = *state;
    char url[200];
    snprintf(url, sizeof url, "%s?durability=replicas:1&durability_timeout=1500ms",
             server_url(p->master));
    dueq *handle = open_with(url, NULL);
    ASSERT_RC(handle, push_at(handle, "a", NULL), DUEQ_OK);
    assert_reach(handle, true, true, 1);
    ASSERT_RC(handle, dueq_set_durability(handle, "none"), DUEQ_OK);
    ASSERT_RC(handle, push_at(handle, "b", NULL), DUEQ_OK);
    assert_reach(handle, false, true, -1);
    ASSERT_RC(handle, dueq_set_durability(handle, NULL), DUEQ_OK); /* as it was opened */
    ASSERT_RC(handle, push_at(handle, "c", NULL), DUEQ_OK);
    assert_reach(handle, true, true, 1);
    dueq_close(handle);

    handle = open_with(url, "none");
    ASSERT_RC(handle, push_at(handle, "d", NULL), DUEQ_OK);
    assert_reach(handle, false, true, -1);
    dueq_close(handle);
}

/* Any change at all. */
static bool change_is_met(dueq *handle)
{
    dueq_name a = {.id = "a"};
    ASSERT_RC(handle, dueq_reschedule(handle, "q", &a, 1, 0, 0), DUEQ_OK);
    return reach_of(handle).met;
}

/* A replica that is stopped acknowledges nothing: the task is pushed all the same, and so is what
 * comes after it, within the time given for waiting. */
static void a_stopped_replica_makes_it_short(void **state)
{
    pair *p = *state;
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:1"), DUEQ_OK);
    server_freeze(p->replica);
    int64_t began_ms = until_now_ms();
    int rc = queue_push(p->handle, "q", "a", "x", 0);
    int64_t spent_ms = until_now_ms() - began_ms;
    dueq_reach reach = reach_of(p->handle);
    server_thaw(p->replica);

    ASSERT_RC(p->handle, rc, DUEQ_OK);
    assert_string_equal(dueq_error(p->handle), "");
    assert_true(reach.waited);
    assert_false(reach.met);
    assert_int_equal(reach.replicas, 0);
    if (spent_ms < WAIT_MS || spent_ms > 4500) /* the call's own deadline is 5 s */
        fail_msg("%lld ms; wanted about %d", (long long)spent_ms, WAIT_MS);
    assert_int_equal(queue_state(p->handle, "q", "a"), DUEQ_STATE_READY);
    UNTIL(20000, change_is_met(p->handle));
    queue_assert_sound(p->handle, "q");
}

static void more_replicas_than_there_are(void **state)
{
    pair *p = *state;
    ASSERT_RC(p->handle, push_at(p->handle, "a", "replicas:2"), DUEQ_OK);
    assert_reach(p->handle, true, false, 1);
    assert_int_equal(queue_state(p->handle, "q", "a"), DUEQ_STATE_READY);
}

/* Once short there is no more waiting in that call: all dead tasks of many steps, one wait. */
static void a_call_of_many_steps_waits_once(void **state)
{
    pair *p = *state;
    enum { TASKS = 1100 };
    int64_t count;
    ASSERT_RC(p->handle, dueq_redrive_all(p->handle, "q", &count), DUEQ_OK); /* loads the script */
    queue_push_many(p->handle, "q", "t", TASKS, 0);
    dueq_batch *batch = queue_take(p->handle, "q", TASKS, 0);
    dueq_failure *failures = calloc(TASKS, sizeof *failures);
    for (size_t i = 0; i < TASKS; i++)
        failures[i] = (dueq_failure){.receipt = batch->tasks[i].receipt, .hopeless = true};
    ASSERT_RC(p->handle, dueq_retry(p->handle, "q", failures, TASKS), DUEQ_OK);
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:2"), DUEQ_OK);
    ASSERT_RC(p->handle, dueq_redrive_all(p->handle, "q", &count), DUEQ_OK);
    assert_int_equal(count, TASKS);
    assert_reach(p->handle, true, false, 1);
    assert_int_equal(waits(p), 1);
    free(failures);
    dueq_batch_free(batch);
}

/* But an import may run for days: each page is waited for, whatever became of the one before. The least
 * of all is what was reached. */
static void each_page_of_an_import_waits(void **state)
{
    pair *p = *state;
    server_do(p->master, "ZADD old 1 first");
    ASSERT_RC(p->handle, dueq_import(p->handle, "old", "q", NULL, NULL),
              DUEQ_OK); /* loads the script */
    server_do(p->master, "ZADD old 1 a 2 b 3 c");
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:2"), DUEQ_OK);
    dueq_import_options options = {.page = 1};
    long long before = waits(p);
    ASSERT_RC(p->handle, dueq_import(p->handle, "old", "q", &options, NULL), DUEQ_OK);
    assert_reach(p->handle, true, false, 1);
    assert_int_equal(waits(p) - before, 3);
}

/* ---- Which calls --------------------------------------------------------------------------- */

/* After the call: it has waited, once more than before, and was heard by the replica. */
#define ASSERT_SAFE(call, wanted)                               \
    do {                                                        \
        long long before = waits(p);                            \
        ASSERT_RC(p->handle, (call), (wanted));                 \
        assert_reach(p->handle, true, true, 1);                 \
        if (waits(p) <= before) fail_msg("%s: no WAIT", #call); \
    } while (0)

static dueq_batch *take_and(pair *p, const char *id)
{
    ASSERT_RC(p->handle, queue_push(p->handle, "q", id, "x", 0), DUEQ_OK);
    return queue_take_one(p->handle, "q", 0);
}

static void every_call_that_changes_waits(void **state)
{
    pair *p = *state;
    dueq_name a = {.id = "a"};
    int64_t count;
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:1"), DUEQ_OK);
    dueq_batch *batch = take_and(p, "a");
    const char *receipt = batch->tasks[0].receipt;
    ASSERT_SAFE(queue_extend(p->handle, "q", receipt, 60000), DUEQ_OK);
    ASSERT_SAFE(queue_release(p->handle, "q", receipt), DUEQ_OK);
    dueq_batch_free(batch);
    ASSERT_SAFE(dueq_reschedule(p->handle, "q", &a, 1, 1, 0), DUEQ_OK);
    ASSERT_SAFE(dueq_cancel(p->handle, "q", &a, 1), DUEQ_OK);
    batch = take_and(p, "b");
    ASSERT_SAFE(queue_retry(p->handle, "q", batch->tasks[0].receipt, 0, "why"), DUEQ_OK);
    dueq_batch_free(batch);
    batch = queue_await(p->handle, "q", 1, 0);
    ASSERT_SAFE(queue_done(p->handle, "q", batch->tasks[0].receipt), DUEQ_OK);
    dueq_batch_free(batch);
    ASSERT_RC(p->handle, queue_push(p->handle, "q", "a", "x", 0), DUEQ_OK);
    queue_kill_one(p->handle, "q");
    ASSERT_SAFE(dueq_redrive(p->handle, "q", &a, 1), DUEQ_OK);
    queue_kill_one(p->handle, "q");
    ASSERT_SAFE(dueq_drop(p->handle, "q", &a, 1), DUEQ_OK);
    ASSERT_SAFE(dueq_redrive_all(p->handle, "q", &count), DUEQ_OK);
    ASSERT_SAFE(dueq_drop_all(p->handle, "q", &count), DUEQ_OK);
    ASSERT_SAFE(dueq_queue_config(p->handle, "q", &(dueq_settings){.lease_ms = 5000}, NULL),
                DUEQ_OK);
    ASSERT_SAFE(dueq_queue_pause(p->handle, "q"), DUEQ_OK);
    ASSERT_SAFE(dueq_queue_resume(p->handle, "q"), DUEQ_OK);
    ASSERT_SAFE(dueq_queue_purge(p->handle, "q", &count), DUEQ_OK);
    ASSERT_SAFE(dueq_queue_delete(p->handle, "q", false), DUEQ_OK);
    ASSERT_SAFE(dueq_queue_create(p->handle, "q", NULL), DUEQ_OK);
    ASSERT_SAFE(queue_push(p->handle, "new", "a", "x", 0), DUEQ_OK); /* makes a queue first */
}

static void reading_and_taking_do_not(void **state)
{
    pair *p = *state;
    dueq_settings settings;
    ASSERT_RC(p->handle, push_at(p->handle, "a", "replicas:1"), DUEQ_OK);
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "replicas:2"), DUEQ_OK);
    assert_int_equal(queue_state(p->handle, "q", "a"), DUEQ_STATE_READY);
    queue_assert_sound(p->handle, "q");
    ASSERT_RC(p->handle, dueq_queue_config(p->handle, "q", NULL, &settings), DUEQ_OK);
    dueq_batch_free(queue_take_one(p->handle, "q", 0));
    assert_reach(p->handle, true, true, 1); /* still the push's */
    assert_int_equal(waits(p), 1);
}

/* ---- What the server cannot do ---------------------------------------------------------------- */

static void a_server_that_forbids_it(void **state)
{
    pair *p = *state;
    char url[300];
    server_do(p->master, "ACL SETUSER plain on >secret ~* +@all -wait");
    snprintf(url, sizeof url, "unix://plain:secret@%s", server_socket(p->master));
    dueq *handle = open_with(url, "replicas:1");
    ASSERT_RC(handle, push_at(handle, "a", NULL), DUEQ_OK);
    assert_reach(handle, true, false, -1);
    assert_int_equal(queue_state(handle, "q", "a"), DUEQ_STATE_READY);
    dueq_close(handle);
    server_do(p->master, "ACL DELUSER plain");
}

static void the_source_is_sent_when_it_is_lacking(void **state)
{
    pair *p = *state;
    server_do(p->master, "SCRIPT FLUSH SYNC");
    ASSERT_RC(p->handle, push_at(p->handle, "a", "replicas:1"), DUEQ_OK);
    assert_reach(p->handle, true, true, 1);
}

static void assert_nothing_sent(pair *p, const char *part)
{
    fixture f = {.server = p->master};
    fixture_assert_error(p->handle, part);
    assert_int_equal(fixture_calls(&f, "evalsha") + fixture_calls(&f, "eval"), 0);
}

/* The handle at fsync, or a call: refused before anything is sent. Then it goes on without. */
static void assert_refused(pair *p, const char *part)
{
    dueq *handle = NULL;
    int rc = dueq_open(&handle, server_url(p->master), &(dueq_options){.durability = "fsync"});
    ASSERT_RC(handle, rc, DUEQ_ESERVER);
    fixture_assert_error(handle, part);
    dueq_close(handle);
    server_do(p->master, "CONFIG RESETSTAT");
    ASSERT_RC(p->handle, push_at(p->handle, "a", "fsync"), DUEQ_ESERVER);
    assert_nothing_sent(p, part);
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, "fsync"), DUEQ_OK);
    ASSERT_RC(p->handle, push_at(p->handle, "a", NULL), DUEQ_ESERVER);
    assert_nothing_sent(p, part);
    ASSERT_RC(p->handle, dueq_set_durability(p->handle, NULL), DUEQ_OK);
    ASSERT_RC(p->handle, push_at(p->handle, "a", NULL), DUEQ_OK);
}

static void fsync_without_waitaof_is_refused(void **state)
{
    pair *p = *state;
    if (p->has_waitaof) skip();
    assert_refused(p, "no WAITAOF");
}

static void fsync_without_a_file_is_refused(void **state)
{
    pair *p = *state;
    if (!p->has_waitaof) skip();
    server_do(p->master, "CONFIG SET appendonly no");
    assert_refused(p, "append-only file");
    server_do(p->master, "CONFIG SET appendonly yes");
}

static void fsync_reaches_the_disk(void **state)
{
    pair *p = *state;
    if (!p->has_waitaof) skip();
    for (int i = 0; i < 2; i++) {
        dueq *handle = i == 0 ? p->handle : open_with(server_url(p->master), "fsync");
        server_do(p->master, "CONFIG SET appendfsync %s", i == 0 ? "always" : "everysec");
        UNTIL(20000, (queue_cancel(handle, "q", "a"),
                      push_at(handle, "a", "fsync") == DUEQ_OK && reach_of(handle).fsynced));
        assert_true(reach_of(handle).met);
        if (i > 0) dueq_close(handle);
    }
    /* A server that never gets to it: the call is done, and short. */
    server_do(p->master, "CONFIG SET appendfsync no");
    ASSERT_RC(p->handle, push_at(p->handle, "b", "fsync"), DUEQ_OK);
    dueq_reach reach = reach_of(p->handle);
    assert_true(reach.waited);
    assert_int_equal(reach.met, reach.fsynced);
    server_do(p->master, "CONFIG SET appendfsync everysec");
}

static void levels_that_are_none(void **state)
{
    pair *p = *state;
    static const char *const bad[] = {"",           "all",         "replicas",    "replicas:",
                                      "replicas:0", "replicas:-1", "replicas:1x", "replicas:1001",
                                      "Fsync",      "fsync:1",     "replicas: 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dueq *handle = NULL;
        ASSERT_RC(p->handle, dueq_set_durability(p->handle, bad[i]), DUEQ_EINVAL);
        fixture_assert_error(p->handle, "none, replicas:N");
        ASSERT_RC(p->handle, push_at(p->handle, "a", bad[i]), DUEQ_EINVAL);
        int rc = dueq_open(&handle, server_url(p->master), &(dueq_options){.durability = bad[i]});
        ASSERT_RC(handle, rc, DUEQ_EINVAL);
        dueq_close(handle);
    }
    assert_int_equal(queue_state(p->handle, "q", "a"), DUEQ_STATE_NONE);
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR_TEST(nothing_is_waited_for_unless_asked),
        PAIR_TEST(a_replica_acknowledges),
        PAIR_TEST(a_call_has_a_level_of_its_own),
        PAIR_TEST(the_handle_s_level_comes_from_url_or_options),
        PAIR_TEST(a_stopped_replica_makes_it_short),
        PAIR_TEST(more_replicas_than_there_are),
        PAIR_TEST(a_call_of_many_steps_waits_once),
        PAIR_TEST(every_call_that_changes_waits),
        PAIR_TEST(reading_and_taking_do_not),
        PAIR_TEST(a_server_that_forbids_it),
        PAIR_TEST(each_page_of_an_import_waits),
        PAIR_TEST(the_source_is_sent_when_it_is_lacking),
        PAIR_TEST(fsync_without_waitaof_is_refused),
        PAIR_TEST(fsync_without_a_file_is_refused),
        PAIR_TEST(fsync_reaches_the_disk),
        PAIR_TEST(levels_that_are_none),
    };
    return cmocka_run_group_tests(tests, start_pair, end_pair);
}
