/* One table row a key; a key that is in no row is an error, so that a typing mistake is one. */
#include "ndjson.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Where a line is read to. */
typedef struct target {
    pool *room;
    dueq_new_task *task;
    char why[NDJSON_WHY_MAX];
    bool has_payload, has_id, has_time;
} target;

static bool __attribute__((format(printf, 2, 3))) wrong(target *to, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(to->why, NDJSON_WHY_MAX, format, list);
    va_end(list);
    return false;
}

/* Says of two keys for one thing that they are two. */
static bool once(target *to, bool *has, const char *keys)
{
    if (*has) return wrong(to, "%s: give one of them", keys);
    *has = true;
    return true;
}

static bool read_text(target *to, const char *key, json_t *value, const void **bytes, size_t *len)
{
    if (!json_is_string(value)) return wrong(to, "\"%s\" has to be a string", key);
    *len = json_string_length(value);
    *bytes = pool_copy(to->room, json_string_value(value), *len);
    return true;
}

static bool read_base64(target *to, const char *key, json_t *value, const void **bytes, size_t *len)
{
    size_t text_len = json_string_length(value);
    unsigned char *out;

    if (!json_is_string(value)) return wrong(to, "\"%s\" has to be a string of base64", key);
    out = pool_take(to->room, text_len + 1);
    if (!text_unbase64(json_string_value(value), text_len, out, len))
        return wrong(to, "\"%s\" is not base64 (with its padding, without line breaks)", key);
    out[*len] = '\0';
    *bytes = out;
    return true;
}

static bool read_payload(target *to, const char *key, json_t *value)
{
    return once(to, &to->has_payload, "payload and payload_base64") &&
           read_text(to, key, value, &to->task->payload, &to->task->payload_len);
}

static bool read_payload_base64(target *to, const char *key, json_t *value)
{
    return once(to, &to->has_payload, "payload and payload_base64") &&
           read_base64(to, key, value, &to->task->payload, &to->task->payload_len);
}

static bool check_id(target *to)
{
    if (to->task->id_len >= 1 && to->task->id_len <= DUEQ_ID_MAX) return true;
    return wrong(to, "an id of %zu bytes: ids have 1 to %d", to->task->id_len, DUEQ_ID_MAX);
}

static bool read_id(target *to, const char *key, json_t *value)
{
    return once(to, &to->has_id, "id and id_base64") &&
           read_text(to, key, value, &to->task->id, &to->task->id_len) && check_id(to);
}

static bool read_id_base64(target *to, const char *key, json_t *value)
{
    return once(to, &to->has_id, "id and id_base64") &&
           read_base64(to, key, value, &to->task->id, &to->task->id_len) && check_id(to);
}

/* A string that holds a NUL is no text for the parsers, which end there. */
static const char *plain_text(json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool read_in(target *to, const char *key, json_t *value)
{
    const char *text = plain_text(value);
    int64_t delay_ms = json_is_integer(value) ? json_integer_value(value) : -1;

    if (text != NULL && dueq_parse_duration(text, &delay_ms) != DUEQ_OK) delay_ms = -1;
    if (delay_ms < 0 || delay_ms > DUEQ_DELAY_MS_MAX)
        return wrong(to,
                     "\"%s\" has to be a duration, such as \"1h30m\", or milliseconds, "
                     "of a hundred years at most",
                     key);
    to->task->due_ms = 0;
    to->task->delay_ms = delay_ms;
    return once(to, &to->has_time, "in and at");
}

static bool read_at(target *to, const char *key, json_t *value)
{
    const char *text = plain_text(value);
    int64_t due_ms = json_is_integer(value) ? json_integer_value(value) : -1;
    bool read = json_is_integer(value) && due_ms >= 0;

    if (text != NULL) read = dueq_parse_time(text, &due_ms) == DUEQ_OK;
    if (!read)
        return wrong(to,
                     "\"%s\" has to be a time, such as \"2030-01-02T03:04:05Z\", or "
                     "milliseconds since 1970",
                     key);
    to->task->delay_ms = 0;
    to->task->due_ms = due_ms > 0 ? due_ms : 1;
    return once(to, &to->has_time, "in and at");
}

static bool read_max_attempts(target *to, const char *key, json_t *value)
{
    int64_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 1 || number > DUEQ_ATTEMPTS_MAX)
        return wrong(to, "\"%s\" has to be a number from 1 to %d", key, DUEQ_ATTEMPTS_MAX);
    to->task->max_attempts = number;
    return true;
}

