/* Import: members of a ZSET become tasks with their due times, whatever they hold; those that cannot
 * or must not move stay; and beside old consumers, or killed again and again, the importer has every
 * member handled exactly once.
 * test-timeout-s: 120 */
#include "support/party.h"
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000, A_DAY_S = 86400 };
#define LOCKS "lock:"

static int64_t now_s(const fixture *f)
{
    return fixture_now_us(f) / 1000000;
}

static void add(const fixture *f, const char *member, int64_t score)
{
    server_do(f->server, "ZADD old %lld %s", (long long)score, member);
}

static int import(dueq *handle, const dueq_import_options *options, dueq_import_result *result)
{
    return dueq_import(handle, "old", "q", options, result);
}

static void move_all(const fixture *f, int64_t moved)
{
    dueq_import_result result;
    ASSERT_RC(f->handle, import(f->handle, NULL, &result), DUEQ_OK);
    assert_int_equal(result.moved, moved);
}

static long long left(const fixture *f)
{
    return server_int(f->server, "ZCARD old");
}

/* The queue's tasks by due time; free the batch. */
static dueq_batch *tasks_of(const fixture *f)
{
    dueq_batch *batch = NULL;
    char *cursor = NULL;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", NULL, &batch, &cursor), DUEQ_OK);
    assert_null(cursor);
    return batch;
}

/* ---- What a member becomes ------------------------------------------------------------------- */

