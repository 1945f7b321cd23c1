/* Operations on tasks that are named by their ids: get, cancel, reschedule. */
#include "queue/names.h"

#include <stdlib.h>
#include <string.h>

#include "queue/batch.h"
#include "queue/check.h"
#include "queue/durable.h"
#include "queue/reply.h"

size_t dq_name_len(const dueq_name *name)
{
    return name->id_len ? name->id_len : strlen(name->id);
}

uint32_t dq_names_partition(const void *work, size_t item, uint32_t partition_count)
{
    const dueq_name *name = &((const dq_names *)work)->names[item];
    return dq_partition_of(name->id, dq_name_len(name), partition_count);
}

int *dq_names_outcome(void *work, size_t item)
{
    return &((dq_names *)work)->names[item].outcome;
}

bool dq_names_encode(void *work, dq_args *args, const size_t *items, size_t count)
{
    const dueq_name *names = ((dq_names *)work)->names;
    for (size_t i = 0; i < count; i++)
        dq_args_add(args, names[items[i]].id, dq_name_len(&names[items[i]]));
    return !args->failed;
}

int dq_names_run(dueq *handle, const char *queue, const dq_family *family, void *work, size_t count)
{
    const dueq_name *names = ((dq_names *)work)->names;
    int rc = dq_check_call(handle, queue, names, count);
    for (size_t i = 0; i < count && rc == DUEQ_OK; i++)
        rc = dq_check_id(handle, names[i].id, names[i].id_len);
    if (rc < 0) return rc;
    if (!family->reads) dq_durable_begin(handle);
    return dq_fanout(handle, queue, family, work, count, dq_handle_deadline_us(handle, 0));
}

/* ---- cancel ---- */

/* Sent again after a lost answer and gone: the first sending removed it. */
static int cancel_meaning(int outcome, bool resent)
{
    return outcome == DUEQ_MISSING && resent ? DUEQ_OK : outcome;
}

int dueq_cancel(dueq *handle, const char *queue, dueq_name *names, size_t count)
{
    static const dq_family family = {
        .script = &dq_script_cancel,
        .absent = DUEQ_MISSING,
        .partition = dq_names_partition,
        .encode = dq_names_encode,
        .meaning = cancel_meaning,
        .outcome = dq_names_outcome,
    };
    dq_names work = {names};
    return dq_names_run(handle, queue, &family, &work, count);
}

/* ---- reschedule ---- */

typedef struct reschedule_work {
    dq_names names;
    int64_t when_us;
} reschedule_work;

static bool encode_reschedule(void *work, dq_args *args, const size_t *items, size_t count)
{
    dq_args_add_int(args, ((reschedule_work *)work)->when_us);
    return dq_names_encode(work, args, items, count);
}

int dueq_reschedule(dueq *handle, const char *queue, dueq_name *names, size_t count,
                    int64_t delay_ms, int64_t due_ms)
{
    static const dq_family family = {
        .script = &dq_script_reschedule,
        .absent = DUEQ_MISSING,
        .partition = dq_names_partition,
        .encode = encode_reschedule,
        .outcome = dq_names_outcome,
    };
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK) rc = dq_check_when(handle, delay_ms, due_ms);
    if (rc < 0) return rc;
    reschedule_work work = {{names}, dq_when_us(delay_ms, due_ms)};
    return dq_names_run(handle, queue, &family, &work, count);
}

/* ---- get ---- */

typedef struct get_work {
    dq_names names;
    dueq *handle;
    dq_batch *batch;
    size_t *task_of; /* per item: its task in the batch, plus one; 0: missing */
} get_work;

enum { REPLY_BYTES_MAX = 8 << 20 };

static bool encode_get(void *work, dq_args *args, const size_t *items, size_t count)
{
    dq_args_add_int(args, REPLY_BYTES_MAX);
    return dq_names_encode(work, args, items, count);
}

