/* Listing the tasks of a state, a page at a time, partition by partition. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "queue/batch.h"
#include "queue/check.h"
#include "queue/fanout.h"
#include "queue/reply.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, REPLY_BYTES_MAX = 8 << 20, STALE_MAX = 5 };

/* Where a page ended; as text, "partition:score:id in base64url". Score and id are empty at the
 * start of a partition. */
typedef struct place {
    uint32_t partition;
    char score[24];
    char id[DUEQ_ID_MAX];
    size_t id_len;
} place;

static const char *const state_args[] = {
    [DUEQ_STATE_NONE] = "unleased", [DUEQ_STATE_WAITING] = "waiting", [DUEQ_STATE_READY] = "ready",
    [DUEQ_STATE_LEASED] = "leased", [DUEQ_STATE_DEAD] = "dead",
};

/* ---- Cursors ---- */

static bool read_place(place *at, const char *cursor)
{
    *at = (place){0};
    if (!cursor || !*cursor) return true;
    if (!isdigit((unsigned char)*cursor)) return false; /* strtoul() would take more */
    char *end;
    unsigned long partition = strtoul(cursor, &end, 10);
    if (end == cursor || *end != ':' || partition >= DUEQ_PARTITIONS_MAX) return false;
    at->partition = (uint32_t)partition;
    const char *score = end + 1, *colon = strchr(score, ':');
    if (!colon || (size_t)(colon - score) >= sizeof at->score) return false;
    memcpy(at->score, score, (size_t)(colon - score));
    if (strspn(at->score, "0123456789") != (size_t)(colon - score)) return false;
    size_t text_len = strlen(colon + 1);
    if (text_len > dq_base64url_len(DUEQ_ID_MAX)) return false;
    ptrdiff_t id_len = dq_base64url_decode(at->id, colon + 1, text_len);
    at->id_len = id_len < 0 ? 0 : (size_t)id_len;
    return id_len >= 0 && !at->score[0] == !id_len;
}

static char *write_place(const place *at)
{
    char id[(DUEQ_ID_MAX * 4 + 2) / 3 + 1];
    dq_base64url(id, at->id, at->id_len);
    char *text;
    return asprintf(&text, "%u:%s:%s", at->partition, at->score, id) < 0 ? NULL : text;
}

/* ---- One partition's page ---- */

typedef struct listing {
    dueq *handle;
    const dueq_list_options *options;
    size_t left; /* tasks still wanted */
    place at;
    dq_batch *batch;
} listing;

static void fill_state(dueq_task *task, dueq_state wanted, int64_t score_us, int64_t now_us)
{
    if (wanted == DUEQ_STATE_LEASED) {
        task->state = DUEQ_STATE_LEASED;
        task->deadline_ms = score_us / 1000;
    } else if (wanted == DUEQ_STATE_DEAD) {
        task->state = DUEQ_STATE_DEAD;
        task->died_ms = score_us / 1000;
    } else {
        task->state = score_us <= now_us ? DUEQ_STATE_READY : DUEQ_STATE_WAITING;
        task->due_ms = score_us / 1000;
    }
}

/* Adds a page's tasks and moves the place behind them. */
static int add_page(listing *l, const valkeyReply *reply)
{
    const valkeyReply *found = dq_reply_at(reply, 3);
    size_t count = dq_reply_count(found) / 2;
    for (size_t i = 0; i < count; i++) {
        const valkeyReply *id = dq_reply_at(found, 2 * i), *score = dq_reply_at(found, 2 * i + 1);
        dq_found one = {.id = id,
                        .record = dq_reply_at(dq_reply_at(reply, 4), i),
                        .tries = dq_reply_at(dq_reply_at(reply, 5), i)};
        if (!dq_reply_is_text(id) || id->len > DUEQ_ID_MAX || !dq_reply_is_text(score))
            return DUEQ_EPROTO;
        l->at.id_len = id->len;
        memcpy(l->at.id, id->str, id->len);
        snprintf(l->at.score, sizeof l->at.score, "%s", score->str);
        if (!dq_reply_is_text(one.record)) continue; /* an orphan: fsck names it */
        dueq_task *task;
        int rc = dq_batch_add(l->batch, &one, &task);
        if (rc == DUEQ_ENOMEM) return rc;
        if (rc == DUEQ_OK)
            fill_state(task, l->options->state, dq_reply_int(score, 0),
                       dq_reply_int(dq_reply_at(reply, 1), 0));
    }
    l->left -= count < l->left ? count : l->left;
    return DUEQ_OK;
}

