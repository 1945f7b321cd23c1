/* One process a task, without a server: payload, environment, exit status, stderr, time-outs,
 * orders, and programs that misbehave. Bounds on time are generous: they tell "at once" from
 * "never". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/folder.h"
#include "support/until.h"
#include "work/environment.h"
#include "work/job.h"
#include "work/process.h"

/* As good as for ever, but not if the test itself is killed. */
#define LINGER "for i in $(seq 1200); do sleep 0.05; done"

static char **host_environment;
static int null_fd;
static test_folder folder;

/* A job and what its handler answered. */
typedef struct trial {
    dueq_job *job;
    dueq_task task;
    dq_process_plan plan;
    int stderr_fd; /* in place of the worker's */
    dueq_verdict verdict;
} trial;

static trial begin(char *const *command)
{
    trial t = {.task = {.id = "t1", .id_len = 2, .payload = "", .attempt = 1},
               .stderr_fd = null_fd};
    t.job = calloc(1, sizeof *t.job);
    t.job->queue = "mail";
    t.job->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t.plan =
        (dq_process_plan){.command = command, .environment = host_environment, .grace_ms = 60000};
    return t;
}

/* Points a descriptor elsewhere; what it was is given back by restore(). */
static int redirect(int fd, int to)
{
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    dup2(to, fd);
    return kept;
}

static void restore(int fd, int kept)
{
    dup2(kept, fd);
    close(kept);
}

/* What programs write to stderr is passed on: to nowhere here, since some write much. */
static void run(trial *t)
{
    t->job->task = &t->task;
    int kept = redirect(STDERR_FILENO, t->stderr_fd);
    t->verdict = dq_process_handle(t->job, &t->plan);
    restore(STDERR_FILENO, kept);
}

static const char *error_of(const trial *t)
{
    return t->job->answer.error.bytes;
}

static void end(trial *t)
{
    close(t->job->nudge_fd);
    free(t->job);
}

/* Runs a shell script, with $DIR the test's folder. */
static trial run_script(const char *script)
{
    char *copy = strdup(script);
    char *command[] = {"sh", "-c", copy, NULL};
    trial t = begin(command);
    run(&t);
    free(copy);
    return t;
}

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%.60s/%s", folder.path, name);
}

/* The content of a file in the test's folder, "" when there is none. */
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

static bool exists(const char *name)
{
    char path[256];
    path_of(path, name);
    return access(path, F_OK) == 0;
}

/* ---- Answers ---- */

static void test_exit_status(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        dueq_verdict verdict;
        const char *error;
    } cases[] = {
        {"exit 0", DUEQ_VERDICT_DONE, ""},
        {"echo well >&2; exit 0", DUEQ_VERDICT_DONE, ""},
        {"exit 3", DUEQ_VERDICT_RETRY, "exit 3"},
        {"echo >&2; exit 3", DUEQ_VERDICT_RETRY, "exit 3"},
        {"echo no disk >&2; exit 3", DUEQ_VERDICT_RETRY, "exit 3: no disk"},
        {"printf 'a\\nb\\033\\n' >&2; exit 1", DUEQ_VERDICT_RETRY, "exit 1: a\\nb\\x1b"},
        {"echo bad address >&2; exit 100", DUEQ_VERDICT_DEAD, "exit 100: bad address"},
        {"kill -9 $$", DUEQ_VERDICT_RETRY, "killed by signal 9 (SIGKILL)"},
        {"echo oh >&2; kill -TERM $$", DUEQ_VERDICT_RETRY, "killed by signal 15 (SIGTERM): oh"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trial t = run_script(cases[i].script);
        assert_int_equal(t.verdict, cases[i].verdict);
        assert_string_equal(error_of(&t), cases[i].error);
        end(&t);
    }
}

static void test_missing_program(void **state)
{
    (void)state;
    char *command[] = {"./no-such-program", NULL};
    trial t = begin(command);
    run(&t);
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_string_equal(error_of(&t), "cannot start ./no-such-program: No such file or directory");
    end(&t);
}

static void test_long_stderr_keeps_its_end(void **state)
{
    (void)state;
    trial t =
        run_script("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done >&2; exit 7");
    const char *error = error_of(&t);
    size_t len = strlen(error);
    assert_in_range(len, 900, DUEQ_ERROR_TEXT_MAX);
    assert_memory_equal(error, "exit 7: line ", 13);
    assert_string_equal(error + len - 8, "line 499");
    end(&t);
}

/* ---- What it is given ---- */

static void test_payload_and_environment(void **state)
{
    (void)state;
    char *command[] = {"sh", "-c", "cat > $DIR/payload; env > $DIR/env", NULL};
    trial t = begin(command);
    const dueq_header header = {"trace-id", "abc", 3};
    t.task.payload = "hello\0there";
    t.task.payload_len = 11;
    t.task.headers = &header;
    t.task.header_count = 1;
    t.task.token = 42;
    run(&t);
    assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
    assert_memory_equal(content("payload"), "hello\0there", 12);
    const char *environment = content("env");
    assert_non_null(strstr(environment, "DUEQ_QUEUE=mail\n"));
    assert_non_null(strstr(environment, "DUEQ_ID=t1\n"));
    assert_non_null(strstr(environment, "DUEQ_TOKEN=42\n"));
    assert_non_null(strstr(environment, "DUEQ_HEADER_TRACE_ID=abc\n"));
    end(&t);
}

