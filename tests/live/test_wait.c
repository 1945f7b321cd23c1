/* Waiting takes: woken by whatever makes a task ready, on time for what becomes due, one for each
 * task, and silent otherwise. Times are bounded widely; what counts is that nobody sleeps on. */
#include "support/queue_fixture.h"

#include "base/clock.h"
#include "queue/wait.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000, PROMPT_MS = 1000, PATIENCE_MS = 20000 };

/* ---- A waiting taker on a thread of its own -------------------------------------------------- */

typedef struct waiter {
    pthread_t thread;
    dueq *handle;
    const char *queue;
    dueq_take_options options;
    int rc;
    dueq_batch *batch;
    int64_t ended_ms; /* monotonic */
} waiter;

static void *wait_for_one(void *context)
{
    waiter *w = context;
    w->rc = dueq_take(w->handle, w->queue, &w->options, &w->batch);
    w->ended_ms = until_now_ms();
    return NULL;
}

static long long sleepers(const fixture *f)
{
    char *info = server_text(f->server, "INFO clients");
    const char *at = strstr(info, "blocked_clients:");
    long long count = at ? strtoll(at + strlen("blocked_clients:"), NULL, 10) : 0;
    free(info);
    return count;
}

static waiter start_waiter(const fixture *f, const char *queue)
{
    return (waiter){.handle = fixture_open(f),
                    .queue = queue,
                    .options = {.wait_ms = PATIENCE_MS, .lease_ms = AN_HOUR_MS}};
}

static void run(waiter *w)
{
    pthread_create(&w->thread, NULL, wait_for_one, w);
}

/* Runs it, and returns once it sleeps. */
static void send_to_sleep(const fixture *f, waiter *w)
{
    long long before = sleepers(f);
    run(w);
    UNTIL_EQ(10000, sleepers(f), before + 1);
}

static void end(waiter *w)
{
    dueq_batch_free(w->batch);
    dueq_close(w->handle);
}

/* It got the task, at most `bound_ms` after `since_ms`. */
static void assert_got(waiter *w, const char *id, int64_t since_ms, int64_t bound_ms)
{
    pthread_join(w->thread, NULL);
    ASSERT_RC(w->handle, w->rc, DUEQ_OK);
    assert_int_equal(w->batch->count, 1);
    assert_string_equal(w->batch->tasks[0].id, id);
    if (w->ended_ms - since_ms > bound_ms)
        fail_msg("\"%s\" came after %lld ms, wanted within %lld", id,
                 (long long)(w->ended_ms - since_ms), (long long)bound_ms);
}

/* ---- What wakes ------------------------------------------------------------------------------ */

static void a_push_wakes(void **state)
{
    fixture *f = *state;
    static const int64_t partition_counts[] = {1, 3, 16};
    for (int i = 0; i < 3; i++) {
        char queue[16];
        snprintf(queue, sizeof queue, "q%d", i);
        dueq_settings settings = {.partitions = partition_counts[i]};
        queue_make(f->handle, queue, &settings);
        waiter w = start_waiter(f, queue);
        send_to_sleep(f, &w);
        int64_t since_ms = until_now_ms();
        ASSERT_RC(f->handle, queue_push(f->handle, queue, "t", "x", 0), DUEQ_OK);
        assert_got(&w, "t", since_ms, PROMPT_MS);
        end(&w);
    }
}

/* Who waits on a queue that does not exist yet is woken when it is made. */
static void the_first_push_wakes(void **state)
{
    fixture *f = *state;
    waiter w = start_waiter(f, "q");
    send_to_sleep(f, &w);
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    assert_got(&w, "t", since_ms, PROMPT_MS);
    end(&w);
}

static void a_queue_made_anew_wakes(void **state)
{
    fixture *f = *state;
    dueq_settings three = {.partitions = 3}, sixteen = {.partitions = 16};
    queue_make(f->handle, "q", &three);
    waiter w = start_waiter(f, "q");
    send_to_sleep(f, &w);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", false), DUEQ_OK);
    queue_make(f->handle, "q", &sixteen);
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    assert_got(&w, "t", since_ms, PROMPT_MS);
    end(&w);
}

typedef void action_fn(fixture *f, const char *receipt);

static void by_release(fixture *f, const char *receipt)
{
    ASSERT_RC(f->handle, queue_release(f->handle, "q", receipt), DUEQ_OK);
}

static void by_retry(fixture *f, const char *receipt)
{
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, 0, "again"), DUEQ_OK);
}

