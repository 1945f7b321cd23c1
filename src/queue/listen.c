/* Listening for markers by BLPOP. An ear is a connection with at most one BLPOP outstanding; in a
 * cluster it has a share of the keys, mostly of one node, and goes on to the next key of its share
 * after a short while, so that every key is listened to in turn. */
#include "queue/listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/reply.h"

/* How long the server is asked to wait: where there is nothing else to listen to, before the next
 * key, and before a key that needs another connection. */
enum { LISTEN_S = 60, TURN_S = 1, MOVE_S = 5 };
/* An ear that stays silent for so much longer is given up. */
enum { SILENCE_US = 5000000 };
/* How soon a failed listening is tried again. */
enum { AGAIN_US = 1000000 };
enum { CONNECT_MS = 2000 };

/* Holds: its share are turns[at of first … end); while `listening` a BLPOP is outstanding. */
typedef struct ear {
    size_t first, end, at;
    int node; /* where conn leads */
    dq_conn *conn;
    bool listening;
    int64_t silent_until_us; /* listening: then it is given up */
    int64_t again_us;        /* else: not before */
} ear;

typedef struct turn {
    const char *key;
    int node;
} turn;

/* Holds: `turns` has every key, those of one node together; with one server there is one ear, which
 * listens to all of them at once. `planned`: the turns have their nodes and the ears their share. */
struct dq_ears {
    dq_link *link;
    turn *turns;
    size_t turn_count;
    bool planned;
    int64_t plan_again_us;
    ear ears[DQ_EARS_MAX];
    size_t count;
};

/* ---- One ear --------------------------------------------------------------------------------- */

static void stop(ear *e)
{
    dq_conn_close(e->conn);
    e->conn = NULL;
    e->listening = false;
}

/* A failure to listen is none of the wait's: it is tried again. Where keys may have moved, all are
 * given out anew; and no other ear runs into the same wall before. */
static void fail(dq_ears *ears, ear *e)
{
    int64_t again_us = dq_mono_us() + AGAIN_US;
    stop(e);
    e->again_us = again_us;
    for (size_t i = 0; i < ears->count; i++) {
        ear *other = &ears->ears[i];
        if (other->node == e->node && !other->listening) other->again_us = again_us;
    }
    dq_link_doubt(ears->link);
    if (!dq_link_is_cluster(ears->link) || !ears->planned) return;
    ears->planned = false;
    ears->plan_again_us = again_us;
}

/* The keys it listens to now: its turn's, or all of one server's. */
static size_t keys_now(const dq_ears *ears, const ear *e)
{
    return dq_link_is_cluster(ears->link) ? 1 : e->end - e->first;
}

static int listen_s(const dq_ears *ears, const ear *e)
{
    if (e->end - e->first == keys_now(ears, e)) return LISTEN_S;
    size_t next = e->at + 1 < e->end ? e->at + 1 : e->first;
    return ears->turns[next].node == e->node ? TURN_S : MOVE_S;
}

static bool send_blpop(const dq_ears *ears, ear *e, dq_fault *fault)
{
    dq_args args = {0};
    int timeout_s = listen_s(ears, e);
    dq_args_add_text(&args, "BLPOP");
    for (size_t k = 0; k < keys_now(ears, e); k++)
        dq_args_add_text(&args, ears->turns[e->at + k].key);
    dq_args_add_int(&args, timeout_s);
    bool sent = !args.failed && dq_conn_add(e->conn, &args, fault) == DUEQ_OK &&
                dq_conn_pump(e->conn, fault) == DUEQ_OK;
    dq_args_clear(&args);
    e->silent_until_us = dq_mono_us() + (int64_t)timeout_s * 1000000 + SILENCE_US;
    return sent;
}

static void open_one(dq_ears *ears, ear *e)
{
    int64_t now_us = dq_mono_us();
    if (e->listening && now_us > e->silent_until_us) stop(e);
    if (e->listening || now_us < e->again_us) return;
    dq_fault fault = {0};
    int node = ears->turns[e->at].node;
    if (e->conn && e->node != node) stop(e);
    e->node = node;
    if (!e->conn &&
        dq_link_open_extra(ears->link, node, &e->conn, dq_deadline_us(CONNECT_MS), &fault) < 0) {
        e->conn = NULL;
        fail(ears, e);
        return;
    }
    e->listening = send_blpop(ears, e, &fault);
    if (!e->listening) fail(ears, e);
}

