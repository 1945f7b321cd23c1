/* The network: bytes leave, take their time, and come in the order they left, or not at all. */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOCKETS_MAX = 8192,
    LATENCY_US = 300,       /* each way, at most */
    SLOW_US = 40000,        /* the same while the network is slow */
    HOLD_US = 400000,       /* an answer that is held comes so much later, at most … */
    HOLD_LONG_US = 3000000, /* … or this, past any deadline, now and then */
    CUT_BYTES = 60,
    MOVED_MAX = 65536
};

typedef enum state { NEW, CONNECTING, CONNECTED, FAILED, CLOSED } state;

/* One connection, both its ends. Holds: once `broken` or `silent` nothing that is on its way comes. */
typedef struct link {
    int client, owner; /* its number, and the fiber that has it */
    state state;
    int error;
    bool broken, silent;
    char *in; /* come, and not read */
    size_t in_len;
    int64_t to_server_us, to_client_us; /* when the last that is on its way comes */
    struct parcel *first, *last;        /* on its way to the server */
} link;

/* What is on its way. */
typedef struct parcel {
    link *link;
    struct parcel *next;
    size_t len;
    bool is_break;
    char bytes[];
} parcel;

static link *links[SOCKETS_MAX];
static int link_count;
static bool is_slow;
static struct {
    trick_kind kind;
    int left, struck;
} trick;

static const char *const trick_names[TRICK_KINDS] = {"none",      "request", "reply",
                                                     "cut-reply", "hold",    "silence"};

const char *trick_name(trick_kind kind)
{
    return trick_names[kind];
}

void net_arm(trick_kind kind, int times)
{
    trick.kind = kind;
    trick.left = times;
    trick.struck = 0;
}

int net_struck(void)
{
    return trick.struck;
}

static bool strikes(trick_kind kind, const link *l)
{
    if (trick.kind != kind || trick.left == 0 || l->broken || l->silent) return false;
    trick.left--;
    trick.struck++;
    sim_trace(trick_name(kind), l->client, NULL, 0);
    return true;
}

void net_set_slow(bool slow)
{
    is_slow = slow;
}

/* ---- On its way ------------------------------------------------------------------------------ */

static int64_t arrival(int64_t *last_us, int64_t extra_us)
{
    int64_t at_us = sim_now_us() + 10 + sim_draw(is_slow ? SLOW_US : LATENCY_US) + extra_us;
    if (at_us < *last_us) at_us = *last_us;
    *last_us = at_us;
    return at_us;
}

static parcel *pack(link *l, const char *bytes, size_t len)
{
    parcel *p = malloc(sizeof *p + len);
    if (p == NULL) abort();
    *p = (parcel){.link = l, .len = len};
    if (len > 0) memcpy(p->bytes, bytes, len);
    return p;
}

/* Both ends learn that it is over; what is on its way is lost. */
static void break_off(link *l)
{
    if (l->broken || l->state != CONNECTED) return;
    sim_trace("break", l->client, NULL, 0);
    l->broken = true;
    l->error = ECONNRESET;
    node_disconnect(l->client);
}

/* The first that is on its way; a server that is stopped hears it later, and nothing before it. */
static void come_to_server(void *context)
{
    link *l = context;
    if (sim_now_us() < node_hears_at_us()) {
        sim_at(node_hears_at_us(), come_to_server, l);
        return;
    }
    parcel *p = l->first;
    l->first = p->next;
    if (!l->broken && !l->silent && p->is_break) {
        l->broken = true;
        node_disconnect(l->client);
    } else if (!l->broken && !l->silent) {
        sim_trace("->", l->client, p->bytes, p->len);
        bool is_script = memmem(p->bytes, p->len, "EVALSHA", 7) != NULL;
        if (is_script && strikes(TRICK_LOSE_REQUEST, l)) {
            break_off(l);
        } else {
            node_receive(l->client, p->bytes, p->len);
        }
    }
    free(p);
}

static void send_to_server(link *l, parcel *p)
{
    if (l->first == NULL) {
        l->first = p;
    } else {
        l->last->next = p;
    }
    l->last = p;
    sim_at(arrival(&l->to_server_us, 0), come_to_server, l);
}

static void come_to_client(void *context)
{
    parcel *p = context;
    link *l = p->link;
    if (!l->broken && !l->silent && l->state == CONNECTED) {
        if (p->is_break) {
            break_off(l);
        } else if (p->len > 0) {
            sim_trace("<-", l->client, p->bytes, p->len);
            l->in = realloc(l->in, l->in_len + p->len);
            if (l->in == NULL) abort();
            memcpy(l->in + l->in_len, p->bytes, p->len);
            l->in_len += p->len;
        }
    }
    free(p);
}