static void by_reschedule(fixture *f, const char *receipt)
{
    dueq_name name = {.id = "t"};
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, AN_HOUR_MS, "later"), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, 0, 0), DUEQ_OK);
}

static void by_redrive(fixture *f, const char *receipt)
{
    dueq_failure failure = {.receipt = receipt, .hopeless = true};
    dueq_name name = {.id = "t"};
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", &failure, 1), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_redrive(f->handle, "q", &name, 1), DUEQ_OK);
}

static void by_redrive_all(fixture *f, const char *receipt)
{
    dueq_failure failure = {.receipt = receipt, .hopeless = true};
    ASSERT_RC(f->handle, dueq_retry(f->handle, "q", &failure, 1), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_redrive_all(f->handle, "q", NULL), DUEQ_OK);
}

static void by_replace(fixture *f, const char *receipt)
{
    dueq_new_task task = {.id = "t"};
    dueq_push_options replace = {.if_exists = DUEQ_IF_EXISTS_REPLACE};
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, AN_HOUR_MS, "later"), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, &replace), DUEQ_OK);
}

static void by_earliest(fixture *f, const char *receipt)
{
    dueq_new_task task = {.id = "t"};
    dueq_push_options earliest = {.if_exists = DUEQ_IF_EXISTS_EARLIEST};
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, AN_HOUR_MS, "later"), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, &earliest), DUEQ_OK);
}

static void by_a_shorter_lease(fixture *f, const char *receipt)
{
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, 1), DUEQ_OK);
}

/* The task is leased, and a worker sleeps; then each way to make the task ready. */
static void everything_that_makes_ready_wakes(void **state)
{
    fixture *f = *state;
    static action_fn *const actions[] = {by_release,  by_retry,          by_reschedule,
                                         by_redrive,  by_redrive_all,    by_replace,
                                         by_earliest, by_a_shorter_lease};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
        dueq_batch *batch = queue_take_one(f->handle, "q", AN_HOUR_MS);
        waiter w = start_waiter(f, "q");
        send_to_sleep(f, &w);
        int64_t since_ms = until_now_ms();
        actions[i](f, batch->tasks[0].receipt);
        assert_got(&w, "t", since_ms, PROMPT_MS);
        ASSERT_RC(w.handle, queue_done(w.handle, "q", w.batch->tasks[0].receipt), DUEQ_OK);
        end(&w);
        dueq_batch_free(batch);
    }
}

static void resume_wakes(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", NULL);
    ASSERT_RC(f->handle, dueq_queue_pause(f->handle, "q"), DUEQ_OK);
    waiter w = start_waiter(f, "q");
    send_to_sleep(f, &w);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    UNTIL_EQ(10000, sleepers(f), 1); /* it may look, and sleeps again */
    assert_int_equal(queue_state(f->handle, "q", "t"), DUEQ_STATE_READY);
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, dueq_queue_resume(f->handle, "q"), DUEQ_OK);
    assert_got(&w, "t", since_ms, PROMPT_MS);
    end(&w);
}

/* ---- On time --------------------------------------------------------------------------------- */

static void a_delayed_task_comes_when_it_is_due(void **state)
{
    fixture *f = *state;
    waiter w = start_waiter(f, "q");
    queue_make(f->handle, "q", NULL);
    send_to_sleep(f, &w);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "later", "x", 5000), DUEQ_OK);
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 300), DUEQ_OK);
    assert_got(&w, "t", since_ms, 300 + PROMPT_MS);
    assert_true(w.ended_ms - since_ms >= 299);
    end(&w);
}

static void an_expired_lease_is_noticed(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(f->handle, "q", 400));
    int64_t since_ms = until_now_ms();
    waiter w = start_waiter(f, "q");
    run(&w);
    assert_got(&w, "t", since_ms, 400 + PROMPT_MS);
    assert_int_equal(w.batch->tasks[0].attempt, 2);
    end(&w);
}

/* The lease is given after the sleeper was armed for a moment far away: it must hear of it. */
static void a_lease_given_meanwhile_is_noticed(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", AN_HOUR_MS), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "far", "x", 2 * AN_HOUR_MS), DUEQ_OK);
    waiter w = start_waiter(f, "q");
    send_to_sleep(f, &w);
    /* Made ready behind its back, so that nothing but the lease can wake it. */
    server_do(f->server, "ZADD dueq:{q:0}:due 1 t");
    int64_t since_ms = until_now_ms();
    dueq_batch_free(queue_take_one(f->handle, "q", 400));
    assert_got(&w, "t", since_ms, 400 + PROMPT_MS);
    assert_int_equal(w.batch->tasks[0].attempt, 2);
    end(&w);
}