/* ---- Who listens to what --------------------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
    return ((const turn *)a)->node - ((const turn *)b)->node;
}

/* Chance decides the order within a node: so other handles listen to other keys meanwhile. */
static void order_turns(dq_ears *ears)
{
    for (size_t i = ears->turn_count; i > 1; i--) {
        size_t j = dq_random_below(i);
        turn swapped = ears->turns[i - 1];
        ears->turns[i - 1] = ears->turns[j];
        ears->turns[j] = swapped;
    }
    for (size_t i = 0; i < ears->turn_count; i++)
        ears->turns[i].node = dq_link_node_of(ears->link, ears->turns[i].key);
    qsort(ears->turns, ears->turn_count, sizeof *ears->turns, by_node);
}

/* The ear with the longest share, if that is more than one key: it is cut in two. */
static ear *longest(dq_ears *ears)
{
    ear *found = &ears->ears[0];
    for (size_t i = 1; i < ears->count; i++) {
        ear *e = &ears->ears[i];
        if (e->end - e->first > found->end - found->first) found = e;
    }
    return found->end - found->first > 1 ? found : NULL;
}

static size_t end_of_node(const dq_ears *ears, size_t first)
{
    size_t end = first + 1;
    while (end < ears->turn_count && ears->turns[end].node == ears->turns[first].node) end++;
    return end;
}

/* A node's keys to an ear of its own while there are ears, what is left to the last; then the
 * longest shares are halved until all ears have one. */
static void share_out(dq_ears *ears)
{
    ears->count = 0;
    for (size_t first = 0; first < ears->turn_count;) {
        bool last = ears->count == DQ_EARS_MAX - 1;
        size_t end = last ? ears->turn_count : end_of_node(ears, first);
        ears->ears[ears->count++] = (ear){.first = first, .end = end, .at = first};
        first = end;
    }
    for (ear *cut; ears->count < DQ_EARS_MAX && (cut = longest(ears));) {
        size_t middle = cut->first + (cut->end - cut->first) / 2;
        ears->ears[ears->count++] = (ear){.first = middle, .end = cut->end, .at = middle};
        cut->end = middle;
    }
}

static void plan(dq_ears *ears)
{
    for (size_t i = 0; i < ears->count; i++) stop(&ears->ears[i]);
    if (dq_link_is_cluster(ears->link)) {
        dq_link_connect(ears->link, dq_deadline_us(CONNECT_MS), NULL); /* for a map that is good */
        order_turns(ears);
        share_out(ears);
    } else {
        ears->ears[0] = (ear){.end = ears->turn_count, .again_us = ears->ears[0].again_us};
        ears->count = ears->turn_count ? 1 : 0;
    }
    ears->planned = true;
}

/* ---- Making and setting ---------------------------------------------------------------------- */

dq_ears *dq_ears_make(dq_link *link)
{
    dq_ears *ears = calloc(1, sizeof *ears);
    if (ears) ears->link = link;
    return ears;
}

void dq_ears_free(dq_ears *ears)
{
    if (!ears) return;
    for (size_t i = 0; i < ears->count; i++) stop(&ears->ears[i]);
    free(ears->turns);
    free(ears);
}

bool dq_ears_set(dq_ears *ears, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < ears->count; i++) stop(&ears->ears[i]);
    free(ears->turns);
    ears->turns = calloc(count + 1, sizeof *ears->turns);
    ears->turn_count = ears->turns ? count : 0;
    ears->count = 0;
    ears->planned = false;
    for (size_t i = 0; i < ears->turn_count; i++) ears->turns[i].key = keys[i];
    return ears->turns != NULL;
}

/* ---- Listening ------------------------------------------------------------------------------- */

void dq_ears_open(dq_ears *ears)
{
    if (!ears->planned && dq_mono_us() >= ears->plan_again_us) plan(ears);
    for (size_t i = 0; i < ears->count; i++) open_one(ears, &ears->ears[i]);
}