/* A payload larger than a pipe holds, to programs that read all, nothing, and a little of it. */
static void test_large_payloads(void **state)
{
    (void)state;
    static const char *const scripts[] = {"test $(wc -c) -eq 1048576", "exec 0<&-; exit 0",
                                          "head -c 10 >/dev/null", "exit 0"};
    size_t len = 1048576;
    char *payload = calloc(1, len);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        char *script = strdup(scripts[i]);
        char *command[] = {"sh", "-c", script, NULL};
        trial t = begin(command);
        t.task.payload = payload;
        t.task.payload_len = len;
        run(&t);
        assert_string_equal(error_of(&t), "");
        assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
        end(&t);
        free(script);
    }
    free(payload);
}

/* It starts as if from a shell: signals unblocked and deadly, a group of its own. */
static void test_signals_and_group(void **state)
{
    (void)state;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    trial t = run_script("grep -E '^Sig(Blk|Ign):' /proc/self/status > $DIR/signals;"
                         "test $(cut -d' ' -f5 /proc/$$/stat) -eq $$");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_string_equal(error_of(&t), "");
    assert_non_null(strstr(content("signals"), "SigBlk:\t0000000000000000"));
    assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
    end(&t);
}

/* ---- Misbehaviour ---- */

static void test_timeout(void **state)
{
    (void)state;
    char *command[] = {"sh", "-c", "echo waiting >&2; exec sleep 1000", NULL};
    trial t = begin(command);
    t.plan.timeout_ms = 300;
    run(&t);
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_string_equal(error_of(&t), "timed out after 300ms: waiting");
    end(&t);
}

/* TERM is ignored by it and by its child; both are gone when the handler returns. */
static void test_timeout_of_a_stubborn_group(void **state)
{
    (void)state;
    char *command[] = {"sh", "-c",
                       "trap '' TERM; sh -c 'echo $$ > $DIR/child; " LINGER "' & " LINGER, NULL};
    trial t = begin(command);
    t.plan.timeout_ms = 500;
    t.plan.grace_ms = 100;
    run(&t);
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_string_equal(error_of(&t), "timed out after 500ms");
    int child = atoi(content("child"));
    assert_true(child > 0);
    char stat[64];
    snprintf(stat, sizeof stat, "/proc/%d/exe", child); /* a zombie's cannot be read */
    char target[16];
    UNTIL(20000, readlink(stat, target, sizeof target) < 0);
    end(&t);
}

/* Exit status 0 after being told to end is no success. */
static void test_timeout_is_no_success(void **state)
{
    (void)state;
    char *command[] = {"sh", "-c", "trap 'exit 0' TERM; " LINGER, NULL};
    trial t = begin(command);
    t.plan.timeout_ms = 300;
    run(&t);
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    end(&t);
}

/* Something that it left running holds its stderr open, and even writes to it for ever. */
static void test_left_behind_children(void **state)
{
    (void)state;
    int64_t began_ms = until_now_ms();
    trial t = run_script("setsid sleep 30 & echo $! > $DIR/sleeper; exit 0");
    assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
    end(&t);
    t = run_script("setsid yes >&2 & echo $! > $DIR/writer; echo last words >&2; exit 5");
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_memory_equal(error_of(&t), "exit 5", 6);
    end(&t);
    assert_in_range(until_now_ms() - began_ms, 0, 25000);
    kill(atoi(content("sleeper")), SIGKILL);
    kill(atoi(content("writer")), SIGKILL);
}

static void test_floods(void **state)
{
    (void)state;
    int kept = redirect(STDOUT_FILENO, null_fd);
    trial t = run_script("head -c 50000000 /dev/zero >&2; head -c 50000000 /dev/zero; exit 0");
    restore(STDOUT_FILENO, kept);
    assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
    end(&t);
}

/* Nobody reads the worker's own stderr: the program waits, its time-out still strikes. */
static void test_stuck_stderr(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    char *command[] = {"sh", "-c", "exec yes >&2", NULL};
    trial t = begin(command);
    t.plan.timeout_ms = 1000;
    t.stderr_fd = ends[1];
    run(&t);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_memory_equal(error_of(&t), "timed out after 1s: ", 20);
    end(&t);
}

/* What a program says last is a line, whether it ends it or not: the worker's own log goes on where
 * it left off. */
