/* One task as lines of a screen: everything in it escaped, wrapped at the screen's width. Pure. */
#ifndef DUEQ_CLI_TOP_TASK_H
#define DUEQ_CLI_TOP_TASK_H

#include <dueq.h>
#include <stdbool.h>

#define TOP_PAYLOAD_MAX 65536 /* bytes of a payload that are shown */
#define TOP_LABEL_WIDTH 9

typedef struct top_line {
    const char *label; /* "" on all but the first line of a part */
    char *text;        /* takes no more than the width that is left beside the label */
} top_line;

typedef struct top_lines {
    top_line *lines;
    size_t count, cap;
} top_lines;

typedef struct top_task_look {
    size_t width;
    int64_t now_ms;
    bool other_form; /* hexadecimal for what is text, text for what is not */
} top_task_look;

/* Free the lines in either case. */
void top_task_lines(const dueq_task *task, const top_task_look *look, top_lines *out);
void top_lines_free(top_lines *lines);

#endif
