/* Receipts: the opaque texts that name a partition, a task and a lease (doc/protocol.md). Pure. */
#ifndef DQ_QUEUE_RECEIPT_H
#define DQ_QUEUE_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dueq.h"

typedef struct dq_receipt {
    uint32_t partition;
    size_t id_len;
    char id[DUEQ_ID_MAX];
    char lease[20]; /* the score that proves it, as decimal text */
} dq_receipt;

/* Writes at most DUEQ_RECEIPT_MAX characters and a NUL. The lease is decimal digits. */
void dq_receipt_write(char out[DUEQ_RECEIPT_MAX + 1], const char *queue, const dq_receipt *receipt);

/* False when the text is no receipt of that queue: cut, altered, or another queue's. */
bool dq_receipt_read(dq_receipt *receipt, const char *queue, const char *text);

#endif
