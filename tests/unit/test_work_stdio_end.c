/* Long-lived processes under pressure: much of everything, tasks that run over, orders, and the end of
 * the engine. Bounds on time are generous: they tell "at once" from "never". */
#include "support/descriptors.h"
#include "support/office.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "work/process.h"

enum { LONG_MS = OFFICE_LONG_MS };

/* ---- Much of everything ---- */

/* One who reads slowly is given no more than fits, and holds nobody up. */
static void test_slow_reader(void **state)
{
    (void)state;
    enum { LEN = 1 << 20, COUNT = 2 };
    char *payload = malloc(LEN);
    memset(payload, 'x', LEN);
    office *o = office_open(AWAIT_GO "exec " DONE_BY_RECEIPT, (dq_stdio_options){.window = COUNT});
    office_hand_many(o, COUNT, payload, LEN);
    UNTIL(LONG_MS, atomic_load(&o->jobs[0].begun_us) > 0);
    office_come_round(o);
    assert_int_equal(atomic_load(&o->jobs[1].begun_us), 0);
    office_make_file("go", "");
    office_await(o, COUNT);
    office_assert_all(o, DUEQ_VERDICT_DONE);
    office_close(o);
    free(payload);
}

static void test_large_payloads(void **state)
{
    (void)state;
    enum { LEN = 1 << 20, COUNT = 2 };
    char *payload = malloc(LEN);
    memset(payload, '\xff', LEN); /* no text: in base64 */
    office *o = office_open(DONE, (dq_stdio_options){.process_count = 2});
    office_hand_many(o, COUNT, payload, LEN);
    office_await(o, COUNT);
    office_assert_all(o, DUEQ_VERDICT_DONE);
    office_close(o);
    free(payload);
}

static void test_flood_of_stderr(void **state)
{
    (void)state;
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null_fd, STDERR_FILENO);
    office *o = office_open("while read -r line; do head -c 5000000 /dev/zero >&2; "
                            "echo '{\"result\":\"done\"}'; done",
                            (dq_stdio_options){0});
    office_hand_many(o, 3, "text", 4);
    office_await(o, 3);
    office_close_engine(o);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(null_fd);
    office_assert_all(o, DUEQ_VERDICT_DONE);
    office_close(o);
}

/* ---- Time ---- */

/* The one that runs over is retried, its neighbour given back, and the process is a new one. */
static void test_timeout(void **state)
{
    (void)state;
    enum { TIMEOUT_MS = 2000 };
    office *o =
        office_open("echo $$ >>$DIR/starts; read -r a || exit; touch $DIR/first; read -r b; "
                    "echo stuck >&2; " LINGER,
                    (dq_stdio_options){.window = 2, .timeout_ms = TIMEOUT_MS});
    dueq_job *first = office_hand(o, "a");
    UNTIL(LONG_MS, office_has_file("first"));
    int64_t began_ms = atomic_load(&first->begun_us) / 1000;
    UNTIL(LONG_MS, until_now_ms() >= began_ms + TIMEOUT_MS / 2);
    dueq_job *second = office_hand(o, "b");
    office_await(o, 2);
    office_assert(o, first, DUEQ_VERDICT_RETRY, "timed out after 2s: stuck");
    office_assert(o, second, DUEQ_VERDICT_RELEASE, "");
    UNTIL(LONG_MS, office_line_count("starts") == 2);
    office_close(o);
}

static void test_timeout_of_a_stubborn_process(void **state)
{
    (void)state;
    office *o = office_open("trap '' TERM; read -r line; " LINGER,
                            (dq_stdio_options){.timeout_ms = 300, .grace_ms = 100});
    dueq_job *job = office_hand(o, "a");
    office_await(o, 1);
    office_assert(o, job, DUEQ_VERDICT_RETRY, "timed out after 300ms");
    assert_true(office_logged(o, "process ended"));
    office_close(o);
}

/* ---- Orders ---- */

/* A lost lease is told in a line; the place in the window is free once that task is answered. */
static void test_lost_lease(void **state)
{
    (void)state;
    office *o = office_open(
        "read -r a; touch $DIR/up; read -r b; printf '%s\\n' \"$b\" >$DIR/lost; " AWAIT_GO
        "echo '{\"id\":\"a\",\"result\":\"done\"}'; " DONE,
        (dq_stdio_options){0});
    dueq_job *first = office_hand(o, "a");
    UNTIL(LONG_MS, office_has_file("up"));
    dq_job_order(first, DQ_ORDER_LEAVE);
    UNTIL(LONG_MS, office_line_count("lost") == 1);
    assert_string_equal(office_file("lost"), "{\"lost\":\"r-a\",\"id\":\"a\"}\n");
    dueq_job *second = office_hand(o, "b");
    office_come_round(o);
    assert_int_equal(o->back_count, 0);
    assert_int_equal(atomic_load(&second->begun_us), 0);
    office_make_file("go", "");
    office_await(o, 2);
    office_assert(o, second, DUEQ_VERDICT_DONE, "");
    office_close(o);
}

