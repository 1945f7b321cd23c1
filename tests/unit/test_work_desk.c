/* The desk and the handler threads at it: every job handed in is begun once and comes back once; what
 * is not begun can be withdrawn; no more threads are woken than there are jobs; closing waits. */
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

/* A desk with threads at it, whose handler waits for a gate. */
typedef struct office {
    atomic_int calls;
    atomic_bool gate;
    atomic_bool signals_blocked;
    atomic_int nudge_fd;
    int through_fd;
    dq_desk *desk;
    dq_pool *pool;
} office;

static dueq_verdict wait_for_gate(dueq_job *job, void *context)
{
    office *o = context;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    atomic_store(&o->signals_blocked,
                 sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGPIPE) == 1);
    atomic_store(&o->nudge_fd, atomic_load(&job->nudge_fd));
    atomic_fetch_add(&o->calls, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (!atomic_load(&o->gate) && until_again(end_ms)) {}
    return DUEQ_VERDICT_DEAD;
}

static void open_office(office *o, size_t thread_count, bool takes_orders)
{
    o->through_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o->desk = dq_desk_make(o->through_fd, -1);
    assert_non_null(o->desk);
    dq_fault fault = {0};
    dq_pool_options options = {.thread_count = thread_count,
                               .handler = wait_for_gate,
                               .context = o,
                               .takes_orders = takes_orders,
                               .desk = o->desk};
    assert_int_equal(dq_pool_open(&o->pool, &options, &fault), DUEQ_OK);
}

static void close_office(office *o)
{
    dq_pool_close(o->pool);
    dq_desk_free(o->desk);
    close(o->through_fd);
}

static dueq_job *make_jobs(size_t count)
{
    dueq_job *jobs = calloc(count, sizeof *jobs);
    assert_non_null(jobs);
    for (size_t i = 0; i < count; i++) {
        atomic_store(&jobs[i].nudge_fd, -1);
    }
    return jobs;
}

static void hand(office *o, dueq_job *jobs, size_t count)
{
    dq_job_list list = {0};
    for (size_t i = 0; i < count; i++) {
        dq_job_list_add(&list, &jobs[i]);
    }
    dq_desk_hand(o->desk, &list);
    assert_null(list.first);
}

static size_t collect(office *o)
{
    dq_job_list through = dq_desk_collect(o->desk);
    size_t count = 0;
    for (dueq_job *job; (job = dq_job_list_pop(&through)) != NULL; count++) {
        assert_int_equal(job->answer.verdict, DUEQ_VERDICT_DEAD);
        assert_true(atomic_load(&job->begun_us) > 0);
        assert_true(atomic_load(&job->returned_us) >= atomic_load(&job->begun_us));
    }
    return count;
}

static void test_every_job_comes_back_once(void **state)
{
    (void)state;
    enum { JOBS = 500, AT_ONCE = 100 };
    office o = {.gate = true};
    open_office(&o, 8, false);
    dueq_job *jobs = make_jobs(JOBS);
    for (size_t i = 0; i < JOBS; i += AT_ONCE) {
        hand(&o, &jobs[i], AT_ONCE);
    }
    /* Woken by the descriptor alone. */
    for (size_t back = 0; back < JOBS;) {
        struct pollfd fd = {.fd = o.through_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LONG_MS), 1);
        eventfd_t count;
        eventfd_read(o.through_fd, &count);
        back += collect(&o);
    }
    assert_int_equal(atomic_load(&o.calls), JOBS);
    assert_true(atomic_load(&o.signals_blocked));
    assert_int_equal(atomic_load(&o.nudge_fd), -1); /* no orders were asked for */
    assert_null(dq_desk_collect(o.desk).first);
    close_office(&o);
    free(jobs);
}

/* Each thread that comes round calls the next: with room for all, all are at work at once. */
static void test_as_many_are_woken_as_there_is_work(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    office o = {0};
    open_office(&o, THREADS, false);
    dueq_job *jobs = make_jobs(THREADS);
    hand(&o, jobs, THREADS);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), THREADS);
    atomic_store(&o.gate, true);
    for (size_t back = 0; back < THREADS;) {
        struct pollfd fd = {.fd = o.through_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, LONG_MS), 1);
        eventfd_t count;
        eventfd_read(o.through_fd, &count);
        back += collect(&o);
    }
    /* Those that wait again are called again. */
    hand(&o, jobs, THREADS);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), 2 * THREADS);
    close_office(&o);
    free(jobs);
}

