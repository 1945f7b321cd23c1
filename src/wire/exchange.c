/* Requests through a link: rounds, until every request has an outcome or the deadline has come. In a
 * round what is still open goes to the servers it belongs to, to all of them at once, in one pipeline
 * each (lane.c). What may have been carried out is sent again under the promise that this changes
 * nothing, or told as unsure. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/cluster.h"
#include "wire/exchange_state.h"
#include "wire/socket.h"

#define FEW 8 /* requests that need no memory of their own */

void dq_request_clear(dq_request *request)
{
    dq_args_clear(&request->args);
    freeReplyObject(request->reply);
    *request = (dq_request){0};
}

/* ---- Settling -------------------------------------------------------------------------------- */

void dq_settle_reply(dq_exchange *x, size_t i, valkeyReply *reply)
{
    x->requests[i].reply = reply;
    x->requests[i].outcome = DUEQ_OK;
    x->flights[i].settled = true;
    x->open--;
}

void dq_settle_failed(dq_exchange *x, size_t i, int code, const char *text)
{
    x->requests[i].outcome = code;
    x->flights[i].settled = true;
    x->open--;
    if (x->code == DUEQ_OK) {
        x->code = dq_fault_set(x->fault, code, "%s", text);
    }
}

void dq_settle_unsure(dq_exchange *x, size_t i, const char *why)
{
    dq_fault told;
    dq_fault_set(&told, DUEQ_EUNSURE, "no answer, so it may or may not have been done: %s", why);
    dq_settle_failed(x, i, DUEQ_EUNSURE, told.text);
}

/* The end for one request that is still open. What an earlier answer said outweighs `code`, which
 * is only what came last; and what may have been done is never told as not done. */
static void give_up_one(dq_exchange *x, size_t i, int code, const char *text)
{
    const dq_flight *flight = &x->flights[i];
    if (flight->unsure) {
        dq_settle_unsure(x, i, text);
    } else if (flight->held != 0 && code != DUEQ_ECANCELED) {
        dq_settle_failed(x, i, flight->held,
                         x->why.code == flight->held ? x->why.text
                                                     : dueq_outcome_text(flight->held));
    } else {
        dq_settle_failed(x, i, code, text);
    }
}

static void give_up(dq_exchange *x, int code, const char *text)
{
    for (size_t i = 0; i < x->count && x->open > 0; i++) {
        if (!x->flights[i].settled) {
            give_up_one(x, i, code, text);
        }
    }
}

/* The same for those that are not to be waited for. */
static void give_up_brief(dq_exchange *x)
{
    int code = x->why.code < 0 ? x->why.code : DUEQ_EUNREADY;
    for (size_t i = 0; i < x->count && x->open > 0; i++) {
        if (!x->flights[i].settled && x->requests[i].brief) {
            give_up_one(x, i, code, x->why.text);
        }
    }
}

/* ---- Which request goes where ---------------------------------------------------------------- */

/* The slot of a request, -1 when any node will do. */
static int slot_of(const dq_request *request)
{
    if (request->script != NULL && request->args.count > 0) {
        return dq_slot_of(request->args.words[0], request->args.lens[0]);
    }
    return request->key == NULL ? -1 : dq_slot_of(request->key, strlen(request->key));
}

static const dq_node *route(const dq_exchange *x, size_t i)
{
    const dq_flight *flight = &x->flights[i];
    if (x->link->map == NULL) {
        return x->link->nodes[0];
    }
    if (x->requests[i].node != 0) {
        return dq_link_find_node(x->link, x->requests[i].node);
    }
    const dq_node *asked = flight->ask == 0 ? NULL : dq_link_find_node(x->link, flight->ask);
    return asked != NULL ? asked : dq_cluster_node(x->link, flight->slot);
}

/* A request that has nowhere to go in this round. */
static void strand(dq_exchange *x, size_t i)
{
    if (x->requests[i].node != 0) {
        dq_settle_failed(x, i, DUEQ_ECONNECT, "the node has left the cluster");
        return;
    }
    x->flights[i].held = dq_fault_set(&x->why, DUEQ_EUNREADY,
                                      "no node of the cluster serves slot %d", x->flights[i].slot);
    x->pause = true;
    dq_link_doubt(x->link);
}

