/* A worker on take, done, retry, release and extend themselves, so that the history has each call
 * and each answer. It does with its tasks what workers do: finish most, fail some, give some back,
 * keep some too long, forget some. */
#include <stdlib.h>

#include "actors.h"

enum { TAKE_MAX = 25, WAIT_MS = 300, WORK_MS = 20 };

typedef struct held {
    const dueq_task *task;
    history_op op; /* who and under which lease; the verb is set by what is done with it */
} held;

static dueq_batch *take(actor *a, int64_t *lease_ms)
{
    *lease_ms = actor_chance(a, 50) ? CAMPAIGN_LEASE_MS : 150 + actor_draw(a, 600);
    dueq_take_options options = {.tasks_max = (size_t)(1 + actor_draw(a, TAKE_MAX)),
                                 .lease_ms = *lease_ms,
                                 .wait_ms = WAIT_MS};
    history_op call = {.verb = HISTORY_TAKE, .lease_ms = *lease_ms};
    int64_t number = history_call(a->history, &call, 1);
    dueq_batch *batch = NULL;
    call.outcome = dueq_take(a->handle, CAMPAIGN_QUEUE, &options, &batch);
    if (batch == NULL) {
        history_answer(a->history, number, &call, 1);
        return NULL;
    }
    history_op answers[TAKE_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        const dueq_task *task = &batch->tasks[i];
        answers[i] = (history_op){.verb = HISTORY_TAKE,
                                  .id = task->id,
                                  .receipt = task->receipt,
                                  .payload = history_fingerprint(task->payload, task->payload_len),
                                  .due_ms = task->due_ms,
                                  .token = task->token,
                                  .attempt = task->attempt,
                                  .deadline_ms = task->deadline_ms};
    }
    history_answer(a->history, number, answers, batch->count);
    return batch;
}

/* ---- What is done with them; `count` is at most TAKE_MAX ------------------------------------- */

static void call_leases(actor *a, history_verb verb, const held *some, size_t count,
                        int64_t lease_ms)
{
    history_op ops[TAKE_MAX];
    dueq_lease leases[TAKE_MAX];
    for (size_t i = 0; i < count; i++) {
        ops[i] = some[i].op;
        ops[i].verb = verb;
        ops[i].lease_ms = lease_ms;
        leases[i] = (dueq_lease){some[i].task->receipt, .outcome = HISTORY_MAYBE};
    }
    int64_t number = history_call(a->history, ops, count);
    if (verb == HISTORY_DONE) dueq_done(a->handle, CAMPAIGN_QUEUE, leases, count);
    if (verb == HISTORY_RELEASE) dueq_release(a->handle, CAMPAIGN_QUEUE, leases, count);
    if (verb == HISTORY_EXTEND) dueq_extend(a->handle, CAMPAIGN_QUEUE, leases, count, lease_ms);
    bool reached = actor_reached(a);
    for (size_t i = 0; i < count; i++) {
        ops[i].outcome = leases[i].outcome;
        ops[i].durable = reached && leases[i].outcome == DUEQ_OK;
    }
    history_answer(a->history, number, ops, count);
}

static void call_retry(actor *a, const held *some, size_t count)
{
    history_op ops[TAKE_MAX];
    dueq_failure failures[TAKE_MAX];
    for (size_t i = 0; i < count; i++) {
        bool hopeless = actor_chance(a, 5);
        int64_t delay_ms = actor_draw(a, 200);
        ops[i] = some[i].op;
        ops[i].verb = HISTORY_RETRY;
        ops[i].delay_ms = delay_ms;
        ops[i].hopeless = hopeless;
        failures[i] = (dueq_failure){.receipt = some[i].task->receipt,
                                     .delay_ms = delay_ms,
                                     .error = "as the campaign wanted",
                                     .hopeless = hopeless,
                                     .outcome = HISTORY_MAYBE};
    }
    int64_t number = history_call(a->history, ops, count);
    dueq_retry(a->handle, CAMPAIGN_QUEUE, failures, count);
    bool reached = actor_reached(a);
    for (size_t i = 0; i < count; i++) {
        ops[i].outcome = failures[i].outcome;
        ops[i].durable = reached && failures[i].outcome == DUEQ_OK;
    }
    history_answer(a->history, number, ops, count);
}

static void settle(actor *a, const held *some, size_t count, int64_t lease_ms)
{
    int64_t choice = actor_draw(a, 100);
    if (choice < 10) {
        call_retry(a, some, count);
    } else if (choice < 16) {
        call_leases(a, HISTORY_RELEASE, some, count, 0);
    } else if (choice < 19) {
        return; /* forgotten: their leases run out */
    } else if (choice < 22) {
        actor_sleep_ms(lease_ms + actor_draw(a, lease_ms)); /* too late, most likely */
        call_leases(a, HISTORY_DONE, some, count, 0);
    } else if (choice < 32) {
        call_leases(a, HISTORY_EXTEND, some, count, 100 + actor_draw(a, 600));
        actor_sleep_ms(actor_draw(a, lease_ms));
        call_leases(a, HISTORY_DONE, some, count, 0);
    } else {
        call_leases(a, HISTORY_DONE, some, count, 0);
    }
}

void worker_step(actor *a)
{
    int64_t lease_ms;
    dueq_batch *batch = take(a, &lease_ms);
    if (batch == NULL) return;
    held all[TAKE_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        const dueq_task *task = &batch->tasks[i];
        all[i] = (held){task, {.id = task->id, .token = task->token, .attempt = task->attempt}};
    }
    actor_sleep_ms(actor_draw(a, WORK_MS));
    size_t first = (size_t)actor_draw(a, (int64_t)batch->count + 1);
    if (first > 0) settle(a, all, first, lease_ms);
    if (first < batch->count) settle(a, all + first, batch->count - first, lease_ms);
    dueq_batch_free(batch);
}
