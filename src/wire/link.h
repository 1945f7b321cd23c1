/* A server that is kept within reach: opens connections, reconnects with full jitter, sends a
 * pipeline of requests and sends again what was certainly not applied, or is safe to send twice,
 * until the deadline. Knows scripts as things to send, nothing of queues. */
#ifndef DQ_WIRE_LINK_H
#define DQ_WIRE_LINK_H

#include "wire/conn.h"
#include "wire/script.h"

/* One command or one script call, and what became of it. Zero it, fill script and args. */
typedef struct dq_request {
    const dq_script *script; /* sent as EVALSHA, as EVAL where the server lacks it; NULL: plain */
    dq_args args;            /* a script's keys and arguments; or a whole plain command */
    bool once;               /* never send again when an answer was lost: EUNSURE instead */

    valkeyReply *reply; /* out: the answer, not an error; freed by dq_request_clear() */
    int outcome;        /* out: DUEQ_OK when `reply` is set, else negative */
    bool resent;        /* out: an earlier sending's answer was lost, so it may have run before */
} dq_request;

void dq_request_clear(dq_request *request);

typedef struct dq_link dq_link;

/* Takes a copy of what it needs of the url (kind TCP or UNIX). Connects on first use. NULL when out of
 * memory. */
dq_link *dq_link_make(const dq_url *url);
void dq_link_free(dq_link *link); /* NULL is fine */

/* Connects now if it is not connected. */
int dq_link_connect(dq_link *link, int64_t deadline_us, dq_fault *fault);

/* Sends all requests in one pipeline (bounded in what is buffered) and waits for every answer,
 * within the deadline and with retries as said above. DUEQ_OK when every request has a reply; else the first
 * failure, with each request's own outcome set. */
int dq_link_exchange(dq_link *link, dq_request *requests, size_t count, int64_t deadline_us,
                     dq_fault *fault);

/* A connection of its own beside the link's, to block on; the caller's to close. */
int dq_link_open_extra(dq_link *link, dq_conn **conn, int64_t deadline_us, dq_fault *fault);

/* The server's clock now, ms since the epoch, as near as the last greeting tells. Display only. */
int64_t dq_link_server_ms(const dq_link *link);

/* Waits between retries end early, with DUEQ_ECANCELED, once this descriptor is readable; -1: none. */
void dq_link_set_interrupt_fd(dq_link *link, int fd);

/* Called once after each successful connecting, before any request is sent; a failure it returns is
 * the connect's. For checks such as the eviction policy. */
typedef int dq_link_greet_fn(void *context, dq_conn *conn, int64_t deadline_us, dq_fault *fault);
void dq_link_on_connect(dq_link *link, dq_link_greet_fn *greet, void *context);

#endif
