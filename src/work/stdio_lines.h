/* The lines that a worker and a long-lived process say to each other: a task, a lost lease, an
 * answer. Pure: knows no process and no clock. The protocol is described in dueq(1). */
#ifndef DQ_WORK_STDIO_LINES_H
#define DQ_WORK_STDIO_LINES_H

#include "base/buf.h"
#include "base/fault.h"

#define DQ_STDIO_LINE_MAX 1048576 /* bytes of an answer's line, at most */

/* ---- To the process ---- */

/* Both append a line with its line feed; on false the buffer is as it was, and memory is out. */
bool dq_stdio_add_task(dq_buf *out, const char *queue, const dueq_task *task);
bool dq_stdio_add_lost(dq_buf *out, const dueq_task *task);

/* ---- From the process ---- */

/* May hold NULs; bytes NULL: not given. */
typedef struct dq_stdio_text {
    const char *bytes;
    size_t len;
} dq_stdio_text;

typedef struct dq_stdio_answer {
    dueq_verdict verdict;
    int64_t delay_ms; /* -1: not given */
    dq_stdio_text receipt, id, id_base64, error;
    struct json_t *json; /* whose parts the texts are */
} dq_stdio_answer;

/* Reads a line (without its line feed). DUEQ_OK, or DUEQ_EINVAL with the fault saying what is wrong
 * with it; to be cleared in either case. */
int dq_stdio_read_answer(dq_stdio_answer *answer, const char *line, size_t line_len,
                         dq_fault *fault);
void dq_stdio_clear_answer(dq_stdio_answer *answer);

/* Says of which task it is. */
bool dq_stdio_names_a_task(const dq_stdio_answer *answer);
/* By receipt if it gives one, else by id. */
bool dq_stdio_is_about(const dq_stdio_answer *answer, const dueq_task *task);

#endif
