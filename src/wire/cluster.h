/* Which node of a cluster serves which slot: asked of the nodes themselves, corrected by their
 * redirections, asked again when in doubt, never in a storm. For link.c and exchange.c. */
#ifndef DQ_WIRE_CLUSTER_H
#define DQ_WIRE_CLUSTER_H

#include "wire/link_state.h"
#include "wire/slots.h"

bool dq_cluster_make(dq_link *link); /* sets link->map; false: out of memory */
void dq_cluster_free(struct dq_map *map);

/* True when there is a map and no doubt of it, or it is too soon to ask again. */
bool dq_cluster_is_current(const dq_link *link);
/* Asks for the map, of one node after another until one tells. DUEQ_OK also when none does but an
 * older map stands; else as dq_conn_open(), or EINVAL when the servers are no cluster. */
int dq_cluster_load(dq_link *link, int64_t deadline_us, dq_fault *fault);
/* The map is in doubt: it is asked for before the next round. */
void dq_cluster_want(dq_link *link);

/* The node of a slot; of any slot for -1. NULL: none is known. */
dq_node *dq_cluster_node(const dq_link *link, int slot);
dq_node *dq_cluster_node_of(const dq_link *link, const char *key);

/* The node that a redirection names, which `from` has sent; NULL when out of memory, or when
 * there are more nodes than can be. One that is for good corrects the map too. */
dq_node *dq_cluster_follow(dq_link *link, const dq_node *from, const dq_redirect *redirect,
                           bool for_good);

#endif
