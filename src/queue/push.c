/* Push: checking what the caller wants, making ids, and sending records. */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "queue/check.h"
#include "queue/durable.h"
#include "queue/fanout.h"
#include "queue/record.h"
#include "queue/reply.h"
#include "queue/settings.h"

/* What is worked out once for a task, so that sending again sends the same. The record lies in the
 * work's one buffer. */
typedef struct item {
    dueq_new_task *task;
    const char *id;
    size_t id_len;
    char *record;
    size_t record_len;
    int64_t when_us; /* from now, or minus the due time */
} item;

/* Tasks of one kind: those that brought their ids, or those whose ids are made here. */
typedef struct work {
    dueq *handle;
    item *items;
    size_t count;
    char *records; /* all records, one after another */
    const char *policy;
    bool made;     /* the ids are made here */
    bool distinct; /* all ids are known to differ */
    int64_t now_ms;
} work;

static const char *const policies[] = {
    [DUEQ_IF_EXISTS_KEEP] = "keep",         [DUEQ_IF_EXISTS_REPLACE] = "replace",
    [DUEQ_IF_EXISTS_EARLIEST] = "earliest", [DUEQ_IF_EXISTS_LATEST] = "latest",
    [DUEQ_IF_EXISTS_FAIL] = "fail",
};

/* ---- Checks: nothing is sent when one fails ---- */

static bool name_is_fine(const char *name)
{
    size_t len = name ? strnlen(name, DUEQ_HEADER_NAME_MAX + 1) : 0;
    if (len == 0 || len > DUEQ_HEADER_NAME_MAX) return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (!fine) return false;
    }
    return true;
}

static int check_headers(dueq *handle, const dueq_new_task *task)
{
    dq_fault *fault = &handle->fault;
    if (task->header_count > DUEQ_HEADERS_MAX)
        return dq_fault_set(fault, DUEQ_ELIMIT, "%zu headers; a task has at most %d",
                            task->header_count, DUEQ_HEADERS_MAX);
    if (task->header_count && !task->headers)
        return dq_fault_set(fault, DUEQ_EINVAL, "%zu headers that are not there",
                            task->header_count);
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        if (!name_is_fine(header->name))
            return dq_fault_set(fault, DUEQ_EINVAL,
                                "a header's name is 1 to %d characters of A-Z a-z 0-9 _ -",
                                DUEQ_HEADER_NAME_MAX);
        if (header->value_len && !header->value)
            return dq_fault_set(fault, DUEQ_EINVAL, "a header's value of %zu bytes without them",
                                header->value_len);
        size_t len =
            header->value_len || !header->value ? header->value_len : strlen(header->value);
        if (len > DUEQ_HEADER_VALUE_MAX)
            return dq_fault_set(fault, DUEQ_ELIMIT, "header \"%s\" has %zu bytes; at most %d",
                                header->name, len, DUEQ_HEADER_VALUE_MAX);
    }
    return DUEQ_OK;
}

static int check_task(dueq *handle, const dueq_new_task *task)
{
    dq_fault *fault = &handle->fault;
    if (task->payload_len > DUEQ_PAYLOAD_MAX)
        return dq_fault_set(fault, DUEQ_ELIMIT, "a payload of %zu bytes; the most is %d",
                            task->payload_len, DUEQ_PAYLOAD_MAX);
    if (task->payload_len && !task->payload)
        return dq_fault_set(fault, DUEQ_EINVAL, "a payload without bytes");
    int rc = dq_check_attempts(handle, task->max_attempts);
    if (rc == DUEQ_OK && task->id) rc = dq_check_id(handle, task->id, task->id_len);
    if (rc == DUEQ_OK) rc = dq_check_when(handle, task->delay_ms, task->due_ms);
    return rc < 0 ? rc : check_headers(handle, task);
}

static int check_call(dueq *handle, const char *queue, const dueq_new_task *tasks, size_t count,
                      const dueq_push_options *options)
{
    int rc = dq_check_call(handle, queue, tasks, count);
    if (rc < 0) return rc;
    if (options && (unsigned)options->if_exists > DUEQ_IF_EXISTS_FAIL)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL, "if_exists is none of the policies");
    for (size_t i = 0; i < count; i++)
        if ((rc = check_task(handle, &tasks[i])) < 0) return rc;
    return DUEQ_OK;
}

/* ---- Records ---- */

static void name_task(const work *w, item *it)
{
    dueq_new_task *task = it->task;
    task->made_id[0] = '\0';
    if (w->made) dq_id_make(task->made_id, w->now_ms);
    it->id = w->made ? task->made_id : task->id;
    it->id_len = !w->made && task->id_len ? task->id_len : strlen(it->id);
}

