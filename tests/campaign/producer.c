/* A producer: pushes batches of tasks, most of them due at once or soon, and never says twice that
 * it pushed one: what a lost answer leaves open is the library's matter. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "actors.h"

enum { BATCH_MAX = 12, ID_SIZE = 32, PAYLOAD_MAX = 3000, DELAY_MS = 600, PAUSE_MS = 60 };

typedef struct batch {
    int count;
    dueq_new_task tasks[BATCH_MAX];
    history_op ops[BATCH_MAX];
    char ids[BATCH_MAX][ID_SIZE];
    char payloads[BATCH_MAX][PAYLOAD_MAX];
} batch;

static int64_t pushed; /* so far; with the process's number that makes an id */

/* A payload that no other task has: its id, and bytes that follow from it. */
static size_t write_payload(actor *a, char *payload, const char *id)
{
    size_t id_len = (size_t)snprintf(payload, PAYLOAD_MAX, "%s", id);
    size_t len = id_len + (size_t)(actor_chance(a, 10) ? actor_draw(a, PAYLOAD_MAX - ID_SIZE) : 0);
    for (size_t i = id_len; i < len; i++) payload[i] = (char)(id[i % id_len] + (char)(i * 31));
    return len;
}

static void add_task(actor *a, batch *b)
{
    int i = b->count++;
    snprintf(b->ids[i], ID_SIZE, "p%d-%" PRId64, a->orders->process, pushed++);
    size_t len = write_payload(a, b->payloads[i], b->ids[i]);
    int64_t delay_ms = actor_chance(a, 40) ? actor_draw(a, DELAY_MS) : 0;
    int64_t attempts_max = actor_chance(a, 5) ? 1 + actor_draw(a, 3) : 0;
    b->tasks[i] = (dueq_new_task){.id = b->ids[i],
                                  .payload = b->payloads[i],
                                  .payload_len = len,
                                  .delay_ms = delay_ms,
                                  .max_attempts = attempts_max,
                                  .outcome = HISTORY_MAYBE};
    b->ops[i] = (history_op){.verb = HISTORY_PUSH,
                             .id = b->ids[i],
                             .payload = history_fingerprint(b->payloads[i], len),
                             .delay_ms = delay_ms,
                             .attempts_max = attempts_max};
}

void producer_step(actor *a)
{
    batch *b = calloc(1, sizeof *b);
    if (b == NULL) abort();
    for (int64_t n = 1 + actor_draw(a, BATCH_MAX); n > 0; n--) add_task(a, b);
    int64_t number = history_call(a->history, b->ops, (size_t)b->count);
    dueq_push(a->handle, CAMPAIGN_QUEUE, b->tasks, (size_t)b->count, NULL);
    bool reached = actor_reached(a);
    for (int i = 0; i < b->count; i++) {
        b->ops[i].outcome = b->tasks[i].outcome;
        b->ops[i].durable = reached && b->tasks[i].outcome == DUEQ_OK;
    }
    history_answer(a->history, number, b->ops, (size_t)b->count);
    free(b);
    actor_sleep_ms(actor_draw(a, PAUSE_MS));
}
