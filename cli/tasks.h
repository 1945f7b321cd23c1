/* How tasks, counts and settings are shown: as JSON, as cards, as rows. One place, so that every
 * command shows them alike. */
#ifndef DUEQ_CLI_TASKS_H
#define DUEQ_CLI_TASKS_H

#include <jansson.h>

#include <dueq.h>

/* "name": text when the bytes are UTF-8, else "name_base64": their base64. */
void tasks_set_bytes(json_t *object, const char *name, const void *bytes, size_t len);

/* A task as take gives it: with its receipt. */
json_t *tasks_json_taken(const dueq_task *task);
/* A task as get and ls give it: with its state. */
json_t *tasks_json_found(const dueq_task *task);

void tasks_print_card(const char *queue, const dueq_task *task, int64_t now_ms);

#endif
