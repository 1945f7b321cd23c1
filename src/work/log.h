/* The worker's log: lines as "event key=value ...", handed to the host's callback one at a time.
 * Ids and errors come from outside: control bytes never reach a line. */
#ifndef DQ_WORK_LOG_H
#define DQ_WORK_LOG_H

#include <pthread.h>

#include "base/buf.h"
#include "dueq.h"

typedef struct dq_log {
    dueq_log_fn *fn; /* NULL: silent */
    void *context;
    pthread_mutex_t lock; /* one line at a time */
} dq_log;

void dq_log_init(dq_log *log, dueq_log_fn *fn, void *context);
void dq_log_clear(dq_log *log);

/* Appends " key=value"; the value is quoted when it has blanks, quotes or nothing in it. */
void dq_log_add(dq_buf *line, const char *key, const void *value, size_t value_len);
void dq_log_add_text(dq_buf *line, const char *key, const char *value);
void dq_log_add_int(dq_buf *line, const char *key, int64_t value);

/* Gives the line to the callback and clears it. A line that ran out of memory is dropped. */
void dq_log_send(dq_log *log, dueq_log_level level, dq_buf *line);

/* A line of fixed words and numbers. */
void dq_log_say(dq_log *log, dueq_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
