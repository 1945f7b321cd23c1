/* Operations on tasks that are named by their ids: what they share. */
#ifndef DQ_QUEUE_NAMES_H
#define DQ_QUEUE_NAMES_H

#include "queue/fanout.h"

/* The start of such an operation's work; the families below expect it first. */
typedef struct dq_names {
    dueq_name *names;
} dq_names;

size_t dq_name_len(const dueq_name *name);
uint32_t dq_names_partition(const void *work, size_t item, uint32_t partition_count);
int *dq_names_outcome(void *work, size_t item);
/* Adds the ids as arguments. */
bool dq_names_encode(void *work, dq_args *args, const size_t *items, size_t count);

/* Checks the names and runs the family. */
int dq_names_run(dueq *handle, const char *queue, const dq_family *family, void *work,
                 size_t count);

#endif
