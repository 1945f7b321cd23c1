/* The worker's log on stderr: an entry a line, as logfmt or as JSON. Knows what an entry is, not what
 * is logged. */
#ifndef DUEQ_CLI_LOG_H
#define DUEQ_CLI_LOG_H

#include <stdbool.h>

#include <dueq.h>

typedef struct log_form {
    bool json;
    bool priority; /* "<4>" before each line: for journald, which takes it off again */
} log_form;

/* The line of an entry, ended by a line feed; the caller frees. Nothing from outside can end it,
 * forge a field, or steer a terminal. */
char *log_line(const log_form *form, const dueq_log_entry *entry, int64_t now_ms);

/* A dueq_log_fn; the context is a log_form. */
void log_write(void *context, const dueq_log_entry *entry);

/* Whether what is written to stderr goes to systemd's journal. */
bool log_goes_to_journal(void);

#endif
