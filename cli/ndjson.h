/* Reads one line of `push --ndjson`: a task as a JSON object. Knows no queue and no server. */
#ifndef DUEQ_CLI_NDJSON_H
#define DUEQ_CLI_NDJSON_H

#include <dueq.h>

#include "pool.h"

#define NDJSON_WHY_MAX 256

/* Fills what the line says into *task; what it does not say stays as it was. Everything that the
 * task then points to is in `room`. False when the line is no task: `why` says what is wrong and
 * what would be right. Keys:
 *
 *   payload          text (its UTF-8 is the payload), or
 *   payload_base64   bytes; one of the two is needed
 *   id | id_base64   else the library makes one
 *   in               a duration ("1h30m") or a number of milliseconds
 *   at               a time (RFC 3339 or "@unix") or a number of milliseconds since the epoch
 *   headers          an object of texts; {"base64": "..."} is a value that is not text
 *   max_attempts     a number */
bool ndjson_read(const char *line, size_t len, pool *room, dueq_new_task *task,
                 char why[NDJSON_WHY_MAX]);

/* What is wrong with a header, or NULL; also for those of the command line. */
const char *ndjson_header_fault(const char *name, size_t name_len, size_t value_len);

#endif
