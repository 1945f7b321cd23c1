/* fsck: finds every way in which "one state" can be broken by hand, names it, mends it, and leaves
 * what is sound alone. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000, FINDINGS_MAX = 64 };

/* What fsck reported, a line each: "NAME: FOUND". */
typedef struct findings {
    size_t count;
    char lines[FINDINGS_MAX][600];
    dueq_grade worst;
    dueq_fsck_result result;
} findings;

static void note(void *context, const dueq_finding *finding)
{
    findings *all = context;
    if (all->count == FINDINGS_MAX) fail_msg("more than %d findings", FINDINGS_MAX);
    snprintf(all->lines[all->count++], sizeof all->lines[0], "%s: %s", finding->name,
             finding->found);
    if (finding->grade > all->worst) all->worst = finding->grade;
}

static findings check(const fixture *f, bool repair, int wanted)
{
    findings all = {0};
    dueq_fsck_options options = {.repair = repair};
    ASSERT_RC(f->handle, dueq_fsck(f->handle, "q", &options, note, &all, &all.result), wanted);
    assert_int_equal(all.result.orphans, all.count);
    return all;
}

static void assert_finding(const findings *all, const char *line)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->lines[i], line) == 0) return;
    for (size_t i = 0; i < all->count; i++) print_error("found \"%s\"\n", all->lines[i]);
    fail_msg("not found: \"%s\"", line);
}

/* One task in each state: waiting, ready, leased, dead, all with failures remembered. */
static void fill(dueq *h)
{
    ASSERT_RC(h, queue_push(h, "q", "dead", "x", 0), DUEQ_OK);
    queue_kill_one(h, "q");
    ASSERT_RC(h, queue_push(h, "q", "leased", "x", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(h, "q", AN_HOUR_MS));
    ASSERT_RC(h, queue_push(h, "q", "ready", "x", 0), DUEQ_OK);
    ASSERT_RC(h, queue_push(h, "q", "waiting", "x", AN_HOUR_MS), DUEQ_OK);
}

/* Finds the fault alone, leaves it, mends it, and finds nothing more. */
static void find_and_mend(fixture *f, const char *line)
{
    f->damaged = true; /* what a fault took away is missing in the counts */
    findings found = check(f, false, DUEQ_STATE);
    assert_finding(&found, line);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.result.repaired, 0);
    assert_int_equal(found.worst, DUEQ_GRADE_FAIL);
    found = check(f, false, DUEQ_STATE); /* looking changes nothing */
    found = check(f, true, DUEQ_OK);
    assert_finding(&found, line);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.result.repaired, 1);
    assert_int_equal(found.worst, DUEQ_GRADE_NOTE);
    found = check(f, false, DUEQ_OK);
    assert_int_equal(found.count, 0);
}

static void a_sound_queue(void **state)
{
    fixture *f = *state;
    fill(f->handle);
    findings found = check(f, true, DUEQ_OK);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.result.tasks, 4);
    assert_int_equal(queue_state(f->handle, "q", "leased"), DUEQ_STATE_LEASED);
    assert_int_equal(queue_state(f->handle, "q", "dead"), DUEQ_STATE_DEAD);
    ASSERT_RC(f->handle, dueq_fsck(f->handle, "none", NULL, NULL, NULL, NULL), DUEQ_MISSING);
    dueq_fsck_options steps = {.step = 1001};
    ASSERT_RC(f->handle, dueq_fsck(f->handle, "q", &steps, NULL, NULL, NULL), DUEQ_ELIMIT);
    steps.step = 1;
    ASSERT_RC(f->handle, dueq_fsck(f->handle, "q", &steps, NULL, NULL, NULL), DUEQ_OK);
}

/* ---- Ids ------------------------------------------------------------------------------------- */

static void a_task_in_no_state(void **state)
{
    fixture *f = *state;
    fill(f->handle);
    server_do(f->server, "ZREM dueq:{q:0}:leased leased");
    find_and_mend(f, "leased: the task is in no state");
    assert_int_equal(queue_state(f->handle, "q", "leased"), DUEQ_STATE_READY);
    assert_int_equal(queue_drain(f->handle, "q"), 2);
}

