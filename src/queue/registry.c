/* Which queues there are: the registry on the server, and what the handle remembers of it. */
#include "queue/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "queue/check.h"
#include "queue/durable.h"
#include "queue/fanout.h"
#include "queue/reply.h"

/* ---- What the handle remembers ---- */

static void free_queue(dq_queue *queue)
{
    if (!queue) return;
    for (uint32_t p = 0; queue->keys && p < queue->partition_count; p++)
        dq_keys_clear(&queue->keys[p]);
    free(queue->keys);
    free(queue->armed);
    free(queue->clocks);
    free(queue);
}

void dq_queues_forget_all(dueq *handle)
{
    for (dq_queue *queue = handle->queues, *next; queue; queue = next) {
        next = queue->next;
        free_queue(queue);
    }
    handle->queues = NULL;
}

static dq_queue **find_place(dueq *handle, const char *name)
{
    dq_queue **place = &handle->queues;
    while (*place && strcmp((*place)->name, name) != 0) place = &(*place)->next;
    return place;
}

void dq_queue_forget(dueq *handle, const char *name)
{
    dq_queue **place = find_place(handle, name), *queue = *place;
    if (!queue) return;
    *place = queue->next;
    free_queue(queue);
}

static dq_queue *remember(dueq *handle, const char *name, const dq_settings *stored)
{
    uint32_t partition_count = (uint32_t)stored->partitions;
    dq_queue *queue = calloc(1, sizeof *queue);
    if (!queue) return NULL;
    strcpy(queue->name, name);
    queue->partition_count = partition_count;
    queue->payload_max = stored->payload_max;
    queue->next_partition = (uint32_t)dq_random_below(partition_count);
    queue->keys = calloc(partition_count, sizeof *queue->keys);
    queue->armed = calloc(partition_count, sizeof *queue->armed);
    queue->clocks = calloc(partition_count, sizeof *queue->clocks);
    bool fine = queue->keys && queue->armed && queue->clocks;
    for (uint32_t p = 0; fine && p < partition_count; p++)
        fine = dq_keys_make(&queue->keys[p], handle->url.prefix, name, p);
    if (!fine) {
        free_queue(queue);
        return NULL;
    }
    queue->next = handle->queues;
    handle->queues = queue;
    return queue;
}

/* ---- The registry on the server ---- */

static bool is_change(const char *command)
{
    return strncmp(command, "HSET", 4) == 0 || strcmp(command, "HDEL") == 0;
}

/* A plain command on the registry's key. The request is the caller's to clear. */
static int ask_registry(dueq *handle, dq_request *request, const char *command, const char *name,
                        const char *value, int64_t deadline_us)
{
    *request = (dq_request){.key = handle->registry};
    dq_args_add_text(&request->args, command);
    dq_args_add_text(&request->args, handle->registry);
    if (name) dq_args_add_text(&request->args, name);
    if (value) dq_args_add_text(&request->args, value);
    if (request->args.failed) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    return is_change(command)
               ? dq_durable_exchange(handle, request, 1, deadline_us)
               : dq_link_exchange(handle->link, request, 1, deadline_us, &handle->fault);
}

int dq_registry_read(dueq *handle, const char *name, int64_t deadline_us, dq_settings *stored)
{
    dq_request request;
    int rc = ask_registry(handle, &request, "HGET", name, NULL, deadline_us);
    const valkeyReply *reply = request.reply;
    if (rc == DUEQ_OK && !dq_reply_is_text(reply))
        rc = DUEQ_MISSING;
    else if (rc == DUEQ_OK && !dq_settings_read(stored, reply->str, reply->len))
        rc = dq_fault_set(&handle->fault, DUEQ_ECORRUPT,
                          "the entry of queue \"%s\" in %s cannot be read", name, handle->registry);
    dq_request_clear(&request);
    return rc;
}

/* Whether an entry that stood already is what a sending whose answer was lost had written. */
static bool is_own_entry(dueq *handle, const char *name, const dq_settings *stored,
                         int64_t deadline_us)
{
    dq_settings standing;
    return dq_registry_read(handle, name, deadline_us, &standing) == DUEQ_OK &&
           memcmp(&standing, stored, sizeof standing) == 0;
}

