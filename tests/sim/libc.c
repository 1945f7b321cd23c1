/* What the library asks of the system: the linker leads the calls of everything in this program to
 * these. Outside the fibers, and for descriptors that are not ours, they are the system's own. */
#include "sim.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { SIM_PID = 4711 };
#define SIM_WALL_US INT64_C(1700000000000000) /* what the wall clocks show at time 0 */

int __real_poll(struct pollfd *watched, nfds_t count, int timeout_ms);
int __real_close(int fd);
int __real_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout_ms);
int __wrap_ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout,
                 const void *mask);
int __wrap_close(int fd);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);
pid_t __wrap_getpid(void);
int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, const socklen_t *len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);

/* ---- Waiting --------------------------------------------------------------------------------- */

typedef struct watch {
    struct pollfd *fds;
    size_t count;
} watch;

static size_t look(const watch *w)
{
    size_t ready = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct pollfd *one = &w->fds[i];
        short wanted = (short)(one->events | POLLERR | POLLHUP);
        one->revents = one->fd < NET_FD_BASE ? 0 : (short)(net_events(one->fd) & wanted);
        ready += one->revents != 0;
    }
    return ready;
}

static bool is_ready(const void *context)
{
    return look(context) > 0;
}

static int wait_for(struct pollfd *fds, size_t count, int64_t span_us)
{
    watch w = {fds, count};
    size_t ready = look(&w);
    if (ready == 0 && span_us != 0) {
        fiber_wait(is_ready, &w, span_us < 0 ? INT64_MAX : sim_now_us() + span_us);
        ready = look(&w);
    }
    return (int)ready;
}

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout_ms)
{
    if (fiber_self() == 0) return __real_poll(watched, count, timeout_ms);
    return wait_for(watched, count, timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000);
}

int __wrap_ppoll(struct pollfd *watched, nfds_t count, const struct timespec *timeout,
                 const void *mask)
{
    (void)mask;
    int64_t span_us =
        timeout == NULL ? -1 : (int64_t)timeout->tv_sec * 1000000 + (timeout->tv_nsec + 999) / 1000;
    return wait_for(watched, count, span_us);
}

/* ---- Clocks and chance ----------------------------------------------------------------------- */

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
    int64_t us = sim_now_us();
    if (id == CLOCK_PROCESS_CPUTIME_ID) return __real_clock_gettime(id, now);
    if (id == CLOCK_REALTIME) us += SIM_WALL_US + fiber_wall_us();
    *now = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
    unsigned char *to = bytes;
    (void)flags;
    for (size_t i = 0; i < len; i++) to[i] = (unsigned char)sim_random();
    return (ssize_t)len;
}

pid_t __wrap_getpid(void)
{
    return SIM_PID;
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static int outcome(int error)
{
    if (error == 0) return 0;
    errno = error;
    return -1;
}

static ssize_t moved(ptrdiff_t len)
{
    if (len >= 0) return len;
    errno = (int)-len;
    return -1;
}

int __wrap_socket(int family, int type, int protocol)
{
    (void)family;
    (void)type;
    (void)protocol;
    return net_socket();
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    (void)to;
    (void)len;
    return outcome(net_connect(fd));
}

int __wrap_getsockopt(int fd, int level, int name, void *value, const socklen_t *len)
{
    (void)level;
    (void)len;
    if (name == SO_ERROR) *(int *)value = net_connect_error(fd);
    return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    (void)fd;
    (void)level;
    (void)name;
    (void)value;
    (void)len;
    return 0;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
    (void)flags;
    return moved(net_send(fd, bytes, len));
}

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
    (void)flags;
    return moved(net_recv(fd, bytes, len));
}

int __wrap_close(int fd)
{
    if (fd < NET_FD_BASE) return __real_close(fd);
    net_close(fd);
    return 0;
}
