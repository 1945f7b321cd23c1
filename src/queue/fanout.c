/* Grouping, cutting and pipelining of many items; asking again for what is not answered yet. */
#include "queue/fanout.h"

#include <stdlib.h>

#include "queue/durable.h"
#include "queue/reply.h"

/* How often a queue may turn out to be another than was believed before the call gives up. */
enum { STALE_MAX = 5 };

/* Items that share a partition and one script call. */
typedef struct call {
    const size_t *items;
    size_t count;
    uint32_t partition;
} call;

/* One round over the pending items. Holds: `order` has the pending items by partition; calls[i]
 * covers a run of it and requests[i] is its request. */
typedef struct round {
    size_t *order;
    size_t pending;
    call *calls;
    dq_request *requests;
    size_t call_count;
} round;

static void clear_round(round *r)
{
    for (size_t i = 0; i < r->call_count; i++) dq_request_clear(&r->requests[i]);
    free(r->order);
    free(r->calls);
    free(r->requests);
    *r = (round){0};
}

static void begin(dq_request *request, const dq_script *script, const dq_queue *queue,
                  uint32_t partition)
{
    request->script = script;
    for (size_t i = 0; i < script->keys_len; i++)
        dq_args_add_text(&request->args, queue->keys[partition].name[script->keys[i]]);
}

bool dq_request_begin(dq_request *request, const dq_script *script, const dq_queue *queue,
                      uint32_t partition)
{
    begin(request, script, queue, partition);
    return dq_args_add_int(&request->args, queue->partition_count);
}

/* A receipt may name a partition that a queue made anew does not have: such items are absent. */
static void drop_strays(const dq_family *family, void *work, size_t count, uint32_t partition_count)
{
    for (size_t i = 0; i < count; i++)
        if (*family->outcome(work, i) == DQ_PENDING &&
            family->partition(work, i, partition_count) >= partition_count)
            *family->outcome(work, i) = family->absent;
}

