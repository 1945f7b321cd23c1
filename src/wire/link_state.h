/* What a link is made of, for link.c, cluster.c, sentinel.c, exchange.c and lane.c alone. */
#ifndef DQ_WIRE_LINK_STATE_H
#define DQ_WIRE_LINK_STATE_H

#include "wire/link.h"

/* One server. Holds: between calls `conn`, when there is one, owes no reply. */
typedef struct dq_node {
    int number; /* names it while the link lives, from 1 on; never another's */
    dq_url url; /* TCP or UNIX: this one server */
    dq_conn *conn;
    bool mapped; /* a cluster's: it serves slots, by the last map */
    int64_t used_us;
} dq_node;

/* Holds: of `map` and `sentinels` one at most is set, by the URL's kind; without a map there is
 * exactly one node (whose address the sentinels give, where there are any). */
struct dq_link {
    dq_url url;
    dq_node **nodes;
    size_t node_count;
    int last_number;
    struct dq_map *map;             /* cluster.c */
    struct dq_sentinels *sentinels; /* sentinel.c */
    bool was_connected; /* once: so the address is right, and waiting for its return makes sense */
    int64_t clock_offset_us;
    int interrupt_fd;
    dq_link_greet_fn *greet;
    void *greet_context;
};

/* ---- link.c: nodes --------------------------------------------------------------------------- */

/* A new node, not connected; NULL when out of memory. The url is copied. */
dq_node *dq_link_add_node(dq_link *link, const dq_url *url);
/* Takes it from the link, and closes its connection. */
void dq_link_remove_node(dq_link *link, size_t index);
dq_node *dq_link_find_node(const dq_link *link, int number); /* NULL: it is no more */

static inline bool dq_node_is_alive(const dq_node *node)
{
    return node->conn != NULL && dq_conn_is_alive(node->conn);
}
void dq_node_drop(dq_node *node);

/* Connects one node, once; the caller's checks are made. As dq_conn_open(). */
int dq_link_open_node(dq_link *link, dq_node *node, int64_t deadline_us, dq_fault *fault);

/* The end of one attempt to connect that begins now. */
int64_t dq_link_attempt_us(const dq_link *link, int64_t deadline_us);

/* Sleeps before the attempt after the `attempt`th, full jitter. DUEQ_OK; ETIMEOUT when the deadline
 * has come; ECANCELED when interrupted. No fault is noted. */
int dq_link_pause(dq_link *link, int64_t attempt, int64_t deadline_us);

#endif