int dq_registry_write(dueq *handle, const char *command, const char *name,
                      const dq_settings *stored, int64_t deadline_us)
{
    dq_buf text = {0};
    dq_request request = {0};
    int rc = dq_settings_write(&text, stored)
                 ? ask_registry(handle, &request, command, name, text.data, deadline_us)
                 : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    bool stood =
        rc == DUEQ_OK && strcmp(command, "HSETNX") == 0 && dq_reply_int(request.reply, 1) == 0;
    if (stood && !(request.resent && is_own_entry(handle, name, stored, deadline_us)))
        rc = DUEQ_EXISTS;
    dq_request_clear(&request);
    dq_buf_clear(&text);
    return rc;
}

int dq_registry_remove(dueq *handle, const char *name, int64_t deadline_us)
{
    dq_request request;
    int rc = ask_registry(handle, &request, "HDEL", name, NULL, deadline_us);
    dq_request_clear(&request);
    return rc;
}

/* ---- Finding and making ---- */

/* The settings as the first partition has them. DUEQ_OK, DUEQ_MISSING or negative. */
static int read_standing(dueq *handle, const char *name, int64_t deadline_us, dq_settings *stored)
{
    dq_keys keys;
    bool fine = dq_keys_make(&keys, handle->url.prefix, name, 0);
    dq_request request = {.key = keys.name[DQ_KEY_META]};
    dq_args_add_text(&request.args, "HMGET");
    if (fine) dq_args_add_text(&request.args, keys.name[DQ_KEY_META]);
    for (int i = 0; i < DQ_SETTING_COUNT; i++)
        dq_args_add_text(&request.args, dq_setting_list[i].name);
    int rc = fine && !request.args.failed
                 ? dq_link_exchange(handle->link, &request, 1, deadline_us, &handle->fault)
                 : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    *stored = dq_settings_default();
    for (size_t i = 0; i < DQ_SETTING_COUNT; i++) {
        int64_t value = dq_reply_int(dq_reply_at(request.reply, i), -1);
        if (value >= 0) dq_setting_set(stored, &dq_setting_list[i], value);
    }
    bool stands = dq_reply_is_text(dq_reply_at(request.reply, 0)) && stored->partitions >= 1 &&
                  stored->partitions <= DUEQ_PARTITIONS_MAX;
    dq_request_clear(&request);
    dq_keys_clear(&keys);
    return rc == DUEQ_OK && !stands ? DUEQ_MISSING : rc;
}

/* The entry of a queue; one that was lost is written anew from what stands. */
static int read_or_heal(dueq *handle, const char *name, int64_t deadline_us, dq_settings *stored)
{
    int rc = dq_registry_read(handle, name, deadline_us, stored);
    if (rc == DUEQ_MISSING) {
        rc = read_standing(handle, name, deadline_us, stored);
        if (rc == DUEQ_OK) rc = dq_registry_write(handle, "HSETNX", name, stored, deadline_us);
        if (rc == DUEQ_EXISTS) rc = dq_registry_read(handle, name, deadline_us, stored);
    }
    return rc;
}

int dq_queue_find(dueq *handle, const char *name, int64_t deadline_us, dq_queue **queue)
{
    *queue = *find_place(handle, name);
    if (*queue) return DUEQ_OK;
    dq_settings stored;
    int rc = read_or_heal(handle, name, deadline_us, &stored);
    if (rc != DUEQ_OK) return rc;
    *queue = remember(handle, name, &stored);
    return *queue ? DUEQ_OK : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
}

/* Adds the names that the handle does not know to the request, and to `names`. */
static size_t add_unknown(dueq *handle, dq_request *request, const dueq_queue_counts *queues,
                          size_t count, const char **names)
{
    size_t unknown = 0;
    dq_args_add_text(&request->args, "HMGET");
    dq_args_add_text(&request->args, handle->registry);
    for (size_t i = 0; i < count; i++) {
        if (*find_place(handle, queues[i].queue)) continue;
        names[unknown++] = queues[i].queue;
        dq_args_add_text(&request->args, queues[i].queue);
    }
    return unknown;
}

