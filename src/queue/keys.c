/* The names of a partition's keys: PREFIX:{QUEUE:PARTITION}:KEY, all in one cluster slot; and
 * which keys can share a slot with another's. */
#include "queue/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

bool dq_keys_make(dq_keys *keys, const char *prefix, const char *queue, uint32_t partition)
{
    *keys = (dq_keys){0};
    for (int i = 0; i < DQ_KEY_COUNT; i++) {
        if (asprintf(&keys->name[i], "%s:{%s:%u}:%s", prefix, queue, partition, dq_key_names[i]) <
            0) {
            keys->name[i] = NULL;
            return false;
        }
    }
    return true;
}

void dq_keys_clear(dq_keys *keys)
{
    for (int i = 0; i < DQ_KEY_COUNT; i++) free(keys->name[i]);
    *keys = (dq_keys){0};
}

/* From the first brace to the next closing one, with something between. */
bool dq_key_has_tag(const char *key)
{
    const char *open = strchr(key, '{');
    const char *close = open ? strchr(open, '}') : NULL;
    return close && close > open + 1;
}

bool dq_key_has_neighbour(const char *key)
{
    return dq_key_has_tag(key) || !strchr(key, '}');
}

uint32_t dq_partition_of(const void *id, size_t id_len, uint32_t partition_count)
{
    return dq_crc16(id, id_len) % partition_count;
}
