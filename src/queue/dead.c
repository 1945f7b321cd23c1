/* The dead: redrive and drop, those named or all. */
#include <inttypes.h>
#include <stdio.h>

#include "queue/check.h"
#include "queue/durable.h"
#include "queue/every.h"
#include "queue/names.h"
#include "queue/reply.h"

/* ---- Those named ---- */

typedef struct named {
    dq_names names;
    const char *action;
} named;

static bool encode_named(void *work, dq_args *args, const size_t *items, size_t count)
{
    dq_args_add_text(args, ((named *)work)->action);
    dq_args_add_int(args, 0);
    dq_args_add_int(args, 0);
    return dq_names_encode(work, args, items, count);
}

/* Sent again after a lost answer: where the first sending had moved the task already is right. */
static int named_meaning(const named *w, int outcome, bool resent)
{
    bool redriven = outcome == DUEQ_STATE && w->action[0] == 'r';
    bool dropped = outcome == DUEQ_MISSING && w->action[0] == 'd';
    return resent && (redriven || dropped) ? DUEQ_OK : outcome;
}

static int decode_named(void *work, dq_request *request, const size_t *items, size_t count)
{
    if (dq_reply_count(request->reply) != count + 3) return DUEQ_EPROTO;
    for (size_t i = 0; i < count; i++) {
        int outcome = (int)dq_reply_int(dq_reply_at(request->reply, i + 3), DUEQ_EPROTO);
        *dq_names_outcome(work, items[i]) = named_meaning(work, outcome, request->resent);
    }
    return (int)count;
}

static int act_on_named(dueq *handle, const char *queue, const char *action, dueq_name *names,
                        size_t count)
{
    static const dq_family family = {
        .script = &dq_script_dead,
        .absent = DUEQ_MISSING,
        .partition = dq_names_partition,
        .encode = encode_named,
        .decode = decode_named,
        .outcome = dq_names_outcome,
    };
    named work = {{names}, action};
    return dq_names_run(handle, queue, &family, &work, count);
}

int dueq_redrive(dueq *handle, const char *queue, dueq_name *names, size_t count)
{
    return act_on_named(handle, queue, "redrive", names, count);
}

int dueq_drop(dueq *handle, const char *queue, dueq_name *names, size_t count)
{
    return act_on_named(handle, queue, "drop", names, count);
}

/* ---- All that were dead when the call began ---- */

enum { STEP = 500 };

/* Rounds of up to STEP tasks of each partition. Holds: until_us is empty before the first answer,
 * which says when the call began. */
typedef struct all {
    const char *action;
    char until_us[24];
    int64_t moved; /* in this round */
    int64_t total;
} all;

static bool encode_all(void *work, dq_args *args)
{
    all *w = work;
    dq_args_add_text(args, w->action);
    dq_args_add_int(args, STEP);
    return dq_args_add_text(args, w->until_us[0] ? w->until_us : "0");
}

static int decode_all(void *work, uint32_t partition, const valkeyReply *reply)
{
    all *w = work;
    (void)partition;
    int64_t moved = dq_reply_int(dq_reply_at(reply, 1), -1);
    int64_t until_us = dq_reply_int(dq_reply_at(reply, 2), -1);
    if (moved < 0 || until_us < 0) return DUEQ_EPROTO;
    if (!w->until_us[0]) snprintf(w->until_us, sizeof w->until_us, "%" PRId64, until_us);
    w->moved += moved;
    return DUEQ_OK;
}

static int act_on_all(dueq *handle, const char *queue, const char *action, int64_t *count)
{
    static const dq_every every = {
        .script = &dq_script_dead, .encode = encode_all, .decode = decode_all};
    all work = {.action = action};
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    dq_durable_begin(handle);
    do {
        work.moved = 0;
        rc = dq_every_partition(handle, queue, &every, &work, dq_handle_deadline_us(handle, 0));
        work.total += work.moved;
    } while (rc == DUEQ_OK && work.moved > 0);
    if (count) *count = work.total;
    return rc;
}

int dueq_redrive_all(dueq *handle, const char *queue, int64_t *count)
{
    return act_on_all(handle, queue, "redrive", count);
}

int dueq_drop_all(dueq *handle, const char *queue, int64_t *count)
{
    return act_on_all(handle, queue, "drop", count);
}
