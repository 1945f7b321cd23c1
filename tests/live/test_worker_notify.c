/* The program as a service: `dueq work` with a service manager's socket, from READY=1 to STOPPING=1,
 * also with handlers that hang and while the server is away; and what its handlers see of it. */
#include "support/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dueq.h"

enum { LONG_MS = 30000 };

typedef struct service {
    test_server *server;
    int manager_fd;
    char address[108];
    pid_t pid; /* of the program; 0: it has ended */
    char heard[16384];
    size_t heard_len;
} service;

static int set_up(void **state)
{
    service *s = calloc(1, sizeof *s);
    *state = s;
    server_options options = {.keep = true};
    s->server = server_start(&options);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%.90s/notify", server_dir(s->server));
    memcpy(s->address, at.sun_path, sizeof s->address);
    s->manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(s->manager_fd, (struct sockaddr *)&at, sizeof at), 0);
    return 0;
}

static int tear_down(void **state)
{
    service *s = *state;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    close(s->manager_fd);
    server_free(s->server);
    free(s);
    return 0;
}

/* Runs the program with these words behind "work q", as a service that is watched. */
static void start(service *s, const char *const *words)
{
    const char *program = getenv("DUEQ");
    if (program == NULL) fail_msg("DUEQ is not set: it is to be the program under test");
    const char *argv[16] = {program, "work", "q", "--quiet"};
    size_t count = 4;
    while (*words != NULL) {
        argv[count++] = *words++;
    }
    s->pid = fork();
    if (s->pid != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("DUEQ_URL", server_url(s->server), 1);
    setenv("NOTIFY_SOCKET", s->address, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void listen_on(service *s)
{
    ssize_t len;
    while ((len = recv(s->manager_fd, s->heard + s->heard_len, sizeof s->heard - 1 - s->heard_len,
                       0)) > 0) {
        s->heard_len += (size_t)len;
    }
    s->heard[s->heard_len] = '\0';
}

static bool has_heard(service *s, const char *text)
{
    listen_on(s);
    return strstr(s->heard, text) != NULL;
}

/* How often, from now on: what was heard so far is forgotten. */
static void forget(service *s)
{
    listen_on(s);
    s->heard_len = 0;
    s->heard[0] = '\0';
}

static int count_heard(service *s, const char *text)
{
    listen_on(s);
    int count = 0;
    for (const char *at = s->heard; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

static int end_of(service *s)
{
    int status;
    waitpid(s->pid, &status, 0);
    s->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool has_file(service *s, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%.300s/%s", server_dir(s->server), name);
    return access(path, F_OK) == 0;
}

static void push(service *s)
{
    dueq *handle;
    assert_int_equal(dueq_open(&handle, server_url(s->server), NULL), DUEQ_OK);
    dueq_new_task task = {.id = "task", .payload = "x", .payload_len = 1};
    assert_int_equal(dueq_push(handle, "q", &task, 1, NULL), DUEQ_OK);
    dueq_close(handle);
}

static void test_a_service_from_start_to_stop(void **state)
{
    service *s = *state;
    push(s);
    char script[512];
    snprintf(script, sizeof script,
             "cd %.300s; env | grep -c 'NOTIFY_SOCKET\\|WATCHDOG' >seen; touch up; "
             "while [ ! -e go ]; do sleep 0.02; done",
             server_dir(s->server));
    start(s, (const char *const[]){"--grace", "1m", "--", "sh", "-c", script, NULL});
    UNTIL(LONG_MS, has_heard(s, "READY=1\n"));
    UNTIL(LONG_MS, has_file(s, "up"));
    UNTIL(LONG_MS, has_heard(s, "STATUS=Working: 1 in hand; 0 done"));
    forget(s);
    UNTIL(LONG_MS, count_heard(s, "WATCHDOG=1\n") >= 5); /* beside a handler that hangs */
    assert_int_equal(count_heard(s, "READY=1\n"), 0);
    kill(s->pid, SIGTERM);
    UNTIL(LONG_MS, has_heard(s, "STOPPING=1\nSTATUS=Stopping: 1 in hand") ||
                       has_heard(s, "STOPPING=1\nWATCHDOG=1\nSTATUS=Stopping: 1 in hand"));
    char command[400];
    snprintf(command, sizeof command, "cd %.300s && touch go && grep -qx 0 seen",
             server_dir(s->server));
    assert_int_equal(system(command), 0); /* handlers know nothing of the manager */
    assert_int_equal(end_of(s), 0);
    assert_int_equal(count_heard(s, "STOPPING=1\n"), 1);
}

static void test_no_server_is_no_hang(void **state)
{
    service *s = *state;
    start(s, (const char *const[]){"--", "true", NULL});
    UNTIL(LONG_MS, has_heard(s, "READY=1\n"));
    server_shut_down(s->server);
    forget(s);
    UNTIL(LONG_MS, count_heard(s, "WATCHDOG=1\n") >= 5);
    kill(s->pid, SIGTERM);
    assert_int_equal(end_of(s), 0);
    assert_int_equal(count_heard(s, "STOPPING=1\n"), 1);
}

/* One that ends by itself says so too. */
static void test_drained(void **state)
{
    service *s = *state;
    push(s);
    start(s, (const char *const[]){"--drain", NULL});
    assert_int_equal(end_of(s), 0);
    assert_true(has_heard(s, "READY=1\n"));
    assert_true(has_heard(s, "STOPPING=1\n"));
    assert_true(has_heard(s, "1 done"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_service_from_start_to_stop),
        TEST(test_no_server_is_no_hang),
        TEST(test_drained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
