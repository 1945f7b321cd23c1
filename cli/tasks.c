/* Tasks as JSON and as cards. */
#include "tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "out.h"
#include "say.h"
#include "text.h"

#define CARD_PAYLOAD_MAX 4096 /* bytes of a payload that a card shows */

static json_t *json_bytes(const void *bytes, size_t len)
{
    return json_stringn_nocheck(len > 0 ? bytes : "", len);
}

static json_t *json_base64(const void *bytes, size_t len)
{
    char *text = text_base64(bytes, len);
    json_t *value = json_string_nocheck(text);

    free(text);
    return value;
}

void tasks_set_bytes(json_t *object, const char *name, const void *bytes, size_t len)
{
    text_small other_name;

    if (text_is_utf8(bytes, len)) {
        json_object_set_new_nocheck(object, name, json_bytes(bytes, len));
        return;
    }
    snprintf(other_name, sizeof(other_name), "%s_base64", name);
    json_object_set_new_nocheck(object, other_name, json_base64(bytes, len));
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    json_object_set_new_nocheck(object, name, json_integer(number));
}

/* A value that is not UTF-8 is an object with its base64, as push reads it. */
static json_t *json_headers(const dueq_task *task)
{
    json_t *headers = json_object();

    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        json_t *value;

        if (text_is_utf8(header->value, header->value_len))
            value = json_bytes(header->value, header->value_len);
        else
            value = json_pack("{s:o}", "base64", json_base64(header->value, header->value_len));
        json_object_set_new_nocheck(headers, header->name, value);
    }
    return headers;
}

json_t *tasks_json_taken(const dueq_task *task)
{
    json_t *object = json_object();

    tasks_set_bytes(object, "id", task->id, task->id_len);
    if (task->receipt != NULL)
        json_object_set_new_nocheck(object, "receipt", json_string_nocheck(task->receipt));
    set_number(object, "attempt", task->attempt);
    set_number(object, "token", task->token);
    set_number(object, "due_ms", task->due_ms);
    set_number(object, "pushed_ms", task->pushed_ms);
    tasks_set_bytes(object, "payload", task->payload, task->payload_len);
    json_object_set_new_nocheck(object, "headers", json_headers(task));
    return object;
}

json_t *tasks_json_found(const dueq_task *task)
{
    json_t *object = json_object();

    tasks_set_bytes(object, "id", task->id, task->id_len);
    json_object_set_new_nocheck(object, "state", json_string(dueq_state_name(task->state)));
    set_number(object, "attempts", task->attempt);
    if (task->max_attempts > 0) set_number(object, "max_attempts", task->max_attempts);
    if (task->state == DUEQ_STATE_WAITING || task->state == DUEQ_STATE_READY)
        set_number(object, "due_ms", task->due_ms);
    if (task->state == DUEQ_STATE_LEASED) set_number(object, "deadline_ms", task->deadline_ms);
    if (task->state == DUEQ_STATE_DEAD) set_number(object, "died_ms", task->died_ms);
    set_number(object, "pushed_ms", task->pushed_ms);
    tasks_set_bytes(object, "payload", task->payload, task->payload_len);
    json_object_set_new_nocheck(object, "headers", json_headers(task));
    if (task->error != NULL) tasks_set_bytes(object, "error", task->error, task->error_len);
    return object;
}

static void print_label(const char *label)
{
    out_styled(STYLE_FAINT, "  %-9s", label);
    out_printf(" ");
}

static void print_state(const dueq_task *task, int64_t now_ms)
{
    text_small when, at;

    print_label("state");
    out_styled(task->state == DUEQ_STATE_DEAD ? STYLE_BAD : STYLE_BOLD, "%s",
               dueq_state_name(task->state));
    if (task->due_ms != 0)
        out_printf(", due %s (%s)", text_when(task->due_ms, now_ms, when),
                   text_time(task->due_ms, at));
    if (task->deadline_ms != 0)
        out_printf(", its lease ends %s (%s)", text_when(task->deadline_ms, now_ms, when),
                   text_time(task->deadline_ms, at));
    if (task->died_ms != 0)
        out_printf(", died %s (%s)", text_when(task->died_ms, now_ms, when),
                   text_time(task->died_ms, at));
    out_printf("\n");
}

static void print_attempts(const dueq_task *task)
{
    if (task->attempt == 0 && task->max_attempts == 0) return;
    print_label("attempts");
    out_printf("%" PRId64 " failed", task->attempt);
    if (task->max_attempts > 0) out_printf(", %" PRId64 " at most", task->max_attempts);
    out_printf("\n");
}

static void print_headers(const dueq_task *task)
{
    for (size_t i = 0; i < task->header_count; i++) {
        print_label(i == 0 ? "headers" : "");
        out_foreign(task->headers[i].name, strlen(task->headers[i].name));
        out_printf(": ");
        out_foreign(task->headers[i].value, task->headers[i].value_len);
        out_printf("\n");
    }
}

/* Text of several lines, indented; what each line holds is escaped. */
static void print_lines(const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line_len = end != NULL ? (size_t)(end - text) : len;
        size_t used = end != NULL ? line_len + 1 : line_len;

        out_printf("    ");
        out_foreign(text, line_len);
        out_printf("\n");
        text += used;
        len -= used;
    }
}

static void print_payload(const dueq_task *task)
{
    size_t shown_len = text_whole(task->payload, task->payload_len, CARD_PAYLOAD_MAX);
    text_small size;

    print_label("payload");
    out_printf("%s\n", text_size((int64_t)task->payload_len, size));
    print_lines(task->payload, shown_len);
    if (shown_len < task->payload_len)
        out_printf("    (%s more; --json prints all)\n",
                   text_size((int64_t)(task->payload_len - shown_len), size));
}

void tasks_print_card(const char *queue, const dueq_task *task, int64_t now_ms)
{
    text_small when, at;

    out_printf("%s%s ", out_on(STYLE_BOLD), queue);
    out_foreign(task->id, task->id_len);
    out_printf("%s\n", out_off(STYLE_BOLD));
    print_state(task, now_ms);
    print_label("pushed");
    out_printf("%s (%s)\n", text_when(task->pushed_ms, now_ms, when),
               text_time(task->pushed_ms, at));
    print_attempts(task);
    print_headers(task);
    if (task->error != NULL && task->error_len > 0) {
        print_label("error");
        out_foreign(task->error, task->error_len);
        out_printf("\n");
    }
    print_payload(task);
}
