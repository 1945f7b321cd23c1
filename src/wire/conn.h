/* One connection to one server: TCP, Unix socket or TLS; opened, greeted (AUTH, SELECT, CLIENT
 * SETNAME, TIME) and then moving commands and replies within deadlines. libvalkey reads the replies.
 * Never blocks but in poll(), and in the resolver. Knows nothing of retries, scripts or queues. */
#ifndef DQ_WIRE_CONN_H
#define DQ_WIRE_CONN_H

#include <valkey/valkey.h>

#include "base/fault.h"
#include "wire/args.h"
#include "wire/url.h"

typedef struct dq_conn dq_conn;

/* Opens and greets within the deadline. The url's kind is TCP or UNIX (LOCAL has been resolved
 * before). *conn is NULL after a failure:
 *   ECONNECT  nobody there, or gone again before the greeting was over
 *   EUNREADY  a server that cannot serve now (loading, no room for another client): try again
 *   EPROTO    not a Redis or Valkey server, or silent
 *   ETLS EAUTH EDENIED EINVAL (no such database) ENOMEM ESYSTEM: trying again will not help */
int dq_conn_open(dq_conn **conn, const dq_url *url, int64_t deadline_us, dq_fault *fault);
void dq_conn_close(dq_conn *conn); /* NULL is fine */

int dq_conn_fd(const dq_conn *conn);

/* server clock - this machine's wall clock, µs, as the greeting found it (within half a round
 * trip). For display and ids only. */
int64_t dq_conn_clock_offset_us(const dq_conn *conn);

/* The server's number for this connection (CLIENT ID), 0 when it would not say. */
int64_t dq_conn_client_id(const dq_conn *conn);

/* Whether an idle connection is still good. While nothing is asked nothing may come: what does is
 * the end, or not to be trusted. */
bool dq_conn_is_alive(dq_conn *conn);

/* Queues a command to be sent. ENOMEM or EINVAL; nothing is sent yet, and after a failure nothing
 * of this command will be. */
int dq_conn_add(dq_conn *conn, const dq_args *args, dq_fault *fault);
/* Bytes queued and not yet written to the socket. */
size_t dq_conn_unsent(const dq_conn *conn);
/* Commands added whose reply has not been handed out by dq_conn_next(). */
size_t dq_conn_owed(const dq_conn *conn);

/* Writes what the socket takes, without waiting. Negative: the connection is broken (EUNSURE with
 * what broke it, ETLS) and only good for closing. */
int dq_conn_pump(dq_conn *conn, dq_fault *fault);
/* The next whole reply, read from the socket without waiting: *reply is the caller's
 * (freeReplyObject), NULL when poll() must be asked for more; call it until then before polling.
 * Replies that came before the connection broke are given first. Negative: as dq_conn_pump(), or
 * EPROTO when the server broke the protocol. */
int dq_conn_next(dq_conn *conn, valkeyReply **reply, dq_fault *fault);
/* What poll() should watch: POLLIN, and POLLOUT while bytes are unsent. */
short dq_conn_events(const dq_conn *conn);
/* Waits for them: DUEQ_OK; ETIMEOUT at the deadline, ECANCELED once `interrupt_fd` (-1: none) is
 * readable, both without a fault. */
int dq_conn_wait(const dq_conn *conn, int interrupt_fd, int64_t deadline_us);

/* Pumps until the next reply is there. ETIMEOUT at the deadline: close the connection then. */
int dq_conn_await(dq_conn *conn, int64_t deadline_us, valkeyReply **reply, dq_fault *fault);

/* add, then pump until the reply is there or the deadline passes (EUNSURE: the connection must be
 * closed, a late reply must never be taken for another's). Error replies are given as replies. */
int dq_conn_call(dq_conn *conn, const dq_args *args, int64_t deadline_us, valkeyReply **reply,
                 dq_fault *fault);

#endif
