/* Long-lived processes at a desk, without a server: what goes over the pipes, windows, answers that are
 * none, deaths and restarts. Handlers are small shell scripts. */
#include "support/office.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG_MS = OFFICE_LONG_MS };

/* ---- Lines and answers ---- */

static void test_every_result(void **state)
{
    (void)state;
    office *o = office_open(
        ID_OF "while read -r line; do id_of \"$line\"; case $id in "
              "done) echo '{\"id\":\"done\",\"result\":\"done\"}';; "
              "retry) echo '{\"receipt\":\"r-retry\",\"result\":\"retry\",\"delay\":\"5s\","
              "\"error\":\"no such person\"}';; "
              "dead) echo '{\"result\":\"dead\",\"error\":\"a\\u0000b\"}';; "
              "release) echo '{\"result\":\"release\"}';; esac; done",
        (dq_stdio_options){0});
    const dueq_job *done = office_hand(o, "done"), *retry = office_hand(o, "retry"),
                   *dead = office_hand(o, "dead"), *release = office_hand(o, "release");
    office_await(o, 4);
    office_assert(o, done, DUEQ_VERDICT_DONE, "");
    assert_int_equal(done->answer.delay_ms, -1);
    office_assert(o, retry, DUEQ_VERDICT_RETRY, "no such person");
    assert_int_equal(retry->answer.delay_ms, 5000);
    assert_int_equal(dead->answer.verdict, DUEQ_VERDICT_DEAD);
    assert_int_equal(dead->answer.error.len, 3);
    assert_memory_equal(dead->answer.error.bytes, "a\0b", 4);
    office_assert(o, release, DUEQ_VERDICT_RELEASE, "");
    office_close(o);
}

static void test_line_and_environment(void **state)
{
    (void)state;
    office *o = office_open("read -r line; printf '%s\\n' \"$line\" >$DIR/line; env >$DIR/env; "
                            "echo '{\"result\":\"done\"}'; read -r line || touch $DIR/eof",
                            (dq_stdio_options){0});
    office_hand(o, "t1");
    office_await(o, 1);
    assert_string_equal(office_file("line"),
                        "{\"queue\":\"mail\",\"id\":\"t1\",\"receipt\":\"r-t1\",\"attempt\":1,"
                        "\"token\":0,\"due_ms\":0,\"pushed_ms\":0,\"payload\":\"text\","
                        "\"headers\":{}}\n");
    assert_null(strstr(office_file("env"), "DUEQ_ID"));
    office_close(o);
    assert_true(office_has_file("eof")); /* closing ends it by the end of its stdin */
}

/* Four at a time, answered in the reverse order; a fifth is not given before there is room. */
static void test_window(void **state)
{
    (void)state;
    office *o = office_open(ID_OF "read -r a; read -r b; read -r c; read -r d; " AWAIT_GO
                                  "for line in \"$d\" \"$c\" \"$b\" \"$a\"; do id_of \"$line\"; "
                                  "echo \"{\\\"id\\\":\\\"$id\\\",\\\"result\\\":\\\"retry\\\","
                                  "\\\"error\\\":\\\"$id\\\"}\"; done; " DONE,
                            (dq_stdio_options){.window = 4});
    office_hand_many(o, 5, "text", 4);
    UNTIL(LONG_MS, atomic_load(&o->jobs[3].begun_us) > 0);
    office_come_round(o);
    assert_int_equal(atomic_load(&o->jobs[4].begun_us), 0);
    office_make_file("go", "");
    office_await(o, 5);
    office_assert(o, &o->jobs[0], DUEQ_VERDICT_RETRY, "t0");
    office_assert(o, &o->jobs[1], DUEQ_VERDICT_RETRY, "t1");
    office_assert(o, &o->jobs[3], DUEQ_VERDICT_RETRY, "t3");
    office_assert(o, &o->jobs[4], DUEQ_VERDICT_DONE, "");
    office_close(o);
}

