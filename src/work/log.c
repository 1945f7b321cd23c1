/* Log entries: built in one buffer, handed out under a lock. Knows no worker, and no form of a
 * line. */
#include "work/log.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void dq_log_init(dq_log *log, dueq_log_fn *fn, void *context, dueq_log_level most)
{
    log->fn = fn;
    log->context = context;
    log->most = most == 0 ? DUEQ_LOG_INFO : most;
    pthread_mutex_init(&log->lock, NULL);
}

void dq_log_clear(dq_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

bool dq_log_wants(const dq_log *log, dueq_log_level level)
{
    return log->fn != NULL && level <= log->most;
}

bool dq_log_begin(dq_log *log, dq_log_entry *entry, dueq_log_level level, const char *event)
{
    if (!dq_log_wants(log, level)) return false;
    entry->log = log;
    entry->level = level;
    entry->event = event;
    entry->values = (dq_buf){0};
    entry->field_count = 0;
    return true;
}

static dueq_log_field *add_field(dq_log_entry *entry, const char *name)
{
    assert(entry->field_count < DQ_LOG_FIELDS_MAX);
    dueq_log_field *field = &entry->fields[entry->field_count++];
    *field = (dueq_log_field){.name = name};
    return field;
}

void dq_log_add(dq_log_entry *entry, const char *name, const void *value, size_t value_len)
{
    dueq_log_field *field = add_field(entry, name);
    field->value_len = value_len;
    dq_buf_add(&entry->values, value, value_len);
    dq_buf_add_byte(&entry->values, '\0');
}

void dq_log_add_text(dq_log_entry *entry, const char *name, const char *value)
{
    dq_log_add(entry, name, value, strlen(value));
}

void dq_log_add_int(dq_log_entry *entry, const char *name, int64_t value)
{
    dueq_log_field *field = add_field(entry, name);
    size_t before = entry->values.len;
    dq_buf_printf(&entry->values, "%" PRId64, value);
    field->value_len = entry->values.len - before;
    field->is_number = true;
    dq_buf_add_byte(&entry->values, '\0');
}

static void find_values(dq_log_entry *entry)
{
    const char *at = entry->values.data;
    for (size_t i = 0; i < entry->field_count; i++) {
        entry->fields[i].value = at;
        at += entry->fields[i].value_len + 1;
    }
}

void dq_log_send(dq_log_entry *entry)
{
    if (!entry->values.failed) {
        find_values(entry);
        dueq_log_entry told = {.level = entry->level,
                               .event = entry->event,
                               .fields = entry->fields,
                               .field_count = entry->field_count};
        dq_log *log = entry->log;
        pthread_mutex_lock(&log->lock);
        log->fn(log->context, &told);
        pthread_mutex_unlock(&log->lock);
    }
    dq_buf_clear(&entry->values);
}
