/* Datagrams to a service manager, never waiting for it. Its own few lines, since a library for them
 * would be the largest thing that the program needs. */
#include "notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "text.h"

#define EVERY_MS 1000        /* between looks at what there is to tell */
#define STATUS_EVERY_MS 1000 /* at the most, since each is kept and shown by the manager */

/* ---- The environment */

/* A path, or with an "@" in place of the first byte a name that no file has. */
static bool read_address(const char *name, notify *n)
{
    size_t len = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(n->to.sun_path))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, name, len + 1);
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (name[0] == '@')
        n->to.sun_path[0] = '\0';
    else
        n->to_len++;
    return true;
}

/* 0: nobody watches this process. */
static int64_t read_watchdog_ms(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t period_us, pid_number;

    if (period == NULL || !text_to_number(period, 2000, INT64_MAX, &period_us)) return 0;
    if (pid != NULL && (!text_to_number(pid, 1, INT64_MAX, &pid_number) || pid_number != getpid()))
        return 0;
    return period_us / 1000 / 2;
}

void notify_open(notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");

    *n = (notify){.fd = -1};
    if (name != NULL && *name != '\0') {
        if (read_address(name, n))
            n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        else
            say_note("NOTIFY_SOCKET is \"%.100s\", which is neither a path nor an @name: nobody "
                     "is told of this worker",
                     name);
        n->watchdog_ms = read_watchdog_ms();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(notify *n)
{
    if (n->fd >= 0) close(n->fd);
    n->fd = -1;
}

/* A sign of life that was due just after a look waits for the next one. */
int64_t notify_every_ms(const notify *n)
{
    int64_t quarter_ms = n->watchdog_ms / 2;

    if (n->watchdog_ms == 0 || quarter_ms > EVERY_MS) return EVERY_MS;
    return quarter_ms > 0 ? quarter_ms : 1;
}

/* ---- Telling */

static bool is_due(const notify *n, int64_t now_ms)
{
    return n->watchdog_ms > 0 && now_ms >= n->watchdog_at_ms;
}

static bool is_new(const notify *n, const char *status, int64_t now_ms)
{
    return now_ms >= n->status_at_ms &&
           strncmp(status, n->told_status, NOTIFY_STATUS_SIZE - 1) != 0;
}

void notify_tell(notify *n, const notify_news *news, int64_t now_ms)
{
    bool ready = news->ready && !n->told_ready;
    bool stopping = news->stopping && !n->told_stopping;
    bool alive = is_due(n, now_ms);
    bool status = ready || stopping || is_new(n, news->status, now_ms);
    char text[NOTIFY_STATUS_SIZE + 64];
    int len;

    if (n->fd < 0 || !(status || alive)) return;
    len = snprintf(text, sizeof(text), "%s%s%s", ready ? "READY=1\n" : "",
                   stopping ? "STOPPING=1\n" : "", alive ? "WATCHDOG=1\n" : "");
    if (status)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "STATUS=%.*s\n",
                        NOTIFY_STATUS_SIZE - 1, news->status);
    if (sendto(n->fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
               n->to_len) != len)
        return;
    n->told_ready = n->told_ready || ready;
    n->told_stopping = n->told_stopping || stopping;
    if (alive) n->watchdog_at_ms = now_ms + n->watchdog_ms;
    if (!status) return;
    n->status_at_ms = now_ms + STATUS_EVERY_MS;
    snprintf(n->told_status, sizeof(n->told_status), "%s", news->status);
}
