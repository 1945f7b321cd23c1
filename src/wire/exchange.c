/* Requests through a link: rounds of one pipeline each, until every request has an outcome or the
 * deadline has come. In a round what is still open is sent; an answer settles its request, or leaves
 * it open for the next round. What a lost connection leaves without an answer may have been carried
 * out: it is sent again under the promise that this changes nothing, or told as unsure. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/answer.h"
#include "wire/link_state.h"

#define UNSENT_MAX ((size_t)1 << 20) /* more is queued only while less than this is unsent */
#define LOADING_MAX 8                /* scripts whose source one round remembers to have sent */
#define SOURCELESS_ROUNDS_MAX 3      /* after so many NOSCRIPTs of one request, pause too */
#define FEW 8                        /* requests that need no memory of their own */

/* One request on its way. */
typedef struct flight {
    uint64_t end; /* where it ends in the bytes queued in this round */
    bool settled; /* it has its outcome */
    bool unsure;  /* an answer to it was lost: it may have been carried out */
    int held;     /* the last "not now" it got, as an outcome; 0: none */
    int lacked;   /* how often the server lacked its script */
} flight;

/* Holds: order[heard … sent) are the requests whose answers are owed, in the order asked; `open` is
 * the number not settled; `code` is that of the first failure settled, whose text `fault` has. */
typedef struct exchange {
    dq_link *link;
    dq_request *requests;
    size_t count;
    int64_t deadline_us;
    dq_fault *fault;

    flight *flights;
    size_t *order;
    size_t open;
    int code;
    dq_fault why; /* why the last round left something open */
    int64_t attempt;

    size_t next, sent, heard; /* of this round */
    uint64_t queued;
    bool stop, pause, drop;
    bool progress;
    const dq_script *loading[LOADING_MAX];
    size_t loading_count;
    dq_args command; /* made anew for each sending; its words are the request's */

    flight few_flights[FEW];
    size_t few_order[FEW];
} exchange;

void dq_request_clear(dq_request *request)
{
    dq_args_clear(&request->args);
    freeReplyObject(request->reply);
    *request = (dq_request){0};
}

/* ---- Settling -------------------------------------------------------------------------------- */

static void settle_reply(exchange *x, size_t i, valkeyReply *reply)
{
    x->requests[i].reply = reply;
    x->requests[i].outcome = DUEQ_OK;
    x->flights[i].settled = true;
    x->open--;
}

static void settle_failed(exchange *x, size_t i, int code, const char *text)
{
    x->requests[i].outcome = code;
    x->flights[i].settled = true;
    x->open--;
    if (x->code == DUEQ_OK) {
        x->code = dq_fault_set(x->fault, code, "%s", text);
    }
}

static void settle_unsure(exchange *x, size_t i, const char *why)
{
    dq_fault told;
    dq_fault_set(&told, DUEQ_EUNSURE, "no answer, so it may or may not have been done: %s", why);
    settle_failed(x, i, DUEQ_EUNSURE, told.text);
}

/* The end for all that is still open. What an earlier answer said outweighs `code`, which is only
 * what came last; and what may have been done is never told as not done. */
