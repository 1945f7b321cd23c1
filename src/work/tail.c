/* The ring that keeps the end of a handler's stderr, and its printable form. Knows no handler. */
#include "work/tail.h"

#include <ctype.h>
#include <string.h>

typedef struct span {
    const char *bytes;
    size_t len;
} span;

void dq_tail_add(dq_tail *tail, const char *bytes, size_t len)
{
    if (len > DQ_TAIL_LEN) {
        tail->seen += len - DQ_TAIL_LEN;
        bytes += len - DQ_TAIL_LEN;
        len = DQ_TAIL_LEN;
    }
    size_t at = tail->seen % DQ_TAIL_LEN;
    size_t first = len < DQ_TAIL_LEN - at ? len : DQ_TAIL_LEN - at;
    memcpy(tail->ring + at, bytes, first);
    memcpy(tail->ring, bytes + first, len - first);
    tail->seen += len;
}

/* Copies what is kept in the order it came; returns its length. */
static size_t straighten(const dq_tail *tail, char out[DQ_TAIL_LEN])
{
    if (tail->seen <= DQ_TAIL_LEN) {
        memcpy(out, tail->ring, tail->seen);
        return tail->seen;
    }
    size_t at = tail->seen % DQ_TAIL_LEN;
    memcpy(out, tail->ring + at, DQ_TAIL_LEN - at);
    memcpy(out + DQ_TAIL_LEN - at, tail->ring, at);
    return DQ_TAIL_LEN;
}

static span trim(span text)
{
    while (text.len > 0 && isspace((unsigned char)text.bytes[text.len - 1])) {
        text.len--;
    }
    while (text.len > 0 && isspace((unsigned char)text.bytes[0])) {
        text.bytes++;
        text.len--;
    }
    return text;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Drops at least `least` bytes from the front: up to the start of a line if one follows, else of
 * a character. */
static span cut_front(span text, size_t least)
{
    size_t cut = least < text.len ? least : text.len;
    size_t from = cut > 0 ? cut - 1 : 0;
    const char *line = memchr(text.bytes + from, '\n', text.len - from);
    if (line != NULL && line + 1 < text.bytes + text.len) {
        cut = (size_t)(line + 1 - text.bytes);
    }
    while (cut < text.len && is_continuation(text.bytes[cut])) {
        cut++;
    }
    return (span){text.bytes + cut, text.len - cut};
}

bool dq_tail_write(const dq_tail *tail, size_t room, dq_buf *out)
{
    char straight[DQ_TAIL_LEN];
    span text = {straight, straighten(tail, straight)};
    text = trim(text);
    if (tail->seen > DQ_TAIL_LEN) text = cut_front(text, 1);

    dq_buf escaped = {0};
    while (dq_buf_add_escaped(&escaped, text.bytes, text.len) && escaped.len > room) {
        size_t over = escaped.len - room; /* an escape is at most 4 times its byte */
        text = cut_front(text, over > 4 ? over / 4 : 1);
        dq_buf_reset(&escaped);
    }
    bool ok = !escaped.failed && dq_buf_add(out, escaped.data, escaped.len);
    dq_buf_clear(&escaped);
    return ok;
}