/* The state from the task's scores: at most one of them is there. */
static void fill_state(dueq_task *task, const valkeyReply *reply, size_t i)
{
    int64_t now_us = dq_reply_int(dq_reply_at(reply, 1), 0);
    int64_t due_us = dq_reply_int(dq_reply_at(dq_reply_at(reply, 2), i), -1);
    int64_t leased_us = dq_reply_int(dq_reply_at(dq_reply_at(reply, 3), i), -1);
    int64_t dead_us = dq_reply_int(dq_reply_at(dq_reply_at(reply, 4), i), -1);
    if (due_us >= 0) {
        task->state = due_us <= now_us ? DUEQ_STATE_READY : DUEQ_STATE_WAITING;
        task->due_ms = due_us / 1000;
    } else if (leased_us >= 0) {
        task->state = DUEQ_STATE_LEASED;
        task->deadline_ms = leased_us / 1000;
    } else if (dead_us >= 0) {
        task->state = DUEQ_STATE_DEAD;
        task->died_ms = dead_us / 1000;
    }
}

static int add_found(get_work *w, const valkeyReply *reply, size_t i, size_t item)
{
    const dueq_name *name = &w->names.names[item];
    dq_found found = {
        .id_bytes = name->id,
        .id_len = dq_name_len(name),
        .record = dq_reply_at(dq_reply_at(reply, 5), i),
        .tries = dq_reply_at(dq_reply_at(reply, 6), i),
    };
    if (!dq_reply_is_text(found.record)) return DUEQ_MISSING;
    dueq_task *task;
    int rc = dq_batch_add(w->batch, &found, &task);
    if (rc < 0)
        return dq_fault_set(&w->handle->fault, rc, "the record of task \"%.*s\": %s",
                            (int)found.id_len, found.id_bytes, dueq_outcome_text(rc));
    fill_state(task, reply, i);
    w->task_of[item] = w->batch->pub.count;
    return DUEQ_OK;
}

static int decode_get(void *work, dq_request *request, const size_t *items, size_t count)
{
    get_work *w = work;
    valkeyReply *kept = request->reply;
    size_t answered = dq_reply_count(dq_reply_at(kept, 5));
    if (answered < 1 || answered > count) return DUEQ_EPROTO;
    request->reply = NULL;
    if (!dq_batch_keep(w->batch, kept)) return DUEQ_ENOMEM;
    for (size_t i = 0; i < answered; i++) {
        int rc = add_found(w, kept, i, items[i]);
        if (rc < 0) return rc;
        w->names.names[items[i]].outcome = rc;
    }
    return (int)answered;
}

/* Puts the tasks in the order in which they were asked for. */
static bool order_tasks(get_work *w, size_t count)
{
    dueq_task *ordered = calloc(w->batch->pub.count + 1, sizeof *ordered);
    if (!ordered) return false;
    size_t placed = 0;
    for (size_t i = 0; i < count; i++)
        if (w->task_of[i]) ordered[placed++] = w->batch->tasks[w->task_of[i] - 1];
    free(w->batch->tasks);
    w->batch->tasks = ordered;
    w->batch->pub.tasks = ordered;
    return true;
}

int dueq_get(dueq *handle, const char *queue, dueq_name *names, size_t count, dueq_batch **batch)
{
    static const dq_family family = {
        .script = &dq_script_get,
        .absent = DUEQ_MISSING,
        .reads = true,
        .partition = dq_names_partition,
        .encode = encode_get,
        .decode = decode_get,
        .outcome = dq_names_outcome,
    };
    *batch = NULL;
    int rc = dq_check_call(handle, queue, names, count);
    if (rc < 0) return rc;
    get_work w = {.names = {names}, .handle = handle, .batch = dq_batch_make()};
    w.task_of = calloc(count, sizeof *w.task_of);
    rc = w.batch && w.task_of ? dq_names_run(handle, queue, &family, &w, count) : DUEQ_ENOMEM;
    if (rc >= 0 && !order_tasks(&w, count)) rc = DUEQ_ENOMEM;
    if (rc == DUEQ_ENOMEM) dq_fault_set(&handle->fault, rc, "out of memory for %zu tasks", count);
    free(w.task_of);
    if (rc >= 0)
        *batch = &w.batch->pub;
    else
        dueq_batch_free((dueq_batch *)w.batch);
    return rc;
}