static void give_up(exchange *x, int code, const char *text)
{
    for (size_t i = 0; i < x->count && x->open > 0; i++) {
        const flight *f = &x->flights[i];
        if (f->settled) {
            continue;
        }
        if (f->unsure) {
            settle_unsure(x, i, text);
        } else if (f->held != 0 && code != DUEQ_ECANCELED) {
            settle_failed(x, i, f->held,
                          x->why.code == f->held ? x->why.text : dueq_outcome_text(f->held));
        } else {
            settle_failed(x, i, code, text);
        }
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool is_loading(const exchange *x, const dq_script *script)
{
    for (size_t i = 0; i < x->loading_count; i++) {
        if (x->loading[i] == script) {
            return true;
        }
    }
    return false;
}

/* A script the server lacked is sent whole once in a round; the others find it loaded by then. A
 * request that was told so twice does not rely on that. */
static bool needs_source(exchange *x, size_t i)
{
    const dq_script *script = x->requests[i].script;
    if (x->flights[i].lacked == 0 || (x->flights[i].lacked == 1 && is_loading(x, script))) {
        return false;
    }
    if (x->loading_count < LOADING_MAX) {
        x->loading[x->loading_count++] = script;
    }
    return true;
}

static const dq_args *make_command(exchange *x, size_t i)
{
    const dq_request *request = &x->requests[i];
    if (request->script == NULL) {
        return &request->args;
    }
    dq_args *command = &x->command;
    command->count = 0;
    command->failed = request->args.failed;
    if (needs_source(x, i)) {
        dq_args_add_text(command, "EVAL");
        dq_args_add(command, request->script->source, request->script->source_len);
    } else {
        dq_args_add_text(command, "EVALSHA");
        dq_args_add_text(command, request->script->sha1);
    }
    dq_args_add_text(command, request->script->key_count);
    for (size_t k = 0; k < request->args.count; k++) {
        dq_args_add(command, request->args.words[k], request->args.lens[k]);
    }
    return command;
}

static void send_one(exchange *x, size_t i)
{
    dq_fault fault;
    dq_conn *conn = x->link->conn;
    size_t unsent = dq_conn_unsent(conn);
    int rc = dq_conn_add(conn, make_command(x, i), &fault);
    if (rc < 0) {
        settle_failed(x, i, rc, fault.text);
        return;
    }
    x->queued += dq_conn_unsent(conn) - unsent;
    x->flights[i].end = x->queued;
    x->requests[i].resent = x->flights[i].unsure;
    x->order[x->sent++] = i;
}

static bool may_send(const exchange *x)
{
    return !x->stop && x->next < x->count && dq_conn_unsent(x->link->conn) < UNSENT_MAX;
}

static void send_more(exchange *x)
{
    for (; may_send(x); x->next++) {
        if (!x->flights[x->next].settled) {
            send_one(x, x->next);
        }
    }
}

/* ---- Hearing --------------------------------------------------------------------------------- */

/* An error that leaves the request open: notes what the next round must mind. */
static void hold(exchange *x, size_t i, const dq_answer *answer, const valkeyReply *reply)
{
    flight *f = &x->flights[i];
    if (answer->remedy == DQ_REMEDY_SOURCE) {
        f->lacked++;
        x->pause = x->pause || f->lacked > SOURCELESS_ROUNDS_MAX;
        return;
    }
    f->held = dq_answer_tell(&x->why, reply->str, reply->len);
    x->stop = x->pause = true;
    x->drop = x->drop || answer->remedy == DQ_REMEDY_RECONNECT;
}

static void hear_one(exchange *x, size_t i, valkeyReply *reply)
{
    if (reply->type != VALKEY_REPLY_ERROR) {
        x->progress = true;
        settle_reply(x, i, reply);
        return;
    }
    dq_answer answer = dq_answer_of(reply->str, reply->len);
    bool stray_source = answer.remedy == DQ_REMEDY_SOURCE && x->requests[i].script == NULL;
    if (answer.remedy == DQ_REMEDY_NONE || stray_source) {
        dq_fault told;
        int code = dq_answer_tell(&told, reply->str, reply->len);
        x->progress = true;
        settle_failed(x, i, code, told.text);
    } else {
        hold(x, i, &answer, reply);
    }
    freeReplyObject(reply);
}

static int hear_all(exchange *x, dq_fault *fault)
{
    while (x->heard < x->sent) {
        valkeyReply *reply;
        int rc = dq_conn_next(x->link->conn, &reply, fault);
        if (rc < 0 || reply == NULL) {
            return rc;
        }
        hear_one(x, x->order[x->heard++], reply);
    }
    return DUEQ_OK;
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void start_round(exchange *x)
{
    x->next = x->sent = x->heard = x->loading_count = 0;
    x->queued = 0;
    x->stop = x->pause = x->drop = x->progress = false;
}

static bool round_is_over(const exchange *x)
{
    return x->heard == x->sent && (x->stop || x->next == x->count);
}

/* Sends and hears at once, so that two full buffers never wait for each other. */
static int run_round(exchange *x, dq_fault *fault)
{
    for (;;) {
        send_more(x);
        if (round_is_over(x)) {
            return DUEQ_OK;
        }
        int rc = dq_conn_pump(x->link->conn, fault);
        if (rc == DUEQ_OK) {
            rc = hear_all(x, fault);
        }
        if (rc < 0) {
            return rc;
        }
        if (round_is_over(x)) {
            return DUEQ_OK;
        }
        if (may_send(x) && dq_mono_us() < x->deadline_us) {
            continue;
        }
        if (dq_conn_wait(x->link->conn, -1, x->deadline_us) != DUEQ_OK) {
            return dq_fault_set(fault, DUEQ_ETIMEOUT, "the server did not answer in time");
        }
    }
}

/* The connection is gone. Of the answers owed, those to requests that had left whole are lost: the
 * server may have carried them out. The others cannot have been. */
static void lose_round(exchange *x)
{
    uint64_t written = x->queued - dq_conn_unsent(x->link->conn);
    for (size_t k = x->heard; k < x->sent; k++) {
        size_t i = x->order[k];
        if (x->flights[i].end > written) {
            continue;
        }
        x->flights[i].unsure = true;
        if (x->requests[i].once) {
            settle_unsure(x, i, x->why.text);
        }
    }
}

/* After a round that broke: DUEQ_OK when another is worth it. */
static int after_break(exchange *x, int code, const dq_fault *cause)
{
    x->why = *cause;
    if (code == DUEQ_EPROTO) {
        dq_link_drop(x->link);
        for (size_t i = 0; i < x->count; i++) {
            if (!x->flights[i].settled) {
                settle_failed(x, i, DUEQ_EPROTO, cause->text);
            }
        }
        return code;
    }
    lose_round(x);
    dq_link_drop(x->link);
    x->pause = true;
    if (code == DUEQ_ETIMEOUT || code == DUEQ_ENOMEM) {
        give_up(x, code, cause->text);
        return code;
    }
    return DUEQ_OK;
}

/* One round and what follows from it. Negative: all is settled. */
static int try_round(exchange *x)
{
    dq_fault cause = {0};
    int rc = dq_mono_us() < x->deadline_us
                 ? dq_link_connect(x->link, x->deadline_us, &cause)
                 : dq_fault_set(&cause, DUEQ_ETIMEOUT, "the deadline has passed");
    if (rc < 0) {
        give_up(x, rc, cause.text);
        return rc;
    }
    start_round(x);
    rc = run_round(x, &cause);
    if (rc < 0) {
        rc = after_break(x, rc, &cause);
    } else if (x->drop) {
        dq_link_drop(x->link);
    }
    return rc;
}

/* Between rounds: sleeps when the last one said so. Negative: all is settled. */
static int pause_between(exchange *x)
{
    if (x->open == 0 || !x->pause) {
        return DUEQ_OK;
    }
    x->attempt = x->progress ? 1 : x->attempt + 1;
    int rc = dq_link_pause(x->link, x->attempt, x->deadline_us);
    if (rc == DUEQ_ECANCELED) {
        give_up(x, rc, "interrupted by the caller");
    } else if (rc < 0) {
        dq_fault told;
        dq_fault_set(&told, rc, "not done in time: %s", x->why.text);
        give_up(x, rc, told.text);
    }
    return rc;
}

static bool prepare(exchange *x)
{
    x->flights = x->few_flights;
    x->order = x->few_order;
    if (x->count > FEW) {
        x->flights = calloc(x->count, sizeof *x->flights);
        x->order = calloc(x->count, sizeof *x->order);
    }
    x->open = x->count;
    for (size_t i = 0; i < x->count; i++) {
        freeReplyObject(x->requests[i].reply);
        x->requests[i].reply = NULL;
        x->requests[i].outcome = DUEQ_ENOMEM;
        x->requests[i].resent = false;
    }
    return x->flights != NULL && x->order != NULL;
}

static void finish(exchange *x)
{
    dq_args_clear(&x->command);
    if (x->count > FEW) {
        free(x->flights);
        free(x->order);
    }
}

int dq_link_exchange(dq_link *link, dq_request *requests, size_t count, int64_t deadline_us,
                     dq_fault *fault)
{
    exchange x = {
        .link = link,
        .requests = requests,
        .count = count,
        .deadline_us = deadline_us,
        .fault = fault,
    };
    if (!prepare(&x)) {
        x.code = dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
        x.open = 0;
    }
    while (x.open > 0 && try_round(&x) == DUEQ_OK && pause_between(&x) == DUEQ_OK) {}
    finish(&x);
    return x.code;
}
