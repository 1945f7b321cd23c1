/* Requests out and answers in, on the connection to one server. An answer settles its request, or
 * leaves it open for the next round; what a lost connection leaves without an answer may have been
 * carried out. */
#include <stdlib.h>
#include <string.h>

#include "wire/answer.h"
#include "wire/cluster.h"
#include "wire/exchange_state.h"

#define UNSENT_MAX ((size_t)1 << 20) /* more is queued only while less than this is unsent */
#define SOURCELESS_ROUNDS_MAX 3      /* after so many NOSCRIPTs of one request, pause too */
#define REDIRECTS_MAX 5              /* after so many of one request, pause before the next */

/* ---- Sending --------------------------------------------------------------------------------- */

static bool is_loading(const dq_lane *lane, const dq_script *script)
{
    for (size_t i = 0; i < lane->loading_count; i++) {
        if (lane->loading[i] == script) {
            return true;
        }
    }
    return false;
}

/* A script the server lacked is sent whole once in a round; the others find it loaded by then. A
 * request that was told so twice does not rely on that. */
static bool needs_source(const dq_exchange *x, dq_lane *lane, size_t i)
{
    const dq_script *script = x->requests[i].script;
    if (x->flights[i].lacked == 0 || (x->flights[i].lacked == 1 && is_loading(lane, script))) {
        return false;
    }
    if (lane->loading_count < DQ_LOADING_MAX) {
        lane->loading[lane->loading_count++] = script;
    }
    return true;
}

static const dq_args *make_command(dq_exchange *x, dq_lane *lane, size_t i)
{
    const dq_request *request = &x->requests[i];
    if (request->script == NULL) {
        return &request->args;
    }
    dq_args *command = &x->command;
    command->count = 0;
    command->failed = request->args.failed;
    if (needs_source(x, lane, i)) {
        dq_args_add_text(command, "EVAL");
        dq_args_add(command, request->script->source, request->script->source_len);
    } else {
        dq_args_add_text(command, "EVALSHA");
        dq_args_add_text(command, request->script->sha1);
    }
    if (request->more_keys == 0) {
        dq_args_add_text(command, request->script->key_count);
    } else {
        dq_args_add_int(command, atoi(request->script->key_count) + (int64_t)request->more_keys);
    }
    for (size_t k = 0; k < request->args.count; k++) {
        dq_args_add(command, request->args.words[k], request->args.lens[k]);
    }
    return command;
}

/* Before a request that another node has asked to be sent here, though the slot is not its own. */
static int add_asking(dq_conn *conn, dq_flight *flight, dq_fault *fault)
{
    dq_args asking = {0};
    dq_args_add_text(&asking, "ASKING");
    int rc = dq_conn_add(conn, &asking, fault);
    dq_args_clear(&asking);
    flight->asking = rc == DUEQ_OK;
    return rc;
}

static void send_one(dq_exchange *x, dq_lane *lane, size_t i)
{
    dq_fault fault;
    dq_flight *flight = &x->flights[i];
    dq_conn *conn = lane->node->conn;
    size_t unsent = dq_conn_unsent(conn);
    int rc = flight->ask != 0 ? add_asking(conn, flight, &fault) : DUEQ_OK;
    if (rc == DUEQ_OK) {
        rc = dq_conn_add(conn, make_command(x, lane, i), &fault);
    }
    if (rc < 0) {
        dq_settle_failed(x, i, rc, fault.text);
    }
    lane->queued += dq_conn_unsent(conn) - unsent;
    flight->end = lane->queued;
    x->requests[i].resent = flight->unsure;
    if (rc == DUEQ_OK || flight->asking) {
        lane->order[lane->sent++] = i; /* for the answer to ASKING, if for none other */
    }
}

/* Behind the last request of the round, unless it is known by then that none has done anything. */
static bool wants_seal(const dq_lane *lane)
{
    bool all_sent = lane->stop || lane->next == lane->count;
    bool in_vain = lane->heard == lane->sent && lane->answered == 0;
    return lane->seal != NULL && !lane->seal_sent && !lane->ended && all_sent && !in_vain;
}

static void send_seal(const dq_exchange *x, dq_lane *lane)
{
    dq_args args = {0};
    dq_fault unread;
    dq_conn *conn = lane->node->conn;
    size_t unsent = dq_conn_unsent(conn);
    lane->seal_sent = true;
    if (!dq_seal_command(lane->seal, x->deadline_us, &args) ||
        dq_conn_add(conn, &args, &unread) < 0) {
        lane->seal->unknown = lane->seal_heard = true;
    }
    lane->queued += dq_conn_unsent(conn) - unsent;
    dq_args_clear(&args);
}

static bool may_send_request(const dq_lane *lane)
{
    return !lane->ended && !lane->stop && lane->next < lane->count &&
           dq_conn_unsent(lane->node->conn) < UNSENT_MAX;
}

