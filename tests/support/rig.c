/* The rig of the worker's live tests. Waits for facts, and knows nothing of what is tested. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(rig *r, int rc, int wanted, const char *what)
{
    if (rc != wanted) fail_msg("%s: %d (%s), wanted %d", what, rc, dueq_error(r->handle), wanted);
}

static int set_up(void **state, bool keep)
{
    rig *r = calloc(1, sizeof *r);
    *state = r;
    server_options options = {.keep = keep};
    r->server = server_start(&options);
    pthread_mutex_init(&r->lock, NULL);
    expect(r, dueq_open(&r->handle, server_url(r->server), NULL), DUEQ_OK, "open");
    return 0;
}

int rig_set_up(void **state)
{
    return set_up(state, false);
}

int rig_set_up_kept(void **state)
{
    return set_up(state, true);
}

int rig_tear_down(void **state)
{
    rig *r = *state;
    if (r->running) {
        dueq_worker_stop(r->worker);
        dueq_worker_stop(r->worker);
        rig_join(r);
    }
    dueq_worker_free(r->worker);
    dueq_close(r->handle);
    server_free(r->server);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return 0;
}

/* ---- The worker ---- */

/* What does not fit is cut. */
static void keep(rig *r, const char *text)
{
    size_t room = sizeof r->log - r->log_len;
    int len = snprintf(r->log + r->log_len, room, "%s", text);
    if (len > 0 && (size_t)len < room) r->log_len += (size_t)len;
    r->log[r->log_len] = '\0';
}

static void keep_entry(void *context, const dueq_log_entry *entry)
{
    rig *r = context;
    pthread_mutex_lock(&r->lock);
    keep(r, entry->event);
    for (size_t i = 0; i < entry->field_count; i++) {
        const dueq_log_field *field = &entry->fields[i];
        bool quoted = strchr(field->value, ' ') != NULL;
        keep(r, " ");
        keep(r, field->name);
        keep(r, quoted ? "=\"" : "=");
        keep(r, field->value);
        if (quoted) keep(r, "\"");
    }
    keep(r, "\n");
    pthread_mutex_unlock(&r->lock);
}

static void *run(void *context)
{
    rig *r = context;
    r->result = dueq_worker_run(r->worker);
    return NULL;
}

void rig_start(rig *r, dueq_worker_options options)
{
    static const dueq_worker_queue q[] = {{.name = "q"}};
    if (options.url == NULL) options.url = server_url(r->server);
    if (options.queues == NULL) {
        options.queues = q;
        options.queue_count = 1;
    }
    options.log = keep_entry;
    options.log_context = r;
    options.log_most = DUEQ_LOG_DEBUG;
    dueq_worker_free(r->worker);
    int rc = dueq_worker_make(&r->worker, &options);
    if (rc < 0) fail_msg("worker_make: %d (%s)", rc, dueq_worker_error(r->worker));
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
    r->running = true;
}

int rig_join(rig *r)
{
    pthread_join(r->thread, NULL);
    r->running = false;
    return r->result;
}

int rig_stop(rig *r)
{
    dueq_worker_stop(r->worker);
    return rig_join(r);
}

dueq_worker_stats rig_worker_stats(rig *r)
{
    dueq_worker_stats stats;
    dueq_worker_get_stats(r->worker, &stats);
    return stats;
}

bool rig_logged(rig *r, const char *text)
{
    pthread_mutex_lock(&r->lock);
    bool found = strstr(r->log, text) != NULL;
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* ---- Tasks ---- */

void rig_push(rig *r, const char *queue, const char *id, int64_t delay_ms)
{
    dueq_new_task task = {.id = id, .payload = id, .payload_len = strlen(id), .delay_ms = delay_ms};
    expect(r, dueq_push(r->handle, queue, &task, 1, NULL), DUEQ_OK, "push");
}

void rig_push_many(rig *r, const char *queue, const char *name, size_t count)
{
    enum { ID_SIZE = 64 };
    char *ids = calloc(count, ID_SIZE);
    dueq_new_task *tasks = calloc(count, sizeof *tasks);
    for (size_t i = 0; i < count; i++) {
        char *id = ids + i * ID_SIZE;
        snprintf(id, ID_SIZE, "%s-%zu", name, i);
        tasks[i] = (dueq_new_task){.id = id, .payload = id, .payload_len = strlen(id)};
    }
    int rc = dueq_push(r->handle, queue, tasks, count, NULL);
    free(tasks);
    free(ids);
    expect(r, rc, DUEQ_OK, "push");
}

dueq_stats rig_queue_stats(rig *r, const char *queue)
{
    dueq_stats stats = {0};
    int rc = dueq_queue_stats(r->handle, queue, &stats);
    if (rc < 0) fail_msg("stats: %d (%s)", rc, dueq_error(r->handle));
    return stats;
}

rig_task rig_look(rig *r, const char *queue, const char *id)
{
    rig_task found = {0};
    dueq_name name = {.id = id};
    dueq_batch *batch = NULL;
    int rc = dueq_get(r->handle, queue, &name, 1, &batch);
    if (rc < 0) fail_msg("get: %d (%s)", rc, dueq_error(r->handle));
    if (batch != NULL && batch->count == 1) {
        const dueq_task *task = &batch->tasks[0];
        found.state = task->state;
        found.failures = task->attempt;
        found.due_ms = task->due_ms;
        if (task->error != NULL) snprintf(found.error, sizeof found.error, "%s", task->error);
    }
    dueq_batch_free(batch);
    return found;
}
