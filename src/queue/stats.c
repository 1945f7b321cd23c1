/* Counting tasks: of one queue, or of many in few round trips. */
#include <stdlib.h>
#include <string.h>

#include "queue/check.h"
#include "queue/every.h"
#include "queue/fanout.h"
#include "queue/registry.h"
#include "queue/reply.h"

/* ---- What stats.lua answers ---- */

/* Its numbers that are summed over the partitions, after its status and "paused", in its order. */
static const size_t counts[] = {
    offsetof(dueq_stats, waiting),    offsetof(dueq_stats, ready),
    offsetof(dueq_stats, leased),     offsetof(dueq_stats, dead),
    offsetof(dueq_stats, pushed),     offsetof(dueq_stats, done),
    offsetof(dueq_stats, retried),    offsetof(dueq_stats, released),
    offsetof(dueq_stats, expired),    offsetof(dueq_stats, died),
    offsetof(dueq_stats, cancelled),  offsetof(dueq_stats, dropped),
    offsetof(dueq_stats, due_minute), offsetof(dueq_stats, due_hour),
    offsetof(dueq_stats, due_day),
};
enum { COUNT_COUNT = sizeof counts / sizeof *counts };

/* Where its other numbers are, each µs or -1 for none. */
enum {
    OLDEST = 2 + COUNT_COUNT,
    NEXT,
    LATE,
    LATE_AGO,
    ANSWER_COUNT,
};

static const dueq_stats nothing_yet = {
    .oldest_ready_ms = -1, .next_due_ms = -1, .late_us = -1, .late_ago_ms = -1};

static void add_count(dueq_stats *stats, size_t offset, int64_t number)
{
    int64_t sum;
    memcpy(&sum, (const char *)stats + offset, sizeof sum);
    sum += number;
    memcpy((char *)stats + offset, &sum, sizeof sum);
}

/* µs to ms, keeping -1 for none. */
static int64_t ms_at(const valkeyReply *reply, size_t index)
{
    int64_t us = dq_reply_int(dq_reply_at(reply, index), -1);
    return us < 0 ? -1 : us / 1000;
}

/* Of the partitions' last takes the latest one is the queue's. */
static void add_late(dueq_stats *stats, const valkeyReply *reply)
{
    int64_t late_us = dq_reply_int(dq_reply_at(reply, LATE), -1);
    int64_t ago_ms = ms_at(reply, LATE_AGO);
    if (late_us < 0 || ago_ms < 0) return;
    if (stats->late_ago_ms >= 0 && stats->late_ago_ms <= ago_ms) return;
    stats->late_us = late_us;
    stats->late_ago_ms = ago_ms;
}

static int decode_stats(void *work, uint32_t partition, const valkeyReply *reply)
{
    dueq_stats *stats = work;
    (void)partition;
    if (dq_reply_count(reply) != ANSWER_COUNT) return DUEQ_EPROTO;
    stats->partitions++;
    if (dq_reply_int(dq_reply_at(reply, 1), 0)) stats->paused = true;
    for (size_t i = 0; i < COUNT_COUNT; i++)
        add_count(stats, counts[i], dq_reply_int(dq_reply_at(reply, i + 2), 0));
    int64_t oldest_ms = ms_at(reply, OLDEST), next_ms = ms_at(reply, NEXT);
    if (oldest_ms > stats->oldest_ready_ms) stats->oldest_ready_ms = oldest_ms;
    if (next_ms >= 0 && (stats->next_due_ms < 0 || next_ms < stats->next_due_ms))
        stats->next_due_ms = next_ms;
    add_late(stats, reply);
    return DUEQ_OK;
}

/* ---- One queue ---- */

static int count_one(dueq *handle, const char *queue, dueq_stats *stats, int64_t deadline_us)
{
    static const dq_every every = {
        .script = &dq_script_stats, .reads = true, .decode = decode_stats};
    *stats = nothing_yet;
    return dq_every_partition(handle, queue, &every, stats, deadline_us);
}

int dueq_queue_stats(dueq *handle, const char *queue, dueq_stats *stats)
{
    *stats = nothing_yet;
    int rc = dq_check_queue(handle, queue);
    return rc < 0 ? rc : count_one(handle, queue, stats, dq_handle_deadline_us(handle, 0));
}

/* ---- Many ---- */

/* Queues that are counted in one pipeline: so many, or, where they have many partitions, fewer. */
enum { ROUND_QUEUES_MAX = 500, ROUND_REQUESTS_MAX = 1000 };

/* The queue is to be asked for again, on its own. None of dueq.h's outcomes. */
enum { AGAIN = -200 };

/* Holds: the requests are those of the first `count` queues, partition_counts[i] of each in turn;
 * `first` is the first failure of any. */
typedef struct round {
    dueq_queue_counts *queues;
    size_t count;
    uint32_t partition_counts[ROUND_QUEUES_MAX]; /* 0: it could not be found */
    dq_request *requests;
    size_t request_count;
    dq_fault first;
} round;

static void conclude(dueq *handle, round *r, dueq_queue_counts *queue, int outcome)
{
    queue->outcome = outcome;
    if (outcome < 0 && !r->first.code) r->first = handle->fault;
}

static bool add_requests(round *r, const dq_queue *queue)
{
    size_t wanted = r->request_count + queue->partition_count;
    dq_request *grown = realloc(r->requests, wanted * sizeof *grown);
    if (!grown) return false;
    r->requests = grown;
    memset(grown + r->request_count, 0, queue->partition_count * sizeof *grown);
    for (uint32_t p = 0; p < queue->partition_count; p++)
        if (!dq_request_begin(&grown[r->request_count++], &dq_script_stats, queue, p)) return false;
    return true;
}

