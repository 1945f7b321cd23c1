/* The opening of a connection: the socket, TLS, and one pipelined greeting. A peer that is not a
 * Redis or Valkey server is told by its first words. No text written here ever holds the password,
 * not even when a strange peer sends it back. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/answer.h"
#include "wire/conn_state.h"
#include "wire/socket.h"

#define CLIENT_NAME_DEFAULT "dueq"
#define UNIX_S_BOUND 100000000000 /* keeps a hostile TIME from overflowing when in microseconds */
#define TLS_ALERT_BYTE 0x15
#define TLS_HANDSHAKE_BYTE 0x16

/* What the greeting works on. */
typedef struct greeting {
    dq_conn *conn;
    const dq_url *url;
    int64_t deadline_us;
    int64_t asked_wall_us; /* when it was sent, by this machine's clock */
    char place[DQ_URL_PLACE_MAX];
} greeting;

/* ---- The questions and what is made of their answers ----------------------------------------- */

static bool holds_password(const greeting *g, const char *text, size_t len)
{
    const char *password = g->url->password;
    return password != NULL && *password != '\0' &&
           memmem(text, len, password, strlen(password)) != NULL;
}

/* Tells of an error reply; what the server wrote is left out when it repeats the password. */
static int tell_refusal(const greeting *g, const char *command, const valkeyReply *reply,
                        dq_fault *fault)
{
    dq_fault inner = {0};
    int code = holds_password(g, reply->str, reply->len)
                   ? dq_fault_set(&inner, dq_answer_of(reply->str, reply->len).outcome,
                                  "the server refused it, repeating the password")
                   : dq_answer_tell(&inner, reply->str, reply->len);
    return dq_fault_set(fault, code, "%s: %s: %s", g->place, command, inner.text);
}

static int tell_strange(const greeting *g, const char *command, dq_fault *fault)
{
    return dq_fault_set(fault, DUEQ_EPROTO,
                        "%s is not a Redis or Valkey server: it answered %s with something else",
                        g->place, command);
}

static bool auth_wanted(const dq_url *url)
{
    return url->password != NULL || url->user != NULL;
}

static void ask_auth(const dq_url *url, dq_args *args)
{
    dq_args_add_text(args, "AUTH");
    if (url->user != NULL) {
        dq_args_add_text(args, url->user);
    }
    dq_args_add_text(args, url->password == NULL ? "" : url->password);
}

static int hear_auth(greeting *g, const valkeyReply *reply, dq_fault *fault)
{
    if (reply->type == VALKEY_REPLY_STATUS) {
        return DUEQ_OK;
    }
    if (reply->type != VALKEY_REPLY_ERROR) {
        return tell_strange(g, "AUTH", fault);
    }
    int code = tell_refusal(g, "AUTH", reply, fault);
    if (code == DUEQ_ESERVER) {
        fault->code = DUEQ_EAUTH; /* in words of its own, but refused */
    }
    return fault->code;
}

static bool select_wanted(const dq_url *url)
{
    return url->db != 0;
}

static void ask_select(const dq_url *url, dq_args *args)
{
    dq_args_add_text(args, "SELECT");
    dq_args_add_int(args, url->db);
}

static int hear_select(greeting *g, const valkeyReply *reply, dq_fault *fault)
{
    if (reply->type == VALKEY_REPLY_STATUS) {
        return DUEQ_OK;
    }
    if (reply->type != VALKEY_REPLY_ERROR) {
        return tell_strange(g, "SELECT", fault);
    }
    int code = tell_refusal(g, "SELECT", reply, fault);
    if (code == DUEQ_ESERVER) {
        return dq_fault_set(fault, DUEQ_EINVAL, "%s: the server has no database %d (%.*s)",
                            g->place, g->url->db, 100, reply->str);
    }
    return code;
}

static bool always_wanted(const dq_url *url)
{
    (void)url;
    return true;
}

/* The last three are niceties: a server that forbids them is served without. But one that wants a
 * password, or has no room, says so to whatever is asked first. */