static void the_wait_ends(void **state)
{
    fixture *f = *state;
    dueq_take_options options = {.wait_ms = 60};
    dueq_batch *batch;
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, dueq_take(f->handle, "none", &options, &batch), DUEQ_EMPTY);
    assert_in_range(until_now_ms() - since_ms, 59, 60 + PROMPT_MS);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", AN_HOUR_MS), DUEQ_OK);
    since_ms = until_now_ms();
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", &options, &batch), DUEQ_EMPTY);
    assert_in_range(until_now_ms() - since_ms, 59, 60 + PROMPT_MS);
}

static void a_wait_is_interrupted(void **state)
{
    fixture *f = *state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    waiter w = start_waiter(f, "q");
    w.options.wait_ms = -1;
    dueq_set_interrupt_fd(w.handle, pipe_fds[0]);
    send_to_sleep(f, &w);
    int64_t since_ms = until_now_ms();
    close(pipe_fds[1]);
    pthread_join(w.thread, NULL);
    ASSERT_RC(w.handle, w.rc, DUEQ_ECANCELED);
    assert_null(w.batch);
    assert_true(w.ended_ms - since_ms < PROMPT_MS);
    end(&w);
    close(pipe_fds[0]);
}

/* ---- No herd, no chatter --------------------------------------------------------------------- */

enum { HERD = 10 };

static void one_task_wakes_one_of_many(void **state)
{
    fixture *f = *state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    queue_make(f->handle, "q", NULL);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "far", "x", AN_HOUR_MS), DUEQ_OK);
    waiter herd[HERD];
    for (int i = 0; i < HERD; i++) {
        herd[i] = start_waiter(f, "q");
        dueq_set_interrupt_fd(herd[i].handle, pipe_fds[0]);
        send_to_sleep(f, &herd[i]);
    }
    server_do(f->server, "CONFIG RESETSTAT");
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    UNTIL_EQ(10000, sleepers(f), HERD - 1);
    UNTIL_EQ(10000, queue_state(f->handle, "q", "t") == DUEQ_STATE_LEASED, 1);
    UNTIL_EQ(10000, sleepers(f), HERD - 1);
    /* The push, the taker's look and its leave, one more that takes its place, our own looks. */
    long long takes = server_int(f->server, "ZCARD dueq:{q:0}:leased");
    assert_int_equal(takes, 2);
    long long removed = fixture_calls(f, "zremrangebyrank"), looks = fixture_calls(f, "blpop");
    assert_int_equal(removed, 1);
    if (looks > 4) fail_msg("%lld workers went to sleep again; one task was pushed", looks);
    close(pipe_fds[1]);
    int got = 0;
    for (int i = 0; i < HERD; i++) {
        pthread_join(herd[i].thread, NULL);
        got += herd[i].rc == DUEQ_OK;
        end(&herd[i]);
    }
    assert_int_equal(got, 1);
    close(pipe_fds[0]);
}

/* An idle worker looks once, listens once, and sends nothing more while it waits. */
static void an_idle_wait_is_silent(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 20000, AN_HOUR_MS);
    server_do(f->server, "SCRIPT FLUSH");
    dueq_take_options options = {.wait_ms = 700};
    dueq_batch *batch;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "far", "x", AN_HOUR_MS), DUEQ_OK);
    server_do(f->server, "CONFIG RESETSTAT");
    ASSERT_RC(f->handle, dueq_take(f->handle, "q", &options, &batch), DUEQ_EMPTY);
    long long looks = fixture_calls(f, "evalsha") + fixture_calls(f, "eval");
    long long listens = fixture_calls(f, "blpop");
    if (looks > 4 || listens > 2)
        fail_msg("%lld looks and %lld listens in an idle wait", looks, listens);
}

/* ---- What is lost on the way costs lateness only --------------------------------------------- */

/* In a process of its own, to be killed while it is the one who is relied upon. */
static pid_t fork_waiter(const fixture *f)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dueq *handle;
    dueq_take_options options = {.wait_ms = PATIENCE_MS};
    dueq_batch *batch;
    if (dueq_open(&handle, server_url(f->server), NULL) == DUEQ_OK)
        dueq_take(handle, "q", &options, &batch);
    _exit(0);
}

