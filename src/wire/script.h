/* A server-side script as the build packs it from lua/: its text, its digest, its keys. */
#ifndef DQ_WIRE_SCRIPT_H
#define DQ_WIRE_SCRIPT_H

#include <stddef.h>

typedef struct dq_script {
    const char *name;
    const char *sha1; /* 40 hex digits */
    const char *source;
    size_t source_len;
    const char *key_count;     /* as text, for EVALSHA */
    const unsigned char *keys; /* which keys of a partition it takes, in order (enum dq_key); NULL:
                                  it has key_count of its own, which the caller names */
    size_t keys_len;
    size_t arg_count; /* arguments before the repeated ones */
} dq_script;

#endif
