/* Moving a process's stderr on. Never blocks. */
#include "work/said.h"

#include <errno.h>
#include <unistd.h>

#include "dueq.h"
#include "work/child.h"

#define DRAIN_LEN_MAX 65536 /* bytes read after the process is gone: what a pipe holds */

bool dq_said_is_full(const dq_said *said)
{
    return said->relay.len == sizeof said->relay.bytes;
}

bool dq_said_read(dq_said *said, int *fd)
{
    size_t room;
    char *to = dq_relay_room(&said->relay, &room);
    if (*fd < 0 || room == 0) return false;
    ssize_t len = read(*fd, to, room);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (len <= 0) {
        dq_child_close(fd);
        return false;
    }
    dq_tail_add(&said->tail, to, (size_t)len);
    dq_relay_added(&said->relay, (size_t)len);
    return true;
}

void dq_said_pass_on(dq_said *said, bool exited)
{
    dq_relay_pump(&said->relay, STDERR_FILENO);
    if (exited && dq_said_is_full(said)) said->relay.len = 0;
}

void dq_said_drain(dq_said *said, int *fd)
{
    size_t left = DRAIN_LEN_MAX;
    for (;;) {
        size_t before = said->tail.seen;
        dq_said_pass_on(said, true);
        if (!dq_said_read(said, fd)) break;
        size_t len = said->tail.seen - before;
        if (len >= left) break;
        left -= len;
    }
    dq_relay_finish(&said->relay, STDERR_FILENO);
    dq_child_close(fd);
}

void dq_said_add_to(const dq_said *said, dq_buf *error)
{
    dq_buf text = {0};
    size_t used = error->len + 2;
    size_t room = used < DUEQ_ERROR_TEXT_MAX ? DUEQ_ERROR_TEXT_MAX - used : 0;
    if (dq_tail_write(&said->tail, room, &text) && text.len > 0) {
        dq_buf_add_text(error, ": ");
        dq_buf_add(error, text.data, text.len);
    }
    dq_buf_clear(&text);
}
