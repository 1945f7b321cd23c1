/* Histories as files: what is written is read back, by several writers at once, also when one is
 * killed in the midst; and what is no history is told by its line. */
#include "support/history.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dueq.h>

#include "support/folder.h"
#include "support/until.h"

typedef struct place {
    test_folder folder;
    char path[FOLDER_PATH_SIZE + 16];
} place;

static int set_up(void **state)
{
    place *p = calloc(1, sizeof *p);
    folder_make(&p->folder);
    snprintf(p->path, sizeof p->path, "%s/history", p->folder.path);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    folder_free(&p->folder);
    free(p);
    return 0;
}

static history *read_back(const place *p)
{
    char *why = NULL;
    history *h = history_read(p->path, &why);
    if (h == NULL) fail_msg("%s", why);
    return h;
}

static const history_op *find(const history *h, int process, int64_t number, size_t nth)
{
    for (size_t i = 0; i < h->op_count; i++) {
        const history_op *op = &h->ops[i];
        if (op->process == process && op->number == number && nth-- == 0) return op;
    }
    fail_msg("no op %d %lld", process, (long long)number);
    return NULL;
}

static void operations_come_back(void **state)
{
    place *p = *state;
    history_writer *w = history_open(p->path, 3);
    history_op pushes[2] = {{.verb = HISTORY_PUSH, .id = "a", .payload = 5, .delay_ms = 70},
                            {.verb = HISTORY_PUSH, .id = "b", .due_ms = -1}};
    int64_t push = history_call(w, pushes, 2);
    pushes[1].outcome = DUEQ_EXISTS;
    history_answer(w, push, pushes, 2);
    history_op take = {.verb = HISTORY_TAKE, .lease_ms = 500};
    int64_t number = history_call(w, &take, 1);
    history_op taken[2] = {
        {.verb = HISTORY_TAKE, .id = "a", .token = 8, .receipt = "AQ-_", .deadline_ms = 99},
        {.verb = HISTORY_TAKE, .id = "b", .token = 8, .attempt = 2}};
    history_answer(w, number, taken, 2);
    history_op done = {.verb = HISTORY_DONE, .id = "a", .token = 8};
    history_call(w, &done, 1);
    history_close(w);

    history *h = read_back(p);
    assert_int_equal(h->op_count, 5);
    const history_op *a = find(h, 3, push, 0), *b = find(h, 3, push + 1, 0);
    assert_string_equal(a->id, "a");
    assert_int_equal(a->payload, 5);
    assert_int_equal(a->delay_ms, 70);
    assert_true(a->called_us > 0 && a->answered_us >= a->called_us);
    assert_int_equal(b->outcome, DUEQ_EXISTS);
    assert_int_equal(b->due_ms, -1);
    const history_op *second = find(h, 3, number, 1);
    assert_string_equal(find(h, 3, number, 0)->receipt, "AQ-_");
    assert_string_equal(second->id, "b");
    assert_int_equal(second->lease_ms, 500); /* as the call said */
    assert_int_equal(second->attempt, 2);
    const history_op *unanswered = find(h, 3, number + 1, 0);
    assert_int_equal(unanswered->outcome, HISTORY_MAYBE);
    assert_true(unanswered->answered_us == HISTORY_NEVER);
    history_free(h);
}

static void notes_come_back(void **state)
{
    place *p = *state;
    history_writer *w = history_open(p->path, 1);
    history_note_plan(w, &(history_plan){.attempts_max = 9, .ops_min = 100});
    history_note_planned(w, "kill");
    history_note_fault(w, &(history_fault){.kind = "clock", .began_us = 1, .amount = -3600000});
    history_note_task(w, &(history_task){.id = "x", .places = HISTORY_BODY, .failures = 3});
    history_note_broken(w, "due has no sentinel");
    history_note_dumped(w);
    history_close(w);
    history *h = read_back(p);
    assert_int_equal(h->plan.attempts_max, 9);
    assert_string_equal(h->planned[0], "kill");
    assert_int_equal(h->faults[0].amount, -3600000);
    assert_int_equal(h->tasks[0].failures, 3);
    assert_string_equal(h->broken[0], "due has no sentinel");
    assert_true(h->dumped);
    history_free(h);
}

/* ---- Many writers ---------------------------------------------------------------------------- */

