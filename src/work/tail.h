/* The end of a stream that may be endless: its last bytes, given as one printable line. */
#ifndef DQ_WORK_TAIL_H
#define DQ_WORK_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define DQ_TAIL_LEN 1000 /* bytes kept */

/* Holds: the last min(seen, DQ_TAIL_LEN) bytes are in the ring, the newest one before
 * ring[seen % DQ_TAIL_LEN]. A zeroed tail is empty. */
typedef struct dq_tail {
    char ring[DQ_TAIL_LEN];
    size_t seen;
} dq_tail;

void dq_tail_add(dq_tail *tail, const char *bytes, size_t len);

/* Appends at most `room` bytes to `out`: the end of what was seen, control bytes escaped, blank
 * space around it dropped. What does not fit is cut at its front, before a whole line where the
 * end of it has one, else before a whole character. False when out of memory. */
bool dq_tail_write(const dq_tail *tail, size_t room, dq_buf *out);

#endif
