/* The words of one command on their way out: borrowed bytes, and numbers written into the list's
 * own memory. Words are not copied: they must live until the call has ended. */
#ifndef DQ_WIRE_ARGS_H
#define DQ_WIRE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holds: words[i] has lens[i] bytes; `numbers` is a chain of blocks that never move, freed with
 * the list; after `failed` (out of memory) nothing more is added. */
typedef struct dq_args {
    const char **words;
    size_t *lens;
    size_t count;
    size_t cap;
    struct dq_args_block *numbers;
    bool failed;
} dq_args;

void dq_args_clear(dq_args *args); /* frees all; usable again */
bool dq_args_add(dq_args *args, const void *bytes, size_t len);
bool dq_args_add_text(dq_args *args, const char *text);
bool dq_args_add_int(dq_args *args, int64_t number);
/* Room of `len` bytes in the list's own memory, added as a word; NULL when out of memory. */
char *dq_args_add_room(dq_args *args, size_t len);

#endif