static void test_the_last_line_is_ended(void **state)
{
    (void)state;
    static const struct {
        const char *script, *said;
    } cases[] = {
        {"printf 'one\ntwo' >&2; exit 3", "one\ntwo\n"},
        {"printf 'one\ntwo\n' >&2; exit 3", "one\ntwo\n"},
        {"exit 3", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        char *script = strdup(cases[i].script);
        char *command[] = {"sh", "-c", script, NULL};
        trial t = begin(command);
        t.stderr_fd = ends[1];
        run(&t);
        close(ends[1]);
        char said[64];
        ssize_t len = read(ends[0], said, sizeof said - 1);
        close(ends[0]);
        said[len < 0 ? 0 : len] = '\0';
        assert_string_equal(said, cases[i].said);
        end(&t);
        free(script);
    }
}

/* ---- Orders ---- */

static void *run_in_thread(void *context)
{
    run(context);
    return NULL;
}

static void test_orders(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        dq_order order;
    } cases[] = {
        {"touch $DIR/up; exec sleep 1000", DQ_ORDER_LEAVE},
        {"touch $DIR/up; exec sleep 1000", DQ_ORDER_END},
        {"trap 'exit 0' TERM; touch $DIR/up; " LINGER, DQ_ORDER_END},
        {"trap '' TERM; touch $DIR/up; " LINGER, DQ_ORDER_KILL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[256];
        path_of(path, "up");
        unlink(path);
        char *script = strdup(cases[i].script);
        char *command[] = {"sh", "-c", script, NULL};
        trial t = begin(command);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &t), 0);
        UNTIL(20000, exists("up"));
        dq_job_order(t.job, cases[i].order);
        pthread_join(thread, NULL);
        assert_int_equal(t.verdict, DUEQ_VERDICT_RELEASE);
        end(&t);
        free(script);
    }
}

/* A process with a signal of its own for a lost lease gets that one once, and goes on; the end of a
 * stop's grace is for it too. */
static void test_lost_signal(void **state)
{
    (void)state;
    char *command[] = {"sh", "-c",
                       "trap 'echo usr1 >>$DIR/told' USR1; trap 'echo term >>$DIR/told' TERM; "
                       "touch $DIR/begun; while [ ! -e $DIR/go ]; do sleep 0.02; done; exit 3",
                       NULL};
    trial t = begin(command);
    t.plan.lost_signal = SIGUSR1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &t), 0);
    UNTIL(20000, exists("begun"));
    dq_job_order(t.job, DQ_ORDER_LEAVE);
    UNTIL(20000, exists("told"));
    char path[256];
    path_of(path, "go");
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    pthread_join(thread, NULL);
    assert_string_equal(content("told"), "usr1\n");
    assert_int_equal(t.verdict, DUEQ_VERDICT_RETRY);
    assert_string_equal(error_of(&t), "exit 3");
    end(&t);
}

/* ---- Descriptors ---- */

static void test_no_descriptor_leaks(void **state)
{
    (void)state;
    int before = count_descriptors();
    for (int i = 0; i < 20; i++) {
        trial t = run_script(i % 2 ? "exit 1" : "ls /proc/self/fd > $DIR/fds");
        end(&t);
        char *command[] = {"./no-such-program", NULL};
        t = begin(command);
        run(&t);
        end(&t);
    }
    assert_int_equal(count_descriptors(), before);
}

/* The child has its standard three and nothing of the worker's. */
static void test_child_inherits_nothing(void **state)
{
    (void)state;
    /* Without what this very test was given by whoever ran it. */
    trial t = run_script("for fd in /proc/$$/fd/*; do readlink $fd; done > $DIR/fds; true");
    assert_int_equal(t.verdict, DUEQ_VERDICT_DONE);
    assert_null(strstr(content("fds"), "eventfd"));
    assert_null(strstr(content("fds"), "pidfd"));
    end(&t);
}

/* A host that has closed its standard descriptors gets pipes in their place. */
static void test_host_without_stdin(void **state)
{
    (void)state;
    int kept_in = dup(STDIN_FILENO), kept_out = dup(STDOUT_FILENO);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    char *command[] = {"sh", "-c", "cat > $DIR/payload; echo seen >&2; exit 9", NULL};
    trial t = begin(command);
    t.task.payload = "text";
    t.task.payload_len = 4;
    run(&t);
    dup2(kept_out, STDOUT_FILENO);
    if (kept_in >= 0) dup2(kept_in, STDIN_FILENO);
    if (kept_in >= 0) close(kept_in);
    close(kept_out);
    assert_string_equal(error_of(&t), "exit 9: seen");
    assert_string_equal(content("payload"), "text");
    end(&t);
}

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    setenv("DIR", folder.path, 1);
    sigset_t pipe_signal; /* as in the threads that run handlers */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    host_environment = dq_environment_base(environ);
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return host_environment == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(host_environment);
    folder_free(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status),
        cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_long_stderr_keeps_its_end),
        cmocka_unit_test(test_payload_and_environment),
        cmocka_unit_test(test_large_payloads),
        cmocka_unit_test(test_signals_and_group),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_of_a_stubborn_group),
        cmocka_unit_test(test_timeout_is_no_success),
        cmocka_unit_test(test_left_behind_children),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_stuck_stderr),
        cmocka_unit_test(test_the_last_line_is_ended),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_lost_signal),
        cmocka_unit_test(test_no_descriptor_leaks),
        cmocka_unit_test(test_child_inherits_nothing),
        cmocka_unit_test(test_host_without_stdin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
