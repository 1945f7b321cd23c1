/* Asking sentinels. Each answer comes with the epoch of the master's configuration, which grows with
 * every failover: an answer older than one heard before is from a sentinel that was cut off, and is
 * not believed. So a link that has once left a master never goes back to it by hearsay. */
#include "wire/sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/answer.h"

/* A connected link asks again so often, waits for the answer no longer than that, and turns to the
 * next sentinel after a few questions. When none answers it asks more rarely. */
enum { ASK_EVERY_US = 1000000, ASK_EVERY_MAX_US = 16000000, ASK_MS = 250, ASKS_OF_ONE = 5 };
enum { PORT_MAX = 65535 };

/* Holds: `conn`, when there is one, leads to the sentinel number `at`, and owes no reply. */
typedef struct dq_sentinels {
    size_t count, at;
    dq_conn *conn;
    int asked_one; /* how often that one has been asked */
    int64_t epoch; /* the greatest heard of */
    int64_t asked_us, ask_every_us;
} dq_sentinels;

/* The master as one sentinel sees it. */
typedef struct sighting {
    char host[256];
    int port;
    int64_t epoch; /* 0: not told */
} sighting;

bool dq_sentinels_make(dq_link *link)
{
    link->sentinels = calloc(1, sizeof *link->sentinels);
    if (link->sentinels != NULL) {
        link->sentinels->count = dq_url_seed_count(&link->url);
        link->sentinels->ask_every_us = ASK_EVERY_US;
    }
    return link->sentinels != NULL;
}

static void hang_up(dq_sentinels *s)
{
    dq_conn_close(s->conn);
    s->conn = NULL;
    s->asked_one = 0;
}

void dq_sentinels_free(dq_sentinels *s)
{
    if (s != NULL) {
        hang_up(s);
        free(s);
    }
}

void dq_sentinels_doubt(dq_link *link)
{
    link->sentinels->asked_us = 0;
}

/* ---- One sentinel ---------------------------------------------------------------------------- */

/* How the sentinel is spoken to: TLS as the master's, the password its own. */
static bool make_url(dq_url *url, const dq_url *of, size_t at)
{
    char *host;
    int port;
    if (!dq_url_seed(of, at, &host, &port)) {
        return false;
    }
    bool made = dq_url_at(url, of, host, port);
    free(host);
    if (made && !(dq_url_set_text(&url->user, of->sentinel_user) &&
                  dq_url_set_text(&url->password, of->sentinel_password))) {
        dq_url_clear(url);
        made = false;
    }
    url->db = 0;
    return made;
}

static int open_sentinel(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    dq_sentinels *s = link->sentinels;
    dq_url url;
    if (!make_url(&url, &link->url, s->at)) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    int rc = dq_conn_open(&s->conn, &url, deadline_us, fault);
    dq_url_clear(&url);
    return rc;
}

static bool is_text(const valkeyReply *reply)
{
    return reply->type == VALKEY_REPLY_STRING;
}

/* [host, port]; nil when it knows no such master. */
static int read_address(const dq_url *url, const valkeyReply *reply, sighting *seen,
                        dq_fault *fault)
{
    if (reply == NULL || reply->type == VALKEY_REPLY_NIL) {
        return dq_fault_set(fault, DUEQ_ECONNECT, "it knows no master by the name \"%s\"",
                            url->master);
    }
    if (reply->type == VALKEY_REPLY_ERROR) {
        int code = dq_answer_tell(fault, reply->str, reply->len);
        return code == DUEQ_ESERVER
                   ? dq_fault_set(fault, DUEQ_EPROTO, "it is no sentinel, or refuses: %.*s", 200,
                                  reply->str)
                   : code;
    }
    bool fine = reply->type == VALKEY_REPLY_ARRAY && reply->elements == 2 &&
                is_text(reply->element[0]) && is_text(reply->element[1]) &&
                reply->element[0]->len > 0 && reply->element[0]->len < sizeof seen->host;
    seen->port = fine ? (int)strtol(reply->element[1]->str, NULL, 10) : 0;
    if (seen->port < 1 || seen->port > PORT_MAX) {
        return dq_fault_set(fault, DUEQ_EPROTO, "it answered with something else than an address");
    }
    memcpy(seen->host, reply->element[0]->str, reply->element[0]->len + 1);
    return DUEQ_OK;
}

/* Of ["name", "mymaster", …, "config-epoch", "7", …]; 0 when it is not told. */
static int64_t read_epoch(const valkeyReply *reply)
{
    size_t count = reply != NULL && reply->type == VALKEY_REPLY_ARRAY ? reply->elements : 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (is_text(reply->element[i]) && is_text(reply->element[i + 1]) &&
            strcmp(reply->element[i]->str, "config-epoch") == 0) {
            return strtoll(reply->element[i + 1]->str, NULL, 10);
        }
    }
    return 0;
}

static int add_question(dq_conn *conn, const char *question, const char *master, dq_fault *fault)
{
    dq_args args = {0};
    dq_args_add_text(&args, "SENTINEL");
    dq_args_add_text(&args, question);
    dq_args_add_text(&args, master);
    int rc = dq_conn_add(conn, &args, fault);
    dq_args_clear(&args);
    return rc;
}

/* Both answers are read, or the connection is closed. */
static int question(dq_link *link, int64_t deadline_us, sighting *seen, dq_fault *fault)
{
    dq_conn *conn = link->sentinels->conn;
    valkeyReply *address = NULL, *facts = NULL;
    int rc = add_question(conn, "get-master-addr-by-name", link->url.master, fault);
    if (rc == DUEQ_OK) {
        rc = add_question(conn, "master", link->url.master, fault);
    }
    if (rc == DUEQ_OK) {
        rc = dq_conn_await(conn, deadline_us, &address, fault);
    }
    if (rc == DUEQ_OK) {
        rc = dq_conn_await(conn, deadline_us, &facts, fault);
    }
    if (rc < 0) {
        hang_up(link->sentinels);
        rc = fault->code = rc == DUEQ_ENOMEM ? rc : DUEQ_ECONNECT;
    } else {
        seen->epoch = read_epoch(facts);
        rc = read_address(&link->url, address, seen, fault);
    }
    freeReplyObject(address);
    freeReplyObject(facts);
    return rc;
}