static bool make_lanes(dq_exchange *x)
{
    if (x->link->node_count > x->lane_cap) {
        size_t cap = x->link->node_count + 4;
        if (x->lane_cap > 1) {
            free(x->lanes);
            free(x->watched);
        }
        x->lanes = calloc(cap, sizeof *x->lanes);
        x->watched = calloc(cap, sizeof *x->watched);
        x->lane_cap = cap;
    }
    x->lane_count = x->link->node_count;
    for (size_t l = 0; x->lanes != NULL && l < x->lane_count; l++) {
        x->lanes[l] = (dq_lane){.node = x->link->nodes[l], .seal = x->seal};
    }
    return x->lanes != NULL && x->watched != NULL;
}

static size_t lane_of(const dq_exchange *x, const dq_node *node)
{
    for (size_t lane = 0; lane < x->lane_count; lane++) {
        if (x->lanes[lane].node == node) return lane;
    }
    abort(); /* every node of the link has its lane */
}

/* Counts each lane's requests, gives each its room in `order`, and fills it: so every lane sends
 * in the order of the requests. */
static void fill_lanes(dq_exchange *x)
{
    const dq_node *last = NULL;
    size_t lane = 0, start = 0;
    for (size_t i = 0; i < x->count; i++) {
        const dq_node *node = x->flights[i].settled ? NULL : route(x, i);
        x->flights[i].lane = SIZE_MAX;
        if (node == NULL) {
            if (!x->flights[i].settled) {
                strand(x, i);
            }
            continue;
        }
        lane = node == last ? lane : lane_of(x, node); /* neighbours often go together */
        last = node;
        x->flights[i].lane = lane;
        x->lanes[lane].count++;
    }
    for (size_t l = 0; l < x->lane_count; l++) {
        x->lanes[l].order = x->order + start;
        start += x->lanes[l].count;
    }
    for (size_t i = 0; i < x->count; i++) {
        if (x->flights[i].lane != SIZE_MAX) {
            dq_lane *to = &x->lanes[x->flights[i].lane];
            to->order[to->next++] = i;
        }
    }
    for (size_t l = 0; l < x->lane_count; l++) {
        x->lanes[l].next = 0;
        x->lanes[l].ended = x->lanes[l].count == 0;
    }
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

/* A cluster's nodes are connected to when something goes there: those that are get their requests
 * before the others are waited for. */
static void open_lanes(dq_exchange *x)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        dq_lane *lane = &x->lanes[l];
        if (!lane->ended && dq_node_is_alive(lane->node)) {
            dq_lane_start(x, lane);
        } else if (!lane->ended) {
            dq_node_drop(lane->node);
        }
    }
    for (size_t l = 0; l < x->lane_count; l++) {
        dq_lane *lane = &x->lanes[l];
        dq_fault cause = {0};
        int rc = lane->ended || lane->node->conn != NULL
                     ? DUEQ_OK
                     : dq_link_open_node(x->link, lane->node, x->deadline_us, &cause);
        if (rc < 0) {
            dq_lane_refuse(x, lane, rc, &cause);
        }
    }
}

static bool round_is_over(const dq_exchange *x)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        if (!dq_lane_is_over(&x->lanes[l])) {
            return false;
        }
    }
    return true;
}

static bool may_send(const dq_exchange *x)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        if (dq_lane_may_send(&x->lanes[l])) {
            return true;
        }
    }
    return false;
}

/* When every request has its outcome, only seals are waited for: not longer than they are given. */
static int64_t round_deadline_us(const dq_exchange *x)
{
    bool only_seals = x->open == 0 && x->seal != NULL;
    return only_seals ? dq_seal_limit_us(x->seal, x->deadline_us) : x->deadline_us;
}

static int wait_for_lanes(const dq_exchange *x)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        const dq_conn *conn = dq_lane_is_over(&x->lanes[l]) ? NULL : x->lanes[l].node->conn;
        x->watched[l] = (struct pollfd){.fd = -1};
        if (conn != NULL) {
            x->watched[l].fd = dq_conn_fd(conn);
            x->watched[l].events = dq_conn_events(conn);
        }
    }
    return dq_socket_wait_any(x->watched, x->lane_count, round_deadline_us(x));
}

