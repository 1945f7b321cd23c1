/* The handler threads: every job handed in is begun once and comes back once; what is not begun can
 * be withdrawn; closing waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/until.h"
#include "work/pool.h"

enum { LONG_MS = 30000 };

typedef struct probe {
    atomic_int calls;
    atomic_bool gate;
    atomic_bool signals_blocked;
} probe;

static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    probe *p = context;
    (void)job;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_store(&p->signals_blocked,
                 sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGPIPE) == 1);
    atomic_fetch_add(&p->calls, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&p->gate) && until_again(end_ms)) {}
    return DUEQ_VERDICT_DEAD;
}

static dq_pool *open_pool(probe *p, size_t thread_count, int wake_fd)
{
    dq_pool *pool;
    dq_fault fault = {0};
    dq_pool_options options = {
        .thread_count = thread_count, .handler = wait_for_gate, .context = p, .wake_fd = wake_fd};
    assert_int_equal(dq_pool_open(&pool, &options, &fault), DUEQ_OK);
    return pool;
}

static size_t collect(dq_pool *pool)
{
    size_t count = 0;
    for (dueq_job *job = dq_pool_collect(pool); job != NULL; job = job->next) {
        assert_int_equal(job->answer.verdict, DUEQ_VERDICT_DEAD);
        count++;
    }
    return count;
}

static void test_every_job_comes_back_once(void **state)
{
    (void)state;
    enum { JOBS = 500 };
    probe p = {.gate = true};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dq_pool *pool = open_pool(&p, 8, wake_fd);
    dueq_job *jobs = calloc(JOBS, sizeof *jobs);
    for (size_t i = 0; i < JOBS; i++) {
        dq_pool_hand(pool, &jobs[i]);
    }
    /* Woken by the descriptor alone. */
    for (size_t back = 0; back < JOBS;) {
        struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LONG_MS), 1);
        eventfd_t count;
        eventfd_read(wake_fd, &count);
        back += collect(pool);
    }
    assert_int_equal(atomic_load(&p.calls), JOBS);
    assert_true(atomic_load(&p.signals_blocked));
    assert_null(dq_pool_collect(pool));
    dq_pool_close(pool);
    close(wake_fd);
    free(jobs);
}

static void test_withdraw(void **state)
{
    (void)state;
    probe p = {0};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dq_pool *pool = open_pool(&p, 1, wake_fd);
    dueq_job *jobs = calloc(4, sizeof *jobs);
    dq_pool_hand(pool, &jobs[0]);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    for (size_t i = 1; i < 4; i++) {
        dq_pool_hand(pool, &jobs[i]);
    }
    assert_false(dq_pool_withdraw(pool, &jobs[0])); /* begun */
    assert_true(dq_pool_withdraw(pool, &jobs[3]));  /* the last of the line */
    assert_true(dq_pool_withdraw(pool, &jobs[1]));
    assert_false(dq_pool_withdraw(pool, &jobs[1])); /* no more there */
    dq_pool_hand(pool, &jobs[3]);
    atomic_store(&p.gate, true);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 3);
    dq_pool_close(pool);
    assert_int_equal(atomic_load(&p.calls), 3);
    close(wake_fd);
    free(jobs);
}

static void *open_gate(void *context)
{
    probe *p = context;
    atomic_store(&p->gate, true);
    return NULL;
}

static void test_close_waits_for_handlers(void **state)
{
    (void)state;
    probe p = {0};
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dq_pool *pool = open_pool(&p, 2, wake_fd);
    dueq_job *job = calloc(1, sizeof *job);
    dq_pool_hand(pool, job);
    UNTIL_EQ(LONG_MS, atomic_load(&p.calls), 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_gate, &p), 0);
    dq_pool_close(pool);
    assert_true(atomic_load(&p.gate));
    assert_int_equal(job->answer.verdict, DUEQ_VERDICT_DEAD);
    pthread_join(thread, NULL);
    close(wake_fd);
    free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_comes_back_once),
        cmocka_unit_test(test_withdraw),
        cmocka_unit_test(test_close_waits_for_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
