/* The words of one command. Numbers and made words live in blocks that never move, so that a word
 * stays where it is while more are added. */
#include "wire/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_CAP_MIN 16u
#define BLOCK_SIZE_MIN 1024u
#define INT_LEN_MAX 20u /* "-9223372036854775808" */

struct dq_args_block {
    struct dq_args_block *next;
    size_t used, size;
    char bytes[];
};

void dq_args_clear(dq_args *args)
{
    for (struct dq_args_block *block = args->numbers; block != NULL;) {
        struct dq_args_block *next = block->next;
        free(block);
        block = next;
    }
    free(args->words);
    free(args->lens);
    *args = (dq_args){0};
}

static bool grow(dq_args *args)
{
    size_t cap = args->cap == 0 ? WORDS_CAP_MIN : args->cap * 2;
    const char **words = reallocarray(args->words, cap, sizeof *words);
    if (words != NULL) {
        args->words = words;
    }
    size_t *lens = reallocarray(args->lens, cap, sizeof *lens);
    if (lens != NULL) {
        args->lens = lens;
    }
    if (words == NULL || lens == NULL) {
        return false;
    }
    args->cap = cap;
    return true;
}

bool dq_args_add(dq_args *args, const void *bytes, size_t len)
{
    if (args->failed || (args->count == args->cap && !grow(args))) {
        args->failed = true;
        return false;
    }
    args->words[args->count] = bytes;
    args->lens[args->count] = len;
    args->count++;
    return true;
}

bool dq_args_add_text(dq_args *args, const char *text)
{
    return dq_args_add(args, text, strlen(text));
}

/* `len` bytes that stay where they are until the list is cleared; NULL when out of memory. */
static char *take_room(dq_args *args, size_t len)
{
    struct dq_args_block *block = args->numbers;
    if (block == NULL || block->size - block->used < len) {
        size_t size = len < BLOCK_SIZE_MIN ? BLOCK_SIZE_MIN : len;
        block = size > SIZE_MAX - sizeof *block ? NULL : malloc(sizeof *block + size);
        if (block == NULL) {
            return NULL;
        }
        *block = (struct dq_args_block){.next = args->numbers, .size = size};
        args->numbers = block;
    }
    char *room = block->bytes + block->used;
    block->used += len;
    return room;
}

char *dq_args_add_room(dq_args *args, size_t len)
{
    char *room = args->failed ? NULL : take_room(args, len);
    if (room == NULL) {
        args->failed = true;
        return NULL;
    }
    return dq_args_add(args, room, len) ? room : NULL;
}

bool dq_args_add_int(dq_args *args, int64_t number)
{
    char digits[INT_LEN_MAX + 1];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, number);
    char *room = dq_args_add_room(args, len);
    if (room == NULL) {
        return false;
    }
    memcpy(room, digits, len);
    return true;
}