static int hear_nicety_refused(greeting *g, const char *command, const valkeyReply *reply,
                               dq_fault *fault)
{
    if (reply->type != VALKEY_REPLY_ERROR) {
        return tell_strange(g, command, fault);
    }
    dq_answer answer = dq_answer_of(reply->str, reply->len);
    bool forbidden = answer.outcome == DUEQ_ESERVER || answer.outcome == DUEQ_EREADONLY ||
                     dq_answer_is_of_acl(answer) ||
                     (answer.outcome == DUEQ_EUNREADY && answer.remedy == DQ_REMEDY_AGAIN);
    return forbidden ? DUEQ_OK : tell_refusal(g, command, reply, fault);
}

static void ask_name(const dq_url *url, dq_args *args)
{
    dq_args_add_text(args, "CLIENT");
    dq_args_add_text(args, "SETNAME");
    dq_args_add_text(args, url->client_name == NULL ? CLIENT_NAME_DEFAULT : url->client_name);
}

static int hear_name(greeting *g, const valkeyReply *reply, dq_fault *fault)
{
    return reply->type == VALKEY_REPLY_STATUS
               ? DUEQ_OK
               : hear_nicety_refused(g, "CLIENT SETNAME", reply, fault);
}

static void ask_id(const dq_url *url, dq_args *args)
{
    (void)url;
    dq_args_add_text(args, "CLIENT");
    dq_args_add_text(args, "ID");
}

static int hear_id(greeting *g, const valkeyReply *reply, dq_fault *fault)
{
    if (reply->type != VALKEY_REPLY_INTEGER) {
        return hear_nicety_refused(g, "CLIENT ID", reply, fault);
    }
    g->conn->client_id = reply->integer;
    return DUEQ_OK;
}

static void ask_time(const dq_url *url, dq_args *args)
{
    (void)url;
    dq_args_add_text(args, "TIME");
}

static int hear_time(greeting *g, const valkeyReply *reply, dq_fault *fault)
{
    if (reply->type != VALKEY_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != VALKEY_REPLY_STRING ||
        reply->element[1]->type != VALKEY_REPLY_STRING) {
        return hear_nicety_refused(g, "TIME", reply, fault);
    }
    int64_t server_us =
        (int64_t)strtoll(reply->element[0]->str, NULL, 10) % UNIX_S_BOUND * 1000000 +
        strtoll(reply->element[1]->str, NULL, 10) % 1000000;
    int64_t between_us = g->asked_wall_us / 2 + dq_wall_us() / 2;
    g->conn->clock_offset_us = server_us - between_us;
    return DUEQ_OK;
}

static const struct question {
    bool (*wanted)(const dq_url *url);
    void (*ask)(const dq_url *url, dq_args *args);
    int (*hear)(greeting *g, const valkeyReply *reply, dq_fault *fault);
} questions[] = {
    {auth_wanted, ask_auth, hear_auth},   {select_wanted, ask_select, hear_select},
    {always_wanted, ask_name, hear_name}, {always_wanted, ask_id, hear_id},
    {always_wanted, ask_time, hear_time},
};
static const size_t question_count = sizeof questions / sizeof questions[0];

/* ---- Failures on the way --------------------------------------------------------------------- */

/* The first words of a peer that speaks another protocol. */
static int tell_not_redis(const greeting *g, dq_fault *fault)
{
    const char *first = g->conn->first;
    size_t len = g->conn->first_len;
    if (len > 0 && (first[0] == TLS_ALERT_BYTE || first[0] == TLS_HANDSHAKE_BYTE)) {
        return dq_fault_set(fault, DUEQ_EPROTO,
                            "%s speaks TLS; with TLS the URL begins with rediss://", g->place);
    }
    if (holds_password(g, first, len)) {
        len = 0;
    }
    size_t line_len = 0;
    while (line_len < len && first[line_len] != '\r' && first[line_len] != '\n') {
        line_len++;
    }
    return dq_fault_set(fault, DUEQ_EPROTO,
                        "%s is not a Redis or Valkey server: its answer began with \"%.*s\"",
                        g->place, (int)line_len, first);
}

