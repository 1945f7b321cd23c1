/* Workers that are killed, stopped, or killed by their own task: how soon others go on, and what
 * whoever comes back too late is told.
 * test-timeout-s: 120 */
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000, PATIENCE_MS = 20000 };

static const dueq_worker_queue queue_q[] = {{.name = "q"}};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static pid_t fork_worker(const char *url, dueq_worker_options options)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dueq_worker *worker;
    options.url = url;
    options.queues = queue_q;
    options.queue_count = 1;
    if (dueq_worker_make(&worker, &options) == DUEQ_OK) dueq_worker_run(worker);
    _exit(1);
}

/* ---- Killed ---------------------------------------------------------------------------------- */

enum { ROUNDS = 24, ROUND_TASKS = 30, LEASE_MS = 200 };

/* Takes and finishes as fast as it can, until it is killed. */
static pid_t fork_taker(const char *url, int report_fd)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dueq *handle;
    dueq_take_options options = {.tasks_max = 4, .lease_ms = LEASE_MS, .wait_ms = PATIENCE_MS};
    if (dueq_open(&handle, url, NULL) != DUEQ_OK) _exit(1);
    for (;;) {
        dueq_batch *batch = NULL;
        if (dueq_take(handle, "q", &options, &batch) != DUEQ_OK) _exit(1);
        if (write(report_fd, "t", 1) != 1) _exit(1);
        for (size_t i = 0; i < batch->count; i++) {
            dueq_lease lease = {.receipt = batch->tasks[i].receipt};
            dueq_done(handle, "q", &lease, 1);
        }
        dueq_batch_free(batch);
    }
}

/* Takes what the dead one left until all is done; how long after its death, µs. */
static int64_t finish_after(const fixture *f, int64_t killed_us, int64_t done_by_then)
{
    dueq_take_options options = {.tasks_max = ROUND_TASKS, .lease_ms = AN_HOUR_MS, .wait_ms = 100};
    while (queue_stats(f->handle, "q").done < done_by_then) {
        dueq_batch *batch = NULL;
        int rc = dueq_take(f->handle, "q", &options, &batch);
        if (rc < 0) fail_msg("%s", dueq_error(f->handle));
        if (batch != NULL) queue_finish(f->handle, "q", batch);
        if (now_us() - killed_us > PATIENCE_MS * 1000) fail_msg("a task did not come again");
    }
    return now_us() - killed_us;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* At instants spread over a take and what follows it: all it held comes again within the lease and
 * a second, and each task is done, once. */
static void killed_at_any_instant(void **state)
{
    fixture *f = *state;
    int64_t took_us[ROUNDS];
    int reports[2];
    char report;
    queue_make(f->handle, "q", NULL);
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(pipe(reports), 0);
        pid_t pid = fork_taker(server_url(f->server), reports[1]);
        close(reports[1]);
        char prefix[16];
        snprintf(prefix, sizeof prefix, "r%d-", round);
        queue_push_many(f->handle, "q", prefix, ROUND_TASKS, 0);
        assert_int_equal(read(reports[0], &report, 1), 1);
        for (int64_t until_us = now_us() + round * 60; now_us() < until_us;) {}
        end_child(pid);
        took_us[round] = finish_after(f, now_us(), (int64_t)ROUND_TASKS * (round + 1));
        close(reports[0]);
    }
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.done, ROUNDS * ROUND_TASKS);
    assert_true(stats.expired > 0); /* some were killed while they held something */
    qsort(took_us, ROUNDS, sizeof took_us[0], compare);
    print_message("lease %d ms; all done after the kill: p50 %" PRId64 " ms, most %" PRId64 " ms\n",
                  LEASE_MS, took_us[ROUNDS / 2] / 1000, took_us[ROUNDS - 1] / 1000);
    assert_in_range(took_us[ROUNDS - 1] / 1000, 0, LEASE_MS + 1000);
}

/* ---- Killed among idle workers --------------------------------------------------------------- */

enum { CREW = 3, SHORT_LEASE_MS = 1000, OTHERS_LOOK_MS = 15000 };

static dueq_verdict tell_and_hang(dueq_job *job, void *context)
{
    const int *report_fd = context;
    pid_t pid = getpid();
    (void)job;
    if (write(*report_fd, &pid, sizeof pid) != sizeof pid) return DUEQ_VERDICT_DEAD;
    pause();
    return DUEQ_VERDICT_RETRY;
}

static long long listeners(const fixture *f)
{
    char *info = server_text(f->server, "INFO clients");
    const char *at = strstr(info, "blocked_clients:");
    long long count = at != NULL ? strtoll(at + strlen("blocked_clients:"), NULL, 10) : 0;
    free(info);
    return count;
}

static pid_t who_has_it(int report_fd)
{
    pid_t pid = 0;
    struct pollfd report = {.fd = report_fd, .events = POLLIN};
    if (poll(&report, 1, PATIENCE_MS) != 1) fail_msg("nobody has begun with the task");
    assert_int_equal(read(report_fd, &pid, sizeof pid), sizeof pid);
    return pid;
}

/* The holder had room for more, so that it was armed for the end of its own lease. One of those who
 * had gone to sleep before, for as long as they ever do, has been told of it. */
