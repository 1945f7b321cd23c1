/* The fault proxy: pairs of sockets in one poll loop. The loop's thread owns the pairs and changes
 * them under the lock only, which it drops while it polls; a call that steers changes the settings
 * under the lock and waits for a turn of the loop where that is what makes them hold. */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <valkey/valkey.h>

#include "folder.h"
#include "until.h"

enum { PIECE_MAX = 65536, PAIRS_MAX = 512, REPLY_MAX = 1024, BACKLOG = 128 };

/* One direction of a pair. Nothing is read while something is left to write. */
typedef struct flow {
    char piece[PIECE_MAX];
    size_t at, len;
    int64_t ready_ms; /* the piece is not written before */
    bool ended;       /* the reading side has closed */
} flow;

typedef struct pair {
    int client_fd, server_fd;
    flow up, down;
    bool held;    /* nothing goes down until PROXY_PASS is set */
    bool doomed;  /* closed at the end of the turn */
    bool reset;   /* and so */
    bool tricked; /* the next reply is struck by `trick` */
    proxy_trick trick;
    char reply[REPLY_MAX];
    valkeyReader *reader; /* of the reply that is struck */
} pair;

struct proxy {
    struct sockaddr_storage server;
    socklen_t server_len;
    test_folder folder;
    bool in_folder;
    char url[FOLDER_PATH_SIZE + 32];
    int listen_fd;
    int wake_fd;
    pthread_t looper;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t turned;
    uint64_t turns;
    bool stopping;
    proxy_mode mode;
    int delay_ms;
    bool trickle;
    proxy_trick trick; /* armed when times > 0 */
    char trick_when[REPLY_MAX];
    char trick_reply[REPLY_MAX];
    int struck[PROXY_KINDS];
    int accepted;
    pair *pairs[PAIRS_MAX];
    int pair_count;
};

const char *proxy_kind_name(proxy_kind kind)
{
    static const char *const NAMES[PROXY_KINDS] = {"cut",        "lose-request", "lose-reply",
                                                   "hold-reply", "rewrite",      "cut-reply"};
    return NAMES[kind];
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

/* A socket that is connected, or will be; -1: there is nobody. */
static int connect_server(const proxy *p)
{
    int fd = socket(p->server.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&p->server, p->server_len) == 0 ||
        errno == EINPROGRESS) {
        return fd;
    }
    close(fd);
    return -1;
}

