/* Clocks that step: the server's by an hour forward and back, the clients' by a day. Due times and
 * lease ends move with the server's clock, by that much; receipts and tokens stay unique, nothing
 * is lost or held twice; the clients' clocks have no effect. */
#include "support/queue_fixture.h"
#include "support/rig.h"
#include "support/skew.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000, HALF_AN_HOUR_MS = 1800000, PATIENCE_MS = 20000 };
#define A_DAY_MS ((int64_t)24 * 3600 * 1000)

typedef struct timely {
    fixture f; /* the first: its functions are used */
    skew *clock;
} timely;

static int set_up(void **state)
{
    timely *t = calloc(1, sizeof *t);
    *state = t;
    t->clock = skew_open();
    t->f.server = server_start(NULL);
    t->f.handle = fixture_open(&t->f);
    return 0;
}

static int tear_down(void **state)
{
    timely *t = *state;
    dueq_queue_list *list;
    ASSERT_RC(t->f.handle, dueq_queues(t->f.handle, &list), DUEQ_OK);
    for (size_t i = 0; i < list->count; i++) queue_assert_sound(t->f.handle, list->names[i]);
    dueq_queue_list_free(list);
    dueq_close(t->f.handle);
    server_free(t->f.server);
    skew_close(t->clock);
    free(t);
    return 0;
}

static int64_t machine_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Off the machine's clock by that much, and the server knows it: one that reads the processor's
 * counter (Valkey 9) asks for the wall clock once a millisecond, and counts on from there. */
static void put_clock(skew *clock, test_server *server, int64_t offset_ms)
{
    const fixture f = {.server = server};
    skew_set_ms(clock, offset_ms);
    UNTIL(PATIENCE_MS, llabs(fixture_now_us(&f) / 1000 - machine_ms() - offset_ms) < 1000);
}

static void put(const timely *t, int64_t offset_ms)
{
    put_clock(t->clock, t->f.server, offset_ms);
}

/* ---- The server's ---------------------------------------------------------------------------- */

/* The rest proves nothing unless the server's clock goes where it is put. */
static void the_servers_clock_can_be_put(void **state)
{
    timely *t = *state;
    put(t, AN_HOUR_MS);
    int64_t off_ms = fixture_now_us(&t->f) / 1000 - machine_ms();
    assert_in_range(off_ms, AN_HOUR_MS - 5000, AN_HOUR_MS + 5000);
    put(t, -AN_HOUR_MS);
    off_ms = machine_ms() - fixture_now_us(&t->f) / 1000;
    assert_in_range(off_ms, AN_HOUR_MS - 5000, AN_HOUR_MS + 5000);
}

static void a_step_forward_makes_due_and_ends_leases(void **state)
{
    timely *t = *state;
    dueq *h = t->f.handle;
    ASSERT_RC(h, queue_push(h, "q", "held", "x", 0), DUEQ_OK);
    dueq_batch *held = queue_take_one(h, "q", HALF_AN_HOUR_MS);
    ASSERT_RC(h, queue_push(h, "q", "soon", "x", HALF_AN_HOUR_MS), DUEQ_OK);
    ASSERT_RC(h, queue_push(h, "q", "late", "x", 2 * AN_HOUR_MS), DUEQ_OK);
    assert_null(queue_take(h, "q", 10, 0));
    put(t, AN_HOUR_MS);
    ASSERT_RC(h, queue_done(h, "q", held->tasks[0].receipt), DUEQ_LOST);
    dueq_batch *batch = queue_take(h, "q", 10, 0);
    assert_non_null(batch);
    assert_int_equal(batch->count, 2);
    assert_string_equal(batch->tasks[1].id, "soon");
    assert_true(batch->tasks[0].token > held->tasks[0].token);
    assert_string_not_equal(batch->tasks[0].receipt, held->tasks[0].receipt);
    queue_finish(h, "q", batch);
    dueq_batch_free(held);
    assert_int_equal(queue_state(h, "q", "late"), DUEQ_STATE_WAITING);
}