/* Nobody gets a second task while another has none: each writes once. */
static void test_tasks_are_spread(void **state)
{
    (void)state;
    office *o = office_open("read -r line; echo $$ >>$DIR/up; read -r line; " LINGER,
                            (dq_stdio_options){.process_count = 3, .window = 2});
    office_hand_many(o, 3, "text", 4);
    UNTIL_EQ(LONG_MS, office_line_count("up"), 3);
    for (size_t i = 0; i < 3; i++) {
        dq_job_order(&o->jobs[i], DQ_ORDER_KILL);
    }
    office_await(o, 3);
    office_assert_all(o, DUEQ_VERDICT_RELEASE);
    office_close(o);
}

static void test_many(void **state)
{
    (void)state;
    office *o = office_open(DONE_BY_RECEIPT, (dq_stdio_options){.process_count = 4, .window = 50});
    office_hand_many(o, OFFICE_JOBS_MAX, "text", 4);
    office_await(o, OFFICE_JOBS_MAX);
    office_assert_all(o, DUEQ_VERDICT_DONE);
    office_close(o);
}

/* Two queues may have the same id: the one longest in its hands is meant. */
static void test_same_id_twice(void **state)
{
    (void)state;
    office *o = office_open("read -r a; read -r b; "
                            "echo '{\"id\":\"x\",\"result\":\"retry\",\"error\":\"first\"}'; "
                            "echo '{\"id\":\"x\",\"result\":\"dead\",\"error\":\"second\"}'; cat",
                            (dq_stdio_options){.window = 2});
    const dueq_job *first = office_hand(o, "x"), *second = office_hand(o, "x");
    office_await(o, 2);
    office_assert(o, first, DUEQ_VERDICT_RETRY, "first");
    office_assert(o, second, DUEQ_VERDICT_DEAD, "second");
    office_close(o);
}

/* ---- Answers that are none ---- */

static void test_broken_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *says, *error, *log;
    } cases[] = {
        {"echo Listening on port 80",
         "bad answer: not a JSON object: '[' or '{' expected near "
         "'Listening'",
         "line=Listening on port 80"},
        {"echo '{\"result\":\"ok\"}'",
         "bad answer: \"result\" has to be \"done\", \"retry\", \"dead\" or \"release\"",
         "line={\"result\":\"ok\"}"},
        {"echo", "bad answer: not a JSON object: '[' or '{' expected near end of file", "line="},
        {"head -c 3000000 /dev/zero", "bad answer: a line of more than 1048576 bytes",
         "bad answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[256];
        snprintf(script, sizeof script, "read -r line; %s; " LINGER, cases[i].says);
        office *o = office_open(script, (dq_stdio_options){0});
        dueq_job *job = office_hand(o, "t1");
        office_await(o, 1);
        office_assert(o, job, DUEQ_VERDICT_RETRY, cases[i].error);
        assert_true(office_logged(o, cases[i].log));
        office_close(o);
    }
}

/* A banner is no fault of a task that had not been read. */
static void test_banner_costs_no_attempt(void **state)
{
    (void)state;
    office *o = office_open(AWAIT_GO "echo Hello; " LINGER, (dq_stdio_options){0});
    dueq_job *job = office_hand(o, "t1");
    UNTIL(LONG_MS, atomic_load(&job->begun_us) > 0);
    office_make_file("go", "");
    office_await(o, 1);
    office_assert(o, job, DUEQ_VERDICT_RELEASE, "");
    office_close(o);
}

static void test_unnamed_with_several_in_hand(void **state)
{
    (void)state;
    office *o = office_open(
        "read -r a && read -r b || exit; echo '{\"result\":\"done\"}'; echo why >&2; " LINGER,
        (dq_stdio_options){.window = 2});
    const dueq_job *a = office_hand(o, "a"), *b = office_hand(o, "b");
    office_await(o, 2);
    assert_int_equal(a->answer.verdict, DUEQ_VERDICT_RETRY);
    assert_non_null(strstr(b->answer.error.bytes, "it names neither \"receipt\" nor \"id\""));
    office_close(o);
}

/* Answers for what it does not have are passed over; in particular one too many does not finish the
 * next task, whose line the process cannot have read. */