/* The deadline came first: what is owed is lost, and so is its connection. */
static void cut_round(dq_exchange *x, const dq_fault *cause)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        if (!dq_lane_is_over(&x->lanes[l])) {
            dq_lane_lose(x, &x->lanes[l], cause);
        }
    }
}

static int run_round(dq_exchange *x, dq_fault *fault)
{
    for (;;) {
        for (size_t l = 0; l < x->lane_count; l++) {
            if (!dq_lane_is_over(&x->lanes[l])) {
                dq_lane_advance(x, &x->lanes[l]);
            }
        }
        if (round_is_over(x)) {
            return DUEQ_OK;
        }
        if (may_send(x) && dq_mono_us() < x->deadline_us) {
            continue;
        }
        if (wait_for_lanes(x) != DUEQ_OK) {
            dq_fault_set(fault, DUEQ_ETIMEOUT, "the server did not answer in time");
            cut_round(x, fault);
            return DUEQ_ETIMEOUT;
        }
    }
}

/* Connections that are not to be used again. */
static void drop_left(dq_exchange *x)
{
    for (size_t l = 0; l < x->lane_count; l++) {
        if (x->lanes[l].drop) {
            dq_node_drop(x->lanes[l].node);
        }
    }
}

/* One round and what follows from it. Negative: all is settled. */
static int try_round(dq_exchange *x)
{
    dq_fault cause = {0};
    int rc = dq_mono_us() < x->deadline_us
                 ? dq_link_connect(x->link, x->deadline_us, &cause)
                 : dq_fault_set(&cause, DUEQ_ETIMEOUT, "the deadline has passed");
    if (rc == DUEQ_OK && !make_lanes(x)) {
        rc = dq_fault_set(&cause, DUEQ_ENOMEM, "out of memory");
    }
    if (rc == DUEQ_OK) {
        x->pause = x->progress = false;
        fill_lanes(x);
        if (x->link->map != NULL) {
            open_lanes(x);
        }
        rc = run_round(x, &cause);
        drop_left(x);
    }
    if (rc < 0) {
        give_up(x, rc, cause.text);
    }
    return rc;
}

/* Between rounds: sleeps when the last one said so. Negative: all is settled. */
static int pause_between(dq_exchange *x)
{
    if (x->open > 0 && x->pause) {
        give_up_brief(x);
    }
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

/* ---- The whole ------------------------------------------------------------------------------- */

static bool prepare(dq_exchange *x)
{
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
    if (x->flights == NULL || x->order == NULL) {
        return false;
    }
    for (size_t i = 0; i < x->count && x->link->map != NULL; i++) {
        x->flights[i].slot = slot_of(&x->requests[i]);
    }
    return true;
}

static void finish(dq_exchange *x)
{
    dq_args_clear(&x->command);
    if (x->count > FEW) {
        free(x->flights);
        free(x->order);
    }
    if (x->lane_cap > 1) {
        free(x->lanes);
        free(x->watched);
    }
}

int dq_link_exchange(dq_link *link, dq_request *requests, size_t count, int64_t deadline_us,
                     dq_fault *fault)
{
    return dq_link_exchange_sealed(link, requests, count, NULL, deadline_us, fault);
}

int dq_link_exchange_sealed(dq_link *link, dq_request *requests, size_t count, dq_seal *seal,
                            int64_t deadline_us, dq_fault *fault)
{
    dq_flight few_flights[FEW] = {{0}};
    size_t few_order[FEW];
    dq_lane one_lane;
    struct pollfd one_watched;
    dq_exchange x = {
        .link = link,
        .requests = requests,
        .count = count,
        .deadline_us = deadline_us,
        .fault = fault,
        .seal = seal,
        .flights = few_flights,
        .order = few_order,
        .lanes = &one_lane,
        .watched = &one_watched,
        .lane_cap = 1,
    };
    if (!prepare(&x)) {
        x.code = dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
        x.open = 0;
    }
    while (x.open > 0 && try_round(&x) == DUEQ_OK && pause_between(&x) == DUEQ_OK) {}
    finish(&x);
    return x.code;
}
