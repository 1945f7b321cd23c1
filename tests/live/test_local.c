/* The embedded server, through its public face: started once, shared, a process of its own,
 * stopped and started again with its data. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/local_fixture.h"

/* ---- Doing and looking ----------------------------------------------------------------------- */

static bool answer_has(const local_test *t, const char *command, const char *words)
{
    char *have = local_ask(t, command);
    bool has = strstr(have, words) != NULL;
    free(have);
    return has;
}

static unsigned mode_of(const local_test *t, const char *name)
{
    struct stat found;
    char *path = local_path(t, name);
    if (lstat(path, &found) < 0) fail_msg("%s: %s", path, strerror(errno));
    free(path);
    return found.st_mode & 07777;
}

/* ---- Started, shared, stopped ---------------------------------------------------------------- */

static void test_start(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    assert_string_equal(t->text, "");
    assert_true(t->info.running);
    assert_true(t->info.started);
    assert_int_equal(kill((pid_t)t->info.pid, 0), 0);
    assert_string_equal(t->info.dir, t->dir);
    assert_non_null(strstr(t->info.program, "-server"));
    local_must_answer(t, "PING", "PONG");
    local_must_answer(t, "CONFIG GET port", "0");
    local_must_answer(t, "CONFIG GET appendonly", "yes");
    local_must_answer(t, "CONFIG GET appendfsync", "everysec");
    local_must_answer(t, "CONFIG GET maxmemory-policy", "noeviction");
    local_must_answer(t, "CONFIG GET dir", t->dir);
}

static void test_private(void **state)
{
    local_test *t = *state;
    mode_t before = umask(0);
    int rc = local_start(t);
    umask(before);
    local_must(t, rc, DUEQ_OK);
    local_must_answer(t, "SET a 1", "OK");
    assert_int_equal(mode_of(t, ".."), 0700);
    assert_int_equal(mode_of(t, "."), 0700);
    assert_int_equal(mode_of(t, "redis.sock"), 0600);
    assert_int_equal(mode_of(t, "redis.log"), 0600);
    assert_int_equal(mode_of(t, "redis.conf"), 0600);
    assert_int_equal(mode_of(t, "server.lock"), 0600);
    char *file = local_growing_file(t);
    assert_int_equal(mode_of(t, file + strlen(t->dir) + 1) & 077, 0);
    free(file);
}

static void test_shared(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    int64_t pid = t->info.pid;
    local_must(t, local_start(t), DUEQ_OK);
    assert_false(t->info.started);
    assert_int_equal(t->info.pid, pid);
    local_must(t, local_status(t), DUEQ_OK);
    assert_true(t->info.running);
    assert_int_equal(t->info.pid, pid);
}

typedef struct start_result {
    int64_t pid;
    bool started;
} start_result;

/* In a child: waits for the gate to open, starts, tells what it got. */
static void start_in_child(local_test *t, int gate_fd, int out_fd)
{
    char byte;
    ssize_t got = read(gate_fd, &byte, 1); /* its end comes to all at once */
    int rc = local_start(t);
    start_result result = {.pid = t->info.pid, .started = t->info.started};
    bool told = write(out_fd, &result, sizeof result) == (ssize_t)sizeof result;
    _exit(got == 0 && rc == DUEQ_OK && told ? 0 : 1);
}

static void test_many_at_once(void **state)
{
    enum { STARTERS = 8 };
    local_test *t = *state;
    int gate[2];
    int out[2];
    pid_t children[STARTERS];
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    for (int i = 0; i < STARTERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(gate[1]);
            start_in_child(t, gate[0], out[1]);
        }
    }
    close(gate[0]);
    close(gate[1]);

    int started = 0;
    int64_t pid = 0;
    for (int i = 0; i < STARTERS; i++) {
        int wait_status = -1;
        assert_int_equal(waitpid(children[i], &wait_status, 0), children[i]);
        assert_int_equal(wait_status, 0);
        start_result result;
        assert_int_equal(read(out[0], &result, sizeof result), sizeof result);
        started += result.started ? 1 : 0;
        if (pid == 0) pid = result.pid;
        assert_int_equal(result.pid, pid);
    }
    assert_int_equal(started, 1);
    local_must(t, local_status(t), DUEQ_OK);
    local_must_answer(t, "PING", "PONG");
    close(out[0]);
    close(out[1]);
}

static void test_stop(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    pid_t pid = (pid_t)t->info.pid;
    local_must_answer(t, "SET kept yes", "OK");
    local_must(t, local_stop(t), DUEQ_OK);
    assert_false(t->info.running);
    assert_int_equal(t->info.pid, pid);
    char *socket_path = local_path(t, "redis.sock");
    assert_false(local_exists(socket_path));
    free(socket_path);
    local_must(t, local_stop(t), DUEQ_MISSING);
    local_must(t, local_status(t), DUEQ_MISSING);
    assert_false(t->info.running);

    local_must(t, local_start(t), DUEQ_OK);
    assert_true(t->info.started);
    local_must_answer(t, "GET kept", "yes");
}

static void test_status_makes_nothing(void **state)
{
    local_test *t = *state;
    local_must(t, local_status(t), DUEQ_MISSING);
    local_must(t, local_stop(t), DUEQ_MISSING);
    assert_false(local_exists(t->dir));
    assert_string_equal(t->info.dir, t->dir);
}