static void close_socket(int fd, bool reset)
{
    struct linger at_once = {.l_onoff = 1};
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void free_pair(pair *one)
{
    close_socket(one->client_fd, one->reset);
    close_socket(one->server_fd, one->reset);
    valkeyReaderFree(one->reader);
    free(one);
}

static void accept_pair(proxy *p)
{
    int client_fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client_fd < 0) return;
    p->accepted++;
    bool room = p->mode != PROXY_REFUSE && p->pair_count < PAIRS_MAX;
    int server_fd = room ? connect_server(p) : -1;
    pair *one = server_fd >= 0 ? calloc(1, sizeof *one) : NULL;
    if (one == NULL) {
        close(client_fd);
        if (server_fd >= 0) close(server_fd);
        return;
    }
    int yes = 1; /* refused by Unix sockets, which do not delay anyway */
    setsockopt(client_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    one->client_fd = client_fd;
    one->server_fd = server_fd;
    p->pairs[p->pair_count++] = one;
}

static void close_doomed(proxy *p)
{
    int kept = 0;
    for (int i = 0; i < p->pair_count; i++) {
        if (p->pairs[i]->doomed) {
            free_pair(p->pairs[i]);
        } else {
            p->pairs[kept++] = p->pairs[i];
        }
    }
    p->pair_count = kept;
}

static void doom(pair *one, bool reset)
{
    one->doomed = true;
    one->reset = reset;
}

/* ---- Tricks ---------------------------------------------------------------------------------- */

static bool is_struck(const proxy *p, const flow *up)
{
    if (p->trick.times <= 0) return false;
    size_t when_len = strlen(p->trick_when);
    return when_len == 0 || memmem(up->piece, up->len, p->trick_when, when_len) != NULL;
}

/* A piece of requests has come. */
static void meddle_up(proxy *p, pair *one)
{
    if (one->tricked || !is_struck(p, &one->up)) return;
    proxy_kind kind = p->trick.kind;
    p->trick.times--;
    p->struck[kind]++;
    if (kind == PROXY_LOSE_REQUEST) {
        one->up.len = 0;
        doom(one, p->trick.reset);
    } else if (kind == PROXY_HOLD_REPLY) {
        one->held = true;
    } else {
        one->tricked = true;
        one->trick = p->trick;
        memcpy(one->reply, p->trick_reply, sizeof one->reply);
        one->reader = valkeyReaderCreate();
    }
}

/* True when the bytes of the piece complete the reply that is struck. */
static bool is_whole(pair *one)
{
    void *reply = NULL;
    valkeyReaderFeed(one->reader, one->down.piece, one->down.len);
    valkeyReaderGetReply(one->reader, &reply);
    freeReplyObject(reply);
    return reply != NULL || one->reader->err != 0;
}

/* The other reply, and what follows the one it replaces. */
static void put_in_place(pair *one)
{
    size_t reply_len = strlen(one->reply);
    size_t left = one->reader->len - one->reader->pos;
    if (reply_len + left > PIECE_MAX) left = PIECE_MAX - reply_len;
    memmove(one->down.piece + reply_len, one->reader->buf + one->reader->pos, left);
    memcpy(one->down.piece, one->reply, reply_len);
    one->down.len = reply_len + left;
}

static void cut_within(pair *one)
{
    size_t bytes = (size_t)one->trick.bytes;
    if (one->down.len >= bytes) {
        one->down.len = bytes;
        one->down.ended = true; /* closed once they are written */
        one->reset = one->trick.reset;
    }
    one->trick.bytes -= (int)one->down.len;
}

/* A piece of replies has come. */
static void meddle_down(pair *one)
{
    if (!one->tricked) return;
    if (one->trick.kind == PROXY_CUT_REPLY) {
        cut_within(one);
        return;
    }
    bool whole = is_whole(one);
    if (whole && one->trick.kind == PROXY_REWRITE) {
        put_in_place(one);
    } else {
        one->down.len = 0;
    }
    if (whole && one->trick.kind == PROXY_LOSE_REPLY) doom(one, one->trick.reset);
    if (whole) {
        one->tricked = false;
        valkeyReaderFree(one->reader);
        one->reader = NULL;
    }
}

/* ---- Moving bytes ---------------------------------------------------------------------------- */

static bool is_empty(const flow *f)
{
    return f->at == f->len;
}

static void read_piece(proxy *p, pair *one, flow *f, int fd)
{
    ssize_t got = recv(fd, f->piece, PIECE_MAX, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        f->ended = true;
        return;
    }
    f->at = 0;
    f->len = (size_t)got;
    f->ready_ms = until_now_ms() + p->delay_ms;
    if (f == &one->up) {
        if (p->mode == PROXY_SWALLOW) f->len = 0;
        meddle_up(p, one);
    } else {
        meddle_down(one);
    }
}

static void write_piece(const proxy *p, pair *one, flow *f, int fd)
{
    size_t len = p->trickle ? 1 : f->len - f->at;
    ssize_t sent = send(fd, f->piece + f->at, len, MSG_NOSIGNAL);
    if (sent > 0) {
        f->at += (size_t)sent;
    } else if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN) {
        f->at = f->len; /* nobody takes it; what its receiver said before still passes */
        if (f == &one->down) doom(one, false);
    }
}

/* True while bytes of this direction may move. */
static bool may_move(const proxy *p, const pair *one, const flow *f)
{
    if (p->mode == PROXY_FREEZE) return false;
    return f == &one->up || !(one->held || p->mode == PROXY_SWALLOW);
}