/* Sorts the pending items by partition, keeping their order within one. */
static bool sort_pending(round *r, const dq_family *family, void *work, size_t count,
                         uint32_t partition_count)
{
    size_t *starts = calloc(partition_count + 1, sizeof *starts);
    r->order = calloc(count, sizeof *r->order);
    if (!starts || !r->order) {
        free(starts);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (*family->outcome(work, i) == DQ_PENDING)
            starts[family->partition(work, i, partition_count) + 1]++;
    for (uint32_t p = 0; p < partition_count; p++) starts[p + 1] += starts[p];
    r->pending = starts[partition_count];
    for (size_t i = 0; i < count; i++)
        if (*family->outcome(work, i) == DQ_PENDING)
            r->order[starts[family->partition(work, i, partition_count)]++] = i;
    free(starts);
    return true;
}

/* Cuts the order into calls: one partition each, within the limits of a call. */
static bool cut_calls(round *r, const dq_family *family, void *work, uint32_t partition_count)
{
    r->calls = calloc(r->pending + 1, sizeof *r->calls);
    r->requests = calloc(r->pending + 1, sizeof *r->requests);
    if (!r->calls || !r->requests) return false;
    size_t bytes = 0;
    for (size_t i = 0; i < r->pending; i++) {
        uint32_t partition = family->partition(work, r->order[i], partition_count);
        size_t size = family->size ? family->size(work, r->order[i]) : 0;
        call *last = r->call_count ? &r->calls[r->call_count - 1] : NULL;
        if (!last || last->partition != partition || last->count == DQ_CALL_ITEMS_MAX ||
            bytes + size > DQ_CALL_BYTES_MAX) {
            last = &r->calls[r->call_count++];
            *last = (call){.items = &r->order[i], .partition = partition};
            bytes = 0;
        }
        last->count++;
        bytes += size;
    }
    return true;
}

static bool encode_calls(round *r, const dq_family *family, void *work, const dq_queue *queue)
{
    for (size_t i = 0; i < r->call_count; i++) {
        const call *c = &r->calls[i];
        dq_request *request = &r->requests[i];
        begin(request, family->script, queue, c->partition);
        if (family->add_keys)
            request->more_keys = family->add_keys(work, &request->args, c->items, c->count);
        if (!dq_args_add_int(&request->args, queue->partition_count) ||
            !family->encode(work, &request->args, c->items, c->count) || request->args.failed)
            return false;
    }
    return true;
}

static void settle(const dq_family *family, void *work, size_t item, int outcome, bool resent)
{
    *family->outcome(work, item) =
        outcome != DQ_PENDING && family->meaning ? family->meaning(outcome, resent) : outcome;
}

/* The usual answer: {status} for all, or {status, an outcome for each}. */
static int decode_outcomes(const dq_family *family, void *work, const dq_request *request,
                           const call *c)
{
    int status = dq_reply_status(request->reply);
    size_t given = dq_reply_count(request->reply) - 1;
    if (given != 0 && given != c->count) return DUEQ_EPROTO;
    for (size_t i = 0; i < c->count; i++) {
        int outcome = status;
        if (given) outcome = (int)dq_reply_int(dq_reply_at(request->reply, i + 1), DUEQ_EPROTO);
        settle(family, work, c->items[i], outcome, request->resent);
    }
    return (int)c->count;
}

/* Gives one call's answer to its items. DUEQ_OK, DQ_STALE (all stay pending) or negative. */
static int decode_call(dueq *handle, const dq_family *family, void *work, dq_request *request,
                       const call *c)
{
    int rc = request->outcome;
    if (rc == DUEQ_OK) {
        rc = dq_reply_count(request->reply) ? dq_reply_status(request->reply) : DUEQ_EPROTO;
        if (rc == DQ_STALE) return rc;
        if (rc != DUEQ_EPROTO)
            rc = family->decode ? family->decode(work, request, c->items, c->count)
                                : decode_outcomes(family, work, request, c);
        if (rc == 0) rc = DUEQ_EPROTO; /* no item answered: asking again would never end */
        if (rc == DUEQ_EPROTO)
            dq_fault_set(&handle->fault, rc, "the script \"%s\" answered what it never does",
                         family->script->name);
    }
    if (rc >= 0) return DUEQ_OK;
    for (size_t i = 0; i < c->count; i++) *family->outcome(work, c->items[i]) = rc;
    return rc;
}

/* One round: DUEQ_OK, DQ_STALE when the queue must be looked up again, or the first failure. */
static int run_round(dueq *handle, const dq_family *family, void *work, size_t count,
                     const dq_queue *queue, int64_t deadline_us, round *r)
{
    uint32_t partition_count = queue->partition_count;
    drop_strays(family, work, count, partition_count);
    if (!sort_pending(r, family, work, count, partition_count) ||
        !cut_calls(r, family, work, partition_count) || !encode_calls(r, family, work, queue))
        return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory for %zu items", count);
    if (!r->pending) return DUEQ_OK;
    int failed = family->reads
                     ? dq_link_exchange(handle->link, r->requests, r->call_count, deadline_us,
                                        &handle->fault)
                     : dq_durable_exchange(handle, r->requests, r->call_count, deadline_us);
    int result = DUEQ_OK;
    for (size_t i = 0; i < r->call_count; i++) {
        int rc = decode_call(handle, family, work, &r->requests[i], &r->calls[i]);
        if (rc != DUEQ_OK && (result == DUEQ_OK || result == DQ_STALE)) result = rc;
    }
    return failed < 0 ? failed : result;
}

static size_t count_pending(const dq_family *family, void *work, size_t count)
{
    size_t pending = 0;
    for (size_t i = 0; i < count; i++) pending += *family->outcome(work, i) == DQ_PENDING;
    return pending;
}

/* Gives an outcome to all that have none; the call's own result from the items'. */
static int conclude(const dq_family *family, void *work, size_t count, int rc)
{
    for (size_t i = 0; i < count; i++) {
        int *outcome = family->outcome(work, i);
        if (*outcome == DQ_PENDING) *outcome = rc;
        if (rc == DUEQ_OK && *outcome != DUEQ_OK) rc = *outcome;
    }
    return rc;
}

/* DUEQ_OK, DUEQ_MISSING where it is not to be made, DQ_STALE when somebody has deleted it again since it
 * was, or negative. */
static int find_queue(dueq *handle, const char *name, const dq_family *family, int64_t deadline_us,
                      dq_queue **queue)
{
    int rc = dq_queue_find(handle, name, deadline_us, queue);
    if (rc != DUEQ_MISSING || family->absent != DUEQ_OK) return rc;
    rc = dq_queue_make(handle, name, NULL, deadline_us);
    if (rc >= 0) rc = dq_queue_find(handle, name, deadline_us, queue);
    return rc == DUEQ_MISSING ? DQ_STALE : rc;
}

int dq_fanout(dueq *handle, const char *name, const dq_family *family, void *work, size_t count,
              int64_t deadline_us)
{
    for (size_t i = 0; i < count; i++) *family->outcome(work, i) = DQ_PENDING;
    int stale = 0;
    while (count_pending(family, work, count)) {
        dq_queue *queue;
        int rc = find_queue(handle, name, family, deadline_us, &queue);
        if (rc == DUEQ_MISSING) return conclude(family, work, count, family->absent);
        if (rc < 0 && rc != DQ_STALE) return conclude(family, work, count, rc);

        if (rc == DUEQ_OK) {
            round r = {0};
            rc = run_round(handle, family, work, count, queue, deadline_us, &r);
            clear_round(&r);
        }
        if (rc == DQ_STALE && ++stale <= STALE_MAX) {
            rc = dq_queue_refresh(handle, name, deadline_us);
            if (rc >= 0) continue;
        }
        if (rc == DQ_STALE)
            rc =
                dq_fault_set(&handle->fault, DUEQ_ECORRUPT,
                             "queue \"%s\" keeps changing its partitions, or is deleted as soon as "
                             "it is made",
                             name);
        if (rc < 0) return conclude(family, work, count, rc);
    }
    return conclude(family, work, count, DUEQ_OK);
}