static void scores_are_due_times(void **state)
{
    fixture *f = *state;
    int64_t soon_s = now_s(f) + A_DAY_S;
    static const struct {
        dueq_unit unit;
        const char *fraction;
        int64_t times, due_ms;
    } cases[] = {
        {DUEQ_UNIT_S, "", 1, 0},
        {DUEQ_UNIT_S, ".25", 1, 250},
        {DUEQ_UNIT_MS, "", 1000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char score[64];
        snprintf(score, sizeof score, "%" PRId64 "%s", soon_s * cases[i].times, cases[i].fraction);
        server_do(f->server, "ZADD old %s a-member", score);
        dueq_import_result result;
        ASSERT_RC(f->handle,
                  import(f->handle, &(dueq_import_options){.unit = cases[i].unit}, &result),
                  DUEQ_OK);
        assert_int_equal(result.members, 1);
        assert_int_equal(result.first_due_ms, soon_s * 1000 + cases[i].due_ms);
        assert_int_equal(result.last_due_ms, result.first_due_ms);
        assert_int_equal(result.moved, 1);
        assert_int_equal(result.overdue, 0);
        dueq_batch *tasks = tasks_of(f);
        assert_int_equal(tasks->count, 1);
        assert_int_equal(tasks->tasks[0].due_ms, result.first_due_ms);
        assert_string_equal(tasks->tasks[0].payload, "a-member");
        assert_int_equal(tasks->tasks[0].state, DUEQ_STATE_WAITING);
        dueq_batch_free(tasks);
        assert_int_equal(left(f), 0);
    }
}

static void what_is_overdue_is_ready_in_its_order(void **state)
{
    fixture *f = *state;
    int64_t now = now_s(f);
    add(f, "second", now - 5);
    add(f, "first", now - 50);
    add(f, "zero", 0);
    dueq_import_result result;
    ASSERT_RC(f->handle, import(f->handle, NULL, &result), DUEQ_OK);
    assert_int_equal(result.overdue, 3);
    assert_int_equal(server_int(f->server, "LLEN dueq:{q:0}:wake"),
                     1); /* an idle worker is woken */
    static const char *const order[] = {"zero", "first", "second"};
    for (size_t i = 0; i < 3; i++) {
        dueq_batch *one = queue_take_one(f->handle, "q", 0);
        assert_string_equal(one->tasks[0].payload, order[i]);
        queue_finish(f->handle, "q", one);
    }
}

static void members_are_bytes_of_any_length(void **state)
{
    fixture *f = *state;
    enum { HUGE_LEN = 900000, HUGE_COUNT = 20 };
    char *bytes = malloc(HUGE_LEN);
    for (size_t i = 0; i < HUGE_LEN; i++) bytes[i] = (char)(i * 31 + i / 256);
    for (int i = 0; i < HUGE_COUNT; i++) {
        bytes[0] = (char)i;
        server_do(f->server, "ZADD old 1 %b", bytes, (size_t)HUGE_LEN);
    }
    server_do(f->server, "ZADD old 2 %b", "", (size_t)0);
    server_do(f->server, "ZADD old 3 %b", "\0\r\n{}\xff", (size_t)6);
    move_all(f, HUGE_COUNT + 2);
    dueq_take_options all = {.tasks_max = 100, .bytes_max = 100 << 20};
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", &all, &batch), DUEQ_OK);
    assert_int_equal(batch->count, HUGE_COUNT + 2);
    bool seen[HUGE_COUNT] = {false};
    for (size_t i = 0; i < HUGE_COUNT; i++) {
        const dueq_task *task = &batch->tasks[i];
        assert_int_equal(task->payload_len, HUGE_LEN);
        assert_memory_equal(task->payload + 1, bytes + 1, HUGE_LEN - 1);
        assert_in_range(task->payload[0], 0, HUGE_COUNT - 1);
        seen[(size_t)task->payload[0]] = true;
    }
    for (size_t i = 0; i < HUGE_COUNT; i++) assert_true(seen[i]);
    assert_int_equal(batch->tasks[HUGE_COUNT].payload_len, 0);
    assert_int_equal(batch->tasks[HUGE_COUNT + 1].payload_len, 6);
    assert_memory_equal(batch->tasks[HUGE_COUNT + 1].payload, "\0\r\n{}\xff", 6);
    queue_finish(f->handle, "q", batch);
    free(bytes);
}

static void many_go_to_all_partitions(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", &(dueq_settings){.partitions = 5});
    for (int i = 0; i < 1234; i++) server_do(f->server, "ZADD old %d m%d", i, i);
    move_all(f, 1234);
    assert_int_equal(left(f), 0);
    assert_int_equal(queue_drain(f->handle, "q"), 1234);
    for (int p = 0; p < 5; p++)
        assert_in_range(server_int(f->server, "HGET dueq:{q:%d}:meta done", p), 100, 400);
}

/* ---- What stays ------------------------------------------------------------------------------ */

static void what_cannot_be_a_task_stays(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", &(dueq_settings){.payload_max = 4});
    add(f, "fits", 1);
    add(f, "longer", 2);
    server_do(f->server, "ZADD old +inf ever");
    server_do(f->server, "ZADD old -inf past");
    server_do(f->server, "ZADD old 90000000000 far");
    for (int dry = 1; dry >= 0; dry--) {
        dueq_import_result result;
        ASSERT_RC(
            f->handle,
            import(f->handle, &(dueq_import_options){.dry_run = dry == 1, .page = 2}, &result),
            DUEQ_STATE);
        assert_int_equal(result.moved, 1);
        assert_int_equal(result.too_large, 1);
        assert_int_equal(result.undated, 3);
        assert_int_equal(left(f), dry ? 5 : 4);
    }
    assert_int_equal(queue_live(f->handle, "q"), 1);
}

static void a_dry_run_changes_nothing(void **state)
{
    fixture *f = *state;
    add(f, "due", 1);
    add(f, "later", now_s(f) + A_DAY_S);
    add(f, "locked", 2);
    server_do(f->server, "SET " LOCKS "locked token PX 100000");
    server_do(f->server, "LPUSH " LOCKS "due of-another-type");
    dueq_import_result result;
    dueq_import_options options = {.dry_run = true, .lock_prefix = LOCKS};
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_HELD);
    assert_int_equal(result.members, 3);
    assert_int_equal(result.moved, 1);
    assert_int_equal(result.overdue, 0);
    assert_int_equal(result.held, 2);
    assert_int_equal(left(f), 3);
    assert_int_equal(server_int(f->server, "DBSIZE"), 3);
}

static void the_wrong_unit_is_refused(void **state)
{
    fixture *f = *state;
    int64_t now = now_s(f);
    add(f, "m", now + 5);
    dueq_import_options ms = {.unit = DUEQ_UNIT_MS};
    ASSERT_RC(f->handle, import(f->handle, &ms, NULL), DUEQ_EINVAL);
    fixture_assert_error(f->handle, "looks like seconds");
    add(f, "m", (now + 5) * 1000);
    ASSERT_RC(f->handle, import(f->handle, NULL, NULL), DUEQ_EINVAL);
    fixture_assert_error(f->handle, "looks like milliseconds");
    assert_int_equal(left(f), 1);
    ASSERT_RC(f->handle, import(f->handle, &ms, NULL), DUEQ_OK);
    assert_int_equal(left(f), 0);
}

