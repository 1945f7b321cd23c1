/* What a service manager is told, by a socket in its place: addresses, what is said once, what is said
 * again, and when. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../cli/notify.h"
#include "support/folder.h"

static test_folder folder;
static int manager_fd;

/* The manager's end: a socket of that name, which NOTIFY_SOCKET then has. */
static void listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(at.sun_path, name, len);
    if (name[0] == '@') at.sun_path[0] = '\0';
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(manager_fd, (struct sockaddr *)&at, at_len), 0);
    setenv("NOTIFY_SOCKET", name, 1);
}

/* What has come since the last look; datagrams one after the other. */
static const char *heard(void)
{
    static char text[4096];
    size_t len = 0;
    ssize_t got;
    while ((got = recv(manager_fd, text + len, sizeof text - 1 - len, 0)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    return text;
}

static void path_of(char path[100], const char *name)
{
    snprintf(path, 100, "%.60s/%s", folder.path, name);
}

static int set_up(void **state)
{
    (void)state;
    char path[100];
    folder_make(&folder);
    path_of(path, "notify");
    manager_fd = -1;
    listen_at(path);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (manager_fd >= 0) close(manager_fd);
    unsetenv("NOTIFY_SOCKET");
    folder_free(&folder);
    return 0;
}

static void tell(notify *n, bool ready, const char *status, int64_t now_ms)
{
    notify_tell(n, &(notify_news){.ready = ready, .status = status}, now_ms);
}

static void test_a_life(void **state)
{
    (void)state;
    notify n;
    notify_open(&n);
    tell(&n, false, "Waiting", 1000);
    assert_string_equal(heard(), "STATUS=Waiting\n");
    tell(&n, false, "Waiting", 3000);
    assert_string_equal(heard(), "");
    tell(&n, true, "Working", 3001);
    assert_string_equal(heard(), "READY=1\nSTATUS=Working\n");
    tell(&n, true, "Working: 1 done", 3500); /* too soon after the last */
    assert_string_equal(heard(), "");
    tell(&n, true, "Working: 2 done", 4001);
    assert_string_equal(heard(), "STATUS=Working: 2 done\n");
    notify_tell(&n, &(notify_news){.ready = true, .stopping = true, .status = "Stopping"}, 4100);
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=Stopping\n");
    notify_tell(&n, &(notify_news){.ready = true, .stopping = true, .status = "Stopping"}, 9000);
    assert_string_equal(heard(), "");
    notify_close(&n);
}

/* The programs that the worker runs are not the service. */
static void test_environment_is_taken(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify n;
    notify_open(&n);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    notify_close(&n);
}

static void test_watchdog(void **state)
{
    (void)state;
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    notify n;
    notify_open(&n);
    assert_int_equal(notify_every_ms(&n), 1000);
    tell(&n, true, "s", 50000);
    assert_string_equal(heard(), "READY=1\nWATCHDOG=1\nSTATUS=s\n");
    tell(&n, true, "s", 64999);
    assert_string_equal(heard(), "");
    tell(&n, true, "s", 65000);
    assert_string_equal(heard(), "WATCHDOG=1\n");
    tell(&n, true, "s", 79999);
    assert_string_equal(heard(), "");
    tell(&n, true, "s", 80001);
    assert_string_equal(heard(), "WATCHDOG=1\n");
    notify_close(&n);
}

/* However short the period, a look comes in time for each half of it. */
static void test_short_watchdogs(void **state)
{
    (void)state;
    static const struct {
        const char *usec, *pid;
        int64_t watchdog_ms, every_ms;
    } cases[] = {
        {"1000000", NULL, 500, 250}, {"2000", NULL, 1, 1},      {"4000000", NULL, 2000, 1000},
        {"1000000", "1", 0, 1000},   {"0", NULL, 0, 1000},      {"", NULL, 0, 1000},
        {"soon", NULL, 0, 1000},     {"1000000", "x", 0, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("NOTIFY_SOCKET", "/nowhere", 1);
        setenv("WATCHDOG_USEC", cases[i].usec, 1);
        unsetenv("WATCHDOG_PID");
        if (cases[i].pid != NULL) setenv("WATCHDOG_PID", cases[i].pid, 1);
        notify n;
        notify_open(&n);
        assert_int_equal(n.watchdog_ms, cases[i].watchdog_ms);
        assert_int_equal(notify_every_ms(&n), cases[i].every_ms);
        notify_close(&n);
    }
}

static void test_abstract_address(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@dueq-test-notify-%d", (int)getpid());
    close(manager_fd);
    listen_at(name);
    notify n;
    notify_open(&n);
    tell(&n, true, "s", 0);
    assert_string_equal(heard(), "READY=1\nSTATUS=s\n");
    notify_close(&n);
}

static void test_nobody_to_tell(void **state)
{
    (void)state;
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    const char *const names[] = {NULL, "", "relative", "vsock:2:1234", "@", "/", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv("NOTIFY_SOCKET");
        if (names[i] != NULL) setenv("NOTIFY_SOCKET", names[i], 1);
        notify n;
        notify_open(&n);
        assert_int_equal(n.fd, -1);
        tell(&n, true, "s", 0);
        notify_close(&n);
    }
    assert_string_equal(heard(), "");
}

/* A manager that is away, or too busy to read, is told later, and nobody waits for it. */
static void test_told_again_when_not_heard(void **state)
{
    (void)state;
    char path[100];
    path_of(path, "notify");
    notify n;
    notify_open(&n);
    close(manager_fd);
    unlink(path);
    tell(&n, true, "s", 0);
    listen_at(path);
    tell(&n, true, "s", 1);
    assert_string_equal(heard(), "READY=1\nSTATUS=s\n");

    char status[32];
    int64_t now_ms = 10000;
    for (int i = 0; i < 5000; i++, now_ms += 1000) { /* far more than its socket holds */
        snprintf(status, sizeof status, "%d", i);
        tell(&n, true, status, now_ms);
    }
    while (*heard() != '\0') {}
    notify_tell(&n, &(notify_news){.ready = true, .stopping = true, .status = "end"}, now_ms);
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=end\n");
    notify_close(&n);
}

static void test_long_status_is_cut(void **state)
{
    (void)state;
    char status[1000], wanted[NOTIFY_STATUS_SIZE + 32];
    memset(status, 's', sizeof status - 1);
    status[sizeof status - 1] = '\0';
    notify n;
    notify_open(&n);
    tell(&n, true, status, 0);
    snprintf(wanted, sizeof wanted, "READY=1\nSTATUS=%.*s\n", NOTIFY_STATUS_SIZE - 1, status);
    assert_string_equal(heard(), wanted);
    tell(&n, true, status, 60000);
    assert_string_equal(heard(), "");
    notify_close(&n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_life),
        TEST(test_environment_is_taken),
        TEST(test_watchdog),
        TEST(test_short_watchdogs),
        TEST(test_abstract_address),
        TEST(test_nobody_to_tell),
        TEST(test_told_again_when_not_heard),
        TEST(test_long_status_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
