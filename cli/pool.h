/* A pool of memory that is given back all at once: whatever belongs to one batch of a bulk push
 * lives in one, so that nothing of it has to be freed by hand. */
#ifndef DUEQ_CLI_POOL_H
#define DUEQ_CLI_POOL_H

#include <stddef.h>

/* Zeroed is empty and ready. */
typedef struct pool {
    struct pool_block *blocks;
    size_t used_len; /* bytes handed out since the last clear */
} pool;

void *pool_take(pool *from, size_t size);                   /* aligned for anything; never NULL */
char *pool_copy(pool *from, const void *bytes, size_t len); /* with a NUL after them */
void pool_clear(pool *all);                                 /* what was taken is gone */

#endif