bool dq_lane_may_send(const dq_lane *lane)
{
    return may_send_request(lane) || wants_seal(lane);
}

static void send_more(dq_exchange *x, dq_lane *lane)
{
    while (may_send_request(lane)) {
        send_one(x, lane, lane->order[lane->next++]);
    }
    if (wants_seal(lane)) {
        send_seal(x, lane);
    }
}

/* ---- Hearing --------------------------------------------------------------------------------- */

/* An error that leaves the request open: notes what the next round must mind. */
static void hold(dq_exchange *x, dq_lane *lane, size_t i, const dq_answer *answer,
                 const valkeyReply *reply)
{
    dq_flight *flight = &x->flights[i];
    if (answer->remedy == DQ_REMEDY_SOURCE) {
        flight->lacked++;
        x->pause = x->pause || flight->lacked > SOURCELESS_ROUNDS_MAX;
        return;
    }
    flight->held = dq_answer_tell(&x->why, reply->str, reply->len);
    flight->ask = 0;
    lane->stop = x->pause = true;
    lane->drop = lane->drop || answer->remedy == DQ_REMEDY_RECONNECT;
    dq_link_doubt(x->link);
}

/* The slot is served by another node: for good, or for this once. */
static void redirect(dq_exchange *x, const dq_lane *lane, size_t i, bool for_good,
                     const valkeyReply *reply)
{
    dq_flight *flight = &x->flights[i];
    dq_redirect to;
    const dq_node *node = dq_redirect_read(&to, reply->str, reply->len)
                              ? dq_cluster_follow(x->link, lane->node, &to, for_good)
                              : NULL;
    flight->held =
        dq_fault_set(&x->why, DUEQ_EUNREADY,
                     "the cluster's nodes send it from one to another: %.*s", 200, reply->str);
    flight->ask = node != NULL && !for_good ? node->number : 0;
    flight->redirects++;
    x->pause = x->pause || node == NULL || flight->redirects > REDIRECTS_MAX;
    if (for_good || node == NULL) {
        dq_cluster_want(x->link);
    }
}

static bool is_final(const dq_exchange *x, size_t i, dq_remedy remedy)
{
    switch (remedy) {
    case DQ_REMEDY_NONE:
        return true;
    case DQ_REMEDY_SOURCE:
        return x->requests[i].script == NULL;
    case DQ_REMEDY_MOVED:
    case DQ_REMEDY_ASK:
        return !dq_link_is_cluster(x->link) || x->requests[i].node != 0;
    default:
        return false;
    }
}

/* Its keys are not all in one place, or not all there, and it would rather go another way than wait. */
static bool are_keys_apart(const dq_request *request, const valkeyReply *error)
{
    static const char TORN[] = "TRYAGAIN ";
    return request->splits && strncmp(error->str, TORN, sizeof TORN - 1) == 0;
}

/* A request that was sent before may have written over a connection that is gone: what the server
 * tells on this one need not cover that. */
static void note_answered(const dq_exchange *x, dq_lane *lane, size_t i)
{
    lane->answered++;
    if (lane->seal != NULL && x->requests[i].resent) {
        lane->seal->unknown = true;
    }
}

static void hear_one(dq_exchange *x, dq_lane *lane, size_t i, valkeyReply *reply)
{
    if (reply->type != VALKEY_REPLY_ERROR) {
        x->progress = true;
        note_answered(x, lane, i);
        dq_settle_reply(x, i, reply);
        return;
    }
    dq_answer answer = dq_answer_of(reply->str, reply->len);
    x->requests[i].apart = are_keys_apart(&x->requests[i], reply);
    if (x->requests[i].apart || is_final(x, i, answer.remedy)) {
        dq_fault told;
        int code = dq_answer_tell(&told, reply->str, reply->len);
        x->progress = true;
        if (x->flights[i].unsure) { /* this sending is refused; an earlier one may have run */
            dq_settle_unsure(x, i, told.text);
        } else {
            dq_settle_failed(x, i, code, told.text);
        }
    } else if (answer.remedy == DQ_REMEDY_MOVED || answer.remedy == DQ_REMEDY_ASK) {
        redirect(x, lane, i, answer.remedy == DQ_REMEDY_MOVED, reply);
    } else {
        hold(x, lane, i, &answer, reply);
    }
    freeReplyObject(reply);
}

/* True when the answer was only ASKING's, which says nothing. */
static bool pass_asking(dq_exchange *x, dq_lane *lane, size_t i, valkeyReply *reply)
{
    dq_flight *flight = &x->flights[i];
    if (!flight->asking) {
        return false;
    }
    flight->asking = false;
    freeReplyObject(reply);
    if (flight->settled) { /* its command was never queued */
        lane->heard++;
    }
    return true;
}

static bool owes_seal(const dq_lane *lane)
{
    return lane->seal_sent && !lane->seal_heard;
}

