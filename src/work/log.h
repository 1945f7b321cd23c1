/* The worker's log: entries with fields, built in one buffer and handed to the host's callback one at
 * a time. An entry that nobody wants costs a comparison. Knows no worker, and no form of a line. */
#ifndef DQ_WORK_LOG_H
#define DQ_WORK_LOG_H

#include <pthread.h>

#include "base/buf.h"
#include "dueq.h"

#define DQ_LOG_FIELDS_MAX 12

typedef struct dq_log {
    dueq_log_fn *fn; /* NULL: silent */
    void *context;
    dueq_log_level most;
    pthread_mutex_t lock; /* one entry at a time */
} dq_log;

/* most 0: DUEQ_LOG_INFO. */
void dq_log_init(dq_log *log, dueq_log_fn *fn, void *context, dueq_log_level most);
void dq_log_clear(dq_log *log);

/* For where only finding out what to say would cost something. Any thread. */
bool dq_log_wants(const dq_log *log, dueq_log_level level);

/* An entry being built. Holds: `values` are those of the fields in order, each followed by a NUL; no
 * field points to its own before the entry is sent, since the buffer moves as it grows. */
typedef struct dq_log_entry {
    dq_log *log;
    dueq_log_level level;
    const char *event; /* borrowed, as are the names of fields: constants */
    dq_buf values;
    dueq_log_field fields[DQ_LOG_FIELDS_MAX];
    size_t field_count;
} dq_log_entry;

/* False when nobody wants it: there is nothing to add and nothing to send then. */
bool dq_log_begin(dq_log *log, dq_log_entry *entry, dueq_log_level level, const char *event);

/* Values are copied. */
void dq_log_add(dq_log_entry *entry, const char *name, const void *value, size_t value_len);
void dq_log_add_text(dq_log_entry *entry, const char *name, const char *value);
void dq_log_add_int(dq_log_entry *entry, const char *name, int64_t value);

/* Gives the entry to the callback and frees what it holds. One that ran out of memory is dropped. */
void dq_log_send(dq_log_entry *entry);

#endif