/* The connection failed before all answers were heard. */
static int tell_broken(const greeting *g, int code, dq_fault *fault)
{
    dq_fault cause = *fault;
    if (code == DUEQ_EPROTO) {
        return tell_not_redis(g, fault);
    }
    if (code == DUEQ_EUNSURE) {
        return dq_fault_set(fault, DUEQ_ECONNECT,
                            "%s: %s before it had answered; is it a Redis or Valkey server?",
                            g->place, cause.text);
    }
    return dq_fault_set(fault, code, "%s: %s", g->place, cause.text);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static int ask_all(greeting *g, dq_fault *fault)
{
    int rc = DUEQ_OK;
    for (size_t i = 0; i < question_count && rc == DUEQ_OK; i++) {
        if (questions[i].wanted(g->url)) {
            dq_args args = {0};
            questions[i].ask(g->url, &args);
            rc = dq_conn_add(g->conn, &args, fault);
            dq_args_clear(&args);
        }
    }
    g->asked_wall_us = dq_wall_us();
    return rc;
}

static int next_answer(greeting *g, valkeyReply **reply, dq_fault *fault)
{
    int rc = dq_conn_await(g->conn, g->deadline_us, reply, fault);
    if (rc == DUEQ_ETIMEOUT) {
        return dq_fault_set(fault, DUEQ_EPROTO,
                            "%s accepted the connection but did not answer in time; is it a Redis "
                            "or Valkey server?",
                            g->place);
    }
    return rc < 0 ? tell_broken(g, rc, fault) : DUEQ_OK;
}

static int greet(greeting *g, dq_fault *fault)
{
    int rc = ask_all(g, fault);
    for (size_t i = 0; i < question_count && rc == DUEQ_OK; i++) {
        if (!questions[i].wanted(g->url)) {
            continue;
        }
        valkeyReply *reply;
        rc = next_answer(g, &reply, fault);
        if (rc == DUEQ_OK) {
            rc = questions[i].hear(g, reply, fault);
            freeReplyObject(reply);
        }
    }
    return rc;
}

static int open_stream(greeting *g, dq_fault *fault)
{
    int rc = dq_socket_open(&g->conn->fd, g->url, g->deadline_us, fault);
    if (rc == DUEQ_OK && g->url->tls) {
        rc = dq_tls_open(&g->conn->tls, g->conn->fd, g->url, g->deadline_us, fault);
        if (rc < 0) {
            dq_fault cause = *fault;
            dq_fault_set(fault, rc, "%s: %s", g->place, cause.text);
        }
    }
    return rc;
}

/* The password has been sent and is needed no more: leave no copy in the output buffer. */
static void forget_sent(dq_conn *conn)
{
    if (conn->out.data != NULL) {
        explicit_bzero(conn->out.data, conn->out.cap);
    }
    dq_buf_clear(&conn->out);
    conn->out_sent = 0;
}

int dq_conn_open(dq_conn **conn, const dq_url *url, int64_t deadline_us, dq_fault *fault)
{
    dq_fault unread = {0};
    fault = fault == NULL ? &unread : fault;
    *conn = NULL;
    greeting g = {.url = url, .deadline_us = deadline_us, .conn = calloc(1, sizeof *g.conn)};
    if (g.conn == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    g.conn->fd = -1;
    g.conn->reader = dq_reader_make();
    dq_url_place(url, g.place);
    int rc = g.conn->reader == NULL ? dq_fault_set(fault, DUEQ_ENOMEM, "out of memory")
                                    : open_stream(&g, fault);
    if (rc == DUEQ_OK) {
        rc = greet(&g, fault);
    }
    if (rc < 0) {
        dq_conn_close(g.conn);
        return rc;
    }
    forget_sent(g.conn);
    *conn = g.conn;
    return DUEQ_OK;
}
