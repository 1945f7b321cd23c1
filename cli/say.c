/* Lines on stderr: one a message, nothing in them that steers a terminal. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

static void __attribute__((format(printf, 1, 0))) say(const char *format, va_list list)
{
    char *text, *shown;

    if (vasprintf(&text, format, list) < 0) return;
    shown = text_escape(text, strlen(text));
    fprintf(stderr, "dueq: %s\n", shown);
    free(shown);
    free(text);
}

#define SAY(format)             \
    do {                        \
        va_list list;           \
                                \
        va_start(list, format); \
        say(format, list);      \
        va_end(list);           \
    } while (0)

int say_failed(const char *format, ...)
{
    SAY(format);
    return STATUS_FAILED;
}

int say_usage(const char *format, ...)
{
    SAY(format);
    return STATUS_USAGE;
}

int say_nothing(const char *format, ...)
{
    SAY(format);
    return STATUS_NOTHING;
}

void say_note(const char *format, ...)
{
    SAY(format);
}

int say_status(int outcome)
{
    switch (outcome) {
    case DUEQ_OK:
    case DUEQ_DEAD:
        return STATUS_DONE;
    case DUEQ_EMPTY:
    case DUEQ_MISSING:
        return STATUS_NOTHING;
    case DUEQ_LOST:
        return STATUS_LOST;
    case DUEQ_EXISTS:
    case DUEQ_EEXIST:
    case DUEQ_HELD:
        return STATUS_EXISTS;
    case DUEQ_EINVAL:
        return STATUS_USAGE;
    default:
        return STATUS_FAILED;
    }
}

int say_error(const dueq *handle, int outcome)
{
    const char *text = handle != NULL ? dueq_error(handle) : "";

    say_note("%s", *text != '\0' ? text : dueq_outcome_text(outcome));
    return say_status(outcome);
}

int say_worse(int a, int b)
{
    static const int order[] = {STATUS_DONE, STATUS_EXISTS, STATUS_NOTHING,
                                STATUS_LOST, STATUS_FAILED, STATUS_USAGE};
    int worst = STATUS_DONE;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (order[i] == a || order[i] == b) worst = order[i];
    }
    return worst;
}