static char *write_record(const work *w, item *it, char *at)
{
    size_t head_len = dq_record_head_len(it->task);
    it->record = at;
    it->record_len = head_len + it->task->payload_len;
    dq_record_write_head(at, it->task, w->now_ms);
    if (it->task->payload_len) memcpy(at + head_len, it->task->payload, it->task->payload_len);
    return at + it->record_len;
}

static int compare_ids(const void *a, const void *b)
{
    const item *left = *(const item *const *)a, *right = *(const item *const *)b;
    if (left->id_len != right->id_len) return left->id_len < right->id_len ? -1 : 1;
    return memcmp(left->id, right->id, left->id_len);
}

/* Whether all ids differ, so that the script need not look; false also when unsure. */
static bool ids_differ(const work *w)
{
    if (w->count < 2) return true;
    const item **sorted = calloc(w->count, sizeof(*sorted));
    if (!sorted) return false;
    for (size_t i = 0; i < w->count; i++) sorted[i] = &w->items[i];
    qsort(sorted, w->count, sizeof(*sorted), compare_ids);
    bool differ = true;
    for (size_t i = 1; i < w->count && differ; i++)
        differ = compare_ids(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return differ;
}

/* Picks the tasks of the work's kind and writes their records. */
static bool prepare(work *w, dueq_new_task *tasks, size_t count)
{
    size_t len = 0;
    w->items = calloc(count, sizeof *w->items);
    if (!w->items) return false;
    for (size_t i = 0; i < count; i++) {
        if (!tasks[i].id != w->made) continue;
        w->items[w->count++].task = &tasks[i];
        len += dq_record_head_len(&tasks[i]) + tasks[i].payload_len;
    }
    char *at = w->records = malloc(len + 1);
    if (!at) return false;
    w->now_ms = dq_link_server_ms(w->handle->link);
    for (size_t i = 0; i < w->count; i++) {
        item *it = &w->items[i];
        name_task(w, it);
        at = write_record(w, it, at);
        it->when_us = dq_when_us(it->task->delay_ms, it->task->due_ms);
    }
    w->distinct = w->made || ids_differ(w);
    return true;
}

/* ---- The family ---- */

static uint32_t partition(const void *of, size_t i, uint32_t partition_count)
{
    const work *w = of;
    return dq_partition_of(w->items[i].id, w->items[i].id_len, partition_count);
}

static size_t size(const void *of, size_t i)
{
    const work *w = of;
    return w->items[i].id_len + w->items[i].record_len;
}

static int *outcome(void *of, size_t i)
{
    work *w = of;
    return &w->items[i].task->outcome;
}

static bool encode(void *of, dq_args *args, const size_t *order, size_t count)
{
    work *w = of;
    dq_args_add_text(args, w->policy);
    dq_args_add_text(args, w->distinct ? "1" : "0");
    for (size_t i = 0; i < count; i++) {
        const item *it = &w->items[order[i]];
        dq_args_add(args, it->id, it->id_len);
        dq_args_add(args, it->record, it->record_len);
    }
    for (size_t i = 0; i < count; i++) dq_args_add_int(args, w->items[order[i]].when_us);
    return !args->failed;
}

static int refuse(work *w, int status, const valkeyReply *reply, const size_t *order, size_t count)
{
    size_t index = (size_t)dq_reply_int(dq_reply_at(reply, 1), 1);
    if (index < 1 || index > count) return DUEQ_EPROTO;
    const item *it = &w->items[order[index - 1]];
    if (status == DUEQ_EEXIST)
        return dq_fault_set(&w->handle->fault, status, "a task with id \"%.*s\" exists",
                            (int)it->id_len, it->id);
    return dq_fault_set(&w->handle->fault, status,
                        "a payload of %zu bytes (id \"%.*s\"); this queue takes at most %lld",
                        it->task->payload_len, (int)it->id_len, it->id,
                        (long long)dq_reply_int(dq_reply_at(reply, 2), 0));
}

/* An id made here that exists is our own from a sending whose answer was lost, or else somebody
 * made the same: then another is made, and sent. */
static int settle_made(const work *w, item *it, int given, bool resent)
{
    if (given != DUEQ_EXISTS || resent) return given == DUEQ_EXISTS ? DUEQ_OK : given;
    name_task(w, it);
    return DQ_PENDING;
}

static int decode(void *of, dq_request *request, const size_t *order, size_t count)
{
    work *w = of;
    const valkeyReply *reply = request->reply;
    int status = dq_reply_status(reply);
    if (status < 0) return status == DUEQ_EPROTO ? status : refuse(w, status, reply, order, count);
    bool all_ok = dq_reply_count(reply) == 1;
    if (!all_ok && dq_reply_count(reply) != count + 1) return DUEQ_EPROTO;
    for (size_t i = 0; i < count; i++) {
        item *it = &w->items[order[i]];
        int given = all_ok ? status : (int)dq_reply_int(dq_reply_at(reply, i + 1), DUEQ_EPROTO);
        it->task->outcome = w->made ? settle_made(w, it, given, request->resent) : given;
    }
    return (int)count;
}

/* Pushes the tasks of one kind. */
static int push_kind(dueq *handle, const char *queue, work *w, dueq_new_task *tasks, size_t count,
                     int64_t deadline_us)
{
    static const dq_family family = {
        .script = &dq_script_push,
        .absent = DUEQ_OK,
        .partition = partition,
        .size = size,
        .encode = encode,
        .decode = decode,
        .outcome = outcome,
    };
    w->handle = handle;
    int rc = prepare(w, tasks, count)
                 ? DUEQ_OK
                 : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory for %zu tasks", count);
    if (rc == DUEQ_OK && w->count) rc = dq_fanout(handle, queue, &family, w, w->count, deadline_us);
    free(w->items);
    free(w->records);
    return rc;
}

static const dueq_new_task *widest_task(const dueq_new_task *tasks, size_t count)
{
    const dueq_new_task *widest = &tasks[0];
    for (size_t i = 1; i < count; i++)
        if (tasks[i].payload_len > widest->payload_len) widest = &tasks[i];
    return widest;
}

/* The queue's own limit, so that nothing of the call is sent when one payload is over it. What the
 * handle knows of it may be out of date, and is looked up again before it refuses; the script, which
 * knows, looks too. */
static int check_payloads(dueq *handle, const char *queue, const dueq_new_task *tasks, size_t count,
                          int64_t deadline_us)
{
    const dueq_new_task *widest = widest_task(tasks, count);
    int64_t payload_max = 0;
    for (int look = 0; look < 2; look++) {
        dq_queue *known;
        if (look) dq_queue_forget(handle, queue);
        int rc = dq_queue_find(handle, queue, deadline_us, &known);
        if (rc < 0) return rc;
        payload_max = rc == DUEQ_OK ? known->payload_max : dq_settings_default().payload_max;
        if (widest->payload_len <= (size_t)payload_max) return DUEQ_OK;
    }
    return dq_fault_set(&handle->fault, DUEQ_ELIMIT,
                        "a payload of %zu bytes (task %zu of the call); this queue takes at most "
                        "%lld",
                        widest->payload_len, (size_t)(widest - tasks) + 1, (long long)payload_max);
}

static void set_outcomes(dueq_new_task *tasks, size_t count, int outcome)
{
    for (size_t i = 0; i < count; i++) tasks[i].outcome = outcome;
}

static int push(dueq *handle, const char *queue, dueq_new_task *tasks, size_t count,
                const dueq_push_options *options)
{
    int64_t deadline_us = dq_handle_deadline_us(handle, options ? options->timeout_ms : 0);
    int rc = check_payloads(handle, queue, tasks, count, deadline_us);
    set_outcomes(tasks, count, rc < 0 ? rc : DUEQ_ETIMEOUT); /* not tried yet */
    if (rc < 0) return rc;

    /* What to do with an id that exists is a question only for ids that the caller chose. */
    work named = {.policy = policies[options ? options->if_exists : DUEQ_IF_EXISTS_KEEP]};
    rc = push_kind(handle, queue, &named, tasks, count, deadline_us);
    if (rc < 0) return rc;
    work made = {.policy = policies[DUEQ_IF_EXISTS_KEEP], .made = true};
    int rest = push_kind(handle, queue, &made, tasks, count, deadline_us);
    return rest != DUEQ_OK ? rest : rc;
}

int dueq_push(dueq *handle, const char *queue, dueq_new_task *tasks, size_t count,
              const dueq_push_options *options)
{
    dq_level level = handle->durable.usual;
    int rc = check_call(handle, queue, tasks, count, options);
    if (rc == DUEQ_OK && options && options->durability)
        rc = dq_durable_read(handle, options->durability, &level);
    if (rc < 0) return rc;
    dq_durable_begin_at(handle, level);
    rc = push(handle, queue, tasks, count, options);
    dq_durable_end(handle);
    return rc;
}