static void a_dead_watchman_is_replaced(void **state)
{
    fixture *f = *state;
    enum { DELAY_MS = 800, GRACE_MS = 50, STANDBY_MS = 500, NEXT_MS = 200 };
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", DELAY_MS), DUEQ_OK);
    pid_t pid = fork_waiter(f);
    UNTIL_EQ(10000, sleepers(f), 1);
    waiter standby = start_waiter(f, "q");
    send_to_sleep(f, &standby);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_got(&standby, "t", since_ms, DELAY_MS + GRACE_MS + STANDBY_MS + PROMPT_MS);

    dueq_batch_free(standby.batch); /* it has the post now, and is on time */
    send_to_sleep(f, &standby);
    since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "next", "x", NEXT_MS), DUEQ_OK);
    assert_got(&standby, "next", since_ms, NEXT_MS + PROMPT_MS);
    end(&standby);
}

static void kill_listener(const fixture *f)
{
    char *clients = server_text(f->server, "CLIENT LIST TYPE normal");
    char *listener = strstr(clients, "cmd=blpop");
    assert_non_null(listener);
    while (listener > clients && listener[-1] != '\n') listener--;
    long long id = strtoll(listener + strlen("id="), NULL, 10);
    free(clients);
    server_do(f->server, "CLIENT KILL ID %lld", id);
}

/* The marker of "t" is lost, and so is the connection that listens for it. */
static void a_lost_marker_costs_lateness_only(void **state)
{
    fixture *f = *state;
    enum { DELAY_MS = 500 };
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "later", "x", DELAY_MS), DUEQ_OK);
    waiter w = start_waiter(f, "q");
    send_to_sleep(f, &w);
    kill_listener(f);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    server_do(f->server, "DEL dueq:{q:0}:wake");
    assert_got(&w, "t", since_ms, DELAY_MS + PROMPT_MS);
    end(&w);
}

/* Whether somebody else than `name` is relied upon to look in time. */
static bool watched_by_another(const fixture *f, const char *name)
{
    char *now = server_text(f->server, "HGET dueq:{q:0}:meta armed_by");
    bool another = now && *now && strcmp(now, name) != 0;
    free(now);
    return another;
}

/* Who was woken and turns to other things without a look leaves the marker to another: else it would
 * be lost with a ready task beside an idle worker. */
static void a_marker_that_was_heard_is_passed_on(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "mail", "far", "x", AN_HOUR_MS), DUEQ_OK);
    dueq *handle = fixture_open(f);
    dq_waiter *woken = dq_waiter_make(handle);
    dueq_batch *batch;
    dq_outlook outlook;
    dueq_take_options options = {.lease_ms = AN_HOUR_MS};
    dq_take_call call = {.options = &options,
                         .stays = DQ_STAYS_EMPTY,
                         .deadline_us = dq_handle_deadline_us(handle, 0)};
    assert_int_equal(dq_take_once(handle, "mail", &call, &batch, &outlook), DUEQ_EMPTY);
    assert_int_equal(dq_waiter_watch(woken, "mail", &outlook), DUEQ_OK);
    assert_int_equal(dq_waiter_sleep(woken, dq_deadline_us(1), -1), DUEQ_EMPTY); /* listens */

    ASSERT_RC(f->handle, queue_push(f->handle, "mail", "now", "x", 0), DUEQ_OK);
    assert_int_equal(dq_waiter_sleep(woken, dq_deadline_us(PATIENCE_MS), -1), DUEQ_OK);
    assert_int_equal(server_int(f->server, "LLEN dueq:{mail:0}:wake"), 0);
    dq_waiter_rest(woken);
    assert_int_equal(server_int(f->server, "LLEN dueq:{mail:0}:wake"), 1);

    /* Once: what was passed on is another's to follow. */
    long long looks = fixture_calls(f, "evalsha");
    dq_waiter_rest(woken);
    assert_int_equal(fixture_calls(f, "evalsha"), looks);
    dq_waiter_free(woken);
    dueq_close(handle);
}

/* A worker that goes while it is the one relied upon says so, and another takes over. */
static void a_watchman_who_leaves_says_so(void **state)
{
    fixture *f = *state;
    enum { DELAY_MS = 700 };
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    int64_t since_ms = until_now_ms();
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", DELAY_MS), DUEQ_OK);
    waiter armed = start_waiter(f, "q"), standby = start_waiter(f, "q");
    dueq_set_interrupt_fd(armed.handle, pipe_fds[0]);
    send_to_sleep(f, &armed);
    char *first = server_text(f->server, "HGET dueq:{q:0}:meta armed_by");
    send_to_sleep(f, &standby);
    close(pipe_fds[1]);
    pthread_join(armed.thread, NULL);
    UNTIL(5000, watched_by_another(f, first));
    assert_got(&standby, "t", since_ms, DELAY_MS + PROMPT_MS);
    free(first);
    end(&armed);
    end(&standby);
    close(pipe_fds[0]);
}

