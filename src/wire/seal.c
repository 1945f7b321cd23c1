/* Levels of durability, and the commands that wait for them. */
#include "wire/seal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define GRACE_US 1000000 /* servers end their waits by a timer that may tick once a second */

const char *dq_level_read(dq_level *level, const char *text)
{
    static const char prefix[] = "replicas:";
    static const char right[] = "none, replicas:N (N from 1 to 1000) or fsync";
    const size_t prefix_len = sizeof prefix - 1;
    *level = (dq_level){0};
    if (strcmp(text, "none") == 0) {
        return NULL;
    }
    if (strcmp(text, "fsync") == 0) {
        level->fsync = true;
        return NULL;
    }
    if (strncmp(text, prefix, prefix_len) != 0 || !isdigit((unsigned char)text[prefix_len])) {
        return right;
    }
    char *end;
    long count = strtol(text + prefix_len, &end, 10);
    if (*end != '\0' || count < 1 || count > DQ_REPLICAS_MAX) {
        return right;
    }
    level->replicas = (int)count;
    return NULL;
}

/* The server is given half of what the call has left at most, so that its answer comes in time; 0
 * would mean "for ever". */
static int64_t ask_ms(dq_seal *seal, int64_t deadline_us)
{
    int64_t now_us = dq_mono_us();
    if (seal->until_us == 0) {
        seal->until_us = now_us + seal->timeout_ms * 1000;
    }
    int64_t left_us = (deadline_us - now_us) / 2;
    if (left_us > seal->until_us - now_us) {
        left_us = seal->until_us - now_us;
    }
    return left_us < 1000 ? 1 : left_us / 1000;
}

bool dq_seal_command(dq_seal *seal, int64_t deadline_us, dq_args *args)
{
    if (seal->level.fsync) {
        dq_args_add_text(args, "WAITAOF");
        dq_args_add_int(args, 1);
    } else {
        dq_args_add_text(args, "WAIT");
    }
    dq_args_add_int(args, seal->level.replicas);
    return dq_args_add_int(args, ask_ms(seal, deadline_us));
}

int64_t dq_seal_limit_us(const dq_seal *seal, int64_t deadline_us)
{
    int64_t limit_us = seal->until_us + GRACE_US;
    return limit_us < deadline_us ? limit_us : deadline_us;
}

static bool is_number(const valkeyReply *reply)
{
    return reply->type == VALKEY_REPLY_INTEGER && reply->integer >= 0 &&
           reply->integer <= INT32_MAX;
}

/* WAIT answers how many replicas have it; WAITAOF, {on this disk: 1 or 0, on how many replicas'}. */
static bool read_answer(const dq_seal *seal, const valkeyReply *reply, int *replicas, bool *fsynced)
{
    *fsynced = false;
    if (seal->level.fsync) {
        if (reply->type != VALKEY_REPLY_ARRAY || reply->elements != 2 ||
            !is_number(reply->element[0])) {
            return false;
        }
        *fsynced = reply->element[0]->integer > 0;
        reply = reply->element[1];
    }
    if (!is_number(reply)) {
        return false;
    }
    *replicas = (int)reply->integer;
    return true;
}

void dq_seal_hear(dq_seal *seal, const valkeyReply *reply)
{
    int replicas = 0;
    bool fsynced;
    if (!read_answer(seal, reply, &replicas, &fsynced)) {
        seal->unknown = true;
        return;
    }
    bool first = seal->server_count++ == 0;
    seal->replicas = first || replicas < seal->replicas ? replicas : seal->replicas;
    seal->fsynced = fsynced && (first || seal->fsynced);
}

bool dq_seal_is_met(const dq_seal *seal)
{
    return !seal->unknown && seal->server_count > 0 && seal->replicas >= seal->level.replicas &&
           (seal->fsynced || !seal->level.fsync);
}
