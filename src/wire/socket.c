/* Sockets: resolving, connecting within a deadline, moving bytes. */
#include "wire/socket.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* A peer that vanished is noticed after 10 + 3 * 3 seconds of silence, or 20 with bytes unsent. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 3
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 20000

#define BACKLOG_RETRY_US 2000 /* a Unix socket with a full backlog can only be asked again */

const char *dq_errno_text(int error, char text[DQ_ERRNO_TEXT_MAX])
{
    char room[DQ_ERRNO_TEXT_MAX];
    snprintf(text, DQ_ERRNO_TEXT_MAX, "%s", strerror_r(error, room, sizeof room));
    if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1])) {
        text[0] = (char)tolower((unsigned char)text[0]);
    }
    return text;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

int dq_socket_wait_any(struct pollfd *watched, size_t count, int64_t deadline_us)
{
    for (;;) {
        int timeout_ms = dq_poll_ms(deadline_us);
        int ready = poll(watched, count, timeout_ms);
        if (timeout_ms == 0) {
            return DUEQ_ETIMEOUT; /* even if it is ready: a trickle must not outlast the deadline */
        }
        if (ready > 0) {
            return DUEQ_OK;
        }
    }
}

int dq_socket_wait(int fd, short events, int interrupt_fd, int64_t deadline_us)
{
    struct pollfd watched[2] = {
        {.fd = fd, .events = events},
        {.fd = interrupt_fd, .events = POLLIN}, /* poll() passes over a negative one */
    };
    int rc = dq_socket_wait_any(watched, 2, deadline_us);
    return watched[1].revents != 0 ? DUEQ_ECANCELED : rc;
}

/* ---- Connecting ------------------------------------------------------------------------------ */

typedef struct target {
    const struct sockaddr *address;
    socklen_t address_len;
    int family;
} target;

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* connect() to its end: 0 or an errno. */
static int finish_connect(int fd, const target *to, int64_t deadline_us)
{
    while (connect(fd, to->address, to->address_len) < 0) {
        if (errno == EISCONN) {
            return 0;
        }
        if (errno == EAGAIN) { /* Unix sockets only: the backlog is full */
            if (dq_mono_us() >= deadline_us) {
                return ETIMEDOUT;
            }
            dq_socket_wait(-1, 0, -1, earlier(deadline_us, dq_mono_us() + BACKLOG_RETRY_US));
            continue;
        }
        if (errno != EINPROGRESS && errno != EALREADY && errno != EINTR) {
            return errno;
        }
        if (dq_socket_wait(fd, POLLOUT, -1, deadline_us) != DUEQ_OK) {
            return ETIMEDOUT;
        }
        int error = 0;
        socklen_t error_len = sizeof error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0 || error != 0) {
            return error != 0 ? error : errno;
        }
    }
    return 0;
}

/* What cannot be set is done without: the deadlines of the calls still hold. */
static void tune_tcp(int fd)
{
    static const struct {
        int level, name, value;
    } settings[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        setsockopt(fd, settings[i].level, settings[i].name, &settings[i].value, sizeof(int));
    }
}

/* 0 and *fd, or an errno. */
static int connect_to(int *fd, const target *to, int64_t deadline_us)
{
    int made = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) {
        return errno;
    }
    if (to->family != AF_UNIX) {
        tune_tcp(made);
    }
    int error = finish_connect(made, to, deadline_us);
    if (error != 0) {
        close(made);
        return error;
    }
    *fd = made;
    return 0;
}

static int tell_unconnected(const dq_url *url, int error, dq_fault *fault)
{
    char place[DQ_URL_PLACE_MAX], reason[DQ_ERRNO_TEXT_MAX];
    dq_url_place(url, place);
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot make a socket: %s",
                            dq_errno_text(error, reason));
    case ETIMEDOUT:
        return dq_fault_set(fault, DUEQ_ECONNECT,
                            "cannot connect to %s: no answer in time; is it up, and does a "
                            "firewall let us through?",
                            place);
    default:
        return dq_fault_set(fault, DUEQ_ECONNECT,
                            "cannot connect to %s: %s; is the server running there?", place,
                            dq_errno_text(error, reason));
    }
}

/* The time one of `left` addresses may take: an even share, so that a dead one leaves some. */
static int64_t share_us(int64_t deadline_us, size_t left)
{
    if (deadline_us == DQ_NEVER_US) {
        return deadline_us;
    }
    int64_t now_us = dq_mono_us();
    return now_us + (deadline_us - now_us) / (int64_t)left;
}

static int open_tcp(int *fd, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    char port[8];
    snprintf(port, sizeof port, "%d", url->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(url->host, port, &hints, &found);
    if (rc != 0) {
        return dq_fault_set(fault, DUEQ_ECONNECT, "cannot find the host \"%s\": %s", url->host,
                            gai_strerror(rc));
    }
    size_t left = 0;
    for (struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        left++;
    }
    int error = EADDRNOTAVAIL;
    for (struct addrinfo *at = found; at != NULL && error != 0; at = at->ai_next, left--) {
        target to = {at->ai_addr, at->ai_addrlen, at->ai_family};
        error = connect_to(fd, &to, share_us(deadline_us, left));
    }
    freeaddrinfo(found);
    return error == 0 ? DUEQ_OK : tell_unconnected(url, error, fault);
}

static int open_unix(int *fd, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t path_len = strlen(url->path);
    if (path_len >= sizeof address.sun_path) {
        return tell_unconnected(url, ENAMETOOLONG, fault);
    }
    memcpy(address.sun_path, url->path, path_len + 1);
    target to = {(const struct sockaddr *)(const void *)&address, sizeof address, AF_UNIX};
    int error = connect_to(fd, &to, deadline_us);
    return error == 0 ? DUEQ_OK : tell_unconnected(url, error, fault);
}

int dq_socket_open(int *fd, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    return url->kind == DQ_URL_UNIX ? open_unix(fd, url, deadline_us, fault)
                                    : open_tcp(fd, url, deadline_us, fault);
}

/* ---- Moving bytes ---------------------------------------------------------------------------- */

static ptrdiff_t moved_or_broken(ssize_t moved, dq_fault *fault)
{
    if (moved >= 0) {
        return moved;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return 0;
    }
    char reason[DQ_ERRNO_TEXT_MAX];
    return dq_fault_set(fault, DUEQ_EUNSURE, "the connection broke: %s",
                        dq_errno_text(errno, reason));
}

ptrdiff_t dq_socket_read(int fd, void *bytes, size_t len, dq_fault *fault)
{
    ssize_t got = recv(fd, bytes, len, 0);
    if (got == 0) {
        return dq_fault_set(fault, DUEQ_EUNSURE, "the server closed the connection");
    }
    return moved_or_broken(got, fault);
}

ptrdiff_t dq_socket_write(int fd, const void *bytes, size_t len, dq_fault *fault)
{
    return moved_or_broken(send(fd, bytes, len, MSG_NOSIGNAL), fault);
}
