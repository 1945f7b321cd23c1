/* The recipe's consumer, on libvalkey's own cluster client. */
#include "recipe.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <valkey/cluster.h>

#define UNLOCK \
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

enum { TRIES_MAX = 1000 };

/* Whether the answer is neither a nil nor an error; asked again where a moving slot or a new master is in
 * the way. */
static bool does(valkeyClusterContext *c, int count, const char *words[])
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        valkeyReply *reply = valkeyClusterCommandArgv(c, count, words, NULL);
        bool answered = reply && reply->type != VALKEY_REPLY_ERROR;
        bool done = answered && reply->type != VALKEY_REPLY_NIL;
        freeReplyObject(reply);
        if (answered) return done;
        poll(NULL, 0, 1);
    }
    return false;
}

bool recipe_consume(const char *nodes, const char *zset, const char *lock_prefix,
                    void (*handle)(void *context, const char *member), void *context,
                    const _Atomic bool *stop)
{
    valkeyClusterContext *c = valkeyClusterConnect(nodes);
    bool connected = c && !c->err;
    while (connected && !atomic_load(stop)) {
        valkeyReply *due = valkeyClusterCommand(c, "ZRANGEBYSCORE %s -inf 5 LIMIT 0 40", zset);
        for (size_t i = 0; due && due->type == VALKEY_REPLY_ARRAY && i < due->elements; i++) {
            const char *member = due->element[i]->str;
            char lock[256];
            snprintf(lock, sizeof lock, "%s%s", lock_prefix, member);
            const char *acquire[] = {"SET", lock, "mine", "NX", "PX", "60000"};
            if (!does(c, 6, acquire)) continue;
            handle(context, member);
            const char *remove[] = {"ZREM", zset, member};
            const char *release[] = {"EVAL", UNLOCK, "1", lock, "mine"};
            does(c, 3, remove);
            does(c, 5, release);
        }
        freeReplyObject(due);
    }
    if (c) valkeyClusterFree(c);
    return connected;
}
