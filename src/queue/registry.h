/* The registry's entries, for those who change queues. */
#ifndef DQ_QUEUE_REGISTRY_H
#define DQ_QUEUE_REGISTRY_H

#include "queue/handle.h"
#include "queue/settings.h"

/* The settings of a queue as registered. DUEQ_OK, DUEQ_MISSING or negative. */
int dq_registry_read(dueq *handle, const char *name, int64_t deadline_us, dq_settings *stored);

/* "HSET" or "HSETNX" of a queue's entry. DUEQ_OK, DUEQ_EXISTS (HSETNX only) or negative. */
int dq_registry_write(dueq *handle, const char *command, const char *name,
                      const dq_settings *stored, int64_t deadline_us);

/* Removes the entry. */
int dq_registry_remove(dueq *handle, const char *name, int64_t deadline_us);

/* Looks up, by one command, those of the queues that the handle does not know. What is not to be
 * found there is left for dq_queue_find() to say. DUEQ_OK or negative. */
int dq_queues_learn(dueq *handle, const dueq_queue_counts *queues, size_t count,
                    int64_t deadline_us);

#endif