static void test_withdraw(void **state)
{
    (void)state;
    office o = {0};
    open_office(&o, 1, false);
    dueq_job *jobs = make_jobs(4);
    hand(&o, &jobs[0], 1);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), 1);
    hand(&o, &jobs[1], 3);
    assert_false(dq_desk_withdraw(o.desk, &jobs[0])); /* begun */
    assert_true(dq_desk_withdraw(o.desk, &jobs[3]));  /* the last of the line */
    assert_true(dq_desk_withdraw(o.desk, &jobs[1]));
    assert_false(dq_desk_withdraw(o.desk, &jobs[1])); /* no more there */
    hand(&o, &jobs[3], 1);
    atomic_store(&o.gate, true);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), 3);
    close_office(&o);
    assert_int_equal(atomic_load(&o.calls), 3);
    free(jobs);
}

static void test_withdraw_all(void **state)
{
    (void)state;
    office o = {0};
    open_office(&o, 1, false);
    dueq_job *jobs = make_jobs(4);
    hand(&o, &jobs[0], 1);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), 1);
    hand(&o, &jobs[1], 3);
    dq_job_list unbegun = dq_desk_withdraw_all(o.desk);
    assert_int_equal(unbegun.count, 3);
    for (size_t i = 1; i < 4; i++) {
        assert_ptr_equal(dq_job_list_pop(&unbegun), &jobs[i]);
        assert_int_equal(atomic_load(&jobs[i].begun_us), 0);
    }
    assert_null(unbegun.first);
    atomic_store(&o.gate, true);
    close_office(&o);
    assert_int_equal(atomic_load(&o.calls), 1);
    free(jobs);
}

static void *open_gate(void *context)
{
    office *o = context;
    atomic_store(&o->gate, true);
    return NULL;
}

static void test_close_waits_for_handlers(void **state)
{
    (void)state;
    office o = {0};
    open_office(&o, 2, true);
    dueq_job *job = make_jobs(1);
    hand(&o, job, 1);
    UNTIL_EQ(LONG_MS, atomic_load(&o.calls), 1);
    assert_true(atomic_load(&o.nudge_fd) >= 0); /* orders were asked for */
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_gate, &o), 0);
    dq_pool_close(o.pool);
    assert_true(atomic_load(&o.gate));
    assert_int_equal(job->answer.verdict, DUEQ_VERDICT_DEAD);
    pthread_join(thread, NULL);
    o.pool = NULL;
    close_office(&o);
    free(job);
}

/* An engine without threads of the pool: told by a descriptor, takes what it likes. */
static void test_a_desk_with_a_descriptor(void **state)
{
    (void)state;
    int through_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int todo_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dq_desk *desk = dq_desk_make(through_fd, todo_fd);
    dueq_job *jobs = make_jobs(2);
    dq_job_list list = {0};
    dq_job_list_add(&list, &jobs[0]);
    dq_job_list_add(&list, &jobs[1]);
    dq_desk_hand(desk, &list);
    eventfd_t count = 0;
    assert_int_equal(eventfd_read(todo_fd, &count), 0);
    assert_ptr_equal(dq_desk_next(desk), &jobs[0]);
    assert_true(dq_desk_withdraw(desk, &jobs[1]));
    assert_null(dq_desk_next(desk));
    dq_desk_return(desk, &jobs[0]);
    assert_int_equal(eventfd_read(through_fd, &count), 0);
    assert_ptr_equal(dq_desk_collect(desk).first, &jobs[0]);
    assert_false(dq_desk_is_closed(desk));
    dq_desk_close(desk);
    assert_true(dq_desk_is_closed(desk));
    assert_int_equal(eventfd_read(todo_fd, &count), 0);
    dq_desk_free(desk);
    free(jobs);
    close(through_fd);
    close(todo_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_comes_back_once),
        cmocka_unit_test(test_as_many_are_woken_as_there_is_work),
        cmocka_unit_test(test_withdraw),
        cmocka_unit_test(test_withdraw_all),
        cmocka_unit_test(test_close_waits_for_handlers),
        cmocka_unit_test(test_a_desk_with_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
