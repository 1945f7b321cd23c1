/* Task records, the bytes kept for a task under `body` (doc/protocol.md): version, flags, then only
 * the fields that are there, then the payload untouched. Pure. */
#ifndef DQ_QUEUE_RECORD_H
#define DQ_QUEUE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dueq.h"

/* A record taken apart; everything is borrowed from its bytes. */
typedef struct dq_record {
    int64_t pushed_ms;    /* 0: not given */
    int64_t max_attempts; /* 0: not given */
    const char *headers;  /* packed; see dq_record_next_header() */
    size_t headers_len;
    size_t header_count;
    const char *payload;
    size_t payload_len;
} dq_record;

/* Length of the record's part before the payload. The task has been checked. */
size_t dq_record_head_len(const dueq_new_task *task);
/* Writes that part: dq_record_head_len(task) bytes. */
void dq_record_write_head(char *bytes, const dueq_new_task *task, int64_t pushed_ms);

/* Takes a record apart. False when it is not a whole record of a known version. */
bool dq_record_read(dq_record *record, const char *bytes, size_t len);

/* One header of a record that has been read; *at starts at 0. */
typedef struct dq_record_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
} dq_record_header;
bool dq_record_next_header(const dq_record *record, size_t *at, dq_record_header *header);

#endif
