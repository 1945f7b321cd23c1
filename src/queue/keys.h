/* The names of a partition's keys, and which partition an id belongs to. */
#ifndef DQ_QUEUE_KEYS_H
#define DQ_QUEUE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "scripts.h"

/* The keys of one partition, in the order of enum dq_key; texts are owned. */
typedef struct dq_keys {
    char *name[DQ_KEY_COUNT];
} dq_keys;

/* False when out of memory; clear in either case. */
bool dq_keys_make(dq_keys *keys, const char *prefix, const char *queue, uint32_t partition);
void dq_keys_clear(dq_keys *keys);

/* Of a key that is not ours: whether it has a hash tag, as Redis Cluster finds it. Another key in its slot
 * holds the tag, or else the key in braces; there is none where it has a closing brace, but no tag. */
bool dq_key_has_tag(const char *key);
bool dq_key_has_neighbour(const char *key);

uint32_t dq_partition_of(const void *id, size_t id_len, uint32_t partition_count);

#endif
