/* What an exchange is made of, for exchange.c and lane.c alone: the requests on their way, and the
 * lanes on which a round sends them, one a server. */
#ifndef DQ_WIRE_EXCHANGE_STATE_H
#define DQ_WIRE_EXCHANGE_STATE_H

#include <poll.h>

#include "wire/link_state.h"

#define DQ_LOADING_MAX 8 /* scripts whose source one round remembers to have sent to a server */

/* One request on its way. */
typedef struct dq_flight {
    uint64_t end; /* where it ends in the bytes queued in this round */
    size_t lane;
    int slot;     /* of a cluster; -1: anywhere */
    int ask;      /* the node that was named for once, by its number; 0: none */
    bool asking;  /* ASKING was sent before it, and is still to be answered */
    bool settled; /* it has its outcome */
    bool unsure;  /* an answer to it was lost: it may have been carried out */
    int held;     /* the last "not now" it got, as an outcome; 0: none */
    int lacked;   /* how often the server lacked its script */
    int redirects;
} dq_flight;

/* One server's part of a round. Holds: order[heard … sent) are the requests whose answers are owed,
 * in the order asked; order[next … count) are still to be sent; `ended` says that the connection
 * is not to be used any more in this round. The seal is sent once, behind the last of them, and so
 * answered last. */
typedef struct dq_lane {
    dq_node *node;
    size_t *order;
    size_t count, next, sent, heard;
    uint64_t queued;
    bool stop; /* sends no more in this round */
    bool drop; /* its connection is closed after the round */
    bool ended;
    const dq_script *loading[DQ_LOADING_MAX];
    size_t loading_count;
    dq_seal *seal;   /* NULL: none is to be sent */
    size_t answered; /* requests that have their reply in this round */
    bool seal_sent, seal_heard;
} dq_lane;

/* Holds: `open` is the number of requests not settled; `code` is that of the first failure settled,
 * whose text `fault` has. */
typedef struct dq_exchange {
    dq_link *link;
    dq_request *requests;
    size_t count;
    int64_t deadline_us;
    dq_fault *fault;
    dq_seal *seal; /* NULL: none */

    dq_flight *flights;
    size_t *order; /* room for the lanes' */
    dq_lane *lanes;
    struct pollfd *watched; /* one a lane */
    size_t lane_count, lane_cap;
    size_t open;
    int code;
    dq_fault why; /* why the last round left something open */
    int64_t attempt;
    bool pause, progress; /* of this round */
    dq_args command;      /* made anew for each sending; its words are the request's */
} dq_exchange;

/* ---- exchange.c: settling -------------------------------------------------------------------- */

void dq_settle_reply(dq_exchange *x, size_t i, valkeyReply *reply);
void dq_settle_failed(dq_exchange *x, size_t i, int code, const char *text);
void dq_settle_unsure(dq_exchange *x, size_t i, const char *why);

/* ---- lane.c: one server ---------------------------------------------------------------------- */

bool dq_lane_may_send(const dq_lane *lane);
bool dq_lane_is_over(const dq_lane *lane);
/* Sends and hears what goes without waiting; what breaks ends the lane. */
void dq_lane_advance(dq_exchange *x, dq_lane *lane);
/* Queues what there is room for, and writes what the socket takes; nothing is heard. */
void dq_lane_start(dq_exchange *x, dq_lane *lane);
/* The server cannot be reached: what was to go there fails, or is held for the next round. */
void dq_lane_refuse(dq_exchange *x, dq_lane *lane, int code, const dq_fault *cause);
/* The connection is gone. Of the answers owed, those to requests that had left whole are lost. */
void dq_lane_lose(dq_exchange *x, dq_lane *lane, const dq_fault *cause);

#endif
