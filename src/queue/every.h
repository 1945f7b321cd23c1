/* One script on every partition of a queue. */
#ifndef DQ_QUEUE_EVERY_H
#define DQ_QUEUE_EVERY_H

#include "queue/handle.h"

typedef struct dq_every {
    const dq_script *script;
    bool reads; /* changes nothing */
    /* Adds the arguments after the partitions' count; NULL: there are none. */
    bool (*encode)(void *work, dq_args *args);
    /* Takes one partition's answer. DUEQ_OK, or what the whole call is to end with. */
    int (*decode)(void *work, uint32_t partition, const valkeyReply *reply);
} dq_every;

/* Runs it, pipelined. Every partition is answered once. DUEQ_OK, DUEQ_MISSING when there is no such
 * queue, the first other answer of decode, or the first failure. */
int dq_every_partition(dueq *handle, const char *name, const dq_every *every, void *work,
                       int64_t deadline_us);

#endif
