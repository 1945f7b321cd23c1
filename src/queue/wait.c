/* Waiting: a timer of one's own, and a connection that listens for markers. */
#include "queue/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/reply.h"

/* A listening connection is spoken to at least so often, and given up when it stays silent. */
#define LISTEN_S "60"
enum { LISTEN_SILENCE_US = 65000000 };
/* How soon a failed listening is tried again; meanwhile the sleeps are as short. */
enum { LISTEN_AGAIN_US = 1000000 };
enum { CONNECT_MS = 2000, REST_MS = 1000 };

/* One watched queue. Holds: keys has the wake key of each partition, of partition 0 alone while
 * there is no such queue. */
typedef struct watch {
    char name[DUEQ_QUEUE_NAME_MAX + 1];
    dq_outlook outlook;
    bool woken;
    uint32_t marked; /* while woken: by this partition's marker */
    char **keys;
    uint32_t key_count;
} watch;

/* Holds: `listening` says that a BLPOP is outstanding on `conn`. */
struct dq_waiter {
    dueq *handle;
    watch *watches;
    size_t watch_count;
    dq_conn *conn;
    bool listening;
    int64_t silent_since_us;
    int64_t listen_again_us; /* after a failure: not before */
};

/* ---- What is watched ---- */

static void clear_keys(watch *w)
{
    for (uint32_t p = 0; p < w->key_count; p++) free(w->keys[p]);
    free(w->keys);
    w->keys = NULL;
    w->key_count = 0;
}

static bool fill_keys(dq_waiter *waiter, watch *w, uint32_t count)
{
    clear_keys(w);
    w->keys = calloc(count, sizeof *w->keys);
    if (!w->keys) return false;
    for (; w->key_count < count; w->key_count++) {
        dq_keys keys;
        bool fine = dq_keys_make(&keys, waiter->handle->url.prefix, w->name, w->key_count);
        if (fine) {
            w->keys[w->key_count] = keys.name[DQ_KEY_WAKE];
            keys.name[DQ_KEY_WAKE] = NULL;
        }
        dq_keys_clear(&keys);
        if (!fine) return false;
    }
    return true;
}

static watch *find_watch(const dq_waiter *waiter, const char *queue)
{
    for (size_t i = 0; i < waiter->watch_count; i++)
        if (strcmp(waiter->watches[i].name, queue) == 0) return &waiter->watches[i];
    return NULL;
}

