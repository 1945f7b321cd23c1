/* A buffer that grows up to the longest line allowed, and no further. */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#define READ_LEN ((size_t)128 * 1024)

void lines_open(lines *from, int fd, size_t line_max)
{
    *from = (lines){.fd = fd, .line_max = line_max, .cap = READ_LEN};
    from->data = mem_make(from->cap);
}

void lines_close(lines *from)
{
    free(from->data);
    from->data = NULL;
}

static ssize_t read_some(int fd, char *bytes, size_t len)
{
    ssize_t got;

    do {
        got = read(fd, bytes, len);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Moves what is kept to the front and makes room for more behind it. */
static void make_room(lines *from)
{
    if (from->start > 0) {
        memmove(from->data, from->data + from->start, from->end - from->start);
        from->end -= from->start;
        from->start = 0;
    }
    if (from->end == from->cap) {
        from->cap *= 2;
        from->data = mem_grow(from->data, from->cap);
    }
}

static bool read_more(lines *from)
{
    ssize_t got;

    make_room(from);
    got = read_some(from->fd, from->data + from->end, from->cap - from->end);
    if (got < 0) return false;
    from->at_end = got == 0;
    from->end += (size_t)got;
    return true;
}

/* The line feed that ends the line at `start`, or NULL when it has not been read yet. */
static const char *find_end(lines *from)
{
    const char *unseen = from->data + from->start + from->looked;
    size_t unseen_len = from->end - from->start - from->looked;
    const char *found = memchr(unseen, '\n', unseen_len);

    if (found == NULL) from->looked += unseen_len;
    return found;
}

static void consume(lines *from, size_t len)
{
    from->start += len;
    from->looked = 0;
}

/* Reads on, keeping nothing, until a line feed has been passed. */
static line_kind skip_line(lines *from)
{
    const char *end;

    while ((end = find_end(from)) == NULL) {
        consume(from, from->end - from->start);
        if (from->at_end) return LINE_TOO_LONG;
        if (!read_more(from)) return LINE_FAILED;
    }
    consume(from, (size_t)(end - from->data) - from->start + 1);
    return LINE_TOO_LONG;
}

line_kind lines_next(lines *from, const char **text, size_t *len)
{
    const char *end;

    from->number++;
    while ((end = find_end(from)) == NULL && !from->at_end) {
        if (from->end - from->start > from->line_max) return skip_line(from);
        if (!read_more(from)) return LINE_FAILED;
    }
    *text = from->data + from->start;
    *len = end != NULL ? (size_t)(end - *text) : from->end - from->start;
    if (*len > from->line_max) return skip_line(from);
    if (end == NULL && *len == 0) return LINE_END;
    consume(from, end != NULL ? *len + 1 : *len);
    return LINE_WHOLE;
}

bool lines_ready(lines *from)
{
    struct pollfd readable = {.fd = from->fd, .events = POLLIN};

    return from->at_end || find_end(from) != NULL || poll(&readable, 1, 0) != 0;
}

bool lines_read_all(int fd, size_t max, char **bytes, size_t *len)
{
    size_t cap = READ_LEN;
    ssize_t got;

    *bytes = mem_make(cap);
    *len = 0;
    while ((got = read_some(fd, *bytes + *len, cap - *len)) > 0) {
        *len += (size_t)got;
        if (*len > max) {
            errno = EFBIG;
            return false;
        }
        if (*len == cap) {
            cap *= 2;
            *bytes = mem_grow(*bytes, cap);
        }
    }
    return got == 0;
}
