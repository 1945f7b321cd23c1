/* The scripted fake server. One thread plays the script; it waits in poll() only, always also on the
 * pipe by which it is stopped. */
#include "fake_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <valkey/valkey.h>

#include "folder.h"
#include "until.h"

#define END_BOUND_MS 20000

/* How a step came out. */
typedef enum result { DONE, PEER_CLOSED, STOPPED, WRONG } result;

struct fake_server {
    const fake_step *script;
    size_t at; /* the step being played; the player's until it has ended */
    test_folder folder;
    bool in_folder;
    char url[160];

    int listen_fd;
    int fd; /* the connection being served, -1: none */
    valkeyReader *reader;
    valkeyReply *command;

    int stop_fds[2];
    int gate_fds[2];
    pthread_t player;
    atomic_int connections, heard;
    atomic_bool ended;
    char wrong[512]; /* what went wrong, "" nothing */
};

static const char *const kind_names[] = {
    "END",     "ACCEPT", "GREET", "EXPECT",      "ANSWER", "SERVE", "SEND",
    "TRICKLE", "FLOOD",  "GATE",  "AWAIT_CLOSE", "CLOSE",  "RESET", "REPEAT",
};

/* ---- The socket ------------------------------------------------------------------------------ */

/* DONE when the descriptor is ready, STOPPED when the test wants the fake to end. */
static result wait_for(const fake_server *f, int fd, short events)
{
    struct pollfd watched[2] = {{.fd = fd, .events = events},
                                {.fd = f->stop_fds[0], .events = POLLIN}};
    while (poll(watched, 2, -1) < 0) {}
    return watched[1].revents != 0 ? STOPPED : DONE;
}

static void hang_up(fake_server *f)
{
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = -1;
    valkeyReaderFree(f->reader);
    f->reader = NULL;
}

static result accept_next(fake_server *f)
{
    hang_up(f);
    result waited = wait_for(f, f->listen_fd, POLLIN);
    if (waited != DONE) {
        return waited;
    }
    f->fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    f->reader = valkeyReaderCreate();
    int yes = 1;
    setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    atomic_fetch_add(&f->connections, 1);
    return DONE;
}

static result send_bytes(fake_server *f, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(f->fd, bytes, len, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN) {
            return PEER_CLOSED;
        }
        result waited = wait_for(f, f->fd, POLLOUT);
        if (waited != DONE) {
            return waited;
        }
    }
    return DONE;
}

/* Waits until the peer has taken everything out of the socket. */
static result await_read(fake_server *f)
{
    int unread = 0;
    while (ioctl(f->fd, SIOCOUTQ, &unread) == 0 && unread > 0) {
        struct pollfd hung = {.fd = f->fd, .events = 0};
        struct pollfd stop = {.fd = f->stop_fds[0], .events = POLLIN};
        if (poll(&stop, 1, 0) > 0) {
            return STOPPED;
        }
        if (poll(&hung, 1, 0) > 0) {
            return PEER_CLOSED;
        }
        sched_yield();
    }
    return DONE;
}

static result trickle(fake_server *f, const char *bytes, size_t len)
{
    result r = DONE;
    for (size_t i = 0; i < len && r == DONE; i++) {
        r = send_bytes(f, bytes + i, 1);
        if (r == DONE) {
            r = await_read(f);
        }
    }
    return r;
}

static result flood(fake_server *f, const char *bytes, size_t len)
{
    enum { COPIES = 4096 };
    char *many = malloc(len * COPIES);
    for (size_t i = 0; i < COPIES; i++) {
        memcpy(many + i * len, bytes, len);
    }
    result r = DONE;
    while (r == DONE) {
        r = send_bytes(f, many, len * COPIES);
    }
    free(many);
    return r == PEER_CLOSED ? DONE : r;
}

/* ---- Commands -------------------------------------------------------------------------------- */

static result read_more(fake_server *f)
{
    char bytes[16384];
    result waited = wait_for(f, f->fd, POLLIN);
    if (waited != DONE) {
        return waited;
    }
    ssize_t got = recv(f->fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) {
        return DONE;
    }
    if (got <= 0) {
        return PEER_CLOSED;
    }
    valkeyReaderFeed(f->reader, bytes, (size_t)got);
    return DONE;
}

