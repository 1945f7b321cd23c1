/* Building the batches that take, get and list give away. Payloads are not copied: a batch keeps
 * the server's replies and points into them. */
#ifndef DQ_QUEUE_BATCH_H
#define DQ_QUEUE_BATCH_H

#include <valkey/valkey.h>

#include "dueq.h"

/* Holds: pub.tasks is `tasks`, and all that they point to is in `replies` or `blocks`. */
typedef struct dq_batch {
    dueq_batch pub;
    dueq_task *tasks;
    size_t task_cap;
    valkeyReply **replies;
    size_t reply_count;
    struct dq_batch_block *blocks;
} dq_batch;

dq_batch *dq_batch_make(void); /* NULL: out of memory */

/* Takes a reply over; it is freed with the batch. False: out of memory, and the reply is freed. */
bool dq_batch_keep(dq_batch *batch, valkeyReply *reply);

/* What is known of one task, to be added to a batch. Texts are borrowed from kept replies. */
typedef struct dq_found {
    const valkeyReply *id;
    const char *id_bytes; /* in place of `id`: copied into the batch */
    size_t id_len;
    const valkeyReply *record;
    const valkeyReply *tries; /* NULL or nil: none */
} dq_found;

/* Adds a task with its id, payload, headers, failures (in `attempt`) and last error; the rest of
 * *added is for the caller to fill. DUEQ_OK, DUEQ_ECORRUPT when the record cannot be read, or
 * DUEQ_ENOMEM. */
int dq_batch_add(dq_batch *batch, const dq_found *found, dueq_task **added);

/* Memory that lives as long as the batch; NULL: out of memory. */
char *dq_batch_room(dq_batch *batch, size_t len);

#endif
