/* Waiting: a timer of one's own, and ears for markers (listen.c). */
#include "queue/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/listen.h"

enum { REST_MS = 1000, SET_AGAIN_US = 1000000 };

/* One watched queue. Holds: keys has the wake key of each partition, of partition 0 alone while
 * there is no such queue. */
typedef struct watch {
    char name[DUEQ_QUEUE_NAME_MAX + 1];
    dq_outlook outlook;
    bool woken;  /* some marker was heard, and no look has followed */
    bool *heard; /* … of these partitions; key_count of them */
    char **keys;
    uint32_t key_count;
} watch;

/* Holds: the ears listen to the wake keys of all that is watched, unless `changed`. */
struct dq_waiter {
    dueq *handle;
    watch *watches;
    size_t watch_count;
    dq_ears *ears;
    bool changed;
    int64_t set_again_us; /* out of memory for listening: not before */
};

/* ---- What is watched ---- */

static void clear_keys(watch *w)
{
    for (uint32_t p = 0; p < w->key_count; p++) free(w->keys[p]);
    free(w->keys);
    free(w->heard);
    w->keys = NULL;
    w->heard = NULL;
    w->key_count = 0;
}

static bool fill_keys(dq_waiter *waiter, watch *w, uint32_t count)
{
    clear_keys(w);
    w->keys = calloc(count, sizeof *w->keys);
    w->heard = calloc(count, sizeof *w->heard);
    if (!w->keys || !w->heard) return false;
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

dq_waiter *dq_waiter_make(dueq *handle)
{
    dq_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter) return NULL;
    waiter->handle = handle;
    waiter->ears = dq_ears_make(handle->link);
    if (waiter->ears) return waiter;
    free(waiter);
    return NULL;
}

void dq_waiter_free(dq_waiter *waiter)
{
    if (!waiter) return;
    dq_waiter_rest(waiter);
    dq_ears_free(waiter->ears);
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
        dq_ears_set(waiter->ears, NULL, 0); /* they listen to other keys */
        waiter->changed = true;
        if (!fill_keys(waiter, w, key_count)) w = NULL;
    }
    if (!w) return dq_fault_set(&waiter->handle->fault, DUEQ_ENOMEM, "out of memory");
    w->outlook = *outlook;
    w->woken = false;
    memset(w->heard, 0, w->key_count * sizeof *w->heard);
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

static bool set_keys(dq_waiter *waiter)
{
    size_t count = 0;
    for (size_t i = 0; i < waiter->watch_count; i++) count += waiter->watches[i].key_count;
    const char **keys = calloc(count + 1, sizeof *keys);
    size_t at = 0;
    for (size_t i = 0; keys && i < waiter->watch_count; i++)
        for (uint32_t p = 0; p < waiter->watches[i].key_count; p++)
            keys[at++] = waiter->watches[i].keys[p];
    bool set = keys && dq_ears_set(waiter->ears, keys, count);
    free(keys);
    return set;
}

static void listen_if_not(dq_waiter *waiter)
{
    if (waiter->changed && dq_mono_us() >= waiter->set_again_us) {
        waiter->changed = !set_keys(waiter);
        if (waiter->changed) waiter->set_again_us = dq_mono_us() + SET_AGAIN_US;
    }
    if (!waiter->changed) dq_ears_open(waiter->ears);
}

/* Whose marker came: the watched queue and its partition; NULL for a key that is not watched. */
static watch *find_marked(dq_waiter *waiter, const char *key, size_t key_len, uint32_t *partition)
{
    for (size_t i = 0; i < waiter->watch_count; i++) {
        watch *w = &waiter->watches[i];
        for (*partition = 0; *partition < w->key_count; ++*partition)
            if (strlen(w->keys[*partition]) == key_len &&
                memcmp(w->keys[*partition], key, key_len) == 0)
                return w;
    }
    return NULL;
}

/* Notes the queue that is to be looked at, and where the next take is to start. */
static void note_marker(void *context, const char *key, size_t key_len)
{
    dq_waiter *waiter = context;
    uint32_t partition;
    watch *w = find_marked(waiter, key, key_len, &partition);
    if (!w) return;
    w->woken = w->heard[partition] = true;
    for (dq_queue *queue = waiter->handle->queues; queue; queue = queue->next)
        if (strcmp(queue->name, w->name) == 0) queue->next_partition = partition;
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
    struct pollfd fds[1 + DQ_EARS_MAX] = {{.fd = interrupt_fd, .events = POLLIN}};
    size_t ear_count = dq_ears_watch(waiter->ears, fds + 1);
    int64_t open_again_us =
        waiter->changed ? waiter->set_again_us : dq_ears_open_again_us(waiter->ears);
    if (open_again_us < until_us) until_us = open_again_us;
    poll_until(fds, 1 + ear_count, until_us);
    if (fds[0].revents) return DUEQ_ECANCELED;
    return dq_ears_hear(waiter->ears, note_marker, waiter) ? DUEQ_OK : DUEQ_EMPTY;
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

/* A marker that came while listening was being ended is for another worker. */
typedef struct passing {
    dq_waiter *waiter;
    int64_t deadline_us;
} passing;

static void pass_on(void *context, const char *key, size_t key_len)
{
    const passing *p = context;
    uint32_t partition;
    const watch *w = find_marked(p->waiter, key, key_len, &partition);
    if (w) dq_take_pass_on(p->waiter->handle, w->name, partition, p->deadline_us);
}

/* Markers that were heard, and not followed by a look, are for other workers too. */
static void pass_on_heard(dq_waiter *waiter, int64_t deadline_us)
{
    for (size_t i = 0; i < waiter->watch_count; i++) {
        watch *w = &waiter->watches[i];
        for (uint32_t p = 0; w->woken && p < w->key_count; p++) {
            if (w->heard[p]) dq_take_pass_on(waiter->handle, w->name, p, deadline_us);
            w->heard[p] = false;
        }
        w->woken = false;
    }
}

void dq_waiter_rest(dq_waiter *waiter)
{
    passing p = {waiter, dq_deadline_us(REST_MS)};
    dq_ears_close(waiter->ears, p.deadline_us, pass_on, &p);
    pass_on_heard(waiter, p.deadline_us);
    dq_take_disarm(waiter->handle, p.deadline_us);
}