static void serve_flow(proxy *p, pair *one, flow *f, int from_fd, int to_fd)
{
    if (!may_move(p, one, f)) return;
    if (is_empty(f) && !f->ended) read_piece(p, one, f, from_fd);
    if (!is_empty(f) && until_now_ms() >= f->ready_ms) write_piece(p, one, f, to_fd);
    if (is_empty(f) && f->ended) one->doomed = true;
}

static void serve(proxy *p)
{
    for (int i = 0; i < p->pair_count; i++) {
        pair *one = p->pairs[i];
        serve_flow(p, one, &one->up, one->client_fd, one->server_fd);
        if (!one->doomed) serve_flow(p, one, &one->down, one->server_fd, one->client_fd);
    }
    close_doomed(p);
}

/* ---- The loop -------------------------------------------------------------------------------- */

/* What the direction waits for, and, as *wait_ms, for how long at most. */
static void watch_flow(const proxy *p, const pair *one, const flow *f, struct pollfd *from,
                       struct pollfd *to, int *wait_ms)
{
    if (!may_move(p, one, f)) return;
    if (is_empty(f)) {
        from->events |= POLLIN;
        return;
    }
    int64_t left_ms = f->ready_ms - until_now_ms();
    if (left_ms <= 0) {
        to->events |= POLLOUT;
    } else if (*wait_ms < 0 || left_ms < *wait_ms) {
        *wait_ms = (int)left_ms;
    }
}

/* poll() tells of a hang-up whether asked or not: who waits for nothing is left out (fd < 0). */
static void leave_out_idle(struct pollfd *one)
{
    if (one->events == 0) one->fd = -1;
}

static int watch(const proxy *p, struct pollfd *watched, int *wait_ms)
{
    int count = 0;
    *wait_ms = -1;
    watched[count++] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
    watched[count++] = (struct pollfd){.fd = p->listen_fd, .events = POLLIN};
    for (int i = 0; i < p->pair_count; i++) {
        const pair *one = p->pairs[i];
        struct pollfd *client = &watched[count++], *server = &watched[count++];
        *client = (struct pollfd){.fd = one->client_fd};
        *server = (struct pollfd){.fd = one->server_fd};
        watch_flow(p, one, &one->up, client, server, wait_ms);
        watch_flow(p, one, &one->down, server, client, wait_ms);
        leave_out_idle(client);
        leave_out_idle(server);
    }
    return count;
}

static void *loop(void *context)
{
    proxy *p = context;
    struct pollfd *watched = calloc(2 + 2 * PAIRS_MAX, sizeof *watched);
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        int wait_ms;
        int count = watch(p, watched, &wait_ms);
        pthread_mutex_unlock(&p->lock);
        poll(watched, (nfds_t)count, wait_ms);
        pthread_mutex_lock(&p->lock);
        uint64_t woken;
        while (read(p->wake_fd, &woken, sizeof woken) > 0) {}
        if (watched[1].revents != 0) accept_pair(p);
        serve(p);
        p->turns++;
        pthread_cond_broadcast(&p->turned);
    }
    pthread_mutex_unlock(&p->lock);
    free(watched);
    return NULL;
}

static void wake(const proxy *p)
{
    uint64_t one = 1;
    ssize_t written = write(p->wake_fd, &one, sizeof one);
    (void)written; /* full: it is awake */
}