void net_answer(int client, const char *bytes, size_t len, bool is_script)
{
    link *l = links[client];
    int64_t hold_us = 0;
    bool cut = false;
    if (is_script && strikes(TRICK_SILENCE, l)) l->silent = true;
    if (is_script && strikes(TRICK_LOSE_REPLY, l)) {
        break_off(l);
        return;
    }
    if (is_script && strikes(TRICK_HOLD_REPLY, l)) {
        hold_us = sim_draw(sim_chance(20) ? HOLD_LONG_US : HOLD_US);
    }
    if (is_script && strikes(TRICK_CUT_REPLY, l)) {
        size_t kept = (size_t)sim_draw(CUT_BYTES);
        len = kept < len ? kept : len - 1;
        cut = true;
    }
    sim_at(arrival(&l->to_client_us, hold_us), come_to_client, pack(l, bytes, len));
    if (cut) {
        parcel *end = pack(l, NULL, 0);
        end->is_break = true;
        sim_at(arrival(&l->to_client_us, 0), come_to_client, end);
    }
}

void net_reset_all(void)
{
    for (int i = 1; i <= link_count; i++) break_off(links[i]);
}

void net_orphan(int fiber, bool silently)
{
    for (int i = 1; i <= link_count; i++) {
        link *l = links[i];
        if (l->owner != fiber || l->state != CONNECTED) continue;
        if (silently) l->silent = true;
        net_close(NET_FD_BASE + i);
    }
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static link *link_of(int fd)
{
    return links[fd - NET_FD_BASE];
}

int net_socket(void)
{
    if (link_count + 1 == SOCKETS_MAX) abort();
    link *l = calloc(1, sizeof *l);
    if (l == NULL) abort();
    l->client = ++link_count;
    l->owner = fiber_self();
    links[link_count] = l;
    return NET_FD_BASE + link_count;
}

static void connected(void *context)
{
    link *l = context;
    if (l->state != CONNECTING) return;
    l->state = node_accepts() ? CONNECTED : FAILED;
    if (l->state == FAILED) l->error = ECONNREFUSED;
}

int net_connect(int fd)
{
    link *l = link_of(fd);
    switch (l->state) {
    case NEW:
        l->state = CONNECTING;
        sim_at(arrival(&l->to_server_us, 0), connected, l);
        return EINPROGRESS;
    case CONNECTING:
        return EALREADY;
    case CONNECTED:
        return EISCONN;
    default:
        return l->error;
    }
}

int net_connect_error(int fd)
{
    const link *l = link_of(fd);
    return l->state == FAILED ? l->error : 0;
}

ptrdiff_t net_send(int fd, const void *bytes, size_t len)
{
    link *l = link_of(fd);
    if (l->broken) return -EPIPE;
    if (l->state != CONNECTED) return -ENOTCONN;
    if (len > MOVED_MAX) len = MOVED_MAX;
    if (len > 1 && sim_chance(is_slow ? 50 : 5)) len = (size_t)(1 + sim_draw((int64_t)len));
    if (!l->silent) send_to_server(l, pack(l, bytes, len));
    return (ptrdiff_t)len;
}

ptrdiff_t net_recv(int fd, void *bytes, size_t len)
{
    link *l = link_of(fd);
    if (l->in_len == 0) return l->broken ? -l->error : -EAGAIN;
    if (len > l->in_len) len = l->in_len;
    if (len > 1 && sim_chance(is_slow ? 50 : 5)) len = (size_t)(1 + sim_draw((int64_t)len));
    memcpy(bytes, l->in, len);
    l->in_len -= len;
    memmove(l->in, l->in + len, l->in_len);
    return (ptrdiff_t)len;
}

void net_close(int fd)
{
    link *l = link_of(fd);
    bool was_connected = l->state == CONNECTED;
    l->state = CLOSED;
    if (!was_connected || l->broken || l->silent) return;
    parcel *end = pack(l, NULL, 0);
    end->is_break = true;
    send_to_server(l, end);
}

short net_events(int fd)
{
    const link *l = link_of(fd);
    int events = 0;
    if (l->state == FAILED) events = POLLERR | POLLHUP | POLLIN | POLLOUT;
    if (l->state == CONNECTED) events = POLLOUT;
    if (l->in_len > 0 || l->broken) events |= POLLIN;
    if (l->broken) events |= POLLERR | POLLHUP;
    return (short)events;
}
