/* The embedded server when something is wrong with its folder, its files, its program, its disk or
 * what a crash left behind: dealt with, or told in one line. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/local_fixture.h"

/* ---- Doing ----------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        fail_msg("cannot write %s: %s", path, strerror(errno));
    }
}

/* Kills the server as a crash would. */
static void kill_server(local_test *t)
{
    assert_int_equal(kill((pid_t)t->info.pid, SIGKILL), 0);
    UNTIL_EQ(LOCAL_FACT_MS, local_status(t), DUEQ_MISSING);
}

/* ---- What a crash leaves --------------------------------------------------------------------- */

static void test_stale_socket_and_pid(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET kept yes", "OK");
    int64_t pid = t->info.pid;
    kill_server(t);

    char *socket_path = local_path(t, "redis.sock");
    char *pid_path = local_path(t, "redis.pid");
    char own_pid[32];
    snprintf(own_pid, sizeof own_pid, "%d\n",
             (int)getpid()); /* the number is somebody else's now */
    write_text(pid_path, own_pid);
    assert_true(local_exists(socket_path));
    free(socket_path);
    free(pid_path);

    local_must(t, local_stop(t), DUEQ_MISSING);
    local_must(t, local_start(t), DUEQ_OK);
    assert_true(t->info.started);
    assert_int_not_equal(t->info.pid, pid);
    local_must_answer(t, "GET kept", "yes");
}

/* No second server may come up beside one that lost its socket: both would write to one file. */
static void test_socket_gone(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET kept yes", "OK");
    pid_t pid = (pid_t)t->info.pid;
    assert_int_equal(unlink(t->info.socket), 0);
    local_must(t, local_status(t), DUEQ_EUNREADY);
    local_must_say(t, "its socket is gone");
    assert_int_equal(t->info.pid, pid);
    local_must(t, local_stop(t), DUEQ_OK);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "GET kept", "yes");
}

static void test_truncated_file(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET first 1", "OK");
    local_must_answer(t, "SET second 2", "OK");
    local_must(t, local_stop(t), DUEQ_OK);
    char *file = local_growing_file(t);
    struct stat found;
    assert_int_equal(stat(file, &found), 0);
    assert_int_equal(truncate(file, found.st_size - 3), 0);
    free(file);

    local_must(t, local_start(t), DUEQ_OK);
    local_must_say(t, "half-written");
    local_must_answer(t, "GET first", "1");
    local_must_answer(t, "GET second", "nil");
    local_must(t, local_start(t), DUEQ_OK);
    assert_string_equal(t->text, "");
}

static void overwrite(const char *path, off_t offset, const char *bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), offset), strlen(bytes));
    close(fd);
}

/* The command that the message names, run as a shell would. */
static int run_mending(const local_test *t, const char *checker)
{
    char *command = NULL;
    const char *advice = strstr(t->text, "damage: ");
    assert_non_null(advice);
    assert_non_null(strstr(advice, checker));
    if (asprintf(&command, "yes | %s >%s/mending.log 2>&1", advice + strlen("damage: "),
                 t->folder.path) < 0) {
        fail_msg("out of memory");
    }
    int rc = system(command);
    if (rc != 0) print_error("%s\n%s\n", t->text, command);
    free(command);
    return rc;
}

static void test_damaged_file(void **state)
{
    local_test *t = *state;
    snprintf(t->dir, sizeof t->dir, "%s/it's here", t->folder.path);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET first 1", "OK");
    local_must_answer(t, "SET second 2", "OK");
    local_must_answer(t, "SET third 3", "OK");
    local_must(t, local_stop(t), DUEQ_OK);
    char *file = local_growing_file(t);
    struct stat found;
    assert_int_equal(stat(file, &found), 0);
    /* Where "second" begins: 32 bytes of it and 31 of "third" follow. */
    overwrite(file, found.st_size - 63, "XXXX");
    free(file);

    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "damaged");
    assert_int_equal(run_mending(t, "-check-aof' --fix '"), 0);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "GET first", "1");
}

/* The snapshot that the file begins with cannot be mended; Redis 7 keeps it in a file apart. */
static void test_damaged_base(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET first 1", "OK");
    local_must(t, local_stop(t), DUEQ_OK);
    char *file = local_path(t, "appendonlydir/appendonly.aof.1.base.rdb");
    bool apart = local_exists(file);
    if (apart) overwrite(file, 30, "XXXX");
    free(file);
    if (!apart) skip();
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "damaged (Internal error in RDB");
    local_must_say(t, "back from a copy, or move it away");
}

