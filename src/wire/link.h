/* A server that is kept within reach, or a cluster of them: opens connections, reconnects with full
 * jitter, sends a pipeline of requests to each and sends again what was certainly not applied, or is
 * safe to send twice, until the deadline. Knows scripts as things to send, nothing of queues. */
#ifndef DQ_WIRE_LINK_H
#define DQ_WIRE_LINK_H

#include "wire/conn.h"
#include "wire/script.h"
#include "wire/seal.h"

/* One command or one script call, and what became of it. Zero it, fill script and args. */
typedef struct dq_request {
    const dq_script *script; /* sent as EVALSHA, as EVAL where the server lacks it; NULL: plain */
    dq_args args;            /* a script's keys and arguments; or a whole plain command */
    size_t more_keys;        /* keys that follow those that the script names */
    bool once;               /* never send again when an answer was lost: EUNSURE instead */
    bool brief;              /* do not wait for a server that cannot now: one round, then told */
    bool splits;             /* do not wait while a move of its slot has its keys apart: told */
    const char *key;         /* of a plain command: where it goes in a cluster; NULL: anywhere */
    int node;                /* in place of the key: this node and no other; 0: none */

    valkeyReply *reply; /* out: the answer, not an error; freed by dq_request_clear() */
    int outcome;        /* out: DUEQ_OK when `reply` is set, else negative */
    bool resent;        /* out: an earlier sending's answer was lost, so it may have run before */
    bool apart;         /* out: it splits, and its keys are apart; the outcome is EUNREADY */
} dq_request;

void dq_request_clear(dq_request *request);

typedef struct dq_link dq_link;

/* Takes a copy of what it needs of the url (of any kind but LOCAL). Connects on first use. NULL when out of
 * memory. */
dq_link *dq_link_make(const dq_url *url);
void dq_link_free(dq_link *link); /* NULL is fine */

/* Connects now if it is not connected; to a cluster: learns who serves what. */
int dq_link_connect(dq_link *link, int64_t deadline_us, dq_fault *fault);

/* Sends all requests in one pipeline to each server (bounded in what is buffered), to all at once, and
 * waits for every answer, within the deadline and with retries as said above. A script goes to
 * where its first key is. DUEQ_OK when every request has a reply; else the first
 * failure, with each request's own outcome set. */
int dq_link_exchange(dq_link *link, dq_request *requests, size_t count, int64_t deadline_us,
                     dq_fault *fault);

/* The same, and each server that the requests go to is asked, right behind them and on the same
 * connection, how far what they wrote has got; seal NULL: not. What becomes of the requests does not
 * depend on the answer: a lost one, or one to a request that had to be sent again, means "unknown". */
int dq_link_exchange_sealed(dq_link *link, dq_request *requests, size_t count, dq_seal *seal,
                            int64_t deadline_us, dq_fault *fault);

/* ---- The servers themselves ------------------------------------------------------------------ */

/* Whether keys may lie on different servers, so that one command takes keys of one slot alone. */
bool dq_link_is_cluster(const dq_link *link);
/* The number of the node that serves a key, as far as is known; 0: none is known. */
int dq_link_node_of(dq_link *link, const char *key);
/* The numbers of all nodes that serve keys, `max` at most; returns how many there are. */
size_t dq_link_nodes(const dq_link *link, int *numbers, size_t max);
/* Where the node of a number is, for messages. Returns `text`. */
char *dq_link_place(const dq_link *link, int number, char text[DQ_URL_PLACE_MAX]);

/* A connection of its own to a node (0: to the one server), to block on; the caller's to close. */
int dq_link_open_extra(dq_link *link, int number, dq_conn **conn, int64_t deadline_us,
                       dq_fault *fault);
/* Such a connection has failed: who serves what is asked again before the next exchange. */
void dq_link_doubt(dq_link *link);

/* Closes all connections; they are made again when there is something to send. */
void dq_link_hang_up(dq_link *link);

/* The server's clock now, ms since the epoch, as near as the last greeting tells. Display only. */
int64_t dq_link_server_ms(const dq_link *link);

/* Waits between retries end early, with DUEQ_ECANCELED, once this descriptor is readable; -1: none. */
void dq_link_set_interrupt_fd(dq_link *link, int fd);

/* Called once after each successful connecting, before any request is sent; a failure it returns is
 * the connect's. For checks such as the eviction policy. */
typedef int dq_link_greet_fn(void *context, dq_conn *conn, int64_t deadline_us, dq_fault *fault);
void dq_link_on_connect(dq_link *link, dq_link_greet_fn *greet, void *context);

#endif
