/* Passing stderr on, a piece that fits into a pipe at once at a time. Knows no handler. */
#include "work/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking, unless another thread fills
 * it in between: so looking and writing are one step. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

char *dq_relay_room(dq_relay *relay, size_t *room)
{
    *room = sizeof relay->bytes - relay->len;
    return relay->bytes + relay->len;
}

void dq_relay_added(dq_relay *relay, size_t len)
{
    relay->len += len;
}

/* Bytes up to and with the last line feed; all when full. */
static size_t whole_lines(const dq_relay *relay)
{
    const char *end = memrchr(relay->bytes, '\n', relay->len);
    if (end != NULL) return (size_t)(end - relay->bytes) + 1;
    return relay->len == sizeof relay->bytes ? relay->len : 0;
}

bool dq_relay_ready(const dq_relay *relay)
{
    return whole_lines(relay) > 0;
}

static void drop_front(dq_relay *relay, size_t len)
{
    relay->len -= len;
    memmove(relay->bytes, relay->bytes + len, relay->len);
}

static void pass_on(dq_relay *relay, int fd, size_t len)
{
    if (len == 0) return;
    pthread_mutex_lock(&writing);
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    ssize_t wrote = 0;
    if (poll(&out, 1, 0) > 0) wrote = write(fd, relay->bytes, len);
    bool for_ever = wrote < 0 && errno != EAGAIN && errno != EINTR;
    pthread_mutex_unlock(&writing);
    if (for_ever) wrote = (ssize_t)len;
    if (wrote <= 0) return;
    relay->mid_line = relay->bytes[wrote - 1] != '\n';
    drop_front(relay, (size_t)wrote);
}

void dq_relay_pump(dq_relay *relay, int fd)
{
    pass_on(relay, fd, whole_lines(relay));
}

void dq_relay_finish(dq_relay *relay, int fd)
{
    if (relay->len == sizeof relay->bytes) pass_on(relay, fd, relay->len);
    bool open = relay->len > 0 ? relay->bytes[relay->len - 1] != '\n' : relay->mid_line;
    if (open && relay->len < sizeof relay->bytes) relay->bytes[relay->len++] = '\n';
    pass_on(relay, fd, relay->len);
}