/* ---- What is slow or silent ------------------------------------------------------------------ */

/* Also the layout of servers before Redis 7: one file. */
static void test_waits_for_loading(void **state)
{
    enum { KEYS = 200000 };
    local_test *t = *state;
    snprintf(t->dir, sizeof t->dir, "%s/old", t->folder.path);
    assert_int_equal(mkdir(t->dir, 0700), 0);
    char *path = local_path(t, "appendonly.aof");
    FILE *file = fopen(path, "we");
    for (int i = 0; i < KEYS; i++) {
        fprintf(file, "*3\r\n$3\r\nSET\r\n$10\r\nkey%07d\r\n$1\r\n1\r\n", i);
    }
    assert_int_equal(fclose(file), 0);
    free(path);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "DBSIZE", "200000");
}

static void test_frozen(void **state)
{
    local_test *t = *state;
    local_must(t, local_start(t), DUEQ_OK);
    pid_t pid = (pid_t)t->info.pid;
    kill(pid, SIGSTOP);
    int rc = local_status(t);
    int64_t seen = t->info.pid;
    kill(pid, SIGCONT);
    local_must(t, rc, DUEQ_EUNREADY);
    local_must_say(t, "kill -CONT");
    assert_int_equal(seen, pid);
    local_must(t, local_start(t), DUEQ_OK);
}

/* In a child: hangs up on everybody without having listened. */
static _Noreturn void answer_all(int fd, const char *text)
{
    for (;;) {
        int peer_fd = accept(fd, NULL, NULL);
        if (write(peer_fd, text, strlen(text)) < 0) _exit(1);
        close(peer_fd);
    }
}

static void test_not_a_server(void **state)
{
    local_test *t = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(t->dir, sizeof t->dir, "%s", t->folder.path);
    snprintf(address.sun_path, sizeof address.sun_path, "%.60s/redis.sock", t->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    pid_t child = fork();
    if (child == 0) answer_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    int rc = local_start(t);
    close(fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    local_must(t, rc, DUEQ_EPROTO);
    local_must_say(t, "not a Redis or Valkey server");
}

/* ---- Folders that will not do ---------------------------------------------------------------- */

static void test_folder_of_others(void **state)
{
    local_test *t = *state;
    snprintf(t->dir, sizeof t->dir, "%s/open", t->folder.path);
    assert_int_equal(mkdir(t->dir, 0700), 0);
    assert_int_equal(chmod(t->dir, 0770), 0);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "others may write");
    assert_int_equal(chmod(t->dir, 0755), 0);
    local_must(t, local_start(t), DUEQ_OK);
    local_must(t, local_stop(t), DUEQ_OK);

    if (geteuid() != 0) return;
    assert_int_equal(chown(t->dir, 12345, (gid_t)-1), 0);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "belongs to user 12345");
    local_must(t, local_status(t), DUEQ_ESYSTEM);
}

static void test_folder_is_a_file(void **state)
{
    local_test *t = *state;
    snprintf(t->dir, sizeof t->dir, "%s/file", t->folder.path);
    write_text(t->dir, "not a folder\n");
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "is not a folder");
    snprintf(t->dir, sizeof t->dir, "%s/file/below", t->folder.path);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "Not a directory");
}

static void lengthen(local_test *t)
{
    for (int i = 0; i < 5; i++) {
        size_t len = strlen(t->dir);
        snprintf(t->dir + len, sizeof t->dir - len, "/a folder that is rather deep down");
    }
}

static void test_long_path(void **state)
{
    local_test *t = *state;
    setenv("XDG_RUNTIME_DIR", t->folder.path, 1);
    lengthen(t);
    local_must(t, local_start(t), DUEQ_OK);
    assert_true(strlen(t->info.socket) < 108);
    local_must_answer(t, "SET kept yes", "OK");
    local_must_answer(t, "CONFIG GET dir", t->dir);

    /* The way there may be cleaned away at any time. */
    char *way = strdup(t->info.socket);
    *strrchr(way, '/') = '\0';
    assert_int_equal(unlink(way), 0);
    local_must(t, local_start(t), DUEQ_OK);
    assert_false(t->info.started);
    local_must_answer(t, "GET kept", "yes");

    *strrchr(way, '/') = '\0';
    assert_int_equal(chmod(way, 0777), 0);
    local_must(t, local_status(t), DUEQ_ESYSTEM);
    local_must_say(t, "is not a private folder");
    assert_int_equal(chmod(way, 0700), 0);
    free(way);
    local_must(t, local_stop(t), DUEQ_OK);
}