static bool learn_entry(dueq *handle, const char *name, const valkeyReply *entry)
{
    dq_settings stored;
    if (!dq_reply_is_text(entry) || !dq_settings_read(&stored, entry->str, entry->len) ||
        *find_place(handle, name))
        return true;
    return remember(handle, name, &stored) != NULL;
}

int dq_queues_learn(dueq *handle, const dueq_queue_counts *queues, size_t count,
                    int64_t deadline_us)
{
    dq_request request = {0};
    const char **names = calloc(count + 1, sizeof *names);
    size_t unknown = names ? add_unknown(handle, &request, queues, count, names) : 0;
    bool fine = names && !request.args.failed;
    int rc = DUEQ_OK;
    if (fine && unknown)
        rc = dq_link_exchange(handle->link, &request, 1, deadline_us, &handle->fault);
    for (size_t i = 0; i < unknown && fine && rc == DUEQ_OK; i++)
        fine = learn_entry(handle, names[i], dq_reply_at(request.reply, i));
    dq_request_clear(&request);
    free(names);
    return fine ? rc : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
}

static bool encode_create(dq_request *request, const dq_queue *queue, uint32_t partition,
                          const dq_settings *stored)
{
    dq_request_begin(request, &dq_script_create, queue, partition);
    for (int i = 1; i < DQ_SETTING_COUNT; i++) /* partitions went first */
        dq_args_add_int(&request->args, dq_setting_get(stored, &dq_setting_list[i]));
    return !request->args.failed;
}

/* Reads the answers of create.lua: DUEQ_OK when any partition was made now, DUEQ_EXISTS when all
 * stood, DUEQ_STATE when one stands with another number of partitions, put in *standing. */
static int read_created(dueq *handle, const dq_request *requests, uint32_t count, int64_t *standing)
{
    int result = DUEQ_EXISTS;
    for (uint32_t p = 0; p < count; p++) {
        int status = dq_reply_status(requests[p].reply);
        if (status == DUEQ_STATE) {
            *standing = dq_reply_int(dq_reply_at(requests[p].reply, 1), 0);
            return DUEQ_STATE;
        }
        if (status == DUEQ_OK) result = DUEQ_OK;
        if (status < 0)
            return dq_fault_set(&handle->fault, DUEQ_EPROTO,
                                "the script \"create\" answered what it never does");
    }
    return result;
}

static int create(dueq *handle, dq_request *requests, uint32_t count, int64_t deadline_us,
                  int64_t *standing)
{
    int rc = dq_durable_exchange(handle, requests, count, deadline_us);
    return rc < 0 ? rc : read_created(handle, requests, count, standing);
}

/* Makes the partitions that do not stand yet; the first before the others, so that none is made
 * beside those of a queue that has another number. */
static int make_partitions(dueq *handle, const char *name, const dq_settings *stored,
                           int64_t deadline_us, int64_t *standing)
{
    dq_queue_forget(handle, name);
    uint32_t count = (uint32_t)stored->partitions;
    dq_queue *queue = remember(handle, name, stored);
    dq_request *requests = queue ? calloc(count, sizeof *requests) : NULL;
    bool fine = requests != NULL;
    for (uint32_t p = 0; p < count && fine; p++)
        fine = encode_create(&requests[p], queue, p, stored);
    int rc = fine ? create(handle, requests, 1, deadline_us, standing)
                  : dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    bool first_made = rc == DUEQ_OK;
    if ((first_made || rc == DUEQ_EXISTS) && count > 1)
        rc = create(handle, requests + 1, count - 1, deadline_us, standing);
    if (first_made && rc == DUEQ_EXISTS) rc = DUEQ_OK;
    for (uint32_t p = 0; requests && p < count; p++) dq_request_clear(&requests[p]);
    free(requests);
    if (rc < 0 || rc == DUEQ_STATE) dq_queue_forget(handle, name);
    return rc;
}

