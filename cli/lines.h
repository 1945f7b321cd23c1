/* Lines from a file descriptor in bounded memory, however long a line or the input is. */
#ifndef DUEQ_CLI_LINES_H
#define DUEQ_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum line_kind {
    LINE_WHOLE,
    LINE_TOO_LONG, /* over the limit; what there was of it has been skipped */
    LINE_END,      /* no more lines */
    LINE_FAILED    /* errno says why */
} line_kind;

typedef struct lines {
    int fd;
    size_t line_max; /* bytes of a line, its line feed not counted */
    char *data;
    size_t cap;
    size_t start, end; /* what is read and not yet given: data[start..end) */
    size_t looked;     /* of that, so much is known to hold no line feed */
    bool at_end;
    int64_t number; /* of the line given last, from 1 */
} lines;

void lines_open(lines *from, int fd, size_t line_max);
void lines_close(lines *from);

/* The next line, without its line feed, in *text and *len until the next call; the last one need
 * not have a line feed. */
line_kind lines_next(lines *from, const char **text, size_t *len);

/* True when the next line, or the end, is there without waiting for whoever writes it. */
bool lines_ready(lines *from);

/* Reads all of fd, up to `max` bytes. The caller frees *bytes. False: errno says why (EFBIG when
 * there is more). */
bool lines_read_all(int fd, size_t max, char **bytes, size_t *len);

#endif
