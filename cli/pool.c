/* A bump allocator over a list of blocks; it knows nothing of what is kept in them. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define BLOCK_LEN ((size_t)64 * 1024)
#define ALIGNMENT _Alignof(max_align_t)

struct pool_block {
    struct pool_block *next;
    size_t len;
    size_t used_len;
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct pool_block *add_block(pool *to, size_t size)
{
    size_t len = size > BLOCK_LEN ? size : BLOCK_LEN;
    struct pool_block *block = mem_make(sizeof(*block) + len);

    block->len = len;
    block->next = to->blocks;
    to->blocks = block;
    return block;
}

void *pool_take(pool *from, size_t size)
{
    size_t room = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct pool_block *block = from->blocks;
    void *taken;

    if (block == NULL || block->len - block->used_len < room) block = add_block(from, room);
    taken = block->bytes + block->used_len;
    block->used_len += room;
    from->used_len += room;
    return taken;
}

char *pool_copy(pool *from, const void *bytes, size_t len)
{
    char *copy = pool_take(from, len + 1);

    if (len > 0) memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

void pool_clear(pool *all)
{
    while (all->blocks != NULL) {
        struct pool_block *block = all->blocks;

        all->blocks = block->next;
        free(block);
    }
    all->used_len = 0;
}
