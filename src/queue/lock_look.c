/* Who holds a lock: of several servers' answers the one that enough of them give. */
#include <string.h>

#include "queue/lock.h"
#include "queue/lock_rules.h"
#include "queue/lock_value.h"
#include "queue/quorum.h"
#include "queue/reply.h"

/* Bounds the wait for each server, as a lock of this time would. */
enum { LOOK_TTL_MS = 30000 };

static const valkeyReply *value_of(const dq_lock_answers *answers, size_t i)
{
    const valkeyReply *value = dq_reply_at(answers->requests[i].reply, 1);
    return answers->outcomes[i] == DUEQ_OK && dq_reply_is_text(value) ? value : NULL;
}

static bool same_holder(const dq_lock_answers *answers, size_t a, size_t b)
{
    const valkeyReply *one = value_of(answers, a), *other = value_of(answers, b);
    return one && other && dq_lock_value_same(one->str, one->len, other->str, other->len);
}

/* A holder without a value is none that our script would tell of. */
static int read_values(dueq *handle, dq_lock_answers *answers, int rc)
{
    for (size_t i = 0; i < answers->count; i++) {
        if (answers->outcomes[i] != DUEQ_OK || value_of(answers, i)) continue;
        answers->outcomes[i] = DUEQ_EPROTO;
        rc = dq_fault_set(&handle->fault, DUEQ_EPROTO,
                          "the script \"lock_look\" answered what it never does");
    }
    return rc;
}

/* The server whose holder stands on most servers; *standing says on how many. */
static size_t find_holder(const dq_lock_answers *answers, size_t *standing)
{
    size_t best = 0;
    *standing = 0;
    for (size_t i = 0; i < answers->count; i++) {
        size_t count = 0;
        for (size_t k = 0; k < answers->count; k++) count += same_holder(answers, i, k);
        if (count > *standing) {
            *standing = count;
            best = i;
        }
    }
    return best;
}

/* The lock stands while more than half of the servers have it: so long as the quorum'th longest of
 * them. A key without a limit (-1) lasts longest. */
static int64_t left_on_quorum(const dq_lock_answers *answers, size_t holder)
{
    uint64_t lefts[DUEQ_LOCK_SERVERS_MAX]; /* falling; -1 is the largest of all */
    size_t count = 0, quorum = dq_quorum_of(answers->count);
    for (size_t i = 0; i < answers->count; i++) {
        if (!same_holder(answers, holder, i)) continue;
        uint64_t left = (uint64_t)dq_lock_answer_number(answers, i, 2, 0);
        size_t at = count++;
        for (; at > 0 && lefts[at - 1] < left; at--) lefts[at] = lefts[at - 1];
        lefts[at] = left;
    }
    return (int64_t)lefts[quorum - 1];
}

static void describe(const dq_lock_answers *answers, size_t from, size_t standing,
                     dueq_lock_holder *holder)
{
    const valkeyReply *value = value_of(answers, from);
    *holder =
        (dueq_lock_holder){.server_count = standing, .left_ms = left_on_quorum(answers, from)};
    if (!dq_lock_value_read(holder, value->str, value->len)) return;
    for (size_t i = 0; i < answers->count; i++) {
        int64_t token = same_holder(answers, from, i) ? dq_lock_answer_number(answers, i, 3, 0) : 0;
        if (token > holder->token) holder->token = token;
    }
}

/* Nobody holds it when no holder can be on enough servers, whatever those say that are away. */
static int judge(const dq_lock_answers *answers, size_t standing, int rc)
{
    size_t answered = 0;
    for (size_t i = 0; i < answers->count; i++) answered += answers->outcomes[i] >= 0;
    size_t quorum = dq_quorum_of(answers->count);
    if (standing >= quorum) return DUEQ_OK;
    if (standing + (answers->count - answered) < quorum) return DUEQ_MISSING;
    return rc < 0 ? rc : DUEQ_MISSING;
}

int dueq_lock_look(dueq *handle, const char *name, dueq_lock_holder *holder)
{
    *holder = (dueq_lock_holder){0};
    int rc = dq_lock_check_name(handle, name);
    if (rc < 0) return rc;
    dueq_lock asked = {0};
    dq_lock_answers answers = {0};
    if (dq_buf_add_text(&asked.name, name) && dq_lock_fence_key(&asked.fence, name)) {
        dq_lock_question question = {.script = &dq_script_lock_look,
                                     .lock = &asked,
                                     .ttl_ms = LOOK_TTL_MS,
                                     .servers = DQ_ALL_SERVERS,
                                     .thorough = true,
                                     .deadline_us = dq_handle_deadline_us(handle, 0)};
        size_t standing;
        rc = read_values(handle, &answers, dq_lock_ask(handle, &question, &answers));
        size_t from = find_holder(&answers, &standing);
        rc = judge(&answers, standing, rc);
        if (rc == DUEQ_OK) describe(&answers, from, standing, holder);
    } else {
        rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    dq_lock_answers_clear(&answers);
    dq_buf_clear(&asked.name);
    dq_buf_clear(&asked.fence);
    return rc;
}
