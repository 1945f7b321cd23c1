/* Log lines: built in a buffer, escaped, and handed out under a lock. Knows no worker. */
#include "work/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dq_log_init(dq_log *log, dueq_log_fn *fn, void *context)
{
    log->fn = fn;
    log->context = context;
    pthread_mutex_init(&log->lock, NULL);
}

void dq_log_clear(dq_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

static bool needs_quotes(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (value[i] == ' ' || value[i] == '"' || value[i] == '=') return true;
    }
    return len == 0;
}

/* The value escaped, and its quotes too, so that where it ends is never in doubt. */
static void add_quoted(dq_buf *line, const char *value, size_t len)
{
    dq_buf_add_byte(line, '"');
    while (len > 0) {
        const char *quote = memchr(value, '"', len);
        size_t plain = quote == NULL ? len : (size_t)(quote - value);
        dq_buf_add_escaped(line, value, plain);
        if (quote != NULL) {
            dq_buf_add_text(line, "\\\"");
            plain++;
        }
        value += plain;
        len -= plain;
    }
    dq_buf_add_byte(line, '"');
}

void dq_log_add(dq_buf *line, const char *key, const void *value, size_t value_len)
{
    dq_buf_add_byte(line, ' ');
    dq_buf_add_text(line, key);
    dq_buf_add_byte(line, '=');
    if (needs_quotes(value, value_len)) {
        add_quoted(line, value, value_len);
    } else {
        dq_buf_add_escaped(line, value, value_len);
    }
}

void dq_log_add_text(dq_buf *line, const char *key, const char *value)
{
    dq_log_add(line, key, value, strlen(value));
}

void dq_log_add_int(dq_buf *line, const char *key, int64_t value)
{
    dq_buf_printf(line, " %s=%" PRId64, key, value);
}

void dq_log_send(dq_log *log, dueq_log_level level, dq_buf *line)
{
    if (log->fn != NULL && !line->failed && line->len > 0) {
        pthread_mutex_lock(&log->lock);
        log->fn(log->context, level, line->data);
        pthread_mutex_unlock(&log->lock);
    }
    dq_buf_clear(line);
}

void dq_log_say(dq_log *log, dueq_log_level level, const char *format, ...)
{
    if (log->fn == NULL) return;
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);

    dq_buf line = {0};
    dq_buf_add_text(&line, text);
    dq_log_send(log, level, &line);
}
