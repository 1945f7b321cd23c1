/* The master that sentinels watch: asked of them when connecting, and now and then while connected,
 * so that a master that was replaced is left even if it does not know it yet. For link.c. */
#ifndef DQ_WIRE_SENTINEL_H
#define DQ_WIRE_SENTINEL_H

#include "wire/link_state.h"

bool dq_sentinels_make(dq_link *link); /* sets link->sentinels; false: out of memory */
void dq_sentinels_free(struct dq_sentinels *sentinels);

/* Finds the master, connects the link's node to it, and sees that it is one. As dq_conn_open(), and
 *   ECONNECT   no sentinel can be reached, or none knows such a master
 *   EREADONLY  the server they name is not a master (yet, or any more) */
int dq_sentinels_connect(dq_link *link, int64_t deadline_us, dq_fault *fault);

/* Whether the sentinels name another master by now. Mostly answers without asking. */
bool dq_sentinels_moved(dq_link *link);
/* They are asked the next time. */
void dq_sentinels_doubt(dq_link *link);

#endif
