/* Writing the headers of a request. Whatever a task's id and headers hold, no byte of theirs can end
 * a header or begin another. */
#include "work/http_request.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "work/http_sign.h"

#define TYPE_UNKNOWN "application/octet-stream"

/* Headers as they come together. */
typedef struct head {
    struct curl_slist *list;
    bool failed;
} head;

/* ---- One header ---- */

static bool is_visible(char c)
{
    return c > ' ' && c <= '~';
}

bool dq_http_encode(dq_buf *out, const void *bytes, size_t len)
{
    const char *text = bytes;
    for (size_t i = 0; i < len; i++) {
        bool inner_space = text[i] == ' ' && i > 0 && i + 1 < len;
        if ((is_visible(text[i]) && text[i] != '%') || inner_space) {
            dq_buf_add_byte(out, (unsigned char)text[i]);
        } else {
            dq_buf_printf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
        }
    }
    return !out->failed;
}

/* Takes the line: "Name: value". */
static void add_line(head *h, dq_buf *line)
{
    struct curl_slist *longer = NULL;
    if (!h->failed && !line->failed) longer = curl_slist_append(h->list, line->data);
    if (longer != NULL) {
        h->list = longer;
    } else {
        h->failed = true;
    }
    dq_buf_clear(line);
}

static void add_text(head *h, const char *name, const char *value)
{
    dq_buf line = {0};
    dq_buf_printf(&line, "%s: %s", name, value);
    add_line(h, &line);
}

static void add_number(head *h, const char *name, int64_t value)
{
    dq_buf line = {0};
    dq_buf_printf(&line, "%s: %" PRId64, name, value);
    add_line(h, &line);
}

/* ---- What a task says ---- */

/* A value that may be passed on as it is. */
static bool is_plain(const dueq_header *header)
{
    if (header->value_len == 0) return false;
    for (size_t i = 0; i < header->value_len; i++) {
        if (!is_visible(header->value[i]) && header->value[i] != ' ') return false;
    }
    return true;
}

static const char *content_type(const dueq_task *task)
{
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        if (strcasecmp(header->name, "content-type") == 0 && is_plain(header)) return header->value;
    }
    return TYPE_UNKNOWN;
}

/* To libcurl "Name;" is a header without a value, "Name:" one to be left out. */
static void add_task_header(head *h, const dueq_header *header)
{
    dq_buf line = {0};
    dq_buf_printf(&line, "Dueq-Header-%s%s", header->name, header->value_len > 0 ? ": " : ";");
    dq_http_encode(&line, header->value, header->value_len);
    add_line(h, &line);
}

static void add_signature(head *h, const char *secret, const dq_http_signed *request)
{
    char signature[DQ_HTTP_SIGNATURE_SIZE];
    if (!dq_http_sign(signature, secret, request)) {
        h->failed = true;
        return;
    }
    dq_buf line = {0};
    dq_buf_printf(&line, "Dueq-Signature: t=%" PRId64 ",v1=%s", request->time_s, signature);
    add_line(h, &line);
}

static void add_dueq_headers(head *h, const dueq_job *job, const char *id)
{
    const dueq_task *task = job->task;
    add_text(h, "Dueq-Queue", job->queue);
    add_text(h, "Dueq-Id", id);
    add_number(h, "Dueq-Attempt", task->attempt);
    add_number(h, "Dueq-Token", task->token);
    add_number(h, "Dueq-Due-Ms", task->due_ms);
    for (size_t i = 0; i < task->header_count; i++) {
        add_task_header(h, &task->headers[i]);
    }
}

struct curl_slist *dq_http_headers(const dueq_job *job, const char *secret, int64_t time_s)
{
    head h = {0};
    const dueq_task *task = job->task;
    dq_buf id = {0};
    if (!dq_http_encode(&id, task->id, task->id_len)) h.failed = true;
    add_text(&h, "Content-Type", content_type(task));
    add_text(&h, "Expect", ""); /* none: the body is sent at once */
    if (!h.failed) add_dueq_headers(&h, job, id.data);
    if (!h.failed && secret != NULL) {
        dq_http_signed request = {.time_s = time_s,
                                  .queue = job->queue,
                                  .id = id.data,
                                  .attempt = task->attempt,
                                  .token = task->token,
                                  .body = task->payload,
                                  .body_len = task->payload_len};
        add_signature(&h, secret, &request);
    }
    dq_buf_clear(&id);
    if (!h.failed) return h.list;
    curl_slist_free_all(h.list);
    return NULL;
}