static void test_orders_to_end(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        dq_order order;
        dueq_verdict verdict;
    } cases[] = {
        {"read -r line; touch $DIR/up; " LINGER, DQ_ORDER_END, DUEQ_VERDICT_RELEASE},
        {"trap '' TERM; read -r line; touch $DIR/up; " LINGER, DQ_ORDER_KILL, DUEQ_VERDICT_RELEASE},
        /* An answer that comes within the grace counts. */
        {"trap 'echo \"{\\\"result\\\":\\\"done\\\"}\"; exit 0' TERM; read -r line; touch $DIR/up; " LINGER,
         DQ_ORDER_END, DUEQ_VERDICT_DONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        office_clean(NULL);
        office *o = office_open(cases[i].script, (dq_stdio_options){0});
        dueq_job *job = office_hand(o, "t1");
        UNTIL(LONG_MS, office_has_file("up"));
        dq_job_order(job, cases[i].order);
        office_await(o, 1);
        office_assert(o, job, cases[i].verdict, "");
        office_close(o);
    }
}

/* An order that was given before a process could take the job. */
static void test_order_before_the_beginning(void **state)
{
    (void)state;
    office *o = office_open(DONE, (dq_stdio_options){0});
    office_come_round(o); /* it sleeps now: it will hear of the job and of no order after it */
    dueq_job *job = office_make_job(o, "t1", "text", 4);
    atomic_store(&job->order, DQ_ORDER_END);
    dq_job_list list = {0};
    dq_job_list_add(&list, job);
    dq_desk_hand(o->desk, &list);
    office_await(o, 1);
    office_assert(o, job, DUEQ_VERDICT_RELEASE, "");
    office_close(o);
}

/* ---- The end ---- */

/* One that does not heed the end of its stdin gets TERM, then KILL. */
static void test_closing_a_stubborn_process(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "trap 'touch $DIR/term; exit 0' TERM; touch $DIR/up; " LINGER,
        "trap '' TERM; touch $DIR/up; " LINGER,
    };
    for (size_t i = 0; i < 2; i++) {
        office_clean(NULL);
        office *o = office_open(scripts[i], (dq_stdio_options){.grace_ms = 200});
        UNTIL(LONG_MS, office_has_file("up"));
        int64_t began_ms = until_now_ms();
        office_close(o);
        assert_in_range(until_now_ms() - began_ms, 0, LONG_MS / 2);
        assert_int_equal(office_has_file("term"), i == 0);
    }
}

static void *close_engine(void *context)
{
    office_close_engine(context);
    return NULL;
}

/* Nobody gives orders any more, but a second stop is heard: those that heed nothing would be waited
 * for twice DQ_END_GRACE_MS. */
static void test_a_second_stop_while_closing(void **state)
{
    (void)state;
    atomic_int stops = 1;
    office *o = office_open("trap '' TERM; read -r line; echo $$ >>$DIR/left; " LINGER,
                            (dq_stdio_options){.process_count = 2, .stops = &stops});
    UNTIL_EQ(LONG_MS, dq_desk_able(o->desk), 2);
    int64_t began_ms = until_now_ms();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_engine, o), 0);
    UNTIL_EQ(LONG_MS, office_line_count("left"), 2); /* its stdin is closed */
    atomic_store(&stops, 2);
    pthread_join(thread, NULL);
    assert_in_range(until_now_ms() - began_ms, 0, DQ_END_GRACE_MS - 200);
    office_close(o);
}

static void test_descriptors(void **state)
{
    (void)state;
    int before = count_descriptors();
    for (size_t i = 0; i < 3; i++) {
        office *o = office_open("for fd in /proc/$$/fd/*; do readlink $fd; done >>$DIR/fds; "
                                "read -r line; exit 1",
                                (dq_stdio_options){.process_count = 3});
        office_hand_many(o, 9, "text", 4);
        office_await(o, 9);
        office_close(o);
        char *command[] = {"./no-such-program", NULL};
        o = office_open("", (dq_stdio_options){.command = command});
        UNTIL(LONG_MS, office_logged(o, "No such file"));
        office_close(o);
    }
    assert_int_equal(count_descriptors(), before);
    assert_null(strstr(office_file("fds"), "eventfd"));
    assert_null(strstr(office_file("fds"), "pidfd"));
}

#define STDIO_TEST(name) cmocka_unit_test_setup(name, office_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STDIO_TEST(test_slow_reader),
        STDIO_TEST(test_large_payloads),
        STDIO_TEST(test_flood_of_stderr),
        STDIO_TEST(test_timeout),
        STDIO_TEST(test_timeout_of_a_stubborn_process),
        STDIO_TEST(test_lost_lease),
        STDIO_TEST(test_orders_to_end),
        STDIO_TEST(test_order_before_the_beginning),
        STDIO_TEST(test_closing_a_stubborn_process),
        STDIO_TEST(test_a_second_stop_while_closing),
        STDIO_TEST(test_descriptors),
    };
    return cmocka_run_group_tests(tests, office_set_up, office_tear_down);
}
