/* Tasks as JSON lines, answers from JSON lines. One table row a key of an answer; a key that is in
 * no row is an error, so that a typing mistake is one. */
#include "work/stdio_lines.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/encode.h"

/* ---- Writing ---- */

static void add_escape(dq_buf *out, unsigned char byte)
{
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char digits[] = "0123456789abcdef";
    if (byte >= 0x20) { /* a quotation mark or a backslash */
        dq_buf_add(out, (const char[]){'\\', (char)byte}, 2);
    } else if (letters[byte] != '\0') {
        dq_buf_add(out, (const char[]){'\\', letters[byte]}, 2);
    } else {
        dq_buf_add(out, (const char[]){'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]},
                   6);
    }
}

/* Of bytes that are UTF-8. */
static void add_string(dq_buf *out, const void *bytes, size_t len)
{
    const unsigned char *at = bytes, *end = at + len;
    dq_buf_add_byte(out, '"');
    while (at < end) {
        const unsigned char *plain = at;
        while (at < end && *at >= 0x20 && *at != '"' && *at != '\\') {
            at++;
        }
        dq_buf_add(out, plain, (size_t)(at - plain));
        if (at < end) add_escape(out, *at++);
    }
    dq_buf_add_byte(out, '"');
}

static void add_base64(dq_buf *out, const void *bytes, size_t len)
{
    dq_buf_add_byte(out, '"');
    if (dq_buf_reserve(out, dq_base64_len(len) + 1)) {
        dq_base64(out->data + out->len, bytes, len);
        out->len += dq_base64_len(len);
    }
    dq_buf_add_byte(out, '"');
}

/* "name":"text", or "name_base64":"…" for what is not UTF-8. */
static void add_bytes(dq_buf *out, const char *name, const void *bytes, size_t len)
{
    bool is_text = dq_utf8_valid(bytes, len);
    dq_buf_printf(out, "\"%s%s\":", name, is_text ? "" : "_base64");
    if (is_text) {
        add_string(out, bytes, len);
    } else {
        add_base64(out, bytes, len);
    }
}

/* A value that is not UTF-8 is an object with its base64. */
static void add_headers(dq_buf *out, const dueq_task *task)
{
    dq_buf_add_text(out, "\"headers\":{");
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        if (i > 0) dq_buf_add_byte(out, ',');
        add_string(out, header->name, strlen(header->name));
        dq_buf_add_byte(out, ':');
        if (dq_utf8_valid(header->value, header->value_len)) {
            add_string(out, header->value, header->value_len);
        } else {
            dq_buf_add_text(out, "{\"base64\":");
            add_base64(out, header->value, header->value_len);
            dq_buf_add_byte(out, '}');
        }
    }
    dq_buf_add_byte(out, '}');
}

/* Ends the line that was begun at `from`; takes it back when memory ran out. */
static bool end_line(dq_buf *out, size_t from)
{
    if (dq_buf_add_text(out, "}\n")) return true;
    out->failed = false;
    out->len = from;
    if (out->data != NULL) out->data[from] = '\0';
    return false;
}

bool dq_stdio_add_task(dq_buf *out, const char *queue, const dueq_task *task)
{
    size_t from = out->len;
    dq_buf_add_text(out, "{\"queue\":");
    add_string(out, queue, strlen(queue));
    dq_buf_add_byte(out, ',');
    add_bytes(out, "id", task->id, task->id_len);
    dq_buf_add_text(out, ",\"receipt\":");
    add_string(out, task->receipt, strlen(task->receipt));
    dq_buf_printf(out,
                  ",\"attempt\":%" PRId64 ",\"token\":%" PRId64 ",\"due_ms\":%" PRId64
                  ",\"pushed_ms\":%" PRId64 ",",
                  task->attempt, task->token, task->due_ms, task->pushed_ms);
    add_bytes(out, "payload", task->payload, task->payload_len);
    dq_buf_add_byte(out, ',');
    add_headers(out, task);
    return end_line(out, from);
}

bool dq_stdio_add_lost(dq_buf *out, const dueq_task *task)
{
    size_t from = out->len;
    dq_buf_add_text(out, "{\"lost\":");
    add_string(out, task->receipt, strlen(task->receipt));
    dq_buf_add_byte(out, ',');
    add_bytes(out, "id", task->id, task->id_len);
    return end_line(out, from);
}

/* ---- Reading ---- */

/* What is wrong, with a key's value; NULL: nothing. */
typedef const char *read_fn(dq_stdio_answer *to, const json_t *value);

static const char *read_text(dq_stdio_text *to, const json_t *value)
{
    if (!json_is_string(value)) return "has to be a string";
    *to = (dq_stdio_text){json_string_value(value), json_string_length(value)};
    return NULL;
}

