/* Task records from the server: whatever the bytes, reading stays within them, and what is read as
 * a record is written back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int condition)
{
    if (!condition) abort();
}

/* Reads it all, so that a sanitizer sees what lies outside. */
static void touch(const char *bytes, size_t len)
{
    size_t sum = 0;
    for (size_t i = 0; i < len; i++) sum += (unsigned char)bytes[i];
    require(sum <= len * 255);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *bytes = (const char *)data;
    dq_record record;
    if (!dq_record_read(&record, bytes, len)) return 0;

    dq_record_header header;
    size_t at = 0, count = 0;
    while (dq_record_next_header(&record, &at, &header)) {
        touch(header.name, header.name_len);
        touch(header.value, header.value_len);
        count++;
    }
    touch(record.payload, record.payload_len);
    require(count == record.header_count);
    require(record.payload + record.payload_len == bytes + len);
    require(record.pushed_ms >= 0 && record.max_attempts >= 0);

    /* Without headers, whose names the writer takes as C strings. */
    if (record.header_count || data[1] != 1) return 0;
    dueq_new_task task = {.payload = record.payload, .payload_len = record.payload_len};
    char head[16];
    size_t head_len = dq_record_head_len(&task);
    require(head_len + record.payload_len == len);
    dq_record_write_head(head, &task, record.pushed_ms);
    require(memcmp(head, data, head_len) == 0);
    return 0;
}