static void a_holder_with_room_is_killed(void **state)
{
    fixture *f = *state;
    int reports[2];
    pid_t crew[CREW];
    assert_int_equal(pipe(reports), 0);
    queue_make(f->handle, "q", NULL);
    for (int i = 0; i < CREW; i++) {
        dueq_worker_options options = {.concurrency = 4,
                                       .lease_ms = SHORT_LEASE_MS,
                                       .handler = tell_and_hang,
                                       .handler_context = &reports[1]};
        crew[i] = fork_worker(server_url(f->server), options);
        UNTIL_EQ(PATIENCE_MS, listeners(f), i + 1);
    }
    int64_t asleep_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "task", "x", 0), DUEQ_OK);
    pid_t holder = who_has_it(reports[0]);
    UNTIL(PATIENCE_MS, listeners(f) >= CREW - 1);
    kill(holder, SIGKILL);
    pid_t next = who_has_it(reports[0]);
    int64_t took_ms = until_now_ms() - asleep_ms;
    for (int i = 0; i < CREW; i++) end_child(crew[i]);
    close(reports[0]);
    close(reports[1]);
    assert_int_not_equal(next, holder);
    print_message("lease %d ms; at work again after %" PRId64 " ms\n", SHORT_LEASE_MS, took_ms);
    assert_in_range(took_ms, SHORT_LEASE_MS, OTHERS_LOOK_MS / 2);
}

/* ---- Killed by the task ---------------------------------------------------------------------- */

static dueq_verdict die(dueq_job *job, void *context)
{
    (void)job;
    (void)context;
    kill(getpid(), SIGKILL);
    return DUEQ_VERDICT_DONE;
}

/* Crashes count as attempts: the task ends among the dead, and takes no more workers with it. */
static void a_task_that_kills_its_worker_dies(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.max_attempts = 3};
    queue_make(f->handle, "q", &settings);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "poison", "x", 0), DUEQ_OK);
    for (int crash = 0; crash < 3; crash++) {
        pid_t pid = fork_worker(server_url(f->server),
                                (dueq_worker_options){.lease_ms = LEASE_MS, .handler = die});
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "good", "x", 0), DUEQ_OK);
    UNTIL(PATIENCE_MS, queue_drain(f->handle, "q") == 1 ||
                           queue_stats(f->handle, "q").dead == 1); /* whoever looks buries it */
    UNTIL_EQ(PATIENCE_MS, (queue_drain(f->handle, "q"), queue_stats(f->handle, "q").dead), 1);
    dueq_batch *batch = queue_get(f->handle, "q", "poison");
    assert_int_equal(batch->tasks[0].state, DUEQ_STATE_DEAD);
    assert_int_equal(batch->tasks[0].attempt, 3);
    assert_string_equal(batch->tasks[0].error, "lease expired");
    dueq_batch_free(batch);
    assert_int_equal(queue_stats(f->handle, "q").done, 1);
}

/* ---- Stopped --------------------------------------------------------------------------------- */

typedef struct pipes {
    int up; /* from the handler: 's' it has begun, 'l' it knows that its lease is lost */
} pipes;

static dueq_verdict work_until_lost(dueq_job *job, void *context)
{
    const pipes *p = context;
    if (write(p->up, "s", 1) != 1) return DUEQ_VERDICT_DEAD;
    int64_t deadline_ms = until_now_ms() + PATIENCE_MS;
    while (!dueq_job_lost(job) && until_again(deadline_ms)) {}
    if (dueq_job_lost(job) && write(p->up, "l", 1) != 1) return DUEQ_VERDICT_DEAD;
    return DUEQ_VERDICT_DONE;
}

static void assert_hears(int fd, char wanted)
{
    char heard = 0;
    assert_int_equal(read(fd, &heard, 1), 1);
    assert_int_equal(heard, wanted);
}

/* As after a long pause of a machine: another has the task by then. The one that comes back is told,
 * its handler can know, and what it says changes nothing. */
static void a_worker_that_slept_past_its_lease_is_told(void **state)
{
    fixture *f = *state;
    int reports[2];
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "task", "x", 0), DUEQ_OK);
    assert_int_equal(pipe(reports), 0);
    pipes p = {reports[1]};
    pid_t pid = fork_worker(server_url(f->server), (dueq_worker_options){.lease_ms = LEASE_MS,
                                                                         .handler = work_until_lost,
                                                                         .handler_context = &p});
    close(reports[1]);
    assert_hears(reports[0], 's');
    kill(pid, SIGSTOP);
    dueq_batch *held = queue_await(f->handle, "q", 1, AN_HOUR_MS);
    assert_int_equal(held->tasks[0].attempt, 2);
    kill(pid, SIGCONT);
    assert_hears(reports[0], 'l');
    assert_int_equal(queue_stats(f->handle, "q").done, 0);
    assert_int_equal(queue_state(f->handle, "q", "task"), DUEQ_STATE_LEASED);
    queue_finish(f->handle, "q", held); /* the other's lease never was touched */
    end_child(pid);
    close(reports[0]);
}

/* The same by hand, for those who build their own workers. */
static void a_done_after_a_long_sleep_says_lost(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "task", "x", 0), DUEQ_OK);
    dueq_batch *slept = queue_take_one(f->handle, "q", 1);
    dueq_batch *held = queue_await(f->handle, "q", 1, AN_HOUR_MS);
    assert_true(held->tasks[0].token > slept->tasks[0].token); /* a fence for its own storage */
    ASSERT_RC(f->handle, queue_done(f->handle, "q", slept->tasks[0].receipt), DUEQ_LOST);
    queue_finish(f->handle, "q", held);
    dueq_batch_free(slept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(killed_at_any_instant),
        FIXTURE_TEST(a_holder_with_room_is_killed),
        FIXTURE_TEST(a_task_that_kills_its_worker_dies),
        FIXTURE_TEST(a_worker_that_slept_past_its_lease_is_told),
        FIXTURE_TEST(a_done_after_a_long_sleep_says_lost),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
