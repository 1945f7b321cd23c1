/* A worker whose tasks are handled by long-lived processes: what becomes of the tasks on the server,
 * and what a stop or a lost lease does to processes with tasks in their hands. What goes over the
 * pipes is tests/unit/test_work_stdio.c. test-timeout-s: 120 */
#include "support/descriptors.h"
#include "support/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/folder.h"

enum { LONG_MS = 30000, GRACE_NEVER_MS = 600000 };

/* As good as for ever, but not if the test itself is killed. */
#define LINGER "for i in $(seq 1200); do sleep 0.05; done; "
#define UNTIL_GO "while [ -d $DIR ] && ! [ -e $DIR/go ]; do sleep 0.01; done; "
#define DONE_BY_RECEIPT \
    "sed -u 's/.*\"receipt\":\\(\"[^\"]*\"\\).*/{\"receipt\":\\1,\"result\":\"done\"}/'"

static test_folder folder;

static void start(rig *r, const char *script, dueq_worker_options options)
{
    char *copy = strdup(script);
    char *command[] = {"sh", "-c", copy, NULL};
    options.command = command;
    options.stdio = true;
    if (options.backoff_max_ms == 0) options.backoff_max_ms = 1;
    rig_start(r, options); /* copies the options */
    free(copy);
}

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%.60s/%s", folder.path, name);
}

static bool exists(const char *name)
{
    char path[256];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

static void make_file(const char *name)
{
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static const char *content(const char *name)
{
    static char text[4096];
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) fclose(file);
    text[len] = '\0';
    return text;
}

/* ---- Answers ---- */

static void test_answers_are_reported(void **state)
{
    rig *r = *state;
    static const char *const ids[] = {"good", "later", "gone", "again", "back"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        rig_push(r, "q", ids[i], 0);
    }
    start(r,
          "while read -r line; do case $line in "
          "*'\"payload\":\"later\"'*) echo '{\"result\":\"retry\",\"delay\":\"1h\","
          "\"error\":\"no stock\"}';; "
          "*'\"payload\":\"gone\"'*) echo '{\"result\":\"dead\",\"error\":\"no such person\"}';; "
          "*'\"attempt\":1,'*'\"payload\":\"again\"'*) echo '{\"result\":\"retry\"}';; "
          "*'\"payload\":\"back\"'*) if [ -e $DIR/back ]; then echo '{\"result\":\"done\"}'; "
          "else touch $DIR/back; echo '{\"result\":\"release\"}'; fi;; "
          "*) echo '{\"result\":\"done\"}';; esac; done",
          (dueq_worker_options){0});
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 3);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).dead, 1);
    UNTIL_EQ(LONG_MS, rig_worker_stats(r).retried, 2);
    assert_int_equal(rig_worker_stats(r).released, 1);
    rig_task later = rig_look(r, "q", "later"), gone = rig_look(r, "q", "gone");
    assert_int_equal(later.state, DUEQ_STATE_WAITING);
    assert_int_equal(later.failures, 1);
    assert_string_equal(later.error, "no stock");
    assert_int_equal(gone.state, DUEQ_STATE_DEAD);
    assert_string_equal(gone.error, "no such person");
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_windows_of_many(void **state)
{
    rig *r = *state;
    enum { COUNT = 2000 };
    rig_push_many(r, "q", "task", COUNT);
    start(r, DONE_BY_RECEIPT, (dueq_worker_options){.concurrency = 3, .window = 20, .drain = true});
    assert_int_equal(rig_join(r), DUEQ_OK);
    dueq_worker_stats stats = rig_worker_stats(r);
    assert_int_equal(stats.done, COUNT);
    assert_int_equal(stats.taken, COUNT);
    assert_int_equal(rig_queue_stats(r, "q").done, COUNT);
}

static void test_large_payload(void **state)
{
    rig *r = *state;
    enum { LEN = 1 << 20 };
    char *payload = malloc(LEN);
    memset(payload, '\xff', LEN); /* no text: goes as base64 */
    dueq_new_task task = {.id = "large", .payload = payload, .payload_len = LEN};
    assert_int_equal(dueq_push(r->handle, "q", &task, 1, NULL), DUEQ_OK);
    free(payload);
    start(r, "head -n 1 | wc -c >$DIR/len; echo '{\"result\":\"done\"}'; cat",
          (dueq_worker_options){0});
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 1);
    assert_true(atoi(content("len")) > LEN * 4 / 3);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* ---- Failures ---- */

/* Both tasks in its hands are tried again by the process that follows. */
static void test_death_with_tasks_in_hand(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "task", 2);
    start(r,
          "read -r a; read -r b; case $a$b in *'\"attempt\":1,'*) echo oops >&2; exit 3;; esac; "
          "{ printf '%s\\n' \"$a\" \"$b\"; cat; } | " DONE_BY_RECEIPT,
          (dueq_worker_options){.window = 2, .backoff_max_ms = 1});
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 2);
    assert_int_equal(rig_worker_stats(r).retried, 2);
    assert_true(rig_logged(r, "error=\"exit 3: oops\""));
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

static void test_cannot_start(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "task", 0);
    char *command[] = {"./no-such-program", NULL};
    rig_start(r, (dueq_worker_options){.command = command, .stdio = true});
    assert_int_equal(rig_join(r), DUEQ_ESYSTEM);
    assert_string_equal(dueq_worker_error(r->worker),
                        "cannot start ./no-such-program: No such file or directory");
    assert_int_equal(rig_queue_stats(r, "q").ready, 1);
    assert_int_equal(rig_look(r, "q", "task").failures, 0);
}

