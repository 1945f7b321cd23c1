/* The reader of push --ndjson: whatever a line holds, it is a task within the limits or a reason. */
#include <stdlib.h>
#include <string.h>

#include "../../cli/ndjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool held)
{
    if (!held) abort();
}

static void check_task(const dueq_new_task *task)
{
    insist(task->payload != NULL);
    insist(((const char *)task->payload)[task->payload_len] == '\0');
    insist(task->id == NULL || (task->id_len >= 1 && task->id_len <= DUEQ_ID_MAX));
    insist(task->delay_ms >= 0 && task->delay_ms <= DUEQ_DELAY_MS_MAX);
    insist(task->due_ms >= 0 && (task->due_ms == 0 || task->delay_ms == 0));
    insist(task->max_attempts >= 0 && task->max_attempts <= DUEQ_ATTEMPTS_MAX);
    insist(task->header_count <= DUEQ_HEADERS_MAX);
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];

        insist(ndjson_header_fault(header->name, strlen(header->name), header->value_len) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char why[NDJSON_WHY_MAX] = "";
    dueq_new_task task = {0};
    pool room = {0};

    if (ndjson_read((const char *)data, len, &room, &task, why))
        check_task(&task);
    else
        insist(*why != '\0' && strlen(why) < NDJSON_WHY_MAX);
    pool_clear(&room);
    return 0;
}
