/* A connection's life after its opening (greet.c): commands out, replies in. What it must not do is
 * lose or invent a reply: the number owed is kept, and one that is not owed breaks the connection. */
#include "wire/conn.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/conn_state.h"
#include "wire/socket.h"

#define OUT_KEEP_MAX ((size_t)1 << 20)  /* memory an empty output buffer may keep */
#define FEED_LEN_MAX ((size_t)16 << 10) /* the reader moves its rest down: keep that short */

/* ---- Commands out ---------------------------------------------------------------------------- */

size_t dq_conn_unsent(const dq_conn *conn)
{
    return conn->out.len - conn->out_sent;
}

size_t dq_conn_owed(const dq_conn *conn)
{
    return conn->owed;
}

/* Bytes that a length takes on its line: "$123\r\n". */
static size_t header_len(size_t number)
{
    return (size_t)snprintf(NULL, 0, "$%zu\r\n", number);
}

/* Makes room first, so that a command is queued whole or not at all. */
static bool reserve_command(dq_buf *out, const dq_args *args)
{
    size_t total = header_len(args->count);
    for (size_t i = 0; i < args->count; i++) {
        size_t word_len = header_len(args->lens[i]) + 2;
        if (args->lens[i] > SIZE_MAX / 2 || total > SIZE_MAX / 2 - word_len - args->lens[i]) {
            return false;
        }
        total += word_len + args->lens[i];
    }
    bool room = dq_buf_reserve(out, total);
    out->failed = false; /* what was queued before is whole and still good */
    return room;
}

/* The bytes written already are dropped once they are the larger half. */
static void drop_sent(dq_conn *conn)
{
    size_t unsent = dq_conn_unsent(conn);
    if (conn->out_sent < unsent || conn->out_sent == 0) {
        return;
    }
    memmove(conn->out.data, conn->out.data + conn->out_sent, unsent);
    conn->out.len = unsent;
    conn->out_sent = 0;
    if (unsent == 0 && conn->out.cap > OUT_KEEP_MAX) {
        dq_buf_clear(&conn->out);
    }
}

int dq_conn_add(dq_conn *conn, const dq_args *args, dq_fault *fault)
{
    if (args->failed) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory for a command");
    }
    if (args->count == 0 || args->count > INT_MAX) {
        return dq_fault_set(fault, DUEQ_EINVAL, "a command needs at least one word");
    }
    drop_sent(conn);
    if (!reserve_command(&conn->out, args)) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory for a command");
    }
    dq_buf_printf(&conn->out, "*%zu\r\n", args->count);
    for (size_t i = 0; i < args->count; i++) {
        dq_buf_printf(&conn->out, "$%zu\r\n", args->lens[i]);
        dq_buf_add(&conn->out, args->words[i], args->lens[i]);
        dq_buf_add(&conn->out, "\r\n", 2);
    }
    conn->owed++;
    return DUEQ_OK;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static ptrdiff_t read_some(dq_conn *conn, void *bytes, size_t len, dq_fault *fault)
{
    return conn->tls == NULL ? dq_socket_read(conn->fd, bytes, len, fault)
                             : dq_tls_read(conn->tls, bytes, len, fault);
}

static ptrdiff_t write_some(dq_conn *conn, const void *bytes, size_t len, dq_fault *fault)
{
    return conn->tls == NULL ? dq_socket_write(conn->fd, bytes, len, fault)
                             : dq_tls_write(conn->tls, bytes, len, fault);
}

/* DUEQ_OK, or what the connection has broken of. */
static int tell_break(const dq_conn *conn, dq_fault *fault)
{
    const dq_fault *cause = conn->broken.code != 0 ? &conn->broken : &conn->write_broken;
    if (cause->code == 0) {
        return DUEQ_OK;
    }
    return dq_fault_set(fault, cause->code, "%s%s", cause->text,
                        dq_reader_midway(conn->reader) ? ", in the middle of an answer" : "");
}

/* Fills the empty input buffer. A broken connection is noted, not told: replies may still stand
 * before the break. */
static void read_chunk(dq_conn *conn)
{
    if (conn->in_at < conn->in_len || conn->broken.code != 0) {
        return;
    }
    conn->in_at = conn->in_len = 0;
    ptrdiff_t got = read_some(conn, conn->in, sizeof conn->in, &conn->broken);
    if (got <= 0) {
        return;
    }
    conn->in_len = (size_t)got;
    if (conn->first_len < sizeof conn->first) {
        size_t room = sizeof conn->first - conn->first_len;
        size_t more = conn->in_len < room ? conn->in_len : room;
        memcpy(conn->first + conn->first_len, conn->in, more);
        conn->first_len += more;
    }
}

