/* A consumer of the home-made recipe on a cluster, as many run it: read what is due from a ZSET, lock
 * each member by SET PREFIXmember token NX PX, handle it, ZREM it, and unlock it if the lock is still
 * one's own. It never looks whether what it locked is still there. */
#ifndef TESTS_SUPPORT_RECIPE_H
#define TESTS_SUPPORT_RECIPE_H

#include <stdbool.h>

/* Consumes until *stop. Of the scores, 5 and below are due. False when no node could be reached. */
bool recipe_consume(const char *nodes, const char *zset, const char *lock_prefix,
                    void (*handle)(void *context, const char *member), void *context,
                    const _Atomic bool *stop);

#endif
