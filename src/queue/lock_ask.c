/* Putting a question about a lock to its server, or to each of several, and adding the answers up. */
#include "queue/lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/lock_rules.h"
#include "queue/lock_value.h"
#include "queue/quorum.h"
#include "queue/reply.h"

/* How long one of several servers is waited for, where neither options nor its URL say so. */
enum { SERVER_TIMEOUT_MS = 200 };

/* ---- One server ---- */

/* Each server gets a value of its own: numbered, and in the request's own memory. */
static void add_value(dq_args *args, const dq_buf *value, size_t server)
{
    char *room = dq_args_add_room(args, value->len);
    if (!room) return;
    memcpy(room, value->data, value->len);
    dq_lock_value_number(room, server);
}

static bool encode(dq_request *request, const dq_lock_question *question, size_t server)
{
    const dueq_lock *lock = question->lock;
    const dq_script *script = question->script;
    *request = (dq_request){.script = script};
    dq_args_add(&request->args, lock->name.data, lock->name.len);
    if (strcmp(script->key_count, "2") == 0)
        dq_args_add(&request->args, lock->fence.data, lock->fence.len);
    if (script->arg_count >= 1) add_value(&request->args, &lock->value, server);
    if (script->arg_count >= 2) dq_args_add_int(&request->args, question->number);
    return !request->args.failed;
}

static int64_t share_deadline_us(const dueq *handle, const dueq *server,
                                 const dq_lock_question *question)
{
    int64_t limit_ms = server->timeout_given ? server->url.timeout_ms : SERVER_TIMEOUT_MS;
    int64_t share_ms = dq_lock_share_ms(question->ttl_ms, handle->member_count, limit_ms);
    int64_t until_us = dq_deadline_us(share_ms);
    return until_us < question->deadline_us ? until_us : question->deadline_us;
}

/* The answer as an outcome; what only a script that is not ours, or a key that is no lock, says is
 * explained. */
static int read_outcome(dueq *server, const dq_lock_question *question, const dq_request *request)
{
    int rc = request->outcome < 0 ? request->outcome : dq_reply_status(request->reply);
    if (rc == DUEQ_LOST && request->resent && question->lost_is_done) return DUEQ_OK;
    if (rc == DUEQ_ECORRUPT)
        return dq_fault_set(&server->fault, rc,
                            "the key \"%s\" or its counter is not a lock's: of another type",
                            question->lock->name.data);
    if (request->outcome == DUEQ_OK && rc < 0)
        return dq_fault_set(&server->fault, DUEQ_EPROTO,
                            "the script \"%s\" answered what it never does",
                            question->script->name);
    return rc;
}

static int ask_one(dueq *handle, const dq_lock_question *question, size_t i, dq_request *request)
{
    dueq *server = dq_server_at(handle, i);
    if (!encode(request, question, i))
        return dq_fault_set(&server->fault, DUEQ_ENOMEM, "out of memory");
    int64_t deadline_us =
        handle->member_count ? share_deadline_us(handle, server, question) : question->deadline_us;
    dq_link_exchange(server->link, request, 1, deadline_us, &server->fault);
    int rc = read_outcome(server, question, request);
    dq_server_told(handle, i, rc);
    return rc;
}

/* ---- All of them ---- */

static bool is_settled(const dq_lock_question *question, const dq_lock_answers *answers)
{
    int verdict = dq_lock_verdict(answers->outcomes, answers->count);
    return verdict != DQ_LOCK_UNASKED && !question->thorough;
}

/* Asks those that are (or are not) away. A first "no" that decides ends it; a "yes" that does not,
 * since a lock that stands on more servers outlasts the loss of more. */
static void ask_some(dueq *handle, const dq_lock_question *question, dq_lock_answers *answers,
                     bool away)
{
    for (size_t i = 0; i < answers->count; i++) {
        if (!(question->servers >> i & 1u) || answers->outcomes[i] != DQ_LOCK_UNASKED) continue;
        if (!away && dq_server_is_away(handle, i)) continue;
        bool settled = is_settled(question, answers);
        if (settled && (away || dq_lock_verdict(answers->outcomes, answers->count) != DUEQ_OK))
            return;
        answers->outcomes[i] = ask_one(handle, question, i, &answers->requests[i]);
    }
}

/* Why several servers did not agree, by the first that failed. */
static int tell_failure(dueq *handle, const dq_lock_answers *answers, int rc)
{
    if (!handle->member_count) return rc;
    size_t yes = 0, failed = answers->count;
    for (size_t i = answers->count; i-- > 0;) {
        yes += answers->outcomes[i] == DUEQ_OK;
        if (answers->outcomes[i] < 0 && answers->outcomes[i] != DQ_LOCK_UNASKED) failed = i;
    }
    if (failed == answers->count)
        return dq_fault_set(&handle->fault, rc, "%zu of %zu servers agreed, %zu are needed", yes,
                            answers->count, dq_quorum_of(answers->count));
    const dueq *server = handle->members[failed].server;
    return dq_fault_set(&handle->fault, rc, "%zu of %zu servers agreed, %zu are needed; %s: %s",
                        yes, answers->count, dq_quorum_of(answers->count), server->url_text,
                        server->fault.text);
}

int dq_lock_ask(dueq *handle, const dq_lock_question *question, dq_lock_answers *answers)
{
    *answers = (dq_lock_answers){.count = dq_server_count(handle)};
    for (size_t i = 0; i < answers->count; i++) answers->outcomes[i] = DQ_LOCK_UNASKED;
    ask_some(handle, question, answers, false);
    ask_some(handle, question, answers, true);
    int outcomes[DUEQ_LOCK_SERVERS_MAX];
    for (size_t i = 0; i < answers->count; i++) {
        /* A server that was not to be asked does not agree. */
        bool left_out = !(question->servers >> i & 1u);
        outcomes[i] = left_out ? DUEQ_EUNSURE : answers->outcomes[i];
    }
    int rc = dq_lock_verdict(outcomes, answers->count);
    return rc < 0 ? tell_failure(handle, answers, rc) : rc;
}

void dq_lock_answers_clear(dq_lock_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++) dq_request_clear(&answers->requests[i]);
}

int64_t dq_lock_answer_number(const dq_lock_answers *answers, size_t server, size_t at,
                              int64_t otherwise)
{
    return dq_reply_int(dq_reply_at(answers->requests[server].reply, at), otherwise);
}