enum { WRITERS = 4, CALLS = 500, ROUNDS = 60 };

static void write_many(const char *path, int process, int calls)
{
    history_writer *w = history_open(path, process);
    for (int i = 0; i != calls; i++) {
        history_op ops[3] = {{.verb = HISTORY_PUSH, .id = "first"},
                             {.verb = HISTORY_PUSH, .id = "second", .payload = i + 1},
                             {.verb = HISTORY_PUSH, .id = "third"}};
        history_answer(w, history_call(w, ops, 3), ops, 3);
    }
    history_close(w);
}

static pid_t fork_writer(const char *path, int process, int calls)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    write_many(path, process, calls);
    _exit(0);
}

static void several_write_at_once(void **state)
{
    place *p = *state;
    pid_t pids[WRITERS];
    for (int i = 0; i < WRITERS; i++) pids[i] = fork_writer(p->path, i + 1, CALLS);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    history *h = read_back(p);
    assert_int_equal(h->op_count, WRITERS * CALLS * 3);
    for (size_t i = 0; i < h->op_count; i++) assert_int_equal(h->ops[i].outcome, DUEQ_OK);
    history_free(h);
}

static off_t size_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    if (fd >= 0) close(fd);
    return size;
}

static void a_killed_writer_leaves_whole_records(void **state)
{
    place *p = *state;
    for (int round = 1; round <= ROUNDS; round++) {
        off_t before = size_of(p->path);
        pid_t pid = fork_writer(p->path, round, -1);
        UNTIL(20000, size_of(p->path) > before + 20000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    write_many(p->path, ROUNDS + 1, 1); /* what comes after stands on its own lines */
    history *h = read_back(p);
    int unanswered = 0;
    for (size_t i = 0; i < h->op_count; i++) unanswered += h->ops[i].outcome == HISTORY_MAYBE;
    assert_in_range(unanswered, 0, ROUNDS * 3);
    assert_in_range(h->torn_count, 0, ROUNDS);
    assert_string_equal(find(h, ROUNDS + 1, 2, 0)->id, "third");
    history_free(h);
}

/* ---- What is none ---------------------------------------------------------------------------- */

static void write_text(const place *p, const char *text)
{
    FILE *file = fopen(p->path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void what_is_no_history_is_told(void **state)
{
    place *p = *state;
    static const char *const bad[][2] = {
        {"hello .\n", "line 1: an unknown record: \"hello\""},
        {"dumped  .\ncall 1 x push at=1 .\n", "line 2: no process and number: \"1\""},
        {"call 1 1 sleep at=1 .\n", "line 1: an unknown verb: \"sleep\""},
        {"call 1 1 push .\n", "line 1: no time: \"\""},
        {"call 1 1 push at=1 colour=red .\n", "line 1: an unknown name: \"colour=red\""},
        {"call 1 1 push at=1 token=red .\n", "line 1: no number: \"token=red\""},
        {"call 1 1 push at=1 token .\n", "line 1: no value: \"token\""},
        {"answer 1 1 push at=1 .\n", "line 1: an answer to no call: \"push\""},
        {"call 1 1 push at=1 .\nanswer 1 1 done at=2 .\n",
         "line 2: an answer to no call: \"done\""},
        {"task places=1 .\n", "line 1: a task without an id: \"\""},
        {"fault amount=1 .\n", "line 1: a fault of no kind: \"\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *why = NULL;
        write_text(p, bad[i][0]);
        assert_null(history_read(p->path, &why));
        assert_string_equal(why, bad[i][1]);
        free(why);
    }
}

static void a_line_cut_short_is_left_out(void **state)
{
    place *p = *state;
    write_text(p, "call 1 1 push at=1 id=a .\nanswer 1 1 push at=2 .\n\ncall 1 2 push at=3 id=\n"
                  "call 2 1 push at=3 id=b .\nansw");
    history *h = read_back(p);
    assert_int_equal(h->op_count, 2);
    assert_int_equal(h->torn_count, 2);
    history_free(h);
    write_text(p, "");
    h = read_back(p);
    assert_int_equal(h->op_count, 0);
    history_free(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operations_come_back),       TEST(notes_come_back),
        TEST(several_write_at_once),      TEST(a_killed_writer_leaves_whole_records),
        TEST(what_is_no_history_is_told), TEST(a_line_cut_short_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
