/* The cluster's arithmetic: which slot a key is in, and what CLUSTER SLOTS and redirections say of
 * who serves it. Pure: opens nothing, believes no answer's shape. */
#ifndef DQ_WIRE_SLOTS_H
#define DQ_WIRE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <valkey/valkey.h>

#define DQ_SLOT_COUNT 16384
#define DQ_SLOT_HOST_MAX 255

/* The slot of a key: of what stands between its first '{' and the next '}' where that is not empty,
 * of the whole key otherwise. */
int dq_slot_of(const char *key, size_t len);

/* A run of slots and its master. `host` is "" where the node does not know its own address, or will
 * not say: then it is at the host that was asked. */
typedef struct dq_slot_run {
    int first, last;
    char host[DQ_SLOT_HOST_MAX + 1];
    int port;
} dq_slot_run;

/* Reads the `i`th run of an answer to CLUSTER SLOTS; false when it is not one. */
bool dq_slot_run_read(dq_slot_run *run, const valkeyReply *answer, size_t i);

/* "MOVED 3999 host:port" or "ASK …": where a slot is. `host` as above. */
typedef struct dq_redirect {
    int slot;
    char host[DQ_SLOT_HOST_MAX + 1];
    int port;
} dq_redirect;

bool dq_redirect_read(dq_redirect *redirect, const char *text, size_t len);

#endif
