/* What a link is made of, for link.c and exchange.c alone. */
#ifndef DQ_WIRE_LINK_STATE_H
#define DQ_WIRE_LINK_STATE_H

#include "wire/link.h"

/* Holds: between calls `conn`, when there is one, owes no reply. */
struct dq_link {
    dq_url url;
    dq_conn *conn;      /* NULL: not connected */
    bool was_connected; /* once: so the address is right, and waiting for its return makes sense */
    int64_t clock_offset_us;
    int interrupt_fd;
    dq_link_greet_fn *greet;
    void *greet_context;
};

void dq_link_drop(dq_link *link);

/* Sleeps before the attempt after the `attempt`th, full jitter. DUEQ_OK; ETIMEOUT when the deadline
 * has come; ECANCELED when interrupted. No fault is noted. */
int dq_link_pause(dq_link *link, int64_t attempt, int64_t deadline_us);

#endif