/* Ends a change of the settings that began with the lock: waits until the loop has acted on it. */
static void settle(proxy *p)
{
    uint64_t wanted = p->turns + 1;
    wake(p);
    while (p->turns < wanted) pthread_cond_wait(&p->turned, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* ---- Steering -------------------------------------------------------------------------------- */

void proxy_set_mode(proxy *p, proxy_mode mode)
{
    pthread_mutex_lock(&p->lock);
    p->mode = mode;
    for (int i = 0; mode == PROXY_PASS && i < p->pair_count; i++) p->pairs[i]->held = false;
    settle(p);
}

void proxy_set_delay(proxy *p, int delay_ms)
{
    pthread_mutex_lock(&p->lock);
    p->delay_ms = delay_ms;
    settle(p);
}

void proxy_set_trickle(proxy *p, bool trickle)
{
    pthread_mutex_lock(&p->lock);
    p->trickle = trickle;
    settle(p);
}

int proxy_cut(proxy *p, bool reset)
{
    pthread_mutex_lock(&p->lock);
    int count = p->pair_count;
    for (int i = 0; i < count; i++) doom(p->pairs[i], reset);
    p->struck[PROXY_CUT] += count;
    close_doomed(p); /* the loop polls at most; what it is told of them it does not find any more */
    settle(p);
    return count;
}

void proxy_arm(proxy *p, const proxy_trick *trick)
{
    static const proxy_trick NONE = {.times = -1};
    if (trick == NULL) trick = &NONE;
    pthread_mutex_lock(&p->lock);
    p->trick = *trick;
    if (p->trick.times == 0) p->trick.times = 1;
    snprintf(p->trick_when, sizeof p->trick_when, "%s", trick->when != NULL ? trick->when : "");
    snprintf(p->trick_reply, sizeof p->trick_reply, "%s", trick->reply != NULL ? trick->reply : "");
    pthread_mutex_unlock(&p->lock);
}

static int look(proxy *p, const int *number)
{
    pthread_mutex_lock(&p->lock);
    int now = *number;
    pthread_mutex_unlock(&p->lock);
    return now;
}

int proxy_struck(proxy *p, proxy_kind kind)
{
    return look(p, &p->struck[kind]);
}

int proxy_connections(proxy *p)
{
    return look(p, &p->accepted);
}

int proxy_open(proxy *p)
{
    return look(p, &p->pair_count);
}

const char *proxy_url(const proxy *p)
{
    return p->url;
}

/* ---- Starting and ending --------------------------------------------------------------------- */

static void set_server(proxy *p, const proxy_options *options)
{
    if (options->server_socket != NULL) {
        struct sockaddr_un *address = (struct sockaddr_un *)&p->server;
        address->sun_family = AF_UNIX;
        snprintf(address->sun_path, sizeof address->sun_path, "%s", options->server_socket);
        p->server_len = sizeof *address;
    } else {
        struct sockaddr_in *address = (struct sockaddr_in *)&p->server;
        address->sin_family = AF_INET;
        address->sin_port = htons((uint16_t)options->server_port);
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        p->server_len = sizeof *address;
    }
}

static void listen_on_port(proxy *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof address;
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listen_fd < 0 || bind(p->listen_fd, (struct sockaddr *)&address, address_len) < 0 ||
        listen(p->listen_fd, BACKLOG) < 0 ||
        getsockname(p->listen_fd, (struct sockaddr *)&address, &address_len) < 0) {
        fail_msg("the proxy cannot listen: %s", strerror(errno));
    }
    snprintf(p->url, sizeof p->url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
}

static void listen_in_folder(proxy *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    folder_make(&p->folder);
    p->in_folder = true;
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/p.sock", p->folder.path);
    p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (len < 0 || p->listen_fd < 0 ||
        bind(p->listen_fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(p->listen_fd, BACKLOG) < 0) {
        fail_msg("the proxy cannot listen: %s", strerror(errno));
    }
    snprintf(p->url, sizeof p->url, "unix:%s", address.sun_path);
}

proxy *proxy_start(const proxy_options *options)
{
    proxy *p = calloc(1, sizeof *p);
    if (p == NULL) fail_msg("out of memory");
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->turned, NULL);
    set_server(p, options);
    if (options->tcp) {
        listen_on_port(p);
    } else {
        listen_in_folder(p);
    }
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0 || pthread_create(&p->looper, NULL, loop, p) != 0) {
        fail_msg("the proxy's thread: %s", strerror(errno));
    }
    return p;
}

void proxy_free(proxy *p)
{
    if (p == NULL) return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_mutex_unlock(&p->lock);
    wake(p);
    pthread_join(p->looper, NULL);
    for (int i = 0; i < p->pair_count; i++) free_pair(p->pairs[i]);
    close(p->listen_fd);
    close(p->wake_fd);
    if (p->in_folder) folder_free(&p->folder);
    pthread_cond_destroy(&p->turned);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
