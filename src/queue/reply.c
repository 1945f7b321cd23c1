/* Reading replies of scripts without trusting their shape. */
#include "queue/reply.h"

#include <errno.h>
#include <stdlib.h>

#include "dueq.h"

size_t dq_reply_count(const valkeyReply *reply)
{
    return reply && reply->type == VALKEY_REPLY_ARRAY ? reply->elements : 0;
}

const valkeyReply *dq_reply_at(const valkeyReply *reply, size_t index)
{
    return index < dq_reply_count(reply) ? reply->element[index] : NULL;
}

bool dq_reply_is_text(const valkeyReply *reply)
{
    return reply && (reply->type == VALKEY_REPLY_STRING || reply->type == VALKEY_REPLY_STATUS);
}

int64_t dq_reply_int(const valkeyReply *reply, int64_t otherwise)
{
    if (reply && reply->type == VALKEY_REPLY_INTEGER) return reply->integer;
    if (!dq_reply_is_text(reply) || !reply->len) return otherwise;
    char *end;
    errno = 0;
    long long number = strtoll(reply->str, &end, 10);
    return errno || end != reply->str + reply->len ? otherwise : number;
}

int dq_reply_status(const valkeyReply *reply)
{
    return (int)dq_reply_int(dq_reply_at(reply, 0), DUEQ_EPROTO);
}