/* ---- Programs that will not do --------------------------------------------------------------- */

static void test_no_program(void **state)
{
    local_test *t = *state;
    if (access("/usr/local/bin/redis-server", X_OK) == 0 ||
        access("/usr/local/bin/valkey-server", X_OK) == 0) {
        print_message("skipped: a server in /usr/local/bin is found without PATH\n");
        skip();
    }
    unsetenv("DUEQ_SERVER");
    setenv("PATH", t->folder.path, 1);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "apt-get install redis-server");
    setenv("DUEQ_SERVER", "/nowhere/redis-server", 1);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "/nowhere/redis-server");
    local_must(t, local_status(t), DUEQ_MISSING);
}

static void test_program_that_ends(void **state)
{
    local_test *t = *state;
    char path[LOCAL_NAME_SIZE];
    snprintf(path, sizeof path, "%s/own-server", t->folder.path);
    write_text(path, "#!/bin/sh\necho '1:M 01 Jan 2026 # Cannot bind: in use'\nexit 1\n");
    assert_int_equal(chmod(path, 0700), 0);
    setenv("DUEQ_SERVER", path, 1);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "ended at its start: Cannot bind: in use (log: ");
    assert_false(t->info.running);

    write_text(path, "no program at all\n");
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "cannot run");
}

/* ---- A full disk ----------------------------------------------------------------------------- */

/* A disk of 1 MB in a mount namespace of this process and what it starts; gone with them. */
static bool mount_small_disk(const local_test *t)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mkdir(t->dir, 0700) == 0 && mount("tmpfs", t->dir, "tmpfs", 0, "size=1m,mode=0700") == 0;
}

static void fill_disk(const local_test *t)
{
    static const char BLOCK[4096];
    char *path = local_path(t, "ballast");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    while (write(fd, BLOCK, sizeof BLOCK) > 0) {}
    assert_int_equal(errno, ENOSPC);
    close(fd);
    free(path);
}

static void empty_disk(const local_test *t)
{
    char *path = local_path(t, "ballast");
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void test_full_disk(void **state)
{
    local_test *t = *state;
    snprintf(t->dir, sizeof t->dir, "%s/disk", t->folder.path);
    if (geteuid() != 0 || !mount_small_disk(t)) {
        print_message("skipped: mounting a small disk needs root and CAP_SYS_ADMIN\n");
        skip();
    }
    fill_disk(t);
    local_must(t, local_start(t), DUEQ_ESYSTEM);
    local_must_say(t, "No space left on device");
    empty_disk(t);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "SET kept yes", "OK");
    local_must(t, local_stop(t), DUEQ_OK);

    /* The data was there before the disk was full: it must not be out of reach. */
    fill_disk(t);
    int rc = local_start(t);
    if (rc != DUEQ_OK) local_must_say(t, "full");
    if (rc == DUEQ_OK) local_must_answer(t, "GET kept", "yes");
    local_stop(t);
    empty_disk(t);
    local_must(t, local_start(t), DUEQ_OK);
    local_must_answer(t, "GET kept", "yes");
    local_must(t, local_stop(t), DUEQ_OK);
    umount2(t->dir, MNT_DETACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL_TEST(test_stale_socket_and_pid),
        LOCAL_TEST(test_socket_gone),
        LOCAL_TEST(test_truncated_file),
        LOCAL_TEST(test_damaged_file),
        LOCAL_TEST(test_damaged_base),
        LOCAL_TEST(test_waits_for_loading),
        LOCAL_TEST(test_frozen),
        LOCAL_TEST(test_not_a_server),
        LOCAL_TEST(test_folder_of_others),
        LOCAL_TEST(test_folder_is_a_file),
        LOCAL_TEST(test_long_path),
        LOCAL_TEST(test_no_program),
        LOCAL_TEST(test_program_that_ends),
        LOCAL_TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