static void test_default_folder(void **state)
{
    local_test *t = *state;
    char below_home[LOCAL_NAME_SIZE];
    snprintf(below_home, sizeof below_home, "%s/.local/state/dueq", t->folder.path);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", t->folder.path, 1);
    local_must(t, dueq_server_status(NULL, &t->info, t->text, sizeof t->text), DUEQ_MISSING);
    assert_string_equal(t->info.dir, below_home);

    snprintf(below_home, sizeof below_home, "%s/xdg", t->folder.path);
    setenv("XDG_STATE_HOME", below_home, 1);
    snprintf(t->dir, sizeof t->dir, "%s/xdg/dueq", t->folder.path);
    local_must(t, dueq_server_start(NULL, &t->info, t->text, sizeof t->text), DUEQ_OK);
    assert_string_equal(t->info.dir, t->dir);
    unsetenv("XDG_STATE_HOME");
}

static void test_relative_folder(void **state)
{
    local_test *t = *state;
    char here[FOLDER_PATH_SIZE];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(t->folder.path), 0);
    int rc = dueq_server_start("state/dueq", &t->info, t->text, sizeof t->text);
    assert_int_equal(chdir(here), 0);
    local_must(t, rc, DUEQ_OK);
    assert_string_equal(t->info.dir, t->dir);
    local_must_answer(t, "PING", "PONG");
}

/* ---- A process of its own -------------------------------------------------------------------- */

static void test_survives_starter(void **state)
{
    local_test *t = *state;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        _exit(local_start(t) == DUEQ_OK ? 0 : 1);
    }
    int wait_status = -1;
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_int_equal(wait_status, 0);
    kill(-child, SIGHUP);
    local_must(t, local_status(t), DUEQ_OK);
    local_must_answer(t, "PING", "PONG");
    assert_int_not_equal(getsid((pid_t)t->info.pid), child);
    assert_int_not_equal(getsid((pid_t)t->info.pid), getsid(0));
}

static bool server_has_open(const local_test *t, const char *target)
{
    bool found = false;
    for (int fd = 0; fd < 256 && !found; fd++) {
        char link_path[64];
        char have[FOLDER_PATH_SIZE];
        snprintf(link_path, sizeof link_path, "/proc/%lld/fd/%d", (long long)t->info.pid, fd);
        ssize_t len = readlink(link_path, have, sizeof have - 1);
        if (len < 0) continue;
        have[len] = '\0';
        found = strstr(have, target) != NULL;
    }
    return found;
}

static void test_inherits_no_descriptor(void **state)
{
    local_test *t = *state;
    int fds[3];
    char *mine = NULL;
    if (asprintf(&mine, "%s/mine", t->folder.path) < 0) fail_msg("out of memory");
    for (int i = 0; i < 3; i++) {
        fds[i] = open(mine, O_RDWR | O_CREAT, 0600); /* inherited, unless somebody minds */
    }
    fds[0] = dup2(fds[0], 200);
    local_must(t, local_start(t), DUEQ_OK);
    assert_false(server_has_open(t, mine));
    assert_false(server_has_open(t, "start.lock"));
    assert_true(server_has_open(t, "server.lock"));
    assert_true(server_has_open(t, "/dev/null"));
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    free(mine);
}

static void test_starter_without_stdio(void **state)
{
    local_test *t = *state;
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++) {
            close(fd);
        }
        _exit(local_start(t) == DUEQ_OK ? 0 : 1);
    }
    int wait_status = -1;
    assert_int_equal(waitpid(child, &wait_status, 0), child);
    assert_int_equal(wait_status, 0);
    local_must(t, local_status(t), DUEQ_OK);
    local_must_answer(t, "PING", "PONG");
}

/* A starter that ignores SIGCHLD and blocks SIGTERM must not hand that on: the server could not
 * reap the child that rewrites its file, nor be told to end. */
static void test_default_signals(void **state)
{
    local_test *t = *state;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    signal(SIGCHLD, SIG_IGN);
    sigprocmask(SIG_BLOCK, &term, NULL);
    int rc = local_start(t);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    signal(SIGCHLD, SIG_DFL);
    local_must(t, rc, DUEQ_OK);
    free(local_ask(t, "BGREWRITEAOF"));
    UNTIL(LOCAL_FACT_MS, answer_has(t, "INFO persistence", "aof_rewrite_in_progress:0") &&
                             answer_has(t, "INFO persistence", "aof_last_bgrewrite_status:ok"));
    assert_int_equal(kill((pid_t)t->info.pid, SIGTERM), 0);
    UNTIL_EQ(LOCAL_FACT_MS, local_status(t), DUEQ_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL_TEST(test_start),
        LOCAL_TEST(test_private),
        LOCAL_TEST(test_shared),
        LOCAL_TEST(test_many_at_once),
        LOCAL_TEST(test_stop),
        LOCAL_TEST(test_status_makes_nothing),
        LOCAL_TEST(test_default_folder),
        LOCAL_TEST(test_relative_folder),
        LOCAL_TEST(test_survives_starter),
        LOCAL_TEST(test_inherits_no_descriptor),
        LOCAL_TEST(test_starter_without_stdio),
        LOCAL_TEST(test_default_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