static void bad_calls_are_refused(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    ASSERT_RC(h, dueq_import(h, "", "q", NULL, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, dueq_import(h, NULL, "q", NULL, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, dueq_import(h, "old", "{q}", NULL, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, import(h, &(dueq_import_options){.page = 1001}, NULL), DUEQ_ELIMIT);
    ASSERT_RC(h, import(h, &(dueq_import_options){.poll_ms = -1}, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, import(h, &(dueq_import_options){.wait_ms = -2}, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, import(h, &(dueq_import_options){.lock_keep_ms = 1}, NULL), DUEQ_EINVAL);
    ASSERT_RC(h, import(h, &(dueq_import_options){.unit = (dueq_unit)7}, NULL), DUEQ_EINVAL);
    server_do(f->server, "SET old text");
    ASSERT_RC(h, import(h, NULL, NULL), DUEQ_ECORRUPT);
    server_do(f->server, "DEL old");
    move_all(f, 0); /* nothing there: nothing to do */
    assert_int_equal(server_int(f->server, "DBSIZE"), 0);
}

/* ---- Old consumers' locks -------------------------------------------------------------------- */

static void locked_members_are_left_and_taken_later(void **state)
{
    fixture *f = *state;
    dueq_import_options options = {.lock_prefix = LOCKS, .page = 1};
    dueq_import_result result;
    add(f, "held", 1);
    add(f, "other-type", 2);
    add(f, "free", 3);
    add(f, "later", now_s(f) + A_DAY_S);
    server_do(f->server, "SET " LOCKS "held token NX PX 100000");
    server_do(f->server, "LPUSH " LOCKS "other-type x");
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_HELD);
    assert_int_equal(result.moved, 2);
    assert_int_equal(result.held, 2);
    assert_int_equal(left(f), 2);

    /* Who read the moved one before it moved is kept out; of one due later nobody has read. */
    assert_null(server_text(f->server, "SET " LOCKS "free token NX PX 1000"));
    assert_in_range(server_int(f->server, "PTTL " LOCKS "free"), 50000, 60000);
    assert_int_equal(server_int(f->server, "EXISTS " LOCKS "later"), 0);

    /* A lock of ours keeps no importer out. */
    add(f, "free", 4);
    server_do(f->server, "DEL " LOCKS "held " LOCKS "other-type");
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, 3);
    assert_int_equal(queue_live(f->handle, "q"), 4);
}

static void held_members_are_waited_for(void **state)
{
    fixture *f = *state;
    add(f, "held", 1);
    server_do(f->server, "SET held token NX PX 30");
    dueq_import_options options = {.lock_prefix = "", .wait_ms = 1, .poll_ms = 1};
    dueq_import_result result;
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_HELD);
    options.wait_ms = -1;
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, 1);
}

/* ---- Members that are added again ------------------------------------------------------------ */

static void an_added_member_moves_its_waiting_task(void **state)
{
    fixture *f = *state;
    int64_t soon_s = now_s(f) + A_DAY_S;
    add(f, "m", soon_s);
    move_all(f, 1);
    add(f, "m", soon_s + 100);
    move_all(f, 1);
    dueq_batch *tasks = tasks_of(f);
    assert_int_equal(tasks->count, 1);
    assert_int_equal(tasks->tasks[0].due_ms, (soon_s + 100) * 1000);
    dueq_batch_free(tasks);
    assert_int_equal(queue_stats(f->handle, "q").pushed, 1);
}

static void an_added_member_waits_for_its_leased_task(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", &(dueq_settings){.retention_ms = AN_HOUR_MS});
    add(f, "m", 1);
    move_all(f, 1);
    dueq_batch *held = queue_take_one(f->handle, "q", AN_HOUR_MS);
    add(f, "m", 2);
    dueq_import_result result;
    ASSERT_RC(f->handle, import(f->handle, NULL, &result), DUEQ_HELD);
    assert_int_equal(result.busy, 1);
    assert_int_equal(left(f), 1);
    queue_finish(f->handle, "q", held);
    move_all(f, 1); /* though its id is remembered: it was added again */
    assert_int_equal(queue_drain(f->handle, "q"), 1);
}

static void an_added_member_revives_its_dead_task(void **state)
{
    fixture *f = *state;
    add(f, "m", 1);
    move_all(f, 1);
    queue_kill_one(f->handle, "q");
    add(f, "m", 2);
    move_all(f, 1);
    dueq_batch *one = queue_take_one(f->handle, "q", 0);
    assert_int_equal(one->tasks[0].attempt, 1);
    queue_finish(f->handle, "q", one);
    assert_int_equal(queue_live(f->handle, "q"), 0);
}

/* ---- Following ------------------------------------------------------------------------------- */

typedef struct follower {
    fixture *f;
    int stop_fd;
    int64_t added;
    bool full, saw_trouble;
} follower;

/* A producer who adds a member each time the import has moved all, three in all. */
static void add_another(void *context, const dueq_import_result *so_far)
{
    follower *w = context;
    if (so_far->moved < w->added || left(w->f)) return;
    if (w->added == 3) {
        eventfd_write(w->stop_fd, 1);
        return;
    }
    server_do(w->f->server, "ZADD old 1 m%lld", (long long)w->added++);
}

static void follow_goes_on_until_interrupted(void **state)
{
    fixture *f = *state;
    follower w = {.f = f, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    dueq_set_interrupt_fd(f->handle, w.stop_fd);
    dueq_import_options options = {
        .follow = true, .poll_ms = 1, .report = add_another, .context = &w};
    dueq_import_result result;
    ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_ECANCELED);
    dueq_set_interrupt_fd(f->handle, -1);
    close(w.stop_fd);
    assert_int_equal(result.moved, 3);
    assert_int_equal(queue_drain(f->handle, "q"), 3);
}

/* Makes room once the full server was noticed, and stops once all has moved. */
static void make_room(void *context, const dueq_import_result *so_far)
{
    follower *w = context;
    if (so_far->trouble == DUEQ_EFULL) {
        w->saw_trouble = true;
        server_do(w->f->server, "CONFIG SET maxmemory 0");
    }
    if (so_far->moved == 1) eventfd_write(w->stop_fd, 1);
}

static void follow_outlasts_a_full_server(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", NULL);
    add(f, "m", 1);
    follower w = {.f = f, .stop_fd = eventfd(0, EFD_CLOEXEC)};
    dueq *hasty = NULL;
    ASSERT_RC(hasty, dueq_open(&hasty, server_url(f->server), &(dueq_options){.timeout_ms = 50}),
              DUEQ_OK);
    dueq_set_interrupt_fd(hasty, w.stop_fd);
    server_do(f->server, "CONFIG SET maxmemory 1");
    dueq_import_options options = {
        .follow = true, .poll_ms = 1, .report = make_room, .context = &w};
    dueq_import_result result;
    ASSERT_RC(hasty, import(hasty, &options, &result), DUEQ_ECANCELED);
    dueq_close(hasty);
    close(w.stop_fd);
    assert_true(w.saw_trouble);
    assert_int_equal(left(f), 0);
    assert_int_equal(queue_drain(f->handle, "q"), 1);
}

/* ---- Exactly once, beside others ------------------------------------------------------------- */

/* The integer of an answer; -1: it is none, as of a SET NX that was not granted. */
static long long raw(valkeyContext *c, const char *format, const char *a, const char *b)
{
    valkeyReply *reply = valkeyCommand(c, format, a, b);
    long long number = -1;
    if (reply && reply->type == VALKEY_REPLY_INTEGER) number = reply->integer;
    if (reply && reply->type == VALKEY_REPLY_STATUS) number = 0;
    freeReplyObject(reply);
    return number;
}

/* The recipe: read what is due, lock each, handle it, remove it, unlock it if the lock is still
 * one's own. It never looks whether what it locked is still there. */
static void consume_as_of_old(party *p)
{
    valkeyContext *c = p->counter; /* the very server */
    while (!p->failed && !p->stop) {
        valkeyReply *due = valkeyCommand(c, "ZRANGEBYSCORE old -inf 5 LIMIT 0 40");
        for (size_t i = 0; due && i < due->elements; i++) {
            const char *member = due->element[i]->str;
            if (raw(c, "SET " LOCKS "%s mine NX PX %s", member, "60000") < 0) continue;
            party_count(p, member);
            raw(c, "ZREM old %s", member, NULL);
            raw(c, "EVAL %s 1 " LOCKS "%s",
                "if redis.call('GET', KEYS[1]) == 'mine' then return redis.call('DEL', KEYS[1]) end",
                member);
        }
        freeReplyObject(due);
    }
}

static void fill(const fixture *f, int count)
{
    for (int i = 0; i < count; i++) server_do(f->server, "ZADD old %d m%d", i % 5, i);
}

static void beside_an_old_consumer_each_is_handled_once(void **state)
{
    fixture *f = *state;
    enum { COUNT = 4000 };
    fill(f, COUNT);
    party old, new;
    party_start(&old, consume_as_of_old, NULL, f->server);
    party_start(&new, party_work, server_url(f->server), f->server);
    UNTIL(10000, old.handled > 0);
    dueq_import_options options = {.lock_prefix = LOCKS, .wait_ms = -1, .poll_ms = 1, .page = 25};
    dueq_import_result result;
    while (left(f) > 0) {
        ASSERT_RC(f->handle, import(f->handle, &options, &result), DUEQ_OK);
    }
    UNTIL_EQ(20000, server_int(f->server, "HLEN handled"), COUNT);
    UNTIL_EQ(20000, queue_live(f->handle, "q"), 0);
    int64_t by_old = party_end(&old), by_new = party_end(&new);
    party_assert_each_once(f->server, COUNT);
    assert_int_equal(by_old + by_new, COUNT);
    assert_true(by_old > 0 && by_new > 0);
}

/* An importer in a process of its own, which is killed. */
static pid_t start_importer(const fixture *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid) return pid;
    dueq *handle = NULL;
    dueq_import_options options = {.lock_prefix = LOCKS, .page = 3, .follow = true, .poll_ms = 1};
    int rc = dueq_open(&handle, server_url(f->server), NULL);
    if (rc == DUEQ_OK) rc = import(handle, &options, NULL);
    _exit(rc < 0);
}

