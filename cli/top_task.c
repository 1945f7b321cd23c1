/* The parts of a task, each with its label, cut into lines. */
#include "top_task.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

void top_lines_free(top_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) free(lines->lines[i].text);
    free(lines->lines);
    *lines = (top_lines){0};
}

/* Takes over the text. */
static void add_line(top_lines *out, const char *label, char *text)
{
    top_line *line;

    out->lines = mem_room(out->lines, out->count, &out->cap, sizeof(out->lines[0]));
    line = &out->lines[out->count++];
    line->label = label;
    line->text = text;
}

/* Escaped text, on as many lines as it takes; the label stands before the first. */
static void add_wrapped(top_lines *out, const char *label, const char *text, size_t width)
{
    do {
        size_t len = text_cut(text, width);

        if (len == 0 && *text != '\0') len = 1; /* not even one character fits */
        add_line(out, label, mem_copy(text, len));
        text += len;
        label = "";
    } while (*text != '\0');
}

/* Bytes from elsewhere, whose own lines stay lines. */
static void add_bytes(top_lines *out, const char *label, const char *bytes, size_t len,
                      size_t width)
{
    do {
        const char *end = len > 0 ? memchr(bytes, '\n', len) : NULL;
        size_t line_len = end != NULL ? (size_t)(end - bytes) : len;
        size_t used = end != NULL ? line_len + 1 : line_len;
        char *shown = text_escape(bytes, line_len);

        add_wrapped(out, label, shown, width);
        free(shown);
        bytes += used;
        len -= used;
        label = "";
    } while (len > 0);
}

/* "0000  68 65 6c 6c 6f  hello", as many bytes a line as fit: 16, 8 or 4. */
static void add_hex(top_lines *out, const char *bytes, size_t len, size_t width)
{
    size_t each = width >= 6 + 16 * 4 + 1 ? 16 : width >= 6 + 8 * 4 + 1 ? 8 : 4;

    for (size_t from = 0; from < len; from += each) {
        char *line = mem_make(each * 4 + 16);
        int at = sprintf(line, "%04zx  ", from);

        for (size_t i = 0; i < each; i++)
            at += from + i < len ? sprintf(line + at, "%02x ", (unsigned char)bytes[from + i])
                                 : sprintf(line + at, "   ");
        line[at++] = ' ';
        for (size_t i = from; i < from + each && i < len; i++)
            line[at++] = bytes[i] >= ' ' && bytes[i] < 0x7F ? bytes[i] : '.';
        add_line(out, "", line);
    }
}

/* What is made up of our own words. */
static void __attribute__((format(printf, 4, 5)))
add_words(top_lines *out, const char *label, size_t width, const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) text = mem_copy("", 0);
    va_end(list);
    add_wrapped(out, label, text, width);
    free(text);
}

static void add_state(const dueq_task *task, const top_task_look *look, top_lines *out,
                      size_t width)
{
    static const struct {
        dueq_state state;
        const char *verb;
    } verbs[] = {{DUEQ_STATE_WAITING, "due"},
                 {DUEQ_STATE_READY, "due"},
                 {DUEQ_STATE_LEASED, "its lease ends"},
                 {DUEQ_STATE_DEAD, "died"}};
    int64_t at_ms = task->state == DUEQ_STATE_LEASED ? task->deadline_ms
                    : task->state == DUEQ_STATE_DEAD ? task->died_ms
                                                     : task->due_ms;
    text_small when, at;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].state == task->state)
            add_words(out, "state", width, "%s, %s %s (%s)", dueq_state_name(task->state),
                      verbs[i].verb, text_when(at_ms, look->now_ms, when), text_time(at_ms, at));
    }
}

static void add_attempts(const dueq_task *task, top_lines *out, size_t width)
{
    if (task->max_attempts > 0)
        add_words(out, "attempts", width, "%" PRId64 " failed, %" PRId64 " at most", task->attempt,
                  task->max_attempts);
    else
        add_words(out, "attempts", width, "%" PRId64 " failed", task->attempt);
}

static void add_headers(const dueq_task *task, top_lines *out, size_t width)
{
    for (size_t i = 0; i < task->header_count; i++) {
        const dueq_header *header = &task->headers[i];
        char *name = text_escape(header->name, strlen(header->name));
        char *value = text_escape(header->value, header->value_len);

        add_words(out, i == 0 ? "headers" : "", width, "%s: %s", name, value);
        free(name);
        free(value);
    }
}

static void add_payload(const dueq_task *task, const top_task_look *look, top_lines *out,
                        size_t width)
{
    bool text = text_is_utf8(task->payload, task->payload_len) != look->other_form;
    size_t shown_len = text_whole(task->payload, task->payload_len, TOP_PAYLOAD_MAX);
    text_small size;

    add_words(out, "payload", width, "%s, as %s", text_size((int64_t)task->payload_len, size),
              text ? "text" : "hexadecimal");
    if (text && shown_len > 0)
        add_bytes(out, "", task->payload, shown_len, width);
    else
        add_hex(out, task->payload, shown_len, width);
    if (shown_len < task->payload_len)
        add_words(out, "", width, "(%s more: dueq get --json)",
                  text_size((int64_t)(task->payload_len - shown_len), size));
}

void top_task_lines(const dueq_task *task, const top_task_look *look, top_lines *out)
{
    size_t width = look->width > TOP_LABEL_WIDTH + 1 ? look->width - TOP_LABEL_WIDTH : 1;
    text_small when, at;

    *out = (top_lines){0};
    add_bytes(out, "id", task->id, task->id_len, width);
    add_state(task, look, out, width);
    add_words(out, "pushed", width, "%s (%s)", text_when(task->pushed_ms, look->now_ms, when),
              text_time(task->pushed_ms, at));
    add_attempts(task, out, width);
    if (task->error != NULL && task->error_len > 0)
        add_bytes(out, "error", task->error, task->error_len, width);
    add_headers(task, out, width);
    add_payload(task, look, out, width);
}
