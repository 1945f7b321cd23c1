/* Queues as a whole: create, config, pause, resume, purge, delete. */
#include "queue/check.h"
#include "queue/durable.h"
#include "queue/every.h"
#include "queue/registry.h"
#include "queue/reply.h"

int dueq_queue_create(dueq *handle, const char *queue, const dueq_settings *settings)
{
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    dq_durable_begin(handle);
    return dq_queue_make(handle, queue, settings, dq_handle_deadline_us(handle, 0));
}

/* ---- config, pause, resume ---- */

/* What config.lua is to set: settings, or one field of its own. */
typedef struct config_work {
    const dueq_settings *change; /* 0 leaves a setting as it is */
    const dq_settings *stored;   /* the values to store for what changes */
    const char *field, *value;
    dq_settings found; /* as the first partition has them */
} config_work;

static bool encode_config(void *work, dq_args *args)
{
    const config_work *w = work;
    if (w->field) {
        dq_args_add_text(args, w->field);
        dq_args_add_text(args, w->value);
    }
    for (int i = 0; w->change && i < DQ_SETTING_COUNT; i++) {
        const dq_setting *setting = &dq_setting_list[i];
        if (!dq_setting_get(w->change, setting)) continue;
        dq_args_add_text(args, setting->name);
        dq_args_add_int(args, dq_setting_get(w->stored, setting));
    }
    return !args->failed;
}

static int decode_config(void *work, uint32_t partition, const valkeyReply *reply)
{
    config_work *w = work;
    if (partition != 0) return DUEQ_OK;
    for (int i = 1; i < DQ_SETTING_COUNT; i++)
        dq_setting_set(&w->found, &dq_setting_list[i],
                       dq_reply_int(dq_reply_at(reply, (size_t)i), 0));
    return DUEQ_OK;
}

static const dq_every read_every = {
    .script = &dq_script_config, .reads = true, .encode = encode_config, .decode = decode_config};
static const dq_every change_every = {
    .script = &dq_script_config, .encode = encode_config, .decode = decode_config};

/* The registry's entry first: partitions that are made later follow it. */
static int change_registry(dueq *handle, const char *queue, const dueq_settings *change,
                           int64_t deadline_us, dq_settings *stored)
{
    int rc = dq_registry_read(handle, queue, deadline_us, stored);
    if (rc != DUEQ_OK) return rc;
    if (change->partitions && change->partitions != stored->partitions)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "queue \"%s\" has %lld partitions: their number is fixed when a queue "
                            "is made",
                            queue, (long long)stored->partitions);
    rc = dq_settings_apply(stored, change, &handle->fault);
    return rc < 0 ? rc : dq_registry_write(handle, "HSET", queue, stored, deadline_us);
}

int dueq_queue_config(dueq *handle, const char *queue, const dueq_settings *change,
                      dueq_settings *now)
{
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    int64_t deadline_us = dq_handle_deadline_us(handle, 0);
    dq_settings stored = {0};
    dueq_settings change_only = change ? *change : (dueq_settings){0};
    if (change) dq_durable_begin(handle);
    if (change) rc = change_registry(handle, queue, change, deadline_us, &stored);
    if (rc != DUEQ_OK) return rc;
    change_only.partitions = 0; /* the same as before, or refused above */

    config_work w = {.change = change ? &change_only : NULL, .stored = &stored};
    rc = dq_every_partition(handle, queue, change ? &change_every : &read_every, &w, deadline_us);
    if (rc != DUEQ_OK || !now) return rc;
    dq_queue *known;
    rc = dq_queue_find(handle, queue, deadline_us, &known);
    if (rc != DUEQ_OK) return rc;
    w.found.partitions = known->partition_count;
    *now = dq_settings_shown(&w.found);
    return DUEQ_OK;
}

static int set_paused(dueq *handle, const char *queue, const char *value)
{
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    config_work w = {.field = "paused", .value = value};
    dq_durable_begin(handle);
    return dq_every_partition(handle, queue, &change_every, &w, dq_handle_deadline_us(handle, 0));
}

int dueq_queue_pause(dueq *handle, const char *queue)
{
    return set_paused(handle, queue, "1");
}

int dueq_queue_resume(dueq *handle, const char *queue)
{
    return set_paused(handle, queue, "0");
}

/* ---- purge, delete ---- */

typedef struct purge_work {
    bool remove;
    bool only_empty;
    int64_t count;
} purge_work;

static bool encode_purge(void *work, dq_args *args)
{
    const purge_work *w = work;
    dq_args_add_text(args, w->remove ? "1" : "0");
    return dq_args_add_text(args, w->only_empty ? "1" : "0");
}

static int decode_purge(void *work, uint32_t partition, const valkeyReply *reply)
{
    (void)partition;
    ((purge_work *)work)->count += dq_reply_int(dq_reply_at(reply, 1), 0);
    return dq_reply_status(reply);
}

static const dq_every purge_every = {
    .script = &dq_script_purge, .encode = encode_purge, .decode = decode_purge};

int dueq_queue_purge(dueq *handle, const char *queue, int64_t *count)
{
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    purge_work w = {0};
    dq_durable_begin(handle);
    rc = dq_every_partition(handle, queue, &purge_every, &w, dq_handle_deadline_us(handle, 0));
    if (count) *count = w.count;
    return rc;
}

static int check_empty(dueq *handle, const char *queue)
{
    dueq_stats stats;
    int rc = dueq_queue_stats(handle, queue, &stats);
    bool empty = stats.waiting + stats.ready + stats.leased + stats.dead == 0;
    return rc == DUEQ_OK && !empty ? DUEQ_STATE : rc;
}

/* The entry goes first: a pusher who finds its partition gone then makes the queue anew, and
 * registers it, so that no task is ever in a queue out of sight. */
static int delete_registered(dueq *handle, const char *queue, bool force, int64_t deadline_us)
{
    dq_settings stored;
    dq_queue *known; /* found now: without the entry it could not be */
    int rc = dq_queue_find(handle, queue, deadline_us, &known);
    if (rc == DUEQ_OK) rc = dq_registry_read(handle, queue, deadline_us, &stored);
    if (rc == DUEQ_OK) rc = dq_registry_remove(handle, queue, deadline_us);
    if (rc != DUEQ_OK) return rc;
    purge_work w = {.remove = true, .only_empty = !force};
    rc = dq_every_partition(handle, queue, &purge_every, &w, deadline_us);
    if (rc == DUEQ_MISSING) rc = DUEQ_OK; /* some of its partitions did not stand */
    if (rc != DUEQ_OK) dq_registry_write(handle, "HSETNX", queue, &stored, deadline_us);
    dq_queue_forget(handle, queue);
    return rc;
}

int dueq_queue_delete(dueq *handle, const char *queue, bool force)
{
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK && !force) rc = check_empty(handle, queue);
    if (rc != DUEQ_OK) return rc;
    dq_durable_begin(handle);
    return delete_registered(handle, queue, force, dq_handle_deadline_us(handle, 0));
}