static result read_command(fake_server *f)
{
    freeReplyObject(f->command);
    f->command = NULL;
    for (;;) {
        void *command = NULL;
        if (valkeyReaderGetReply(f->reader, &command) != VALKEY_OK) {
            snprintf(f->wrong, sizeof f->wrong, "what came is no command: %s", f->reader->errstr);
            return WRONG;
        }
        if (command != NULL) {
            f->command = command;
            return DONE;
        }
        result r = read_more(f);
        if (r != DONE) {
            return r;
        }
    }
}

/* The command's words joined by blanks, as far as they fit. */
static void join(const valkeyReply *command, char *text, size_t text_size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < command->elements && len < text_size; i++) {
        int more = snprintf(text + len, text_size - len, "%s%s", i == 0 ? "" : " ",
                            command->element[i]->str);
        len += more > 0 ? (size_t)more : 0;
    }
}

static result expect(fake_server *f, const char *words)
{
    result r = read_command(f);
    if (r != DONE) {
        return r;
    }
    char text[256];
    size_t len = strlen(words);
    join(f->command, text, sizeof text);
    if (strncmp(text, words, len) != 0 || (text[len] != '\0' && text[len] != ' ')) {
        snprintf(f->wrong, sizeof f->wrong, "expected \"%s\", got \"%s\"", words, text);
        return WRONG;
    }
    atomic_fetch_add(&f->heard, 1);
    return DONE;
}

static result answer(fake_server *f, const fake_step *step)
{
    for (int i = 0; step->count < 0 || i < step->count; i++) {
        result r = read_command(f);
        if (r == DONE) {
            r = send_bytes(f, step->text, step->len);
        }
        if (r != DONE) {
            return r == PEER_CLOSED && step->count < 0 ? DONE : r;
        }
    }
    return DONE;
}

/* What a friendly server says to a command of the greeting, and to all else. */
static const char *friendly(const char *command)
{
    if (strcmp(command, "TIME") == 0) {
        return "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n";
    }
    return strcmp(command, "CLIENT ID") == 0 ? ":7\r\n" : "+OK\r\n";
}

static result greet(fake_server *f)
{
    for (;;) {
        result r = read_command(f);
        if (r != DONE) {
            return r;
        }
        char text[256];
        join(f->command, text, sizeof text);
        const char *reply = friendly(text);
        r = send_bytes(f, reply, strlen(reply));
        if (r != DONE || strcmp(text, "TIME") == 0) {
            return r;
        }
    }
}

static fake_rule *find_rule(fake_rule *rules, const char *command)
{
    for (fake_rule *rule = rules; rule->words != NULL; rule++) {
        if (strncmp(command, rule->words, strlen(rule->words)) == 0 &&
            (rule->times == 0 || atomic_load(&rule->used) < rule->times)) {
            return rule;
        }
    }
    return NULL;
}

static result serve(fake_server *f, fake_rule *rules)
{
    for (;;) {
        result r = read_command(f);
        if (r != DONE) {
            return r == PEER_CLOSED ? DONE : r;
        }
        char text[256];
        join(f->command, text, sizeof text);
        fake_rule *rule = find_rule(rules, text);
        const char *reply = rule == NULL ? friendly(text) : rule->reply;
        if (rule != NULL) {
            atomic_fetch_add(&rule->used, 1);
        }
        r = reply == NULL ? PEER_CLOSED : send_bytes(f, reply, strlen(reply));
        if (r != DONE) {
            return r == PEER_CLOSED ? DONE : r;
        }
    }
}

static result await_close(fake_server *f)
{
    char bytes[16384];
    for (;;) {
        result waited = wait_for(f, f->fd, POLLIN);
        if (waited != DONE) {
            return waited;
        }
        ssize_t got = recv(f->fd, bytes, sizeof bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            return DONE;
        }
    }
}

static result pass_gate(fake_server *f)
{
    char token;
    result waited = wait_for(f, f->gate_fds[0], POLLIN);
    return waited == DONE && read(f->gate_fds[0], &token, 1) != 1 ? WRONG : waited;
}

static result reset(fake_server *f)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    hang_up(f);
    return DONE;
}

/* ---- The player ------------------------------------------------------------------------------ */