static const char *read_receipt(dq_stdio_answer *to, const json_t *value)
{
    return read_text(&to->receipt, value);
}

static const char *read_id(dq_stdio_answer *to, const json_t *value)
{
    return read_text(&to->id, value);
}

static const char *read_id_base64(dq_stdio_answer *to, const json_t *value)
{
    return read_text(&to->id_base64, value);
}

static const char *read_error(dq_stdio_answer *to, const json_t *value)
{
    return read_text(&to->error, value);
}

/* A string that holds a NUL is no text for the parser of durations, which ends there. */
static int64_t duration_of(const json_t *value)
{
    const char *text = json_string_value(value);
    int64_t ms = -1;
    if (text == NULL || strlen(text) != json_string_length(value)) return -1;
    return dueq_parse_duration(text, &ms) == DUEQ_OK ? ms : -1;
}

static const char *read_delay(dq_stdio_answer *to, const json_t *value)
{
    double number = json_is_number(value) ? json_number_value(value) : -1;
    bool in_range = number >= 0 && number <= (double)DUEQ_DELAY_MS_MAX;
    to->delay_ms = in_range ? (int64_t)number : duration_of(value);
    if (to->delay_ms >= 0) return NULL;
    return "has to be a duration, such as \"1h30m\", or milliseconds, of a hundred years at most";
}

static const char *read_result(dq_stdio_answer *to, const json_t *value)
{
    static const struct {
        const char *name;
        dueq_verdict verdict;
    } results[] = {{"done", DUEQ_VERDICT_DONE},
                   {"retry", DUEQ_VERDICT_RETRY},
                   {"dead", DUEQ_VERDICT_DEAD},
                   {"release", DUEQ_VERDICT_RELEASE}};
    const char *name = json_string_value(value);
    for (size_t i = 0; name != NULL && i < sizeof results / sizeof results[0]; i++) {
        if (strcmp(name, results[i].name) != 0) continue;
        to->verdict = results[i].verdict;
        return NULL;
    }
    return "has to be \"done\", \"retry\", \"dead\" or \"release\"";
}

static const struct {
    const char *key;
    read_fn *read;
} rows[] = {
    {"receipt", read_receipt}, {"id", read_id},       {"id_base64", read_id_base64},
    {"result", read_result},   {"delay", read_delay}, {"error", read_error},
};

/* null is as good as not there. */
static const char *read_key(dq_stdio_answer *to, const char *key, const json_t *value)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, key) != 0) continue;
        return json_is_null(value) ? NULL : rows[i].read(to, value);
    }
    return "is no key of an answer; those are receipt, id, id_base64, result, delay and error";
}

int dq_stdio_read_answer(dq_stdio_answer *answer, const char *line, size_t line_len,
                         dq_fault *fault)
{
    json_error_t error;
    const char *key;
    json_t *value;
    *answer = (dq_stdio_answer){.delay_ms = -1};
    answer->json = json_loadb(line, line_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (answer->json == NULL) {
        return dq_fault_set(fault, DUEQ_EINVAL, "not a JSON object: %s", error.text);
    }
    if (!json_is_object(answer->json)) {
        return dq_fault_set(fault, DUEQ_EINVAL, "not a JSON object");
    }
    json_object_foreach(answer->json, key, value)
    {
        const char *wrong = read_key(answer, key, value);
        if (wrong != NULL) return dq_fault_set(fault, DUEQ_EINVAL, "\"%.64s\" %s", key, wrong);
    }
    if (json_is_string(json_object_get(answer->json, "result"))) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_EINVAL, "\"result\" is missing");
}

void dq_stdio_clear_answer(dq_stdio_answer *answer)
{
    json_decref(answer->json);
    *answer = (dq_stdio_answer){.delay_ms = -1};
}

/* ---- Whose it is ---- */

bool dq_stdio_names_a_task(const dq_stdio_answer *answer)
{
    return answer->receipt.bytes != NULL || answer->id.bytes != NULL ||
           answer->id_base64.bytes != NULL;
}

static bool same(const dq_stdio_text *text, const void *bytes, size_t len)
{
    return text->len == len && memcmp(text->bytes, bytes, len) == 0;
}

static bool has_id(const dq_stdio_answer *answer, const dueq_task *task)
{
    char form[(DUEQ_ID_MAX + 2) / 3 * 4 + 1];
    if (answer->id.bytes != NULL) return same(&answer->id, task->id, task->id_len);
    if (answer->id_base64.bytes == NULL) return false;
    dq_base64(form, task->id, task->id_len);
    return same(&answer->id_base64, form, strlen(form));
}

bool dq_stdio_is_about(const dq_stdio_answer *answer, const dueq_task *task)
{
    if (answer->receipt.bytes == NULL) return has_id(answer, task);
    return same(&answer->receipt, task->receipt, strlen(task->receipt));
}
