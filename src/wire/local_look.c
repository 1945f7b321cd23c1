/* Looking at an embedded server. It speaks the protocol's inline form over a plain socket, without
 * a greeting, because a server that is loading or busy must be recognised as well. */
#include "wire/local_look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define ANSWER_MS 2000            /* a server that takes longer counts as silent */
#define SHUT_DOWN_ANSWER_MS 30000 /* it writes its data before it closes the connection */
#define ANSWER_LEN_MAX (256 * 1024)
#define READ_LEN 8192

/* One question and its answer. */
typedef struct talk {
    int fd;
    int64_t deadline_us;
    int64_t peer_pid;
    dq_buf answer; /* what was read; a bulk's header is still before it */
} talk;

typedef enum heard { HEARD_ANSWER, HEARD_END, HEARD_NOTHING, HEARD_NOBODY, HEARD_FAULT } heard;

/* ---- Talking --------------------------------------------------------------------------------- */

static heard connect_to(talk *t, const char *socket_path, dq_fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd >= 0 && connect(t->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        struct ucred peer = {0};
        socklen_t peer_len = sizeof peer;
        if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0) {
            t->peer_pid = peer.pid;
        }
        return HEARD_ANSWER;
    }
    if (errno == ENOENT || errno == ECONNREFUSED) return HEARD_NOBODY;
    if (errno == EAGAIN) return HEARD_NOTHING; /* its backlog is full */
    dq_fault_set(fault, DUEQ_ESYSTEM, "cannot connect to %s: %s", socket_path, strerror(errno));
    return HEARD_FAULT;
}

static bool wait_for(const talk *t, short events)
{
    struct pollfd watched = {.fd = t->fd, .events = events};
    while (dq_mono_us() < t->deadline_us) {
        if (poll(&watched, 1, dq_poll_ms(t->deadline_us)) > 0) return true;
    }
    return false;
}

/* True when a whole reply has been read; of the protocol only the kinds that INFO and SHUTDOWN
 * answer with. */
static bool is_whole(const dq_buf *answer)
{
    const char *line_end = answer->data == NULL ? NULL : strstr(answer->data, "\r\n");
    if (line_end == NULL) return false;
    if (answer->data[0] != '$') return true;
    size_t header_len = (size_t)(line_end - answer->data) + 2;
    long body_len = strtol(answer->data + 1, NULL, 10);
    return body_len < 0 || answer->len >= header_len + (size_t)body_len + 2;
}

static heard listen_for_answer(talk *t)
{
    while (!is_whole(&t->answer)) {
        char bytes[READ_LEN];
        if (!wait_for(t, POLLIN)) return HEARD_NOTHING;
        ssize_t count = recv(t->fd, bytes, sizeof bytes, 0);
        if (count == 0) return HEARD_END;
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (count < 0 || t->answer.len > ANSWER_LEN_MAX) return HEARD_END;
        if (!dq_buf_add(&t->answer, bytes, (size_t)count)) return HEARD_END;
    }
    return HEARD_ANSWER;
}

/* Sends one line; the answer is in *t, to be ended with hang_up() whatever was heard. */
static heard ask(talk *t, const char *socket_path, const char *line, int64_t answer_ms,
                 dq_fault *fault)
{
    *t = (talk){.fd = -1, .deadline_us = dq_deadline_us(answer_ms)};
    heard rc = connect_to(t, socket_path, fault);
    if (rc != HEARD_ANSWER) return rc;
    /* A line always fits the socket's buffer. One that hung up may have said why before. */
    if (send(t->fd, line, strlen(line), MSG_NOSIGNAL) < 0 && errno == EAGAIN) return HEARD_NOTHING;
    return listen_for_answer(t);
}

static void hang_up(talk *t)
{
    if (t->fd >= 0) close(t->fd);
    dq_buf_clear(&t->answer);
}

/* ---- Understanding --------------------------------------------------------------------------- */

