/* One operation over many items: grouped by partition, cut into script calls, pipelined, and the
 * answers given back to each item. What differs between operations is a family of small
 * functions. */
#ifndef DQ_QUEUE_FANOUT_H
#define DQ_QUEUE_FANOUT_H

#include "queue/handle.h"

/* Limits of one script call, below what servers and Lua allow. */
#define DQ_CALL_ITEMS_MAX 1000
#define DQ_CALL_BYTES_MAX (4 << 20)

/* The outcome of an item that has none yet: it is asked for again. None of dueq.h's. */
#define DQ_PENDING (-200)

/* How an operation deals with its items; `work` is the operation's own, items are 0 … count-1. */
typedef struct dq_family {
    const dq_script *script;
    int absent; /* an item's outcome when there is no such queue; DUEQ_OK: make the queue */
    bool reads; /* changes nothing */

    uint32_t (*partition)(const void *work, size_t item, uint32_t partition_count);
    size_t (*size)(const void *work, size_t item); /* bytes to send; NULL: small */
    /* Adds keys after the partition's; returns how many. NULL: none. */
    size_t (*add_keys)(void *work, dq_args *args, const size_t *items, size_t count);
    /* Adds the arguments after the partitions' count. False: out of memory. */
    bool (*encode)(void *work, dq_args *args, const size_t *items, size_t count);
    /* Gives request->reply to the items; returns how many of the first ones it answered (the others
     * are asked for again) or a negative outcome. NULL: the usual list of outcomes. May keep the
     * reply by setting request->reply to NULL, and may leave an item at DQ_PENDING. */
    int (*decode)(void *work, dq_request *request, const size_t *items, size_t count);
    /* What an outcome that a script gave means; resent: the same call may have run before. NULL:
     * what it says. */
    int (*meaning)(int outcome, bool resent);
    int *(*outcome)(void *work, size_t item);
} dq_family;

/* Runs the operation within the deadline. Every item's outcome is set. DUEQ_OK, the first
 * positive outcome of an item, or the first failure. */
int dq_fanout(dueq *handle, const char *name, const dq_family *family, void *work, size_t count,
              int64_t deadline_us);

/* Starts a request for a script on a partition: its keys and the partitions' count. */
bool dq_request_begin(dq_request *request, const dq_script *script, const dq_queue *queue,
                      uint32_t partition);

#endif
