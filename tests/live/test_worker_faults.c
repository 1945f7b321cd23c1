/* The worker when things around it break: server restarted, workers killed, programs that fail,
 * leases lost under a process, descriptors.
 * test-timeout-s: 120 */
#include "support/descriptors.h"
#include "support/rig.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 30000 };

/* As good as for ever, but not if the test itself is killed. */
#define LINGER "for i in $(seq 1200); do sleep 0.05; done"

static const dueq_worker_queue queue_q[] = {{.name = "q"}};

/* ---- Servers ---- */

static dueq_verdict count_call(dueq_job *job, void *context)
{
    (void)job;
    atomic_fetch_add((atomic_int *)context, 1);
    return DUEQ_VERDICT_DONE;
}

/* Tasks pushed before and after a restart are all done, without a worker's being started anew. */
static void test_server_restart(void **state)
{
    rig *r = *state;
    atomic_int calls = 0;
    rig_push_many(r, "q", "before", 200);
    rig_start(r, (dueq_worker_options){
                     .handler = count_call, .handler_context = &calls, .concurrency = 4});
    UNTIL(LONG_MS, atomic_load(&calls) >= 20);
    server_restart(r->server);
    rig_push_many(r, "q", "after", 200);
    UNTIL(LONG_MS, rig_queue_stats(r, "q").done >= 400);
    assert_int_equal(rig_stop(r), DUEQ_OK);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.done, 400);
    assert_int_equal(stats.ready + stats.waiting + stats.leased + stats.dead, 0);
}

typedef struct gated {
    atomic_int calls;
    atomic_bool gate;
    atomic_bool lost;
} gated;

static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    gated *g = context;
    atomic_fetch_add(&g->calls, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&g->gate) && until_again(end_ms)) {}
    if (dueq_job_lost(job)) atomic_store(&g->lost, true);
    return DUEQ_VERDICT_DONE;
}

/* What was finished while the server was away is reported when it is back, with the same receipt. */
static void test_results_wait_for_the_server(void **state)
{
    rig *r = *state;
    gated g = {0};
    rig_push(r, "q", "task", 0);
    dueq_options connect = {.timeout_ms = 500};
    rig_start(r, (dueq_worker_options){.connect = &connect,
                                       .handler = wait_for_gate,
                                       .handler_context = &g,
                                       .lease_ms = 60000});
    UNTIL_EQ(LONG_MS, atomic_load(&g.calls), 1);
    server_shut_down(r->server);
    atomic_store(&g.gate, true);
    UNTIL(LONG_MS, rig_logged(r, "server away"));
    assert_int_equal(rig_worker_stats(r).done, 0);
    server_restart(r->server);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    assert_true(rig_logged(r, "server back"));
    assert_false(atomic_load(&g.lost));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").done, 1);
}

/* A worker may not go on where it is not allowed to: it says so and ends. */
static void test_permission_taken_away(void **state)
{
    rig *r = *state;
    atomic_int calls = 0;
    rig_push(r, "q", "one", 0);
    rig_start(r, (dueq_worker_options){.handler = count_call, .handler_context = &calls});
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    server_do(r->server, "ACL SETUSER default -evalsha -eval");
    server_do(r->server, "LPUSH %s 1", "dueq:{q:0}:wake");
    assert_int_equal(rig_join(r), DUEQ_EDENIED);
    assert_true(strlen(dueq_worker_error(r->worker)) > 0);
    server_do(r->server, "ACL SETUSER default +@all");
}

/* ---- Workers ---- */

static dueq_verdict hang(dueq_job *job, void *context)
{
    (void)job;
    (void)context;
    while (pause() < 0) { /* always */
    }
    return DUEQ_VERDICT_DONE;
}

/* A worker in a process of its own, which goes when the test does. */
static pid_t fork_worker(const char *url)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dueq_worker_options options = {.url = url,
                                   .queues = queue_q,
                                   .queue_count = 1,
                                   .lease_ms = 1000,
                                   .concurrency = 3,
                                   .handler = hang};
    dueq_worker *worker;
    if (dueq_worker_make(&worker, &options) == DUEQ_OK) dueq_worker_run(worker);
    _exit(1);
}

typedef struct attempts {
    atomic_int first, second, other;
} attempts;

static dueq_verdict note_attempt(dueq_job *job, void *context)
{
    attempts *a = context;
    int64_t attempt = dueq_job_task(job)->attempt;
    atomic_fetch_add(attempt == 1 ? &a->first : attempt == 2 ? &a->second : &a->other, 1);
    return DUEQ_VERDICT_DONE;
}

static void test_killed_worker(void **state)
{
    rig *r = *state;
    attempts a = {0};
    rig_push_many(r, "q", "t", 3);
    pid_t pid = fork_worker(server_url(r->server));
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 3);
    rig_start(
        r, (dueq_worker_options){.handler = note_attempt, .handler_context = &a, .concurrency = 3});
    UNTIL(LONG_MS, rig_logged(r, "started"));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int64_t killed_ms = until_now_ms();
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 3);
    assert_in_range(until_now_ms() - killed_ms, 0, 2000); /* the lease and a second */
    assert_int_equal(atomic_load(&a.second), 3);
    assert_int_equal(atomic_load(&a.first) + atomic_load(&a.other), 0);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* Each task is done by one of them, and only once. */