/* Takes the next queue into the round. False: out of memory. */
static bool add_queue(dueq *handle, round *r, int64_t deadline_us)
{
    dueq_queue_counts *queue = &r->queues[r->count];
    dq_queue *known = NULL;
    queue->stats = nothing_yet;
    conclude(handle, r, queue, dq_queue_find(handle, queue->queue, deadline_us, &known));
    r->partition_counts[r->count++] = known ? known->partition_count : 0;
    return !known || add_requests(r, known);
}

/* Looks up those queues that the handle does not know, and fills the requests. */
static int begin_round(dueq *handle, round *r, size_t count, int64_t deadline_us)
{
    size_t most = count < ROUND_QUEUES_MAX ? count : ROUND_QUEUES_MAX;
    int rc = dq_queues_learn(handle, r->queues, most, deadline_us);
    while (rc == DUEQ_OK && r->count < most && r->request_count < ROUND_REQUESTS_MAX)
        if (!add_queue(handle, r, deadline_us))
            rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    return rc;
}

static int decode_queue(dueq *handle, dueq_stats *stats, const dq_request *requests, uint32_t count)
{
    for (uint32_t p = 0; p < count; p++) {
        if (requests[p].outcome < 0) return requests[p].outcome;
        int rc = dq_reply_status(requests[p].reply);
        if (rc == DQ_STALE) return AGAIN;
        if (rc != DUEQ_EPROTO) rc = decode_stats(stats, p, requests[p].reply);
        if (rc == DUEQ_EPROTO)
            return dq_fault_set(&handle->fault, rc,
                                "the script \"stats\" answered what it never does");
    }
    return DUEQ_OK;
}

static void decode_round(dueq *handle, round *r)
{
    const dq_request *requests = r->requests;
    for (size_t i = 0; i < r->count; i++) {
        dueq_queue_counts *queue = &r->queues[i];
        uint32_t partition_count = r->partition_counts[i];
        if (partition_count)
            queue->outcome = decode_queue(handle, &queue->stats, requests, partition_count);
        if (queue->outcome != AGAIN) conclude(handle, r, queue, queue->outcome);
        requests += partition_count;
    }
}

/* Those whose partitions are not what the handle believed: one by one, which looks them up. */
static void settle_round(dueq *handle, round *r, int64_t deadline_us)
{
    for (size_t i = 0; i < r->count; i++) {
        dueq_queue_counts *queue = &r->queues[i];
        if (queue->outcome == AGAIN) {
            int rc = count_one(handle, queue->queue, &queue->stats, deadline_us);
            conclude(handle, r, queue, rc);
        }
        if (queue->outcome != DUEQ_OK) queue->stats = (dueq_stats){0};
    }
}

static void clear_round(round *r)
{
    for (size_t i = 0; i < r->request_count; i++) dq_request_clear(&r->requests[i]);
    free(r->requests);
}

/* The first failure, else DUEQ_MISSING when any is missing. *all_failed: no other outcome is there. */
static int result_of(const dueq_queue_counts *queues, size_t count, bool *all_failed)
{
    int result = DUEQ_OK;
    *all_failed = true;
    for (size_t i = 0; i < count; i++) {
        if (queues[i].outcome >= 0) *all_failed = false;
        if (queues[i].outcome != DUEQ_OK && result >= 0) result = queues[i].outcome;
    }
    return result;
}

/* Counts the first of the queues; *counted says how many, all when the others need not be tried. */
static int run_round(dueq *handle, dueq_queue_counts *queues, size_t count, int64_t deadline_us,
                     size_t *counted)
{
    round r = {.queues = queues};
    bool all_failed = true;
    int rc = begin_round(handle, &r, count, deadline_us);
    size_t asked = rc == DUEQ_OK ? r.count : 0;
    if (asked) {
        dq_link_exchange(handle->link, r.requests, r.request_count, deadline_us, &handle->fault);
        decode_round(handle, &r);
        settle_round(handle, &r, deadline_us);
        rc = result_of(queues, r.count, &all_failed);
        if (r.first.code) handle->fault = r.first;
    }
    *counted = all_failed ? count : asked;
    for (size_t i = asked; i < *counted; i++) queues[i].outcome = rc;
    clear_round(&r);
    return rc;
}

static int check_queues(dueq *handle, dueq_queue_counts *queues, size_t count)
{
    int rc = dq_check_open(handle);
    for (size_t i = 0; i < count && rc >= 0; i++) rc = dq_check_queue(handle, queues[i].queue);
    for (size_t i = 0; i < count; i++) {
        queues[i].stats = (dueq_stats){0};
        queues[i].outcome = rc;
    }
    return rc;
}

int dueq_queues_stats(dueq *handle, dueq_queue_counts *queues, size_t count)
{
    int result = check_queues(handle, queues, count);
    if (result < 0) return result;
    int64_t deadline_us = dq_handle_deadline_us(handle, 0);
    dq_fault first = {0};
    for (size_t at = 0, counted; at < count; at += counted) {
        int rc = run_round(handle, queues + at, count - at, deadline_us, &counted);
        if (rc < 0 && !first.code) first = handle->fault;
        if (result >= 0 && rc != DUEQ_OK) result = rc;
    }
    if (first.code) handle->fault = first;
    return result;
}
