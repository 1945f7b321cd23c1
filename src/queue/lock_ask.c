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
    bool both = strcmp(script->key_count, "2") == 0, counts = script == &dq_script_lock_count;
    *request = (dq_request){.script = script, .splits = both};
    if (!counts) dq_args_add(&request->args, lock->name.data, lock->name.len);
    if (both || counts) dq_args_add(&request->args, lock->fence.data, lock->fence.len);
    if (!counts && script->arg_count >= 1) add_value(&request->args, &lock->value, server);
    if (counts || script->arg_count >= 2) dq_args_add_int(&request->args, question->number);
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

/* Where one server of a question's is asked, and until when. */
typedef struct asking {
    dueq *server;
    size_t number; /* of the server */
    int64_t deadline_us;
} asking;

static int exchange(const asking *a, const dq_lock_question *question, dq_request *request)
{
    if (!encode(request, question, a->number))
        return dq_fault_set(&a->server->fault, DUEQ_ENOMEM, "out of memory");
    dq_link_exchange(a->server->link, request, 1, a->deadline_us, &a->server->fault);
    return read_outcome(a->server, question, request);
}

/* A step of a question that is asked in several. */
static int take_step(const asking *a, const dq_script *script, const dq_lock_question *question,
                     int64_t number, dq_request *request)
{
    dq_lock_question step = *question;
    step.script = script;
    step.number = number;
    dq_request_clear(request);
    return exchange(a, &step, request);
}

/* A token, no less than `least`, and then whether the lock is still the caller's: whoever has it
 * next took it later, and so has a larger token. *request keeps the token's answer. */
static int count_apart(const asking *a, const dq_lock_question *question, int64_t least,
                       dq_request *request)
{
    dq_request last = {0};
    int rc = take_step(a, &dq_script_lock_count, question, least, request);
    if (rc == DUEQ_OK) rc = take_step(a, &dq_script_lock_extend, question, question->ttl_ms, &last);
    dq_request_clear(&last);
    return rc;
}

/* As lock_acquire; a step that fails leaves the lock where it may stand. */
static int acquire_apart(const asking *a, const dq_lock_question *question, dq_request *request)
{
    int rc = take_step(a, &dq_script_lock_claim, question, question->ttl_ms, request);
    if (rc != DUEQ_OK) return rc;
    rc = count_apart(a, question, 0, request);
    if (rc == DUEQ_LOST)
        return dq_fault_set(&a->server->fault, DUEQ_EUNSURE,
                            "the lock was lost before its token was known");
    if (rc != DUEQ_OK) a->server->fault.code = DUEQ_EUNSURE;
    return rc == DUEQ_OK ? DUEQ_OK : DUEQ_EUNSURE;
}

/* A lock that is free is no key: while a cluster moves their slot, it and its counter cannot be
 * asked for together, and for as long as that takes. So they are asked for one by one. */
static int ask_apart(const asking *a, const dq_lock_question *question, dq_request *request)
{
    dq_fault_clear(&a->server->fault);
    if (question->script == &dq_script_lock_acquire) return acquire_apart(a, question, request);
    if (question->script == &dq_script_lock_raise)
        return count_apart(a, question, question->number, request);
    return take_step(a, &dq_script_lock_holder, question, 0, request);
}

static int ask_one(dueq *handle, const dq_lock_question *question, size_t i, dq_request *request)
{
    asking a = {.server = dq_server_at(handle, i), .number = i};
    a.deadline_us = handle->member_count ? share_deadline_us(handle, a.server, question)
                                         : question->deadline_us;
    int rc = exchange(&a, question, request);
    if (request->apart) rc = ask_apart(&a, question, request);
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