/* Asks the sentinel whose turn it is. */
static int ask_one(dq_link *link, int64_t deadline_us, sighting *seen, dq_fault *fault)
{
    dq_sentinels *s = link->sentinels;
    if (s->conn != NULL && !dq_conn_is_alive(s->conn)) {
        hang_up(s);
    }
    int rc = s->conn == NULL ? open_sentinel(link, deadline_us, fault) : DUEQ_OK;
    if (rc == DUEQ_OK) {
        rc = question(link, deadline_us, seen, fault);
    }
    s->asked_one++;
    if (rc == DUEQ_OK && seen->epoch != 0 && seen->epoch < s->epoch) {
        rc = dq_fault_set(fault, DUEQ_ECONNECT,
                          "it has not heard of the last failover, and still names %s:%d",
                          seen->host, seen->port);
    }
    if (rc == DUEQ_OK && seen->epoch > s->epoch) {
        s->epoch = seen->epoch;
    }
    return rc;
}

static void turn_to_next(dq_sentinels *s)
{
    hang_up(s);
    s->at = (s->at + 1) % s->count;
}

/* Asks one after the other until one names the master. */
static int ask_in_turn(dq_link *link, int64_t deadline_us, sighting *seen, dq_fault *fault)
{
    dq_sentinels *s = link->sentinels;
    int rc = DUEQ_ECONNECT;
    for (size_t left = s->count; left > 0; left--) {
        dq_fault cause = {0};
        int64_t now_us = dq_mono_us();
        int64_t share_us = deadline_us == DQ_NEVER_US
                               ? deadline_us
                               : now_us + (deadline_us - now_us) / (int64_t)left;
        rc = ask_one(link, dq_link_attempt_us(link, share_us), seen, &cause);
        if (rc == DUEQ_OK) {
            s->asked_us = dq_mono_us();
            s->ask_every_us = ASK_EVERY_US;
            return rc;
        }
        char *host;
        int port;
        if (dq_url_seed(&link->url, s->at, &host, &port)) {
            dq_fault_set(fault, rc, "sentinel %s:%d: %s", host, port, cause.text);
            free(host);
        }
        turn_to_next(s);
    }
    return rc;
}

/* ---- The master ------------------------------------------------------------------------------ */

/* ["master", …]. A user who may not ask is not stopped: a replica refuses what is sent to it. */
static int check_role(dq_node *node, int64_t deadline_us, dq_fault *fault)
{
    dq_args args = {0};
    dq_args_add_text(&args, "ROLE");
    valkeyReply *reply;
    int rc = dq_conn_call(node->conn, &args, deadline_us, &reply, fault);
    dq_args_clear(&args);
    if (rc < 0) {
        return fault->code = DUEQ_ECONNECT;
    }
    bool told =
        reply->type == VALKEY_REPLY_ARRAY && reply->elements > 0 && is_text(reply->element[0]);
    if (told && strcmp(reply->element[0]->str, "master") != 0) {
        char place[DQ_URL_PLACE_MAX];
        rc = dq_fault_set(fault, DUEQ_EREADONLY,
                          "the sentinels name %s as master, but it says that it is none",
                          dq_url_place(&node->url, place));
    }
    freeReplyObject(reply);
    return rc;
}

static bool is_at(const dq_node *node, const sighting *seen)
{
    return node->url.host != NULL && node->url.port == seen->port &&
           strcmp(node->url.host, seen->host) == 0;
}

static bool move_node(dq_link *link, const sighting *seen)
{
    dq_node *node = link->nodes[0];
    dq_url url;
    if (is_at(node, seen)) {
        return true;
    }
    if (!dq_url_at(&url, &link->url, seen->host, seen->port)) {
        return false;
    }
    dq_url_clear(&node->url);
    node->url = url;
    return true;
}

int dq_sentinels_connect(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    dq_node *node = link->nodes[0];
    sighting seen = {.port = 0};
    int rc = ask_in_turn(link, deadline_us, &seen, fault);
    if (rc < 0) {
        return rc;
    }
    link->was_connected = true; /* the sentinels are right: a master that is away will return */
    if (!move_node(link, &seen)) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    rc = dq_link_open_node(link, node, deadline_us, fault);
    if (rc == DUEQ_OK) {
        rc = check_role(node, dq_link_attempt_us(link, deadline_us), fault);
    }
    if (rc < 0) {
        dq_node_drop(node);
    }
    return rc;
}

bool dq_sentinels_moved(dq_link *link)
{
    dq_sentinels *s = link->sentinels;
    int64_t now_us = dq_mono_us();
    if (now_us - s->asked_us < s->ask_every_us) {
        return false;
    }
    s->asked_us = now_us;
    sighting seen = {0};
    dq_fault unread = {0};
    int rc = ask_one(link, dq_deadline_us(ASK_MS), &seen, &unread);
    if (rc < 0 || s->asked_one >= ASKS_OF_ONE) {
        turn_to_next(s);
    }
    if (rc < 0) {
        bool often = s->ask_every_us < ASK_EVERY_MAX_US;
        s->ask_every_us = often ? s->ask_every_us * 2 : s->ask_every_us;
        return false;
    }
    s->ask_every_us = ASK_EVERY_US;
    return !is_at(link->nodes[0], &seen);
}
