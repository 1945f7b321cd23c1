/* Building batches: tasks, and the memory they point to. */
#include "queue/batch.h"

#include <stdlib.h>
#include <string.h>

#include "queue/record.h"
#include "queue/reply.h"

enum { BLOCK_SIZE = 16384 };

typedef struct dq_batch_block {
    struct dq_batch_block *next;
    size_t used;
    size_t size;
    max_align_t bytes[];
} block;

dq_batch *dq_batch_make(void)
{
    return calloc(1, sizeof(dq_batch));
}

void dueq_batch_free(dueq_batch *pub)
{
    dq_batch *batch = (dq_batch *)pub;
    if (!batch) return;
    for (size_t i = 0; i < batch->reply_count; i++) freeReplyObject(batch->replies[i]);
    for (block *b = batch->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(batch->replies);
    free(batch->tasks);
    free(batch);
}

bool dq_batch_keep(dq_batch *batch, valkeyReply *reply)
{
    valkeyReply **grown =
        realloc(batch->replies, (batch->reply_count + 1) * sizeof(*batch->replies));
    if (!grown) {
        freeReplyObject(reply);
        return false;
    }
    batch->replies = grown;
    batch->replies[batch->reply_count++] = reply;
    return true;
}

char *dq_batch_room(dq_batch *batch, size_t len)
{
    len = (len + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
    block *b = batch->blocks;
    if (!b || b->size - b->used < len) {
        size_t size = len > BLOCK_SIZE ? len : BLOCK_SIZE;
        b = malloc(sizeof *b + size);
        if (!b) return NULL;
        *b = (block){.next = batch->blocks, .size = size};
        batch->blocks = b;
    }
    char *room = (char *)b->bytes + b->used;
    b->used += len;
    return room;
}

static char *copy_text(dq_batch *batch, const char *bytes, size_t len)
{
    char *copy = dq_batch_room(batch, len + 1);
    if (!copy) return NULL;
    memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

static bool add_headers(dq_batch *batch, dueq_task *task, const dq_record *record)
{
    dueq_header *headers = (void *)dq_batch_room(batch, record->header_count * sizeof(dueq_header));
    if (!headers) return false;
    dq_record_header from;
    size_t at = 0, count = 0;
    while (dq_record_next_header(record, &at, &from)) {
        dueq_header *to = &headers[count++];
        to->name = copy_text(batch, from.name, from.name_len);
        to->value = copy_text(batch, from.value, from.value_len);
        to->value_len = from.value_len;
        if (!to->name || !to->value) return false;
    }
    task->headers = headers;
    task->header_count = count;
    return true;
}

/* Reads "failures:lease:extended:error" (lua/shared/tries.lua). */
static void add_tries(dueq_task *task, const valkeyReply *tries)
{
    if (!dq_reply_is_text(tries)) return;
    task->attempt = strtoll(tries->str, NULL, 10);
    const char *at = tries->str, *end = tries->str + tries->len;
    for (int colons = 0; colons < 3; colons++) {
        at = memchr(at, ':', (size_t)(end - at));
        if (!at) return;
        at++;
    }
    if (at == end) return;
    task->error = at;
    task->error_len = (size_t)(end - at);
}

static bool grow(dq_batch *batch)
{
    if (batch->pub.count < batch->task_cap) return true;
    size_t cap = batch->task_cap ? batch->task_cap * 2 : 16;
    dueq_task *grown = realloc(batch->tasks, cap * sizeof *grown);
    if (!grown) return false;
    batch->tasks = grown;
    batch->task_cap = cap;
    batch->pub.tasks = grown;
    return true;
}

int dq_batch_add(dq_batch *batch, const dq_found *found, dueq_task **added)
{
    dq_record record;
    if (!dq_record_read(&record, found->record->str, found->record->len)) return DUEQ_ECORRUPT;
    if (!grow(batch)) return DUEQ_ENOMEM;
    dueq_task *task = &batch->tasks[batch->pub.count];
    *task = (dueq_task){
        .payload = record.payload,
        .payload_len = record.payload_len,
        .pushed_ms = record.pushed_ms,
        .max_attempts = record.max_attempts,
    };
    task->id_len = found->id ? found->id->len : found->id_len;
    task->id = found->id ? found->id->str : copy_text(batch, found->id_bytes, found->id_len);
    if (!task->id || (record.header_count && !add_headers(batch, task, &record)))
        return DUEQ_ENOMEM;
    add_tries(task, found->tries);
    batch->pub.count++;
    *added = task;
    return DUEQ_OK;
}
