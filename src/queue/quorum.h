/* A handle on several independent servers: who they are, and which of them failed lately. */
#ifndef DQ_QUEUE_QUORUM_H
#define DQ_QUEUE_QUORUM_H

#include "queue/handle.h"

/* One server of several. It is asked by its own handle, which connects when it is used. */
typedef struct dq_member {
    dueq *server;
    int64_t failures;      /* in a row */
    int64_t away_until_us; /* it failed lately: until then the others are asked first */
} dq_member;

void dq_members_free(dq_member *members, size_t count);

/* A handle of the same settings on the same servers. *made as of dq_handle_twin(). */
int dq_quorum_twin(dueq **made, const dueq *of);

/* More than half of the servers. */
size_t dq_quorum_of(size_t server_count);

/* A handle's servers; one on a single server is its own only one. */
size_t dq_server_count(const dueq *handle);
dueq *dq_server_at(dueq *handle, size_t index);

/* Whether a server is better left alone for now; and what an exchange with it tells of that. */
bool dq_server_is_away(const dueq *handle, size_t index);
void dq_server_told(dueq *handle, size_t index, int outcome);

#endif