int64_t dq_ears_open_again_us(const dq_ears *ears)
{
    int64_t earliest_us = ears->planned ? DQ_NEVER_US : ears->plan_again_us;
    for (size_t i = 0; i < ears->count; i++) {
        const ear *e = &ears->ears[i];
        int64_t at_us = e->listening ? e->silent_until_us : e->again_us;
        if (at_us < earliest_us) earliest_us = at_us;
    }
    return earliest_us;
}

bool dq_ears_are_open(const dq_ears *ears)
{
    for (size_t i = 0; i < ears->count; i++)
        if (ears->ears[i].listening) return true;
    return false;
}

size_t dq_ears_watch(const dq_ears *ears, struct pollfd watched[DQ_EARS_MAX])
{
    for (size_t i = 0; i < ears->count; i++) {
        const ear *e = &ears->ears[i];
        watched[i] = (struct pollfd){.fd = -1};
        if (e->listening)
            watched[i] =
                (struct pollfd){.fd = dq_conn_fd(e->conn), .events = dq_conn_events(e->conn)};
    }
    return ears->count;
}

/* One answer, if it has come: {key, value} is a marker, nil the end of the turn. True: a marker. */
static bool hear_one(dq_ears *ears, ear *e, dq_ears_marker_fn *marker, void *context)
{
    dq_fault fault = {0};
    valkeyReply *reply = NULL;
    if (dq_conn_pump(e->conn, &fault) < 0 || dq_conn_next(e->conn, &reply, &fault) < 0) {
        fail(ears, e);
        return false;
    }
    if (!reply) return false;
    e->listening = false;
    const valkeyReply *key = dq_reply_at(reply, 0);
    bool marked = dq_reply_count(reply) == 2 && dq_reply_is_text(key);
    if (marked) marker(context, key->str, key->len);
    if (reply->type == VALKEY_REPLY_ERROR) fail(ears, e);
    if (!marked && dq_link_is_cluster(ears->link))
        e->at = e->at + 1 < e->end ? e->at + 1 : e->first;
    freeReplyObject(reply);
    return marked;
}

size_t dq_ears_hear(dq_ears *ears, dq_ears_marker_fn *marker, void *context)
{
    size_t count = 0;
    for (size_t i = 0; i < ears->count; i++)
        if (ears->ears[i].listening) count += hear_one(ears, &ears->ears[i], marker, context);
    return count;
}

/* ---- Closing --------------------------------------------------------------------------------- */

/* Has the servers end what is outstanding, by commands on the handle's own connections. Those that
 * cannot be told lose their connection. */
static void unblock_all(dq_ears *ears, int64_t deadline_us)
{
    dq_request requests[DQ_EARS_MAX] = {{0}};
    ear *asked[DQ_EARS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < ears->count; i++) {
        ear *e = &ears->ears[i];
        int64_t client_id = e->listening ? dq_conn_client_id(e->conn) : 0;
        if (e->listening && !client_id) stop(e);
        if (!client_id) continue;
        dq_request *request = &requests[count];
        *request = (dq_request){.once = true, .brief = true, .node = e->node};
        dq_args_add_text(&request->args, "CLIENT");
        dq_args_add_text(&request->args, "UNBLOCK");
        dq_args_add_int(&request->args, client_id);
        asked[count++] = e;
    }
    dq_fault fault = {0};
    if (count) dq_link_exchange(ears->link, requests, count, deadline_us, &fault);
    for (size_t i = 0; i < count; i++) {
        if (requests[i].outcome < 0) stop(asked[i]);
        dq_request_clear(&requests[i]);
    }
}

void dq_ears_close(dq_ears *ears, int64_t deadline_us, dq_ears_marker_fn *marker, void *context)
{
    if (!dq_ears_are_open(ears)) return;
    unblock_all(ears, deadline_us);
    struct pollfd watched[DQ_EARS_MAX];
    dq_ears_hear(ears, marker, context);
    while (dq_ears_are_open(ears) && dq_mono_us() < deadline_us) {
        poll(watched, dq_ears_watch(ears, watched), dq_poll_ms(deadline_us));
        dq_ears_hear(ears, marker, context);
    }
    for (size_t i = 0; i < ears->count; i++)
        if (ears->ears[i].listening) stop(&ears->ears[i]);
}