const char *ndjson_header_fault(const char *name, size_t name_len, size_t value_len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_-";

    if (name_len == 0 || name_len > DUEQ_HEADER_NAME_MAX)
        return "a header's name has 1 to 128 characters";
    for (size_t i = 0; i < name_len; i++) {
        if (memchr(allowed, name[i], sizeof(allowed) - 1) == NULL)
            return "a header's name is made of A-Z a-z 0-9 _ -";
    }
    if (value_len > DUEQ_HEADER_VALUE_MAX) return "a header's value has 4096 bytes at most";
    return NULL;
}

static bool read_header(target *to, const char *name, json_t *value, dueq_header *header)
{
    json_t *base64 = json_object_size(value) == 1 ? json_object_get(value, "base64") : NULL;
    const char *fault;
    const void *bytes = NULL;

    if (base64 == NULL && !json_is_string(value))
        return wrong(to, "header \"%.64s\" has to be a string or {\"base64\": \"...\"}", name);
    if (base64 != NULL ? !read_base64(to, "base64", base64, &bytes, &header->value_len)
                       : !read_text(to, name, value, &bytes, &header->value_len))
        return false;
    fault = ndjson_header_fault(name, strlen(name), header->value_len);
    if (fault != NULL) return wrong(to, "header \"%.64s\": %s", name, fault);
    header->name = pool_copy(to->room, name, strlen(name));
    header->value = bytes;
    return true;
}

static bool read_headers(target *to, const char *key, json_t *value)
{
    size_t count = json_object_size(value), at = 0;
    dueq_header *headers;

    if (!json_is_object(value)) return wrong(to, "\"%s\" has to be an object", key);
    if (count > DUEQ_HEADERS_MAX)
        return wrong(to, "%zu headers: a task has %d at most", count, DUEQ_HEADERS_MAX);
    headers = pool_take(to->room, (count + 1) * sizeof(*headers));
    for (void *i = json_object_iter(value); i != NULL; i = json_object_iter_next(value, i)) {
        const char *name = json_object_iter_key(i);

        if (!read_header(to, name, json_object_iter_value(i), &headers[at++])) return false;
    }
    to->task->headers = headers;
    to->task->header_count = count;
    return true;
}

static const struct {
    const char *key;
    bool (*read)(target *to, const char *key, json_t *value);
} keys[] = {
    {"payload", read_payload}, {"payload_base64", read_payload_base64},
    {"id", read_id},           {"id_base64", read_id_base64},
    {"in", read_in},           {"at", read_at},
    {"headers", read_headers}, {"max_attempts", read_max_attempts},
};

static bool read_key(target *to, const char *key, json_t *value)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(key, keys[i].key) == 0) return keys[i].read(to, key, value);
    }
    return wrong(to,
                 "unknown key \"%.64s\"; known: payload payload_base64 id id_base64 in at "
                 "headers max_attempts",
                 key);
}

static bool read_object(target *to, json_t *object)
{
    if (!json_is_object(object)) return wrong(to, "not a JSON object");
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        if (!read_key(to, json_object_iter_key(i), json_object_iter_value(i))) return false;
    }
    if (!to->has_payload) return wrong(to, "\"payload\" or \"payload_base64\" is missing");
    return true;
}

bool ndjson_read(const char *line, size_t len, pool *room, dueq_new_task *task,
                 char why[NDJSON_WHY_MAX])
{
    target to = {.room = room, .task = task};
    json_error_t error;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    bool read;

    if (object != NULL)
        read = read_object(&to, object);
    else
        read = wrong(&to, "not JSON: %s, at byte %d", error.text, error.position);
    json_decref(object);
    memcpy(why, to.why, sizeof(to.why));
    return read;
}
