/* One script on every partition of a queue; partitions that turn out to be missing are made and
 * asked again. */
#include "queue/every.h"

#include <stdlib.h>

#include "queue/durable.h"
#include "queue/fanout.h"
#include "queue/reply.h"

enum { STALE_MAX = 5 };

/* Holds: answered[p] says that partition p has given its answer. */
typedef struct round {
    bool *answered;
    dq_request *requests; /* one a partition; unused for those that have answered */
    uint32_t partition_count;
} round;

static void clear_requests(round *r)
{
    for (uint32_t p = 0; p < r->partition_count; p++) dq_request_clear(&r->requests[p]);
}

static int take_answers(dueq *handle, const dq_every *every, void *work, round *r,
                        const uint32_t *asked, size_t asked_count)
{
    int result = DUEQ_OK;
    for (size_t i = 0; i < asked_count; i++) {
        const valkeyReply *reply = r->requests[i].reply;
        int status = dq_reply_status(reply);
        if (status == DQ_STALE) {
            if (result == DUEQ_OK) result = DQ_STALE;
            continue;
        }
        r->answered[asked[i]] = true;
        int rc = status == DUEQ_EPROTO ? status : every->decode(work, asked[i], reply);
        if (rc == DUEQ_EPROTO)
            dq_fault_set(&handle->fault, rc, "the script \"%s\" answered what it never does",
                         every->script->name);
        if (rc != DUEQ_OK && (result == DUEQ_OK || result == DQ_STALE)) result = rc;
    }
    return result;
}

static int ask(dueq *handle, const dq_queue *queue, const dq_every *every, void *work, round *r,
               int64_t deadline_us)
{
    uint32_t *asked = calloc((size_t)r->partition_count + 1, sizeof *asked);
    size_t count = 0;
    bool fine = asked != NULL;
    for (uint32_t p = 0; p < r->partition_count && fine; p++) {
        if (r->answered[p]) continue;
        dq_request *request = &r->requests[count];
        asked[count++] = p;
        fine = dq_request_begin(request, every->script, queue, p) &&
               (!every->encode || every->encode(work, &request->args));
    }
    int rc;
    if (!fine)
        rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    else if (every->reads)
        rc = dq_link_exchange(handle->link, r->requests, count, deadline_us, &handle->fault);
    else
        rc = dq_durable_exchange(handle, r->requests, count, deadline_us);
    if (rc == DUEQ_OK) rc = take_answers(handle, every, work, r, asked, count);
    free(asked);
    return rc;
}

static bool fit_round(round *r, uint32_t partition_count)
{
    if (r->partition_count == partition_count) return true;
    free(r->answered);
    free(r->requests);
    r->partition_count = partition_count;
    r->answered = calloc(partition_count, sizeof *r->answered);
    r->requests = calloc(partition_count, sizeof *r->requests);
    return r->answered && r->requests;
}

int dq_every_partition(dueq *handle, const char *name, const dq_every *every, void *work,
                       int64_t deadline_us)
{
    round r = {0};
    dq_queue *queue;
    int rc = dq_queue_find(handle, name, deadline_us, &queue);
    for (int stale = 0; rc == DUEQ_OK; stale++) {
        if (!fit_round(&r, queue->partition_count)) {
            rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
            r.partition_count = 0;
            break;
        }
        rc = ask(handle, queue, every, work, &r, deadline_us);
        clear_requests(&r);
        if (rc != DQ_STALE) break;
        if (stale == STALE_MAX)
            rc = dq_fault_set(&handle->fault, DUEQ_ECORRUPT,
                              "queue \"%s\" keeps changing its partitions", name);
        else
            rc = dq_queue_refresh(handle, name, deadline_us);
        if (rc >= 0) rc = dq_queue_find(handle, name, deadline_us, &queue);
    }
    free(r.answered);
    free(r.requests);
    return rc;
}
