/* Task records, written and read. Numbers are big-endian. */
#include "queue/record.h"

#include <string.h>

#include "base/bytes.h"

enum { VERSION = 1 };
enum { HAS_PUSHED = 1, HAS_LIMIT = 2, HAS_HEADERS = 4, FLAGS_KNOWN = 7 };
enum { PUSHED_LEN = 6, LIMIT_LEN = 3, HEADERS_LEN_LEN = 3, VALUE_LEN_LEN = 2 };

static size_t value_len_of(const dueq_header *header)
{
    return header->value_len || !header->value ? header->value_len : strlen(header->value);
}

static size_t headers_len_of(const dueq_new_task *task)
{
    size_t len = 0;
    for (size_t i = 0; i < task->header_count; i++)
        len += 1 + strlen(task->headers[i].name) + VALUE_LEN_LEN + value_len_of(&task->headers[i]);
    return len;
}

size_t dq_record_head_len(const dueq_new_task *task)
{
    size_t len = 2 + PUSHED_LEN;
    if (task->max_attempts) len += LIMIT_LEN;
    if (task->header_count) len += HEADERS_LEN_LEN + headers_len_of(task);
    return len;
}

static unsigned char *put_header(unsigned char *out, const dueq_header *header)
{
    size_t name_len = strlen(header->name);
    size_t value_len = value_len_of(header);
    *out++ = (unsigned char)name_len;
    memcpy(out, header->name, name_len);
    out = dq_bytes_put(out + name_len, value_len, VALUE_LEN_LEN);
    if (value_len) memcpy(out, header->value, value_len);
    return out + value_len;
}

void dq_record_write_head(char *bytes, const dueq_new_task *task, int64_t pushed_ms)
{
    unsigned char *out = (unsigned char *)bytes;
    *out++ = VERSION;
    *out++ = (unsigned char)(HAS_PUSHED | (task->max_attempts ? HAS_LIMIT : 0) |
                             (task->header_count ? HAS_HEADERS : 0));
    out = dq_bytes_put(out, (uint64_t)pushed_ms, PUSHED_LEN);
    if (task->max_attempts) out = dq_bytes_put(out, (uint64_t)task->max_attempts, LIMIT_LEN);
    if (!task->header_count) return;
    out = dq_bytes_put(out, headers_len_of(task), HEADERS_LEN_LEN);
    for (size_t i = 0; i < task->header_count; i++) out = put_header(out, &task->headers[i]);
}

/* What is left to read. */
typedef struct reader {
    const char *at;
    size_t left;
} reader;

static const char *skip(reader *in, size_t len)
{
    if (in->left < len) return NULL;
    const char *start = in->at;
    in->at += len;
    in->left -= len;
    return start;
}

static bool read_number(reader *in, size_t len, uint64_t *number)
{
    const char *bytes = skip(in, len);
    if (!bytes) return false;
    *number = dq_bytes_get(bytes, len);
    return true;
}

bool dq_record_next_header(const dq_record *record, size_t *at, dq_record_header *header)
{
    if (*at >= record->headers_len) return false;
    reader in = {record->headers + *at, record->headers_len - *at};
    uint64_t len;
    if (!read_number(&in, 1, &len)) return false;
    header->name_len = len;
    header->name = skip(&in, header->name_len);
    if (!header->name || !read_number(&in, VALUE_LEN_LEN, &len)) return false;
    header->value_len = len;
    header->value = skip(&in, header->value_len);
    if (!header->value) return false;
    *at = record->headers_len - in.left;
    return true;
}

/* Counts the headers; false when they do not fill their space exactly. */
static bool count_headers(dq_record *record)
{
    dq_record_header header;
    size_t at = 0;
    while (dq_record_next_header(record, &at, &header)) record->header_count++;
    return at == record->headers_len;
}

bool dq_record_read(dq_record *record, const char *bytes, size_t len)
{
    *record = (dq_record){0};
    reader in = {bytes, len};
    uint64_t version, flags, number = 0;
    if (!read_number(&in, 1, &version) || version != VERSION) return false;
    if (!read_number(&in, 1, &flags) || (flags & ~(uint64_t)FLAGS_KNOWN)) return false;
    if (flags & HAS_PUSHED && !read_number(&in, PUSHED_LEN, &number)) return false;
    record->pushed_ms = (int64_t)number;
    number = 0;
    if (flags & HAS_LIMIT && !read_number(&in, LIMIT_LEN, &number)) return false;
    record->max_attempts = (int64_t)number;
    if (flags & HAS_HEADERS) {
        if (!read_number(&in, HEADERS_LEN_LEN, &number)) return false;
        record->headers_len = number;
        record->headers = skip(&in, record->headers_len);
        if (!record->headers || !count_headers(record)) return false;
    }
    record->payload = in.at;
    record->payload_len = in.left;
    return true;
}
