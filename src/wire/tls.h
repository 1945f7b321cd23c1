/* TLS over a connected socket: who the server must be, the handshake, and bytes in and out. Fails
 * closed: without verify=no nothing is sent to a server whose certificate does not prove its name.
 * Never blocks but in poll(), never raises SIGPIPE. Knows nothing of what it carries. */
#ifndef DQ_WIRE_TLS_H
#define DQ_WIRE_TLS_H

#include <stddef.h>

#include "base/fault.h"
#include "wire/url.h"

typedef struct dq_tls dq_tls;

/* Makes a session on the socket, which stays the caller's, and shakes hands within the deadline.
 * *tls is NULL after a failure: ETLS with the precise reason, ECONNECT when the peer went away or
 * kept silent, ENOMEM. */
int dq_tls_open(dq_tls **tls, int fd, const dq_url *url, int64_t deadline_us, dq_fault *fault);
void dq_tls_close(dq_tls *tls); /* says goodbye if that needs no waiting; NULL is fine */

/* As dq_socket_read() and dq_socket_write(); also ETLS. */
ptrdiff_t dq_tls_read(dq_tls *tls, void *bytes, size_t len, dq_fault *fault);
ptrdiff_t dq_tls_write(dq_tls *tls, const void *bytes, size_t len, dq_fault *fault);

/* What the last call that would have blocked waits for: POLLIN, POLLOUT or 0. A write may wait for
 * the peer's bytes, a read for room to write. */
short dq_tls_read_wants(const dq_tls *tls);
short dq_tls_write_wants(const dq_tls *tls);

#endif