static void a_step_back_makes_late_and_lengthens_leases(void **state)
{
    timely *t = *state;
    dueq *h = t->f.handle;
    ASSERT_RC(h, queue_push(h, "q", "held", "x", 0), DUEQ_OK);
    dueq_batch *held = queue_take_one(h, "q", 1);
    ASSERT_RC(h, queue_push(h, "q", "ready", "x", 0), DUEQ_OK);
    int64_t ended_us = fixture_now_us(&t->f) + 2000;
    UNTIL(PATIENCE_MS, fixture_now_us(&t->f) > ended_us);
    put(t, -AN_HOUR_MS);
    assert_null(queue_take(h, "q", 10, 0)); /* an hour late: not lost, and not held twice */
    ASSERT_RC(h, queue_push(h, "q", "new", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(h, "q", AN_HOUR_MS);
    assert_string_equal(batch->tasks[0].id, "new"); /* what comes now goes by the new time */
    assert_true(batch->tasks[0].token > held->tasks[0].token);
    queue_finish(h, "q", batch);
    queue_finish(h, "q", held); /* its lease stands again */
    put(t, 0);
    assert_int_equal(queue_drain(h, "q"), 1);
}

/* Whatever the clock does: tokens of a partition only grow, no receipt comes twice, and one that
 * was given up stays lost. The leases are of rising lengths: were the clock put back so that two of
 * one task ended in the very same millisecond, one pair in a thousand would have one receipt. */
static void tokens_and_receipts_stay_unique(void **state)
{
    timely *t = *state;
    dueq *h = t->f.handle;
    enum { TAKES = 300 };
    static const int64_t offsets_ms[] = {0, AN_HOUR_MS, -AN_HOUR_MS, HALF_AN_HOUR_MS,
                                         -HALF_AN_HOUR_MS};
    static char receipts[TAKES][DUEQ_RECEIPT_MAX + 1];
    dueq_settings settings = {.max_attempts = DUEQ_ATTEMPTS_MAX};
    queue_make(h, "q", &settings);
    ASSERT_RC(h, queue_push(h, "q", "id", "x", 0), DUEQ_OK);
    int64_t token = 0;
    for (int i = 0; i < TAKES; i++) {
        dueq_name name = {.id = "id"};
        put(t, offsets_ms[i % 5]);
        ASSERT_RC(h, dueq_reschedule(h, "q", &name, 1, 0, 0), DUEQ_OK);
        dueq_batch *batch = queue_take_one(h, "q", 5000 + 10 * i);
        const dueq_task *task = &batch->tasks[0];
        if (task->token <= token) fail_msg("token %" PRId64 " after %" PRId64, task->token, token);
        token = task->token;
        snprintf(receipts[i], sizeof receipts[i], "%s", task->receipt);
        for (int k = 0; k < i; k++) assert_string_not_equal(receipts[i], receipts[k]);
        if (i > 0) {
            ASSERT_RC(h, queue_done(h, "q", receipts[(i * 31) % i]), DUEQ_LOST);
        }
        ASSERT_RC(h, queue_release(h, "q", task->receipt), DUEQ_OK);
        dueq_batch_free(batch);
    }
}

/* Workers at work while the clock jumps: all is done in the end, and each task once. */
static void nothing_is_lost_while_it_jumps(void **state)
{
    timely *t = *state;
    dueq *h = t->f.handle;
    enum { TASKS = 400 };
    queue_push_many(h, "q", "t", TASKS, 20);
    size_t done = 0;
    unsigned seed = 7;
    for (int i = 0; i < 200; i++) {
        seed = seed * 1664525u + 1013904223u;
        put(t, (int64_t)(seed % (2u * AN_HOUR_MS)) - AN_HOUR_MS);
        dueq_batch *batch = queue_take(h, "q", 5, 30);
        for (size_t k = 0; batch != NULL && k < batch->count; k++) {
            if (k % 2 == 0) continue; /* its lease runs out */
            done += queue_done(h, "q", batch->tasks[k].receipt) == DUEQ_OK;
        }
        dueq_batch_free(batch);
    }
    put(t, 2 * (int64_t)AN_HOUR_MS);
    done += queue_drain(h, "q");
    dueq_stats stats = queue_stats(h, "q");
    assert_int_equal(stats.done, done);
    assert_int_equal(stats.done + stats.dead, TASKS);
    assert_int_equal(stats.leased + stats.waiting + stats.ready, 0);
}

static dueq_verdict finish(dueq_job *job, void *context)
{
    (void)job;
    (void)context;
    return DUEQ_VERDICT_DONE;
}

static void work_off_one(rig *r, const char *id)
{
    int64_t done = rig_worker_stats(r).done;
    rig_push(r, "q", id, 0);
    UNTIL_EQ(PATIENCE_MS, rig_worker_stats(r).done, done + 1);
}

/* It is told at the next take, by how much and which way, and once. */
static void a_worker_tells_of_a_step(void **state)
{
    timely *t = *state;
    void *made;
    rig_set_up(&made); /* its server has the clock as well */
    rig *r = made;
    rig_start(r, (dueq_worker_options){.handler = finish, .concurrency = 1});
    work_off_one(r, "before");
    work_off_one(r, "still");
    assert_false(rig_logged(r, "server clock stepped"));
    put_clock(t->clock, r->server, AN_HOUR_MS);
    work_off_one(r, "forward");
    assert_true(rig_logged(r, "server clock stepped queue=q forward_ms=3"));
    assert_false(rig_logged(r, "forward_ms=-"));
    put_clock(t->clock, r->server, 0);
    work_off_one(r, "back");
    assert_true(rig_logged(r, "server clock stepped queue=q forward_ms=-3"));
    rig_stop(r);
    rig_tear_down(&made);
}

/* ---- The clients' ---------------------------------------------------------------------------- */

/* Runs the program, whose clock is the skewed one. */
static int run_skewed(const timely *t, const skew *clock, char **words)
{
    pid_t pid = fork();
    if (pid == 0) {
        skew_inherit(clock);
        setenv("DUEQ_URL", server_url(t->f.server), 1);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        execv(words[0], words);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status)) fail_msg("%s %s: wait status %#x", words[0], words[1], status);
    return WEXITSTATUS(status);
}

static void assert_near(int64_t have_ms, int64_t wanted_ms, const char *what)
{
    int64_t off_ms = have_ms - wanted_ms;
    if (off_ms > 30000 || off_ms < -30000) {
        fail_msg("%s is %" PRId64 " ms off", what, off_ms);
    }
}

static void check_client(const timely *t, const skew *clock, char *program)
{
    dueq *h = t->f.handle;
    char *tell_time[] = {"/bin/sh", "-c", "exit $(($(date +%s) / 86400 % 100))", NULL};
    int days = (int)(machine_ms() / A_DAY_MS % 100), seen = run_skewed(t, clock, tell_time);
    assert_int_not_equal(seen, days); /* the clock is off indeed */
    char *push_later[] = {program, "push", "q", "later", "--in", "1h", "--id", "later", NULL};
    char *push_now[] = {program, "push", "q", "now", "--id", "now", NULL};
    char *take[] = {program, "take", "q", "--lease", "1h", NULL};
    assert_int_equal(run_skewed(t, clock, push_later), 0);
    assert_int_equal(run_skewed(t, clock, push_now), 0);
    int64_t now_ms = fixture_now_us(&t->f) / 1000;
    dueq_batch *batch = queue_get(h, "q", "later");
    assert_near(batch->tasks[0].due_ms, now_ms + AN_HOUR_MS, "the due time");
    assert_near(batch->tasks[0].pushed_ms, now_ms, "the time of the push");
    dueq_batch_free(batch);
    assert_int_equal(run_skewed(t, clock, take), 0);
    batch = queue_get(h, "q", "now");
    assert_int_equal(batch->tasks[0].state, DUEQ_STATE_LEASED);
    assert_near(batch->tasks[0].deadline_ms, now_ms + AN_HOUR_MS, "the lease's end");
    dueq_batch_free(batch);
    assert_int_equal(run_skewed(t, clock, take), 3); /* "later" is not due for it either */
    ASSERT_RC(h, dueq_queue_purge(h, "q", NULL), DUEQ_OK);
}

static void clients_a_day_off_make_no_difference(void **state)
{
    timely *t = *state;
    char *program = getenv("DUEQ");
    if (program == NULL) {
        print_message("DUEQ does not name the program: skipped\n");
        skip();
    }
    const char *tool = getenv("DUEQ_TEST_SERVER");
    char *wrapper = strdup(tool);
    skew *clock = skew_open(); /* the clients'; no server is started under it */
    skew_set_ms(clock, A_DAY_MS);
    check_client(t, clock, program);
    skew_set_ms(clock, -A_DAY_MS);
    check_client(t, clock, program);
    skew_close(clock);
    assert_string_equal(getenv("DUEQ_TEST_SERVER"), wrapper);
    free(wrapper);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_servers_clock_can_be_put),
        TEST(a_step_forward_makes_due_and_ends_leases),
        TEST(a_step_back_makes_late_and_lengthens_leases),
        TEST(tokens_and_receipts_stay_unique),
        TEST(nothing_is_lost_while_it_jumps),
        TEST(a_worker_tells_of_a_step),
        TEST(clients_a_day_off_make_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