static void test_two_workers_share(void **state)
{
    rig *r = *state;
    atomic_int calls = 0;
    rig_push_many(r, "q", "t", 1000);
    dueq_worker_options options = {.url = server_url(r->server),
                                   .queues = queue_q,
                                   .queue_count = 1,
                                   .handler = count_call,
                                   .handler_context = &calls,
                                   .concurrency = 8,
                                   .drain = true};
    dueq_worker *other;
    assert_int_equal(dueq_worker_make(&other, &options), DUEQ_OK);
    rig_start(r, options);
    assert_int_equal(dueq_worker_run(other), DUEQ_OK);
    assert_int_equal(rig_join(r), DUEQ_OK);
    dueq_worker_free(other);
    assert_int_equal(atomic_load(&calls), 1000);
    assert_int_equal(rig_queue_stats(r, "q").done, 1000);
}

/* ---- Processes ---- */

static void start_script(rig *r, const char *script, dueq_worker_options options)
{
    char *copy = strdup(script);
    char *command[] = {"sh", "-c", copy, NULL};
    options.command = command;
    setenv("DIR", server_dir(r->server), 1);
    rig_start(r, options);
    free(copy);
}

static bool has_file(rig *r, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", server_dir(r->server), name);
    return access(path, F_OK) == 0;
}

static void test_programs_answer(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "good", 0);
    rig_push(r, "q", "bad", 0);
    rig_push(r, "q", "hopeless", 0);
    start_script(r,
                 "read task; case $task in good) exit 0;; bad) echo no luck >&2; exit 3;; "
                 "*) echo never >&2; exit 100;; esac",
                 (dueq_worker_options){.max_attempts = 2, .backoff_max_ms = 5});
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 2);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).done, 1);
    rig_task bad = rig_look(r, "q", "bad"), hopeless = rig_look(r, "q", "hopeless");
    assert_string_equal(bad.error, "exit 3: no luck");
    assert_int_equal(bad.failures, 2);
    assert_string_equal(hopeless.error, "exit 100: never");
    assert_int_equal(hopeless.failures, 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_program_is_told_of_a_lost_lease(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "task", 0);
    start_script(r, "trap 'touch $DIR/term; exit 0' TERM; touch $DIR/up; " LINGER,
                 (dueq_worker_options){.lease_ms = 300});
    UNTIL(LONG_MS, has_file(r, "up"));
    dueq_name name = {.id = "task"};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL(LONG_MS, has_file(r, "term"));
    rig_push(r, "q", "another", 0); /* its slot is free again */
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").leased, 1);
    assert_int_equal(rig_worker_stats(r).lost, 1);
    dueq_worker_stop(r->worker);
    rig_stop(r);
}

/* The signal that was asked for, and nothing else: it goes on to its end, and its result counts no
 * more. Once it is through it may still be there for a moment, and is ended by the stop: it does not
 * listen for that. */
static void test_program_is_told_by_its_own_signal(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "task", 0);
    start_script(r,
                 "trap 'touch $DIR/usr1' USR1; trap 'touch $DIR/term' TERM; touch $DIR/up; "
                 "while [ ! -e $DIR/usr1 ]; do sleep 0.02; done; "
                 "trap '' TERM; touch $DIR/through; exit 0",
                 (dueq_worker_options){.lease_ms = 300, .lost_signal = SIGUSR1});
    UNTIL(LONG_MS, has_file(r, "up"));
    dueq_name name = {.id = "task"};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL(LONG_MS, has_file(r, "through"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_false(has_file(r, "term"));
    assert_int_equal(rig_worker_stats(r).lost, 1);
    assert_int_equal(rig_worker_stats(r).done, 0);
    assert_int_equal(rig_queue_stats(r, "q").done, 0);
}

/* Told before anything is taken, not found out task by task. */
static void test_too_few_descriptors(void **state)
{
    rig *r = *state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){.rlim_cur = 200, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rig_push(r, "q", "task", 0);
    start_script(r, "exit 0", (dueq_worker_options){.concurrency = 64});
    int rc = rig_join(r);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(rc, DUEQ_ESYSTEM);
    assert_string_equal(dueq_worker_error(r->worker),
                        "64 processes at a time need 288 open files; the limit is 200 (ulimit -n)");
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
}

static void test_no_descriptor_leaks(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "t", 100);
    rig_queue_stats(r, "q");
    int before = count_descriptors();
    start_script(r, "exit 0", (dueq_worker_options){.concurrency = 4, .drain = true});
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_int_equal(rig_worker_stats(r).done, 100);
    dueq_worker_free(r->worker);
    r->worker = NULL;
    assert_int_equal(count_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
#define TEST_KEPT(name) cmocka_unit_test_setup_teardown(name, rig_set_up_kept, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_KEPT(test_server_restart),
        TEST_KEPT(test_results_wait_for_the_server),
        TEST(test_permission_taken_away),
        TEST(test_killed_worker),
        TEST(test_two_workers_share),
        TEST(test_programs_answer),
        TEST(test_program_is_told_of_a_lost_lease),
        TEST(test_program_is_told_by_its_own_signal),
        TEST(test_too_few_descriptors),
        TEST(test_no_descriptor_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