/* The value of a line "name:value" of an INFO text, its length in *len; NULL when there is none. */
static const char *info_value(const char *info, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            *len = strcspn(line + name_len + 1, "\r\n");
            return line + name_len + 1;
        }
    }
    return NULL;
}

static int64_t info_number(const char *info, const char *name)
{
    size_t len = 0;
    const char *value = info_value(info, name, &len);
    return value == NULL ? 0 : strtoll(value, NULL, 10);
}

static void read_info(dq_look *look, const char *info)
{
    size_t len = 0;
    const char *program = info_value(info, "executable", &len);
    if (program != NULL && len < sizeof look->program) {
        memcpy(look->program, program, len);
        look->program[len] = '\0';
    }
    if (look->pid == 0) look->pid = info_number(info, "process_id");
    look->loaded_percent = (int)info_number(info, "loading_loaded_perc");
    look->state = info_number(info, "loading") != 0 ? DQ_LOOK_LOADING : DQ_LOOK_READY;
}

/* INFO, or an error such as NOAUTH or BUSY, which only a living server of the kind gives. */
static int understand(dq_look *look, const talk *t, const dq_place *place, dq_fault *fault)
{
    const char *answer = t->answer.data;
    if (answer[0] == '$') {
        read_info(look, answer);
        return DUEQ_OK;
    }
    if (answer[0] == '-') {
        look->state = strncmp(answer, "-LOADING", 8) == 0 ? DQ_LOOK_LOADING : DQ_LOOK_READY;
        return DUEQ_OK;
    }
    return dq_fault_set(fault, DUEQ_EPROTO, "what listens on %s is not a Redis or Valkey server",
                        place->socket);
}

/* The process that holds the lifeline, by the kernel's word; 0 for none. */
static int64_t lifeline_holder(const dq_place *place)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = dq_place_open_file(place, DQ_PLACE_LIFELINE, O_RDONLY);
    if (fd < 0) return 0;
    int64_t pid = 0;
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        pid = lock.l_pid > 0 ? lock.l_pid : -1; /* -1: a process of another machine or namespace */
    }
    close(fd);
    return pid;
}

int dq_look_at(const dq_place *place, dq_look *look, dq_fault *fault)
{
    *look = (dq_look){.state = DQ_LOOK_ABSENT};
    int rc = DUEQ_OK;
    talk t;
    switch (ask(&t, place->socket, "INFO\r\n", ANSWER_MS, fault)) {
    case HEARD_ANSWER:
        look->pid = t.peer_pid;
        rc = understand(look, &t, place, fault);
        break;
    case HEARD_NOTHING:
        look->pid = t.peer_pid != 0 ? t.peer_pid : lifeline_holder(place);
        look->state = DQ_LOOK_SILENT;
        break;
    case HEARD_END: /* it is just going */
    case HEARD_NOBODY:
        look->pid = lifeline_holder(place);
        break;
    case HEARD_FAULT:
        rc = DUEQ_ESYSTEM;
        break;
    }
    hang_up(&t);
    return rc;
}

int dq_look_shut_down(const dq_place *place, dq_fault *fault)
{
    int rc = DUEQ_OK;
    talk t;
    switch (ask(&t, place->socket, "SHUTDOWN\r\n", SHUT_DOWN_ANSWER_MS, fault)) {
    case HEARD_ANSWER: /* it closes the connection when it agrees */
        rc = dq_fault_set(fault, DUEQ_ESERVER, "the server in %s refuses to stop: %.*s", place->dir,
                          (int)strcspn(t.answer.data + 1, "\r\n"), t.answer.data + 1);
        break;
    case HEARD_NOTHING:
        rc = dq_fault_set(fault, DUEQ_EUNREADY,
                          "the server in %s (pid %lld) does not answer to SHUTDOWN", place->dir,
                          (long long)t.peer_pid);
        break;
    case HEARD_END:
    case HEARD_NOBODY:
        break;
    case HEARD_FAULT:
        rc = DUEQ_ESYSTEM;
        break;
    }
    hang_up(&t);
    return rc;
}