/* Brings the partitions in line with the registry's entry; where they stand with another number
 * (the entry had been lost), the entry is put right instead. */
static int settle_partitions(dueq *handle, const char *name, dq_settings *stored,
                             int64_t deadline_us)
{
    int64_t standing = 0;
    int rc = make_partitions(handle, name, stored, deadline_us, &standing);
    if (rc != DUEQ_STATE) return rc;
    if (standing < 1 || standing > DUEQ_PARTITIONS_MAX)
        return dq_fault_set(&handle->fault, DUEQ_ECORRUPT,
                            "queue \"%s\": its number of partitions cannot be read", name);
    stored->partitions = standing;
    rc = dq_registry_write(handle, "HSET", name, stored, deadline_us);
    if (rc == DUEQ_OK) rc = make_partitions(handle, name, stored, deadline_us, &standing);
    if (rc == DUEQ_STATE)
        rc = dq_fault_set(&handle->fault, DUEQ_ECORRUPT,
                          "queue \"%s\": its partitions do not agree on their number", name);
    return rc;
}

/* The same, and sees to it that what was made is registered, though somebody may have deleted the
 * queue while it was being made: a partition without an entry would be out of sight. */
static int complete(dueq *handle, const char *name, dq_settings *stored, int64_t deadline_us)
{
    int rc = settle_partitions(handle, name, stored, deadline_us);
    if (rc != DUEQ_OK) return rc;
    int written = dq_registry_write(handle, "HSETNX", name, stored, deadline_us);
    return written < 0 ? written : rc;
}

int dq_queue_refresh(dueq *handle, const char *name, int64_t deadline_us)
{
    dq_queue_forget(handle, name);
    dq_settings stored;
    int rc = dq_registry_read(handle, name, deadline_us, &stored);
    if (rc != DUEQ_OK) return rc;
    rc = complete(handle, name, &stored, deadline_us);
    return rc < 0 ? rc : DUEQ_OK;
}

int dq_queue_make(dueq *handle, const char *name, const dueq_settings *settings,
                  int64_t deadline_us)
{
    dq_settings stored = dq_settings_default();
    int rc = settings ? dq_settings_apply(&stored, settings, &handle->fault) : DUEQ_OK;
    if (rc < 0) return rc;
    int registered = dq_registry_write(handle, "HSETNX", name, &stored, deadline_us);
    if (registered < 0) return registered;
    if (registered == DUEQ_EXISTS) {
        rc = dq_registry_read(handle, name, deadline_us, &stored);
        if (rc != DUEQ_OK) return rc < 0 ? rc : DUEQ_EXISTS;
    }
    rc = complete(handle, name, &stored, deadline_us);
    return rc < 0 ? rc : registered;
}

/* ---- Listing ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One block of memory: the list, its pointers, the texts. */
static dueq_queue_list *make_list(const valkeyReply *reply)
{
    size_t count = dq_reply_count(reply), bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += reply->element[i]->len + 1;
    dueq_queue_list *list = malloc(sizeof *list + count * sizeof(char *) + bytes);
    if (!list) return NULL;
    const char **names = (const char **)(list + 1);
    char *text = (char *)(names + count);
    for (size_t i = 0; i < count; i++) {
        names[i] = text;
        memcpy(text, reply->element[i]->str, reply->element[i]->len);
        text[reply->element[i]->len] = '\0';
        text += reply->element[i]->len + 1;
    }
    if (count) qsort(names, count, sizeof *names, compare_names);
    *list = (dueq_queue_list){count, names};
    return list;
}

int dueq_queues(dueq *handle, dueq_queue_list **list)
{
    *list = NULL;
    int rc = dq_check_open(handle);
    if (rc < 0) return rc;
    dq_request request;
    rc = ask_registry(handle, &request, "HKEYS", NULL, NULL, dq_handle_deadline_us(handle, 0));
    if (rc == DUEQ_OK) {
        *list = make_list(request.reply);
        if (!*list) rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    dq_request_clear(&request);
    return rc;
}

void dueq_queue_list_free(dueq_queue_list *list)
{
    free(list);
}