static watch *add_watch(dq_waiter *waiter, const char *queue)
{
    watch *grown = realloc(waiter->watches, (waiter->watch_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    waiter->watches = grown;
    watch *w = &grown[waiter->watch_count++];
    *w = (watch){0};
    strncpy(w->name, queue, sizeof w->name - 1);
    return w;
}

static void stop_listening(dq_waiter *waiter)
{
    dq_conn_close(waiter->conn);
    waiter->conn = NULL;
    waiter->listening = false;
}

dq_waiter *dq_waiter_make(dueq *handle)
{
    dq_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter) waiter->handle = handle;
    return waiter;
}

void dq_waiter_free(dq_waiter *waiter)
{
    if (!waiter) return;
    dq_waiter_rest(waiter);
    stop_listening(waiter);
    for (size_t i = 0; i < waiter->watch_count; i++) clear_keys(&waiter->watches[i]);
    free(waiter->watches);
    free(waiter);
}

int dq_waiter_watch(dq_waiter *waiter, const char *queue, const dq_outlook *outlook)
{
    watch *w = find_watch(waiter, queue);
    uint32_t key_count = outlook->partition_count ? outlook->partition_count : 1;
    if (!w) w = add_watch(waiter, queue);
    if (w && w->key_count != key_count) {
        if (waiter->listening) stop_listening(waiter); /* it listens to other keys */
        if (!fill_keys(waiter, w, key_count)) w = NULL;
    }
    if (!w) return dq_fault_set(&waiter->handle->fault, DUEQ_ENOMEM, "out of memory");
    w->outlook = *outlook;
    w->woken = false;
    return DUEQ_OK;
}

static bool worth_looking(const watch *w, int64_t now_us)
{
    return w->woken || w->outlook.more || w->outlook.look_at_us <= now_us;
}

bool dq_waiter_worth(const dq_waiter *waiter, const char *queue)
{
    const watch *w = find_watch(waiter, queue);
    return !w || worth_looking(w, dq_mono_us());
}

/* ---- Listening ---- */

/* A failure to listen is not one of the wait: it is tried again, and the sleeps are short. */
static void listen_failed(dq_waiter *waiter)
{
    stop_listening(waiter);
    waiter->listen_again_us = dq_mono_us() + LISTEN_AGAIN_US;
}

static bool send_blpop(dq_waiter *waiter, dq_fault *fault)
{
    dq_args args = {0};
    dq_args_add_text(&args, "BLPOP");
    for (size_t i = 0; i < waiter->watch_count; i++)
        for (uint32_t p = 0; p < waiter->watches[i].key_count; p++)
            dq_args_add_text(&args, waiter->watches[i].keys[p]);
    dq_args_add_text(&args, LISTEN_S);
    bool sent = !args.failed && dq_conn_add(waiter->conn, &args, fault) == DUEQ_OK &&
                dq_conn_pump(waiter->conn, fault) == DUEQ_OK;
    dq_args_clear(&args);
    return sent;
}

static void listen_if_not(dq_waiter *waiter)
{
    int64_t now_us = dq_mono_us();
    if (waiter->listening && now_us - waiter->silent_since_us > LISTEN_SILENCE_US)
        stop_listening(waiter);
    if (waiter->listening || !waiter->watch_count || now_us < waiter->listen_again_us) return;
    dq_fault fault = {0};
    if (!waiter->conn && dq_link_open_extra(waiter->handle->link, &waiter->conn,
                                            dq_deadline_us(CONNECT_MS), &fault) < 0) {
        waiter->conn = NULL;
        listen_failed(waiter);
        return;
    }
    waiter->listening = send_blpop(waiter, &fault);
    waiter->silent_since_us = now_us;
    if (!waiter->listening) listen_failed(waiter);
}

/* Whose marker came: the watched queue and its partition; NULL for a key that is not watched. */
static watch *find_marked(dq_waiter *waiter, const valkeyReply *key, uint32_t *partition)
{
    for (size_t i = 0; i < waiter->watch_count; i++) {
        watch *w = &waiter->watches[i];
        for (*partition = 0; *partition < w->key_count; ++*partition)
            if (strlen(w->keys[*partition]) == key->len &&
                memcmp(w->keys[*partition], key->str, key->len) == 0)
                return w;
    }
    return NULL;
}

/* Notes the queue that is to be looked at, and where the next take is to start. */
static void note_marker(dq_waiter *waiter, const valkeyReply *key)
{
    uint32_t partition;
    watch *w = find_marked(waiter, key, &partition);
    if (!w) return;
    w->woken = true;
    w->marked = partition;
    for (dq_queue *queue = waiter->handle->queues; queue; queue = queue->next)
        if (strcmp(queue->name, w->name) == 0) queue->next_partition = partition;
}

/* Reads what has come on the listening connection. *marker is a marker's reply, {key, value}, and
 * the caller's to free; NULL when none has come. */
static void hear(dq_waiter *waiter, valkeyReply **marker)
{
    *marker = NULL;
    dq_fault fault = {0};
    valkeyReply *reply = NULL;
    if (dq_conn_pump(waiter->conn, &fault) < 0 || dq_conn_next(waiter->conn, &reply, &fault) < 0) {
        listen_failed(waiter);
        return;
    }
    if (!reply) return;
    waiter->listening = false;
    if (dq_reply_count(reply) == 2 && dq_reply_is_text(reply->element[0])) {
        *marker = reply;
        return;
    }
    if (reply->type == VALKEY_REPLY_ERROR) listen_failed(waiter);
    freeReplyObject(reply);
}

/* ---- Sleeping ---- */

/* Poll to the microsecond: poll() itself would round up to whole milliseconds. */
static int poll_until(struct pollfd *fds, nfds_t count, int64_t until_us)
{
    int64_t left_us = until_us - dq_mono_us();
    if (left_us < 0) left_us = 0;
    struct timespec timeout = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    int ready = ppoll(fds, count, &timeout, NULL);
    return ready < 0 && errno == EINTR ? 0 : ready;
}

static int64_t earliest_look_us(const dq_waiter *waiter)
{
    int64_t earliest = DQ_NEVER_US;
    for (size_t i = 0; i < waiter->watch_count; i++) {
        const watch *w = &waiter->watches[i];
        int64_t at = w->outlook.more || w->woken ? 0 : w->outlook.look_at_us;
        if (at < earliest) earliest = at;
    }
    return earliest;
}

/* One sleep at most. DUEQ_OK when something is worth a look, DUEQ_ECANCELED when interrupted,
 * DUEQ_EMPTY when neither. */
static int doze(dq_waiter *waiter, int64_t until_us, int interrupt_fd)
{
    struct pollfd fds[2] = {{.fd = interrupt_fd, .events = POLLIN}, {.fd = -1}};
    if (waiter->listening) {
        fds[1] =
            (struct pollfd){.fd = dq_conn_fd(waiter->conn), .events = dq_conn_events(waiter->conn)};
        int64_t silence_us = waiter->silent_since_us + LISTEN_SILENCE_US;
        if (silence_us < until_us) until_us = silence_us;
    } else if (waiter->listen_again_us < until_us) {
        until_us = waiter->listen_again_us;
    }
    poll_until(fds, 2, until_us);
    if (fds[0].revents) return DUEQ_ECANCELED;
    if (!fds[1].revents || !waiter->listening) return DUEQ_EMPTY;
    valkeyReply *marker;
    hear(waiter, &marker);
    if (!marker) return DUEQ_EMPTY;
    note_marker(waiter, marker->element[0]);
    freeReplyObject(marker);
    return DUEQ_OK;
}

int dq_waiter_sleep(dq_waiter *waiter, int64_t deadline_us, int interrupt_fd)
{
    for (;;) {
        int64_t look_us = earliest_look_us(waiter);
        int64_t now_us = dq_mono_us();
        if (look_us <= now_us) return DUEQ_OK;
        if (deadline_us <= now_us) return DUEQ_EMPTY;
        listen_if_not(waiter);
        int rc = doze(waiter, look_us < deadline_us ? look_us : deadline_us, interrupt_fd);
        if (rc == DUEQ_ECANCELED)
            return dq_fault_set(&waiter->handle->fault, rc, "the wait was interrupted");
        if (rc == DUEQ_OK) return rc;
    }
}

/* ---- Resting ---- */

/* Has the server end the BLPOP, by a command on the handle's own connection. False: not said. */
static bool unblock(dq_waiter *waiter, int64_t deadline_us)
{
    int64_t client_id = dq_conn_client_id(waiter->conn);
    if (!client_id) return false;
    dq_request request = {.once = true};
    dq_args_add_text(&request.args, "CLIENT");
    dq_args_add_text(&request.args, "UNBLOCK");
    dq_args_add_int(&request.args, client_id);
    dq_fault fault = {0};
    bool said = !request.args.failed &&
                dq_link_exchange(waiter->handle->link, &request, 1, deadline_us, &fault) == DUEQ_OK;
    dq_request_clear(&request);
    return said;
}

/* Takes the BLPOP back. A marker that came first is for another worker: it is passed on. */
static void take_back(dq_waiter *waiter, int64_t deadline_us)
{
    if (!unblock(waiter, deadline_us)) {
        stop_listening(waiter);
        return;
    }
    valkeyReply *marker = NULL;
    while (waiter->listening && !marker && dq_mono_us() < deadline_us) {
        struct pollfd fd = {.fd = dq_conn_fd(waiter->conn), .events = dq_conn_events(waiter->conn)};
        poll_until(&fd, 1, deadline_us);
        if (fd.revents) hear(waiter, &marker);
    }
    if (waiter->listening) stop_listening(waiter);
    if (!marker) return;
    uint32_t partition;
    const watch *w = find_marked(waiter, marker->element[0], &partition);
    if (w) dq_take_pass_on(waiter->handle, w->name, partition, deadline_us);
    freeReplyObject(marker);
}

/* Markers that were heard, and not followed by a look, are for other workers too. */
static void pass_on_heard(dq_waiter *waiter, int64_t deadline_us)
{
    for (size_t i = 0; i < waiter->watch_count; i++) {
        watch *w = &waiter->watches[i];
        if (w->woken) dq_take_pass_on(waiter->handle, w->name, w->marked, deadline_us);
        w->woken = false;
    }
}

void dq_waiter_rest(dq_waiter *waiter)
{
    int64_t deadline_us = dq_deadline_us(REST_MS);
    if (waiter->listening) take_back(waiter, deadline_us);
    pass_on_heard(waiter, deadline_us);
    dq_take_disarm(waiter->handle, deadline_us);
}
