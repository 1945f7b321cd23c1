/* Passes what handlers write to stderr on to the worker's own, in whole lines, so that the lines of
 * several do not mix, and without ever blocking on a reader who is not there. */
#ifndef DQ_WORK_RELAY_H
#define DQ_WORK_RELAY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Holds: len <= sizeof bytes; when it is full nothing more is to be read from the handler, which
 * then waits as it would have on the worker's stderr itself. A zeroed relay is empty. */
typedef struct dq_relay {
    char bytes[PIPE_BUF];
    size_t len;
    bool mid_line; /* what was passed on last had no line feed */
} dq_relay;

/* Where the next bytes go, and how many may. */
char *dq_relay_room(dq_relay *relay, size_t *room);
void dq_relay_added(dq_relay *relay, size_t len);

/* Something can be passed on now: a whole line, or a part as large as the relay. */
bool dq_relay_ready(const dq_relay *relay);

/* Writes what is ready to fd if it takes that at once; forgets it if fd can take nothing ever
 * again. */
void dq_relay_pump(dq_relay *relay, int fd);

/* The same for all there is, after which no more will come: ends the last line, should it have no
 * end, so that what others write begins a line of its own. */
void dq_relay_finish(dq_relay *relay, int fd);

#endif