static void an_id_without_a_record(void **state)
{
    fixture *f = *state;
    static const char *const ids[] = {"waiting", "leased", "dead"};
    fill(f->handle);
    for (int i = 0; i < 3; i++) {
        server_do(f->server, "HDEL dueq:{q:0}:body %s", ids[i]);
        char line[100];
        snprintf(line, sizeof line, "%s: the id is in a state but has no record", ids[i]);
        find_and_mend(f, line);
    }
    assert_int_equal(queue_live(f->handle, "q"), 1);
}

static void a_task_in_several_states(void **state)
{
    fixture *f = *state;
    static const char *const ids[] = {"leased", "dead"};
    fill(f->handle);
    for (int i = 0; i < 2; i++) {
        server_do(f->server, "ZADD dueq:{q:0}:due 1 %s", ids[i]);
        char line[100];
        snprintf(line, sizeof line, "%s: the task is in several states", ids[i]);
        find_and_mend(f, line);
    }
    server_do(f->server, "ZADD dueq:{q:0}:dead 1 leased");
    find_and_mend(f, "leased: the task is in several states");
    assert_int_equal(queue_state(f->handle, "q", "leased"), DUEQ_STATE_LEASED);
    assert_int_equal(queue_state(f->handle, "q", "dead"), DUEQ_STATE_DEAD);
    assert_int_equal(queue_live(f->handle, "q"), 4);
}

static void failures_of_no_task(void **state)
{
    fixture *f = *state;
    fill(f->handle);
    server_do(f->server, "HSET dueq:{q:0}:tries nobody 1:::why");
    find_and_mend(f, "nobody: failures are remembered of no task");
}

static void names_are_printable(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", NULL);
    server_do(f->server, "ZADD dueq:{q:0}:due 1 %b", "a\x1b[2J\n\0b", (size_t)8);
    findings found = check(f, true, DUEQ_OK);
    assert_finding(&found, "a\\x1b[2J\\n\\x00b: the id is in a state but has no record");
}

/* Many faults over partitions, in small steps: each is named once. */
static void many_faults(void **state)
{
    fixture *f = *state;
    f->damaged = true;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 3000, 0);
    for (int i = 0; i < 20; i++)
        for (int p = 0; p < 3; p++) server_do(f->server, "ZREM dueq:{q:%d}:due t%d", p, i * 150);
    findings all = {0};
    dueq_fsck_options options = {.repair = true, .step = 7};
    ASSERT_RC(f->handle, dueq_fsck(f->handle, "q", &options, note, &all, &all.result), DUEQ_OK);
    assert_int_equal(all.count, 20);
    assert_int_equal(all.result.repaired, 20);
    assert_int_equal(all.result.tasks, 3000);
    assert_int_equal(queue_drain(f->handle, "q"), 3000);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static void a_key_that_is_gone(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"tries", "gone", "dead", "leased"};
    for (int i = 0; i < 4; i++) {
        assert_true(queue_push(f->handle, "q", "t", "x", 0) >= 0);
        server_do(f->server, "DEL dueq:{q:0}:%s", names[i]);
        char line[100];
        snprintf(line, sizeof line, "dueq:{q:0}:%s: the key does not exist", names[i]);
        find_and_mend(f, line);
    }
    assert_int_equal(queue_drain(f->handle, "q"), 1);
}

static void the_due_times_are_gone(void **state)
{
    fixture *f = *state;
    f->damaged = true;
    fill(f->handle);
    server_do(f->server, "DEL dueq:{q:0}:due");
    findings found = check(f, true, DUEQ_OK);
    assert_finding(&found, "dueq:{q:0}:due: the key does not exist");
    assert_finding(&found, "ready: the task is in no state");
    assert_finding(&found, "waiting: the task is in no state");
    assert_int_equal(found.count, 3);
    assert_int_equal(queue_stats(f->handle, "q").ready, 2); /* early is better than never */
}

static void a_key_without_its_sentinel(void **state)
{
    fixture *f = *state;
    fill(f->handle);
    server_do(f->server, "ZREMRANGEBYSCORE dueq:{q:0}:leased +inf +inf");
    find_and_mend(f, "dueq:{q:0}:leased: the key lacks its sentinel");
}

