/* Handlers' environments, written as one run of texts and then indexed. Pure. */
#include "work/environment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"

#define HEADER_PREFIX "DUEQ_HEADER_"

static const char *const ours[] = {
    "DUEQ_QUEUE=",  "DUEQ_ID=",      "DUEQ_ID_BASE64URL=", "DUEQ_TOKEN=",
    "DUEQ_DUE_MS=", "DUEQ_ATTEMPT=", HEADER_PREFIX};

static bool is_ours(const char *entry)
{
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strncmp(entry, ours[i], strlen(ours[i])) == 0) return true;
    }
    return false;
}

/* Turns texts that each end with a NUL into a list that shares its memory with them. */
static char **index_texts(dq_buf *texts, size_t count)
{
    char **list = NULL;
    size_t list_size = (count + 1) * sizeof *list;
    if (!texts->failed) list = malloc(list_size + texts->len + 1);
    if (list != NULL) {
        char *at = (char *)list + list_size;
        if (texts->len > 0) memcpy(at, texts->data, texts->len);
        for (size_t i = 0; i < count; i++) {
            list[i] = at;
            at += strlen(at) + 1;
        }
        list[count] = NULL;
    }
    dq_buf_clear(texts);
    return list;
}

static void end_text(dq_buf *texts, size_t *count)
{
    dq_buf_add_byte(texts, '\0');
    (*count)++;
}

static void add_all(dq_buf *texts, size_t *count, char *const *entries)
{
    for (; *entries != NULL; entries++) {
        dq_buf_add_text(texts, *entries);
        end_text(texts, count);
    }
}

char **dq_environment_base(char *const *environment)
{
    dq_buf texts = {0};
    size_t count = 0;
    for (; *environment != NULL; environment++) {
        if (is_ours(*environment)) continue;
        dq_buf_add_text(&texts, *environment);
        end_text(&texts, &count);
    }
    return index_texts(&texts, count);
}

/* Can stand in an environment, and in a log or on a terminal, as it is. */
static bool is_plain(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7F) return false;
    }
    return dq_utf8_valid(bytes, len);
}

static void add_id(dq_buf *texts, size_t *count, const dueq_task *task)
{
    if (is_plain(task->id, task->id_len)) {
        dq_buf_add_text(texts, "DUEQ_ID=");
        dq_buf_add(texts, task->id, task->id_len);
    } else {
        char form[DUEQ_ID_MAX * 4 / 3 + 2];
        dq_base64url(form, task->id, task->id_len);
        dq_buf_printf(texts, "DUEQ_ID_BASE64URL=%s", form);
    }
    end_text(texts, count);
}

static char variable_character(char c)
{
    if (c == '-') return '_';
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool same_variable(const char *a, const char *b)
{
    while (*a != '\0' && variable_character(*a) == variable_character(*b)) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

static bool name_is_taken(const dueq_task *task, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (same_variable(task->headers[i].name, task->headers[at].name)) return true;
    }
    return false;
}

static void add_headers(dq_buf *texts, size_t *count, const dueq_task *task)
{
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        if (memchr(header->value, '\0', header->value_len) != NULL) continue;
        if (name_is_taken(task, i)) continue;
        dq_buf_add_text(texts, HEADER_PREFIX);
        for (const char *c = header->name; *c != '\0'; c++) {
            dq_buf_add_byte(texts, (unsigned char)variable_character(*c));
        }
        dq_buf_add_byte(texts, '=');
        dq_buf_add(texts, header->value, header->value_len);
        end_text(texts, count);
    }
}

char **dq_environment_of(char *const *base, const char *queue, const dueq_task *task)
{
    dq_buf texts = {0};
    size_t count = 0;
    add_all(&texts, &count, base);
    dq_buf_printf(&texts, "DUEQ_QUEUE=%s", queue);
    end_text(&texts, &count);
    dq_buf_printf(&texts, "DUEQ_ATTEMPT=%" PRId64, task->attempt);
    end_text(&texts, &count);
    dq_buf_printf(&texts, "DUEQ_TOKEN=%" PRId64, task->token);
    end_text(&texts, &count);
    dq_buf_printf(&texts, "DUEQ_DUE_MS=%" PRId64, task->due_ms);
    end_text(&texts, &count);
    add_id(&texts, &count, task);
    add_headers(&texts, &count, task);
    return index_texts(&texts, count);
}