static void test_unexpected_answers(void **state)
{
    (void)state;
    office *o = office_open("echo '{\"result\":\"release\"}'; read -r line; "
                            "echo '{\"id\":\"other\",\"result\":\"done\"}'; "
                            "echo '{\"result\":\"retry\"}'; " AWAIT_GIVEN
                            "echo '{\"result\":\"done\",\"error\":\"again\"}'; " AWAIT_GO
                            "read -r line; echo '{\"result\":\"dead\"}'; cat",
                            (dq_stdio_options){0});
    UNTIL(LONG_MS, office_logged(o, "line={\"result\":\"release\"}"));
    const dueq_job *first = office_hand(o, "t1"), *second = office_hand(o, "t2");
    office_await(o, 1);
    office_assert(o, first, DUEQ_VERDICT_RETRY, "");
    assert_true(office_logged(o, "line={\"id\":\"other\",\"result\":\"done\"}"));
    UNTIL(LONG_MS, atomic_load(&second->begun_us) > 0);
    office_make_file("given", "");
    UNTIL(LONG_MS, office_logged(o, "\"error\":\"again\"}"));
    office_make_file("go", "");
    office_await(o, 2);
    office_assert(o, second, DUEQ_VERDICT_DEAD, "");
    office_close(o);
}

/* ---- Deaths ---- */