static void killed_anywhere_it_loses_and_doubles_none(void **state)
{
    /* Beside threads a fork under a sanitizer may find its allocator locked for ever. */
    const char *sanitizer = getenv("DUEQ_SANITIZE");
    if (sanitizer && *sanitizer) skip();
    fixture *f = *state;
    enum { COUNT = 3000, KILLS = 25 };
    fill(f, COUNT);
    party new;
    party_start(&new, party_work, server_url(f->server), f->server);
    unsigned seed = 4711;
    int kills = 0;
    for (int round = 1; round <= KILLS && left(f) > 0; round++) {
        long long until = COUNT - (COUNT - 200) / KILLS * round - rand_r(&seed) % 50;
        pid_t pid = start_importer(f);
        UNTIL(10000, left(f) < until);
        kill(pid, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        kills++;
    }
    assert_true(kills >= 5);
    ASSERT_RC(f->handle, import(f->handle, &(dueq_import_options){.lock_prefix = LOCKS}, NULL),
              DUEQ_OK);
    UNTIL_EQ(20000, server_int(f->server, "HLEN handled"), COUNT);
    UNTIL_EQ(20000, queue_live(f->handle, "q"), 0);
    party_end(&new);
    party_assert_each_once(f->server, COUNT);
    assert_int_equal(queue_stats(f->handle, "q").pushed, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(scores_are_due_times),
        FIXTURE_TEST(what_is_overdue_is_ready_in_its_order),
        FIXTURE_TEST(members_are_bytes_of_any_length),
        FIXTURE_TEST(many_go_to_all_partitions),
        FIXTURE_TEST(what_cannot_be_a_task_stays),
        FIXTURE_TEST(a_dry_run_changes_nothing),
        FIXTURE_TEST(the_wrong_unit_is_refused),
        FIXTURE_TEST(bad_calls_are_refused),
        FIXTURE_TEST(locked_members_are_left_and_taken_later),
        FIXTURE_TEST(held_members_are_waited_for),
        FIXTURE_TEST(an_added_member_moves_its_waiting_task),
        FIXTURE_TEST(an_added_member_waits_for_its_leased_task),
        FIXTURE_TEST(an_added_member_revives_its_dead_task),
        FIXTURE_TEST(follow_goes_on_until_interrupted),
        FIXTURE_TEST(follow_outlasts_a_full_server),
        FIXTURE_TEST(beside_an_old_consumer_each_is_handled_once),
        FIXTURE_TEST(killed_anywhere_it_loses_and_doubles_none),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