static bool encode(const listing *l, dq_request *request, const dq_queue *queue)
{
    dq_request_begin(request, &dq_script_list, queue, l->at.partition);
    dq_args_add_text(&request->args, state_args[l->options->state]);
    dq_args_add_int(&request->args, (int64_t)l->left);
    dq_args_add_int(&request->args, REPLY_BYTES_MAX);
    dq_args_add_text(&request->args, l->at.score);
    return dq_args_add(&request->args, l->at.id, l->at.id_len);
}

/* DUEQ_OK with *ended set, DQ_STALE or negative. */
static int list_page(listing *l, const dq_queue *queue, int64_t deadline_us, bool *ended)
{
    dq_request request = {0};
    dq_fault *fault = &l->handle->fault;
    int rc = encode(l, &request, queue)
                 ? dq_link_exchange(l->handle->link, &request, 1, deadline_us, fault)
                 : DUEQ_ENOMEM;
    valkeyReply *reply = request.reply;
    if (rc == DUEQ_OK) rc = dq_reply_status(reply);
    if (rc == DUEQ_OK) {
        request.reply = NULL;
        *ended = dq_reply_int(dq_reply_at(reply, 2), 1) != 0;
        rc = dq_batch_keep(l->batch, reply) ? add_page(l, reply) : DUEQ_ENOMEM;
    }
    dq_request_clear(&request);
    if (rc == DUEQ_ENOMEM) dq_fault_set(fault, rc, "out of memory for a page");
    if (rc == DUEQ_EPROTO && !fault->code)
        dq_fault_set(fault, rc, "the script \"list\" answered what it never does");
    return rc;
}

/* ---- All partitions in turn, until the page is full ---- */

/* DUEQ_OK with *ended set when the last partition has ended; DUEQ_MISSING; negative. */
static int list_all(listing *l, const char *name, int64_t deadline_us, bool *ended)
{
    *ended = false;
    int stale = 0;
    while (l->left && !*ended) {
        dq_queue *queue;
        int rc = dq_queue_find(l->handle, name, deadline_us, &queue);
        if (rc != DUEQ_OK) return rc;
        if (l->at.partition >= queue->partition_count) {
            *ended = true;
            break;
        }
        bool partition_ended = false;
        rc = list_page(l, queue, deadline_us, &partition_ended);
        if (rc == DQ_STALE && stale++ < STALE_MAX) {
            rc = dq_queue_refresh(l->handle, name, deadline_us);
            if (rc == DUEQ_OK) continue;
        }
        if (rc != DUEQ_OK) return rc == DQ_STALE ? DUEQ_MISSING : rc;
        if (partition_ended) l->at = (place){.partition = l->at.partition + 1};
        *ended = l->at.partition >= queue->partition_count;
    }
    return DUEQ_OK;
}

static int check_options(dueq *handle, const dueq_list_options *options, place *at)
{
    if ((unsigned)options->state > DUEQ_STATE_DEAD)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL, "no such state of a task");
    if (options->tasks_max > PAGE_MAX)
        return dq_fault_set(&handle->fault, DUEQ_ELIMIT, "a page of %zu tasks; at most %d",
                            options->tasks_max, PAGE_MAX);
    if (!read_place(at, options->cursor))
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "the cursor is not one that an earlier page gave");
    return DUEQ_OK;
}

int dueq_list(dueq *handle, const char *queue, const dueq_list_options *options, dueq_batch **batch,
              char **cursor)
{
    static const dueq_list_options defaults = {0};
    if (!options) options = &defaults;
    *batch = NULL;
    *cursor = NULL;
    listing l = {.handle = handle, .options = options};
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK) rc = check_options(handle, options, &l.at);
    if (rc < 0) return rc;
    l.left = options->tasks_max ? options->tasks_max : PAGE_DEFAULT;
    l.batch = dq_batch_make();
    if (!l.batch) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");

    bool ended;
    rc = list_all(&l, queue, dq_handle_deadline_us(handle, 0), &ended);
    if (rc == DUEQ_OK && !ended && !(*cursor = write_place(&l.at)))
        rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    if (rc == DUEQ_OK)
        *batch = &l.batch->pub;
    else
        dueq_batch_free(&l.batch->pub);
    return rc;
}