static result play_step(fake_server *f, const fake_step *step)
{
    switch (step->kind) {
    case FAKE_ACCEPT:
        return accept_next(f);
    case FAKE_GREET:
        return greet(f);
    case FAKE_EXPECT:
        return expect(f, step->text);
    case FAKE_ANSWER:
        return answer(f, step);
    case FAKE_SERVE:
        return serve(f, (fake_rule *)(void *)(uintptr_t)step->text);
    case FAKE_SEND: {
        result sent = send_bytes(f, step->text, step->len);
        return sent == PEER_CLOSED ? DONE : sent; /* what comes next shows whether that matters */
    }
    case FAKE_TRICKLE:
        return trickle(f, step->text, step->len);
    case FAKE_FLOOD:
        return flood(f, step->text, step->len);
    case FAKE_GATE:
        return pass_gate(f);
    case FAKE_AWAIT_CLOSE:
        return await_close(f);
    case FAKE_RESET:
        return reset(f);
    case FAKE_CLOSE:
    case FAKE_END:
    case FAKE_REPEAT:
        hang_up(f);
        return DONE;
    }
    return WRONG;
}

static bool repeats(const fake_step *script)
{
    while (script->kind != FAKE_END && script->kind != FAKE_REPEAT) {
        script++;
    }
    return script->kind == FAKE_REPEAT;
}

static void *play(void *context)
{
    fake_server *f = context;
    for (;;) {
        const fake_step *step = &f->script[f->at];
        result r = play_step(f, step);
        if (r == DONE && step->kind != FAKE_REPEAT && step->kind != FAKE_END) {
            f->at++;
        } else if ((r == DONE && step->kind == FAKE_REPEAT) ||
                   (r == PEER_CLOSED && repeats(f->script))) {
            f->at = 0;
        } else {
            if (r == PEER_CLOSED) {
                snprintf(f->wrong, sizeof f->wrong, "the peer closed the connection");
            }
            break;
        }
    }
    hang_up(f);
    atomic_store(&f->ended, true);
    return NULL;
}

/* ---- For the test ---------------------------------------------------------------------------- */

static void listen_unix(fake_server *f)
{
    folder_make(&f->folder);
    f->in_folder = true;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/s.sock", f->folder.path);
    snprintf(f->url, sizeof f->url, "unix:%s", address.sun_path);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(f->listen_fd, (const struct sockaddr *)(const void *)&address, sizeof address), 0);
}

static void listen_tcp(fake_server *f, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(f->listen_fd, (const struct sockaddr *)(const void *)&address, address_len), 0);
    assert_int_equal(getsockname(f->listen_fd, (struct sockaddr *)(void *)&address, &address_len),
                     0);
    snprintf(f->url, sizeof f->url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
}

fake_server *fake_start(const fake_step *script, const fake_options *options)
{
    fake_server *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->script = script;
    f->fd = -1;
    if (options != NULL && options->tcp) {
        listen_tcp(f, options->port);
    } else {
        listen_unix(f);
    }
    assert_int_equal(listen(f->listen_fd, 64), 0);
    assert_int_equal(pipe2(f->stop_fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(f->gate_fds, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&f->player, NULL, play, f), 0);
    return f;
}

static void stop_player(fake_server *f)
{
    assert_int_equal(write(f->stop_fds[1], "x", 1), 1);
    pthread_join(f->player, NULL);
}

static void free_fake(fake_server *f)
{
    freeReplyObject(f->command);
    close(f->listen_fd);
    for (int i = 0; i < 2; i++) {
        close(f->stop_fds[i]);
        close(f->gate_fds[i]);
    }
    if (f->in_folder) {
        folder_free(&f->folder);
    }
    free(f);
}

void fake_end(fake_server *f)
{
    bool endless = repeats(f->script);
    int64_t deadline_ms = until_now_ms() + END_BOUND_MS;
    while (!endless && !atomic_load(&f->ended) && until_again(deadline_ms)) {}
    bool played = endless || atomic_load(&f->ended);
    stop_player(f);
    char told[640] = "";
    const fake_step *step = &f->script[f->at];
    if (!played || f->wrong[0] != '\0') {
        snprintf(told, sizeof told, "fake server at step %zu, %s(%.60s): %s", f->at,
                 kind_names[step->kind], step->text == NULL ? "" : step->text,
                 played ? f->wrong : "never got further");
    }
    free_fake(f);
    if (told[0] != '\0') {
        fail_msg("%s", told);
    }
}

const char *fake_url(const fake_server *f)
{
    return f->url;
}

int fake_connections(fake_server *f)
{
    return atomic_load(&f->connections);
}

int fake_heard(fake_server *f)
{
    return atomic_load(&f->heard);
}

void fake_open_gate(fake_server *f)
{
    assert_int_equal(write(f->gate_fds[1], "x", 1), 1);
}