/* A key of another type is named and set aside with what it holds; its tasks' states are mended. */
static void a_key_of_another_type(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"due", "leased", "tries", "dead", "gone", "wake"};
    for (int i = 0; i < 6; i++) {
        f->damaged = true;
        fill(f->handle);
        server_do(f->server, "DEL dueq:{q:0}:%s", names[i]);
        server_do(f->server, "SET dueq:{q:0}:%s precious", names[i]);
        findings found = check(f, false, DUEQ_STATE);
        char line[100];
        snprintf(line, sizeof line, "dueq:{q:0}:%s: the key is of another type", names[i]);
        assert_finding(&found, line);
        found = check(f, true, DUEQ_OK);
        assert_finding(&found, line);
        found = check(f, false, DUEQ_OK);
        assert_int_equal(found.count, 0);
        char *aside = server_text(f->server, "GET dueq:{q:0}:%s:aside", names[i]);
        assert_string_equal(aside, "precious");
        free(aside);
        assert_int_equal(queue_live(f->handle, "q"), 4); /* every task is somewhere */
        ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_OK);
    }
}

static void the_records_are_of_another_type(void **state)
{
    fixture *f = *state;
    f->damaged = true;
    fill(f->handle);
    server_do(f->server, "SET dueq:{q:0}:body precious");
    findings found = check(f, true, DUEQ_OK);
    assert_finding(&found, "dueq:{q:0}:body: the key is of another type");
    assert_finding(&found, "ready: the id is in a state but has no record");
    assert_int_equal(queue_live(f->handle, "q"), 0);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "new", "x", 0), DUEQ_OK);
}

static void the_settings_are_of_another_type(void **state)
{
    fixture *f = *state;
    fill(f->handle);
    server_do(f->server, "SET dueq:{q:0}:meta precious");
    f->damaged = true;
    findings found = check(f, false, DUEQ_STATE);
    assert_finding(&found, "dueq:{q:0}:meta: the key is of another type");
    found = check(f, true, DUEQ_OK);
    assert_finding(&found, "dueq:{q:0}:meta: the key is of another type");
    f->damaged = false;
    assert_int_equal(queue_live(f->handle, "q"), 4);
    server_do(f->server, "DEL dueq:{q:0}:meta:aside");
}

static void a_partition_that_is_gone(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 30, 0);
    server_do(f->server, "DEL dueq:{q:1}:meta");
    findings found = check(f, false, DUEQ_OK);
    assert_finding(&found, "q, partition 1: the partition did not exist");
    assert_int_equal(queue_drain(f->handle, "q"), 30);
}

/* fsck beside a queue at work finds nothing: each step looks at one instant. */
static void a_queue_at_work(void **state)
{
    fixture *f = *state;
    dueq *other = fixture_open(f);
    dueq_fsck_options options = {.step = 50};
    for (int round = 0; round < 10; round++) {
        queue_push_many(f->handle, "q", "t", 500, 0);
        dueq_batch *batch = queue_take(f->handle, "q", 400, 0);
        findings all = {0};
        ASSERT_RC(other, dueq_fsck(other, "q", &options, note, &all, &all.result), DUEQ_OK);
        assert_int_equal(all.count, 0);
        queue_finish(f->handle, "q", batch);
        queue_drain(f->handle, "q");
    }
    dueq_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_sound_queue),
        FIXTURE_TEST(a_task_in_no_state),
        FIXTURE_TEST(an_id_without_a_record),
        FIXTURE_TEST(a_task_in_several_states),
        FIXTURE_TEST(failures_of_no_task),
        FIXTURE_TEST(names_are_printable),
        FIXTURE_TEST(many_faults),
        FIXTURE_TEST(a_key_that_is_gone),
        FIXTURE_TEST(the_due_times_are_gone),
        FIXTURE_TEST(a_key_without_its_sentinel),
        FIXTURE_TEST(a_key_of_another_type),
        FIXTURE_TEST(the_records_are_of_another_type),
        FIXTURE_TEST(the_settings_are_of_another_type),
        FIXTURE_TEST(a_partition_that_is_gone),
        FIXTURE_TEST(a_queue_at_work),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