/* A failed write is kept apart until the reading ends too: the server may have said why. */
static void write_all(dq_conn *conn)
{
    while (dq_conn_unsent(conn) > 0 && conn->write_broken.code == 0) {
        ptrdiff_t sent = write_some(conn, conn->out.data + conn->out_sent, dq_conn_unsent(conn),
                                    &conn->write_broken);
        if (sent <= 0) {
            return;
        }
        conn->out_sent += (size_t)sent;
    }
    drop_sent(conn);
}

int dq_conn_pump(dq_conn *conn, dq_fault *fault)
{
    write_all(conn);
    /* A write that failed is not told here: the server may have said why, and that is heard next. */
    return conn->broken.code == 0 ? DUEQ_OK : tell_break(conn, fault);
}

/* ---- Replies in ------------------------------------------------------------------------------ */

/* Gives the reader its next bytes. 0: there are none now; 1: given; negative: broken. */
static int feed_more(dq_conn *conn, dq_fault *fault)
{
    if (conn->in_at == conn->in_len) {
        read_chunk(conn);
    }
    size_t left = conn->in_len - conn->in_at;
    if (left == 0) {
        return tell_break(conn, fault);
    }
    size_t len = left < FEED_LEN_MAX ? left : FEED_LEN_MAX;
    int rc = dq_reader_feed(conn->reader, conn->in + conn->in_at, len, fault);
    conn->in_at += len;
    return rc < 0 ? rc : 1;
}

int dq_conn_next(dq_conn *conn, valkeyReply **reply, dq_fault *fault)
{
    for (;;) {
        int rc = dq_reader_next(conn->reader, reply, fault);
        if (rc == DUEQ_OK && *reply == NULL) {
            rc = feed_more(conn, fault);
            if (rc > 0) {
                continue;
            }
        }
        if (*reply == NULL) {
            return rc;
        }
        if (conn->owed == 0) {
            freeReplyObject(*reply);
            *reply = NULL;
            return dq_fault_set(fault, DUEQ_EPROTO,
                                "the server broke the protocol: an answer to no question");
        }
        conn->owed--;
        return DUEQ_OK;
    }
}

bool dq_conn_is_alive(dq_conn *conn)
{
    valkeyReply *reply = NULL;
    bool alive = dq_conn_owed(conn) == 0 && dq_conn_pump(conn, NULL) == DUEQ_OK &&
                 dq_conn_next(conn, &reply, NULL) == DUEQ_OK;
    freeReplyObject(reply);
    return alive;
}

short dq_conn_events(const dq_conn *conn)
{
    int events = POLLIN;
    bool unsent = dq_conn_unsent(conn) > 0 && conn->write_broken.code == 0;
    if (conn->tls == NULL) {
        return (short)(unsent ? events | POLLOUT : events);
    }
    short write_wants = dq_tls_write_wants(conn->tls);
    if (unsent) {
        events |= write_wants != 0 ? write_wants : POLLOUT;
    }
    return (short)(events | dq_tls_read_wants(conn->tls));
}

int dq_conn_wait(const dq_conn *conn, int interrupt_fd, int64_t deadline_us)
{
    return dq_socket_wait(conn->fd, dq_conn_events(conn), interrupt_fd, deadline_us);
}

int dq_conn_await(dq_conn *conn, int64_t deadline_us, valkeyReply **reply, dq_fault *fault)
{
    *reply = NULL;
    for (;;) {
        int rc = dq_conn_pump(conn, fault);
        if (rc == DUEQ_OK) {
            rc = dq_conn_next(conn, reply, fault);
        }
        if (rc < 0 || *reply != NULL) {
            return rc;
        }
        if (dq_conn_wait(conn, -1, deadline_us) != DUEQ_OK) {
            return dq_fault_set(fault, DUEQ_ETIMEOUT, "no answer from the server in time");
        }
    }
}

int dq_conn_call(dq_conn *conn, const dq_args *args, int64_t deadline_us, valkeyReply **reply,
                 dq_fault *fault)
{
    *reply = NULL;
    int rc = dq_conn_add(conn, args, fault);
    if (rc == DUEQ_OK) {
        rc = dq_conn_await(conn, deadline_us, reply, fault);
    }
    if (rc == DUEQ_ETIMEOUT) {
        rc = dq_fault_set(fault, DUEQ_EUNSURE, "no answer from the server in time");
    }
    return rc;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

void dq_conn_close(dq_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    dq_tls_close(conn->tls);
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    dq_reader_free(conn->reader);
    dq_buf_clear(&conn->out);
    free(conn);
}

int dq_conn_fd(const dq_conn *conn)
{
    return conn->fd;
}

int64_t dq_conn_clock_offset_us(const dq_conn *conn)
{
    return conn->clock_offset_us;
}

int64_t dq_conn_client_id(const dq_conn *conn)
{
    return conn->client_id;
}
