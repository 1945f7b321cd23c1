/* A connected, non-blocking socket: found, connected to within a deadline, read and written. Never
 * blocks but in poll() and in the resolver, never raises SIGPIPE. Knows nothing of what it carries. */
#ifndef DQ_WIRE_SOCKET_H
#define DQ_WIRE_SOCKET_H

#include <poll.h>
#include <stddef.h>

#include "base/fault.h"
#include "wire/url.h"

/* Connects to the url's place, each of a name's addresses in turn with a share of the time.
 * *fd is yours to close. DUEQ_OK, ECONNECT or ESYSTEM. */
int dq_socket_open(int *fd, const dq_url *url, int64_t deadline_us, dq_fault *fault);

/* Bytes moved, 0 when the socket would block, or EUNSURE with what broke it; the end of the stream
 * counts as broken. `len` is at least 1. */
ptrdiff_t dq_socket_read(int fd, void *bytes, size_t len, dq_fault *fault);
ptrdiff_t dq_socket_write(int fd, const void *bytes, size_t len, dq_fault *fault);

/* Waits until the socket is ready for one of `events` (or broken): DUEQ_OK. ETIMEOUT at the
 * deadline; ECANCELED once `interrupt_fd` (-1: none) is readable. No fault is noted. An `fd` of -1
 * waits for the deadline or the interrupt alone. */
int dq_socket_wait(int fd, short events, int interrupt_fd, int64_t deadline_us);

/* The same for many sockets: DUEQ_OK once one is ready, ETIMEOUT at the deadline. */
int dq_socket_wait_any(struct pollfd *watched, size_t count, int64_t deadline_us);

/* strerror() as it stands in the middle of a sentence: "connection refused". */
#define DQ_ERRNO_TEXT_MAX 128
const char *dq_errno_text(int error, char text[DQ_ERRNO_TEXT_MAX]);

#endif