static void test_timeout(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "task", 0);
    start(r,
          "read -r line; case $line in *'\"attempt\":1,'*) " LINGER
          ";; esac; echo '{\"result\":\"done\"}'; cat",
          (dueq_worker_options){.timeout_ms = 1000, .backoff_max_ms = 1});
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 1);
    assert_true(rig_logged(r, "error=\"timed out after 1s\""));
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* Cancelled meanwhile: the process is told in a line, and goes on with the next. */
static void test_lost_lease(void **state)
{
    rig *r = *state;
    rig_push(r, "q", "first", 0);
    start(r,
          "read -r task; touch $DIR/up; read -r lost; printf '%s\\n' \"$lost\" >$DIR/lost; "
          "echo '{\"id\":\"first\",\"result\":\"done\"}'; " DONE_BY_RECEIPT,
          (dueq_worker_options){.lease_ms = 300});
    UNTIL(LONG_MS, exists("up"));
    dueq_name name = {.id = "first"};
    assert_int_equal(dueq_cancel(r->handle, "q", &name, 1), DUEQ_OK);
    UNTIL(LONG_MS, strchr(content("lost"), '\n') != NULL);
    assert_memory_equal(content("lost"), "{\"lost\":\"", 9);
    assert_non_null(strstr(content("lost"), "\"id\":\"first\"}\n"));
    rig_push(r, "q", "second", 0);
    UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 1);
    assert_int_equal(rig_worker_stats(r).lost, 1);
    assert_int_equal(rig_stop(r), DUEQ_OK);
}

/* ---- Stopping ---- */

/* What is in hand is finished, what was not begun goes back, and the process sees the end of its
 * stdin. */
static void test_stop_lets_finish(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "task", 10);
    start(r,
          "read -r line; touch $DIR/up; " UNTIL_GO
          "echo '{\"result\":\"done\"}'; read -r line || touch $DIR/eof",
          (dueq_worker_options){.grace_ms = GRACE_NEVER_MS});
    UNTIL(LONG_MS, exists("up"));
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    make_file("go");
    assert_int_equal(rig_join(r), DUEQ_OK);
    assert_true(exists("eof"));
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.ready, 9);
    assert_int_equal(stats.leased, 0);
}

static void test_stop_when_the_grace_is_over(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "task", 4);
    start(r, "read -r a; read -r b; touch $DIR/up; " LINGER,
          (dueq_worker_options){.window = 2, .grace_ms = 200});
    UNTIL(LONG_MS, exists("up"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    dueq_stats stats = rig_queue_stats(r, "q");
    assert_int_equal(stats.ready, 4);
    assert_int_equal(stats.done + stats.retried, 0);
}

/* A second stop ends even one that ignores TERM, and at once. */
static void test_second_stop(void **state)
{
    rig *r = *state;
    rig_push_many(r, "q", "task", 2);
    start(r, "trap '' TERM; read -r line; touch $DIR/up; " LINGER,
          (dueq_worker_options){.grace_ms = GRACE_NEVER_MS});
    UNTIL(LONG_MS, exists("up"));
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_int_equal(rig_queue_stats(r, "q").ready, 2);
}

/* One that has nothing in hand is no job's to order about: it is ended all the same. */
static void test_second_stop_of_the_idle(void **state)
{
    rig *r = *state;
    start(r, "trap '' TERM; touch $DIR/up; " LINGER,
          (dueq_worker_options){.grace_ms = GRACE_NEVER_MS});
    UNTIL(LONG_MS, exists("up"));
    int64_t began_ms = until_now_ms();
    dueq_worker_stop(r->worker);
    UNTIL(LONG_MS, rig_logged(r, "stopping"));
    assert_int_equal(rig_stop(r), DUEQ_OK);
    assert_in_range(until_now_ms() - began_ms, 0, 3000); /* 4 s without the second */
}

static void test_no_descriptor_leaks(void **state)
{
    rig *r = *state;
    int before = 0;
    for (int round = 0; round < 3; round++) {
        rig_push_many(r, "q", "task", 6);
        start(r,
              "while read -r line; do case $line in *'\"attempt\":1,'*) exit 1;; esac; "
              "echo '{\"result\":\"done\"}'; done",
              (dueq_worker_options){.concurrency = 3, .backoff_max_ms = 1});
        UNTIL_EQ(LONG_MS, rig_queue_stats(r, "q").done, 6 * (round + 1));
        assert_int_equal(rig_stop(r), DUEQ_OK);
        dueq_worker_free(r->worker);
        r->worker = NULL;
        if (round == 0) before = count_descriptors();
    }
    assert_int_equal(count_descriptors(), before);
}

/* A folder of its own for each test. */
static int set_up(void **state)
{
    folder_make(&folder);
    setenv("DIR", folder.path, 1);
    return rig_set_up(state);
}

static int tear_down(void **state)
{
    int rc = rig_tear_down(state);
    folder_free(&folder);
    return rc;
}

#define STDIO_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STDIO_TEST(test_answers_are_reported),
        STDIO_TEST(test_windows_of_many),
        STDIO_TEST(test_large_payload),
        STDIO_TEST(test_death_with_tasks_in_hand),
        STDIO_TEST(test_cannot_start),
        STDIO_TEST(test_timeout),
        STDIO_TEST(test_lost_lease),
        STDIO_TEST(test_stop_lets_finish),
        STDIO_TEST(test_stop_when_the_grace_is_over),
        STDIO_TEST(test_second_stop),
        STDIO_TEST(test_second_stop_of_the_idle),
        STDIO_TEST(test_no_descriptor_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