/* ---- Many at work ---------------------------------------------------------------------------- */

enum { WORKERS = 8, TASKS = 400 };

typedef struct crew {
    pthread_mutex_t lock;
    int seen[TASKS];
    int left;
    int64_t latest_ms; /* how late the latest came, against its due time as the server tells it */
    const char *problem;
} crew;

typedef struct member {
    crew *crew;
    dueq *handle;
} member;

static void note_task(crew *c, const dueq_task *task, int64_t lease_ms)
{
    int64_t late_ms = task->deadline_ms - lease_ms - task->due_ms;
    pthread_mutex_lock(&c->lock);
    c->seen[atoi(task->id + 1)]++;
    c->left--;
    if (late_ms < 0) c->problem = "a task came early";
    if (late_ms > c->latest_ms) c->latest_ms = late_ms;
    pthread_mutex_unlock(&c->lock);
}

static void *work(void *context)
{
    member *m = context;
    enum { LEASE_MS = 600000 };
    dueq_take_options options = {.tasks_max = 3, .wait_ms = 200, .lease_ms = LEASE_MS};
    for (bool going = true; going;) {
        dueq_batch *batch;
        int rc = dueq_take(m->handle, "q", &options, &batch);
        for (size_t i = 0; batch && i < batch->count; i++) {
            dueq_lease lease = {.receipt = batch->tasks[i].receipt};
            note_task(m->crew, &batch->tasks[i], LEASE_MS);
            if (dueq_done(m->handle, "q", &lease, 1) != DUEQ_OK) rc = -1;
        }
        dueq_batch_free(batch);
        pthread_mutex_lock(&m->crew->lock);
        if (rc < 0) m->crew->problem = "a call failed";
        going = m->crew->left > 0 && !m->crew->problem;
        pthread_mutex_unlock(&m->crew->lock);
    }
    return NULL;
}

static void a_crew_gets_each_task_once_and_in_time(void **state)
{
    fixture *f = *state;
    static crew c = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static dueq_new_task tasks[TASKS];
    static char ids[TASKS][16];
    c.left = TASKS;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    member members[WORKERS];
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        members[i] = (member){&c, fixture_open(f)};
        pthread_create(&threads[i], NULL, work, &members[i]);
    }
    for (int i = 0; i < TASKS; i++) {
        snprintf(ids[i], sizeof ids[i], "t%d", i);
        tasks[i] = (dueq_new_task){.id = ids[i], .delay_ms = i * 7919 % 1000};
    }
    for (int i = 0; i < TASKS; i += 20)
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks + i, 20, NULL), DUEQ_OK);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        dueq_close(members[i].handle);
    }
    if (c.problem) fail_msg("%s", c.problem);
    for (int i = 0; i < TASKS; i++)
        if (c.seen[i] != 1) fail_msg("task %d came %d times", i, c.seen[i]);
    if (c.latest_ms > 2 * PROMPT_MS)
        fail_msg("the latest task came %lld ms late", (long long)c.latest_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_push_wakes),
        FIXTURE_TEST(the_first_push_wakes),
        FIXTURE_TEST(a_queue_made_anew_wakes),
        FIXTURE_TEST(everything_that_makes_ready_wakes),
        FIXTURE_TEST(resume_wakes),
        FIXTURE_TEST(a_delayed_task_comes_when_it_is_due),
        FIXTURE_TEST(an_expired_lease_is_noticed),
        FIXTURE_TEST(a_lease_given_meanwhile_is_noticed),
        FIXTURE_TEST(the_wait_ends),
        FIXTURE_TEST(a_wait_is_interrupted),
        FIXTURE_TEST(one_task_wakes_one_of_many),
        FIXTURE_TEST(an_idle_wait_is_silent),
        FIXTURE_TEST(a_dead_watchman_is_replaced),
        FIXTURE_TEST(a_lost_marker_costs_lateness_only),
        FIXTURE_TEST(a_marker_that_was_heard_is_passed_on),
        FIXTURE_TEST(a_watchman_who_leaves_says_so),
        FIXTURE_TEST(a_crew_gets_each_task_once_and_in_time),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