static void test_death_with_tasks(void **state)
{
    (void)state;
    static const struct {
        const char *dies, *error;
    } cases[] = {
        {"echo no disk >&2; exit 3", "exit 3: no disk"},
        {"kill -9 $$", "killed by signal 9 (SIGKILL)"},
        {"exit 0", "exit 0 without an answer"},
        {"printf '{\"result\":\"do'; exit 1", "exit 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char script[256];
        snprintf(script, sizeof script, "echo $$ >>$DIR/starts%zu; read -r line; read -r line; %s",
                 i, cases[i].dies);
        office *o = office_open(script, (dq_stdio_options){.window = 2});
        office_hand_many(o, 4, "text", 4);
        office_await(o, 4); /* restarted in between */
        for (size_t k = 0; k < 4; k++) {
            office_assert(o, &o->jobs[k], DUEQ_VERDICT_RETRY, cases[i].error);
        }
        char name[32];
        snprintf(name, sizeof name, "starts%zu", i);
        assert_true(office_line_count(name) >= 2);
        assert_true(office_logged(o, "process ended"));
        office_close(o);
    }
}

/* What was answered before the end counts; what was not read goes back uncounted. So a process may
 * end itself after any answer. */
static void test_leaving_after_an_answer(void **state)
{
    (void)state;
    office *o =
        office_open(AWAIT_GO "read -r line; echo '{\"id\":\"t0\",\"result\":\"done\"}'; exit 0",
                    (dq_stdio_options){.window = 2});
    office_hand_many(o, 2, "text", 4);
    UNTIL(LONG_MS, atomic_load(&o->jobs[1].begun_us) > 0);
    office_make_file("go", "");
    office_await(o, 2);
    office_assert(o, &o->jobs[0], DUEQ_VERDICT_DONE, "");
    office_assert(o, &o->jobs[1], DUEQ_VERDICT_RELEASE, "");
    office_close(o);
}

static bool is_gone(int pid)
{
    char path[64], target[16];
    snprintf(path, sizeof path, "/proc/%d/exe", pid); /* a zombie's cannot be read */
    return readlink(path, target, sizeof target) < 0;
}

/* That is no trouble worth a warning, and it has answered; what it read and left is tried again. */
static void test_exits_after_answers(void **state)
{
    (void)state;
    static const struct {
        const char *dies, *level, *error;
    } cases[] = {{"exit 0", "debug", "exit 0 with 2 tasks unanswered"},
                 {"exit 3", "warn", "exit 3"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        office_clean(NULL);
        char script[512], wanted[128];
        snprintf(script, sizeof script,
                 "echo $$ >$DIR/pid; read -r line; read -r line; read -r line; "
                 "echo '{\"id\":\"t1\",\"result\":\"done\"}'; " AWAIT_GO "%s",
                 cases[i].dies);
        office *o = office_open(script, (dq_stdio_options){.window = 3});
        office_hand_many(o, 3, "text", 4);
        office_await(o, 1);
        int pid = atoi(office_file("pid"));
        office_make_file("go", "");
        office_await(o, 3);
        office_assert(o, &o->jobs[0], DUEQ_VERDICT_RETRY, cases[i].error);
        snprintf(wanted, sizeof wanted, "%s process ended pid=%d error=%s in_hand=2",
                 cases[i].level, pid, cases[i].error);
        if (!office_logged(o, wanted)) fail_msg("no \"%s\" in\n%s", wanted, o->log_text);
        office_close(o);
    }
}

/* Its last answers are still in the pipe when it is gone: the engine is held up in the log. */
static void test_answers_of_the_dead(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    office *o = office_open(
        ID_OF "for i in $(seq 100); do read -r line; id_of \"$line\"; "
              "printf '{\"id\":\"%s\",\"result\":\"dead\",\"error\":\"%0400d\"}\\n' $id 0; "
              "done >$DIR/answers; echo $$ >$DIR/pid.new; mv $DIR/pid.new $DIR/pid; " AWAIT_GO
              "echo '{\"id\":\"none\",\"result\":\"done\"}'; cat $DIR/answers; exit 0",
        (dq_stdio_options){.window = COUNT});
    office_hand_many(o, COUNT, "text", 4);
    UNTIL(LONG_MS, office_has_file("pid"));
    int pid = atoi(office_file("pid"));
    pthread_mutex_lock(&o->log.lock);
    office_make_file("go", "");
    UNTIL(LONG_MS, is_gone(pid));
    pthread_mutex_unlock(&o->log.lock);
    office_await(o, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(o->jobs[i].answer.verdict, DUEQ_VERDICT_DEAD);
    }
    office_close(o);
}

/* Only what was said about the tasks in hand is in their error. */
static void test_error_is_about_the_task(void **state)
{
    (void)state;
    office *o = office_open("read -r line; echo of the first >&2; echo '{\"result\":\"done\"}'; "
                            "read -r line; echo of the second >&2; exit 4",
                            (dq_stdio_options){0});
    office_hand(o, "t1");
    office_await(o, 1);
    dueq_job *second = office_hand(o, "t2");
    office_await(o, 2);
    office_assert(o, second, DUEQ_VERDICT_RETRY, "exit 4: of the second");
    office_close(o);
}

/* Nothing is begun by a process that is not there; once it can be started work goes on. */
static void test_cannot_start(void **state)
{
    (void)state;
    char path[256];
    office_path(path, "handler");
    char *command[] = {path, NULL};
    office *o = office_open("", (dq_stdio_options){.command = command});
    dueq_job *job = office_hand(o, "t1");
    UNTIL(LONG_MS, office_logged(o, "process not started error=cannot start "));
    UNTIL(LONG_MS, office_logged(o, "/handler: No such file or directory"));
    assert_int_equal(atomic_load(&job->begun_us), 0);
    office_make_file("handler.new", "#!/bin/sh\n" DONE "\n");
    char fresh[256];
    office_path(fresh, "handler.new");
    rename(fresh, path);
    office_await(o, 1);
    office_assert(o, job, DUEQ_VERDICT_DONE, "");
    office_close(o);
}

/* The desk knows how many jobs there is room for: none without a process, and that before it has
 * the jobs of one that is gone back. */
static void test_the_desk_is_told_of_processes(void **state)
{
    (void)state;
    char path[256], fresh[256];
    office_path(path, "handler");
    office_path(fresh, "handler.new");
    char *command[] = {path, NULL};
    office *o =
        office_open("", (dq_stdio_options){.command = command, .process_count = 2, .window = 3});
    assert_int_equal(dq_desk_able(o->desk), 0);
    UNTIL(LONG_MS, office_logged(o, "process not started"));
    assert_int_equal(dq_desk_able(o->desk), 0);
    office_make_file("handler.new",
                     "#!/bin/sh\necho $$ >>$DIR/up; read -r line; rm -f $0; exit 1\n");
    rename(fresh, path);
    UNTIL_EQ(LONG_MS, dq_desk_able(o->desk), 6);
    UNTIL_EQ(LONG_MS, office_line_count("up"), 2);
    office_hand(o, "a");
    office_await(o, 1);
    assert_int_equal(dq_desk_able(o->desk), 3);
    office_hand(o, "b");
    office_await(o, 2);
    assert_int_equal(dq_desk_able(o->desk), 0);
    office_close(o);
}

/* What a process says last is a line, whether it ends it or not: the worker's own log goes on where
 * it left off. */
static void test_the_last_line_is_ended(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2(ends[1], STDERR_FILENO);
    office *o =
        office_open("read -r line || exit 0; printf 'one\ntwo' >&2; exit 3", (dq_stdio_options){0});
    dueq_job *job = office_hand(o, "a");
    office_await(o, 1);
    office_close_engine(o);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    char said[64];
    ssize_t len = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    said[len < 0 ? 0 : len] = '\0';
    assert_string_equal(said, "one\ntwo\n");
    office_assert(o, job, DUEQ_VERDICT_RETRY, "exit 3: one\\ntwo");
    office_close(o);
}

/* A desk that is closed over a job that could not be begun. */
static void test_closed_before_it_began(void **state)
{
    (void)state;
    char *command[] = {"./no-such-program", NULL};
    office *o = office_open("", (dq_stdio_options){.command = command});
    dueq_job *job = office_hand(o, "t1");
    UNTIL(LONG_MS, office_logged(o, "No such file"));
    office_close_engine(o);
    office_assert(o, job, DUEQ_VERDICT_RELEASE, "");
    office_close(o);
}

/* It dies as often as it is started, but later and later: at full speed six starts take a few
 * milliseconds, and that the random delays come to less than 30 ms happens once in 200,000 runs. */
static void test_restarts_slow_down(void **state)
{
    (void)state;
    int64_t began_ms = until_now_ms();
    office *o = office_open("echo $$ >>$DIR/starts; exit 1", (dq_stdio_options){0});
    UNTIL(LONG_MS, office_line_count("starts") >= 6);
    assert_in_range(until_now_ms() - began_ms, 30, LONG_MS);
    office_close(o);
}

static void test_closed_descriptors(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        dueq_verdict verdict;
        const char *error;
    } cases[] = {
        {"read -r line; exec >&-; " LINGER, DUEQ_VERDICT_RETRY, "closed its stdout and went on"},
        {"exec <&-; touch $DIR/deaf; " LINGER, DUEQ_VERDICT_RELEASE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        office *o = office_open(cases[i].script, (dq_stdio_options){.grace_ms = 300});
        if (i == 1) UNTIL(LONG_MS, office_has_file("deaf"));
        dueq_job *job = office_hand(o, "t1");
        office_await(o, 1);
        office_assert(o, job, cases[i].verdict, cases[i].error);
        UNTIL(LONG_MS, office_logged(o, "process ended"));
        office_close(o);
    }
}

#define STDIO_TEST(name) cmocka_unit_test_setup(name, office_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STDIO_TEST(test_every_result),
        STDIO_TEST(test_line_and_environment),
        STDIO_TEST(test_window),
        STDIO_TEST(test_tasks_are_spread),
        STDIO_TEST(test_many),
        STDIO_TEST(test_same_id_twice),
        STDIO_TEST(test_broken_protocol),
        STDIO_TEST(test_banner_costs_no_attempt),
        STDIO_TEST(test_unnamed_with_several_in_hand),
        STDIO_TEST(test_unexpected_answers),
        STDIO_TEST(test_death_with_tasks),
        STDIO_TEST(test_leaving_after_an_answer),
        STDIO_TEST(test_exits_after_answers),
        STDIO_TEST(test_answers_of_the_dead),
        STDIO_TEST(test_error_is_about_the_task),
        STDIO_TEST(test_cannot_start),
        STDIO_TEST(test_the_desk_is_told_of_processes),
        STDIO_TEST(test_the_last_line_is_ended),
        STDIO_TEST(test_closed_before_it_began),
        STDIO_TEST(test_restarts_slow_down),
        STDIO_TEST(test_closed_descriptors),
    };
    return cmocka_run_group_tests(tests, office_set_up, office_tear_down);
}