/* The last answer of a round; it is of no interest where nothing was done. */
static void hear_seal(dq_lane *lane, valkeyReply *reply)
{
    lane->seal_heard = true;
    if (lane->answered > 0) {
        dq_seal_hear(lane->seal, reply);
    }
    freeReplyObject(reply);
}

static int hear_all(dq_exchange *x, dq_lane *lane, dq_fault *fault)
{
    while (lane->heard < lane->sent || owes_seal(lane)) {
        valkeyReply *reply;
        int rc = dq_conn_next(lane->node->conn, &reply, fault);
        if (rc < 0 || reply == NULL) {
            return rc;
        }
        if (lane->heard == lane->sent) {
            hear_seal(lane, reply);
            return DUEQ_OK;
        }
        size_t i = lane->order[lane->heard];
        if (!pass_asking(x, lane, i, reply)) {
            lane->heard++;
            hear_one(x, lane, i, reply);
        }
    }
    return DUEQ_OK;
}

/* ---- The lane as a whole --------------------------------------------------------------------- */

bool dq_lane_is_over(const dq_lane *lane)
{
    bool all_heard = lane->heard == lane->sent && (lane->stop || lane->next == lane->count);
    return lane->ended || (all_heard && !wants_seal(lane) && !owes_seal(lane));
}

static void end_lane(dq_lane *lane)
{
    if (lane->seal != NULL && lane->answered > 0 && !lane->seal_heard) {
        lane->seal->unknown = true;
    }
    lane->ended = true;
    dq_node_drop(lane->node);
}

static void fail_all(dq_exchange *x, const dq_lane *lane, size_t from, size_t to, int code,
                     const char *text)
{
    for (size_t k = from; k < to; k++) {
        const dq_flight *flight = &x->flights[lane->order[k]];
        if (!flight->settled && flight->unsure && code != DUEQ_EPROTO) {
            dq_settle_unsure(x, lane->order[k], text);
        } else if (!flight->settled) {
            dq_settle_failed(x, lane->order[k], code, text);
        }
    }
}

void dq_lane_lose(dq_exchange *x, dq_lane *lane, const dq_fault *cause)
{
    uint64_t written = lane->queued - dq_conn_unsent(lane->node->conn);
    for (size_t k = lane->heard; k < lane->sent; k++) {
        size_t i = lane->order[k];
        dq_flight *flight = &x->flights[i];
        flight->ask = 0;
        flight->asking = false;
        if (flight->end > written || flight->settled) {
            continue; /* not sent whole: it cannot have been carried out */
        }
        flight->unsure = true;
        if (x->requests[i].once) {
            dq_settle_unsure(x, i, cause->text);
        }
    }
    x->why = *cause;
    x->pause = true;
    dq_link_doubt(x->link);
    end_lane(lane);
}

/* The connection broke. A server that breaks the protocol is not asked again, and one whose answer
 * memory does not suffice for would only give it again. */
static void break_lane(dq_exchange *x, dq_lane *lane, int code, const dq_fault *cause)
{
    if (code != DUEQ_EPROTO) {
        dq_lane_lose(x, lane, cause);
    }
    if (code == DUEQ_EPROTO || code == DUEQ_ENOMEM) {
        fail_all(x, lane, lane->heard, lane->sent, code, cause->text);
        fail_all(x, lane, lane->next, lane->count, code, cause->text);
        end_lane(lane);
    }
}

void dq_lane_refuse(dq_exchange *x, dq_lane *lane, int code, const dq_fault *cause)
{
    bool passing = code == DUEQ_ECONNECT || code == DUEQ_EUNREADY || code == DUEQ_EREADONLY ||
                   code == DUEQ_EPROTO;
    for (size_t k = 0; k < lane->count; k++) {
        dq_flight *flight = &x->flights[lane->order[k]];
        flight->ask = 0;
        if (passing) {
            flight->held = code;
        } else {
            dq_settle_failed(x, lane->order[k], code, cause->text);
        }
    }
    x->why = *cause;
    x->pause = true;
    dq_link_doubt(x->link);
    end_lane(lane);
}

void dq_lane_start(dq_exchange *x, dq_lane *lane)
{
    send_more(x, lane);
    dq_conn_pump(lane->node->conn, NULL); /* what breaks is told when the lane advances */
}

/* Sends and hears at once, so that two full buffers never wait for each other. */
void dq_lane_advance(dq_exchange *x, dq_lane *lane)
{
    dq_fault cause = {0};
    send_more(x, lane);
    if (dq_lane_is_over(lane)) {
        return;
    }
    int rc = dq_conn_pump(lane->node->conn, &cause);
    if (rc == DUEQ_OK) {
        rc = hear_all(x, lane, &cause);
    }
    if (rc < 0) {
        break_lane(x, lane, rc, &cause);
    }
}
