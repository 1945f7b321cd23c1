/* One look at a queue: its partitions asked for ready tasks, and their outlook gathered. */
#include "queue/take.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/batch.h"
#include "queue/check.h"
#include "queue/fanout.h"
#include "queue/receipt.h"
#include "queue/reply.h"
#include "queue/wait.h"

enum { BYTES_MAX = 8 << 20 };
enum { STALE_MAX = 5 };

/* Nobody sleeps longer without a look: the bound on what a lost wake-up costs. */
enum { LOOK_MAX_US = 15000000 };
/* Who stands by looks after the armed worker and its deputy, not sooner, and not all at once. */
enum { STANDBY_MIN_US = 250000, STANDBY_JITTER_US = 250000 };
/* Partitions that were passed over are looked at again so soon, and as much later by chance. */
enum { PASSED_MIN_US = 500000, PASSED_JITTER_US = 500000 };

/* The roles that take.lua gives. */
enum { ROLE_NONE, ROLE_ARMED, ROLE_DEPUTY, ROLE_STANDBY };

/* One look. Holds: `left` is how many tasks are still wanted. While `brief`, partitions of a cluster's
 * node that is away are passed over, so that the others' tasks need not wait for it. */
typedef struct look {
    dueq *handle;
    dq_queue *queue;
    const dq_take_call *call;
    dueq_take_options options; /* with every default filled in */
    dq_batch *batch;
    dq_outlook *outlook;
    size_t left;
    size_t bytes; /* of payload taken so far */
    bool brief;
    int64_t asked_us, heard_us; /* the last round, by this machine's time since boot */
    size_t heard, passed;       /* partitions that answered, that were passed over */
} look;

/* What one partition is asked for. */
typedef struct ask {
    uint32_t partition;
    size_t want;
    size_t bytes;   /* at most so many */
    bool least_one; /* but one task, even if it is larger */
    bool more;      /* out: ready tasks were left behind */
} ask;

/* ---- Asking ---- */

static bool encode(const look *l, dq_request *request, const ask *a)
{
    static const char *const stays[] = {"no", "empty", "room"};
    dq_request_begin(request, &dq_script_take, l->queue, a->partition);
    dq_args_add_int(&request->args, (int64_t)a->want);
    dq_args_add_int(&request->args, (int64_t)a->bytes);
    dq_args_add_int(&request->args, a->least_one);
    dq_args_add_int(&request->args, l->options.lease_ms);
    dq_args_add_int(&request->args, l->options.max_attempts);
    dq_args_add_text(&request->args, l->handle->waiter_id);
    return dq_args_add_text(&request->args, stays[l->call->stays]);
}

static int add_task(look *l, const valkeyReply *reply, size_t i, uint32_t partition)
{
    const valkeyReply *ready = dq_reply_at(reply, 6), *tries = dq_reply_at(reply, 8);
    const valkeyReply *lease = dq_reply_at(reply, 2);
    dq_found found = {
        .id = dq_reply_at(ready, 2 * i),
        .record = dq_reply_at(dq_reply_at(reply, 7), i),
        .tries = dq_reply_at(tries, i),
    };
    if (!dq_reply_is_text(found.record)) return DUEQ_OK; /* an orphan: it left the queue */
    if (!dq_reply_is_text(found.id) || found.id->len > DUEQ_ID_MAX || !dq_reply_is_text(lease))
        return DUEQ_EPROTO;
    dueq_task *task;
    int rc = dq_batch_add(l->batch, &found, &task);
    if (rc < 0) return rc;

    dq_receipt receipt = {.partition = partition, .id_len = found.id->len};
    memcpy(receipt.id, found.id->str, found.id->len);
    strncpy(receipt.lease, lease->str, sizeof receipt.lease - 1);
    char text[DUEQ_RECEIPT_MAX + 1];
    dq_receipt_write(text, l->queue->name, &receipt);
    char *kept = dq_batch_room(l->batch, strlen(text) + 1);
    if (!kept) return DUEQ_ENOMEM;
    task->receipt = strcpy(kept, text);
    task->state = DUEQ_STATE_LEASED;
    task->attempt++; /* the failures so far, and this one */
    task->token = dq_reply_int(dq_reply_at(reply, 1), 0);
    task->due_ms = dq_reply_int(dq_reply_at(ready, 2 * i + 1), 0) / 1000;
    task->deadline_ms = dq_reply_int(lease, 0) / 1000;
    l->bytes += task->payload_len;
    return DUEQ_OK;
}

/* The lease's end tells the server's time: it is as long as was asked for. */
static void watch_clock(const look *l, const valkeyReply *reply, uint32_t partition)
{
    int64_t lease_ms = l->options.lease_ms, end_us = dq_reply_int(dq_reply_at(reply, 2), 0);
    if (lease_ms == 0 || end_us <= 0) return;
    bool many = dq_link_is_cluster(l->handle->link);
    int64_t step_ms = dq_clock_view_note(&l->queue->clocks[many ? partition : 0],
                                         end_us / 1000 - lease_ms, l->asked_us, l->heard_us);
    if (step_ms) l->outlook->clock_step_ms = step_ms;
}

/* When to look again, from what one partition said. */
static int64_t look_at_us(int64_t look_in_us, int64_t role)
{
    if (look_in_us < 0 || look_in_us > LOOK_MAX_US) look_in_us = LOOK_MAX_US;
    if (role == ROLE_STANDBY && look_in_us < STANDBY_MIN_US) look_in_us = STANDBY_MIN_US;
    bool alone = role == ROLE_ARMED || role == ROLE_DEPUTY;
    if (!alone) look_in_us += (int64_t)dq_random_below(STANDBY_JITTER_US);
    return dq_mono_us() + look_in_us;
}

static int take_answer(look *l, dq_request *request, ask *a)
{
    valkeyReply *reply = request->reply;
    int status = dq_reply_status(reply);
    if (status != DUEQ_OK) return status == DQ_STALE ? status : DUEQ_EPROTO;
    if (dq_reply_count(reply) != 9) return DUEQ_EPROTO;

    int64_t role = dq_reply_int(dq_reply_at(reply, 4), ROLE_NONE);
    a->more = dq_reply_int(dq_reply_at(reply, 5), 0) != 0;
    watch_clock(l, reply, a->partition);
    int64_t look_at = look_at_us(dq_reply_int(dq_reply_at(reply, 3), -1), role);
    l->queue->armed[a->partition] = role == ROLE_ARMED || role == ROLE_DEPUTY;
    if (look_at < l->outlook->look_at_us) l->outlook->look_at_us = look_at;

    size_t count = dq_reply_count(dq_reply_at(reply, 7));
    if (!count) return DUEQ_OK;
    request->reply = NULL;
    if (!dq_batch_keep(l->batch, reply)) return DUEQ_ENOMEM;
    size_t before = l->batch->pub.count;
    for (size_t i = 0; i < count; i++) {
        int rc = add_task(l, reply, i, a->partition);
        if (rc == DUEQ_ECORRUPT) continue; /* its lease runs out; fsck and dead tell of it */
        if (rc < 0) return rc;
    }
    size_t got = l->batch->pub.count - before;
    l->left = got < l->left ? l->left - got : 0;
    return DUEQ_OK;
}

/* A failure that a node being away explains. */
static bool is_away(int outcome)
{
    return outcome == DUEQ_EUNREADY || outcome == DUEQ_ECONNECT || outcome == DUEQ_EREADONLY ||
           outcome == DUEQ_EUNSURE || outcome == DUEQ_ETIMEOUT;
}

/* Reads every answer that came: what was taken is held, whatever became of the other requests. */
static int take_answers(look *l, dq_request *requests, ask *asks, size_t count)
{
    int rc = DUEQ_OK;
    for (size_t i = 0; i < count; i++) {
        int one = requests[i].outcome;
        if (l->brief && is_away(one)) {
            asks[i].more = false; /* not now: asking on would never end */
            l->passed++;
            continue;
        }
        if (one == DUEQ_OK) {
            l->heard++;
            one = take_answer(l, &requests[i], &asks[i]);
        }
        if (one != DUEQ_OK && (rc == DUEQ_OK || rc == DQ_STALE)) rc = one;
    }
    return rc;
}

/* Asks several partitions in one pipeline. DUEQ_OK, DQ_STALE or negative. */
static int ask_all(look *l, ask *asks, size_t count)
{
    dq_request *requests = calloc(count, sizeof *requests);
    bool fine = requests != NULL;
    for (size_t i = 0; i < count && fine; i++) {
        fine = encode(l, &requests[i], &asks[i]);
        requests[i].brief = l->brief;
    }
    dq_fault *fault = &l->handle->fault;
    int rc = DUEQ_ENOMEM;
    if (fine) {
        l->asked_us = dq_boot_us();
        int failed =
            dq_link_exchange(l->handle->link, requests, count, l->call->deadline_us, fault);
        l->heard_us = dq_boot_us();
        rc = take_answers(l, requests, asks, count);
        if (failed < 0 && rc >= 0) dq_fault_clear(fault); /* the partitions are passed over */
    }
    if (rc == DUEQ_EPROTO && !fault->code)
        dq_fault_set(fault, rc, "the script \"take\" answered what it never does");
    if (rc == DUEQ_ENOMEM) dq_fault_set(fault, rc, "out of memory for a batch");
    for (size_t i = 0; fine && i < count; i++) dq_request_clear(&requests[i]);
    free(requests);
    return rc;
}

/* ---- Which partitions, in which order ---- */

static size_t bytes_left(const look *l)
{
    return l->bytes < l->options.bytes_max ? l->options.bytes_max - l->bytes : 0;
}

/* One partition is asked for all that is wanted, in calls of the allowed size. Each brings the end
 * nearer: it takes tasks, or clears some away that cannot be taken. */
static int ask_alone(look *l, ask *a)
{
    size_t before;
    int rc;
    do {
        before = l->batch->pub.count;
        a->want = l->left < DQ_CALL_ITEMS_MAX ? l->left : DQ_CALL_ITEMS_MAX;
        a->bytes = bytes_left(l);
        a->least_one = before == 0;
        rc = ask_all(l, a, 1);
    } while (rc == DUEQ_OK && l->left && a->more && (a->least_one || l->batch->pub.count > before));
    return rc;
}

/* Those that have more than their share, one at a time, so that no more is taken than asked for. */
static int ask_again(look *l, ask *asks, size_t count)
{
    int rc = DUEQ_OK;
    for (size_t i = 0; i < count && rc == DUEQ_OK && l->left; i++) {
        size_t before = l->batch->pub.count;
        if (!asks[i].more) continue;
        rc = ask_alone(l, &asks[i]);
        if (before && l->batch->pub.count == before) break; /* the bytes are used up */
    }
    return rc;
}

/* The others share what is still wanted; what is missing then, single ones give. */
static int ask_others(look *l, uint32_t first)
{
    uint32_t others = l->queue->partition_count - 1;
    ask *asks = calloc(others, sizeof *asks);
    if (!asks) return dq_fault_set(&l->handle->fault, DUEQ_ENOMEM, "out of memory");
    size_t left = l->left;
    for (uint32_t i = 0; i < others; i++) {
        size_t share = (left + others - i - 1) / (others - i);
        if (share > DQ_CALL_ITEMS_MAX) share = DQ_CALL_ITEMS_MAX;
        asks[i] = (ask){.partition = (first + 1 + i) % l->queue->partition_count,
                        .want = share,
                        .bytes = bytes_left(l) / others};
        left -= share;
    }
    int rc = ask_all(l, asks, others);
    if (rc == DUEQ_OK) rc = ask_again(l, asks, others);
    for (uint32_t i = 0; i < others; i++) l->outlook->more = l->outlook->more || asks[i].more;
    free(asks);
    return rc;
}

/* Who gets all that is wanted from one partition does not sleep, and need not know of the others. */
static int look_around(look *l)
{
    uint32_t first = l->queue->next_partition % l->queue->partition_count;
    l->queue->next_partition = first + 1;
    l->outlook->partition_count = l->queue->partition_count;
    l->heard = l->passed = 0;
    ask next_in_turn = {.partition = first};
    int rc = ask_alone(l, &next_in_turn);
    l->outlook->more = next_in_turn.more;
    if (rc != DUEQ_OK || l->queue->partition_count == 1) return rc;
    if (l->left) return ask_others(l, first);
    l->outlook->more = true; /* as far as is known */
    return DUEQ_OK;
}

/* Who does not wait on the queue is not told that it is empty while a part of it is away: then that
 * part is waited for. Who does looks again soon. */
static int look_once(look *l)
{
    l->brief = dq_link_is_cluster(l->handle->link) && l->queue->partition_count > 1;
    int rc = look_around(l);
    if (rc != DUEQ_OK || !l->passed) return rc;
    bool nothing = !l->batch->pub.count;
    if (nothing && (!l->heard || l->call->stays == DQ_STAYS_NOT)) {
        l->brief = false;
        return look_around(l);
    }
    int64_t again_us = dq_mono_us() + PASSED_MIN_US + (int64_t)dq_random_below(PASSED_JITTER_US);
    if (again_us < l->outlook->look_at_us) l->outlook->look_at_us = again_us;
    return rc;
}

int dq_take_once(dueq *handle, const char *name, const dq_take_call *call, dueq_batch **batch,
                 dq_outlook *outlook)
{
    *batch = NULL;
    look l = {.handle = handle, .call = call, .outlook = outlook, .batch = dq_batch_make()};
    if (call->options) l.options = *call->options;
    if (!l.options.tasks_max) l.options.tasks_max = 1;
    if (!l.options.bytes_max) l.options.bytes_max = BYTES_MAX;
    if (l.options.bytes_max > INT64_MAX) l.options.bytes_max = INT64_MAX; /* no limit */
    if (!l.batch) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");

    int rc = DUEQ_OK;
    for (int stale = 0; stale <= STALE_MAX; stale++) {
        *outlook = (dq_outlook){.look_at_us = look_at_us(-1, ROLE_NONE)};
        l.left = l.options.tasks_max - l.batch->pub.count;
        rc = dq_queue_find(handle, name, call->deadline_us, &l.queue);
        if (rc == DUEQ_OK) rc = look_once(&l);
        if (rc != DQ_STALE) break;
        rc = dq_queue_refresh(handle, name, call->deadline_us);
        if (rc != DUEQ_OK) break;
    }
    /* Tasks that were taken are given, whatever became of the rest. */
    if (l.batch->pub.count) {
        *batch = &l.batch->pub;
        return DUEQ_OK;
    }
    dueq_batch_free(&l.batch->pub);
    return rc < 0 ? rc : DUEQ_EMPTY;
}

/* ---- Leaving a partition to others ---- */

/* A look that wants nothing and does not stay: the script relieves this handle, and leaves a
 * marker for another where one is needed. Not answered: others look once its time is over. */
static void leave_to_others(dueq *handle, dq_queue *queue, ask *asks, size_t count,
                            int64_t deadline_us)
{
    dq_fault kept = handle->fault;
    dq_batch unused = {.task_cap = 0};
    dq_outlook outlook = {0};
    dq_take_call call = {.stays = DQ_STAYS_NOT, .deadline_us = deadline_us};
    look l = {.handle = handle,
              .queue = queue,
              .call = &call,
              .batch = &unused,
              .outlook = &outlook,
              .brief = true};
    for (size_t i = 0; i < count; i++) queue->armed[asks[i].partition] = false;
    ask_all(&l, asks, count);
    handle->fault = kept;
}

static void disarm(dueq *handle, dq_queue *queue, int64_t deadline_us)
{
    ask asks[DUEQ_PARTITIONS_MAX];
    size_t count = 0;
    for (uint32_t p = 0; p < queue->partition_count; p++)
        if (queue->armed[p]) asks[count++] = (ask){.partition = p};
    if (count) leave_to_others(handle, queue, asks, count, deadline_us);
}

void dq_take_disarm(dueq *handle, int64_t deadline_us)
{
    for (dq_queue *queue = handle->queues; queue; queue = queue->next)
        disarm(handle, queue, deadline_us);
}

void dq_take_pass_on(dueq *handle, const char *name, uint32_t partition, int64_t deadline_us)
{
    dq_fault kept = handle->fault;
    dq_queue *queue;
    int rc = dq_queue_find(handle, name, deadline_us, &queue);
    handle->fault = kept;
    ask a = {.partition = partition};
    if (rc == DUEQ_OK && partition < queue->partition_count)
        leave_to_others(handle, queue, &a, 1, deadline_us);
}

/* ---- The public take: look, and wait ---- */

static int check_options(dueq *handle, const dueq_take_options *options)
{
    dq_fault *fault = &handle->fault;
    if (!options) return DUEQ_OK;
    if (options->tasks_max > DUEQ_CALL_TASKS_MAX)
        return dq_fault_set(fault, DUEQ_ELIMIT, "%zu tasks at once; at most %d", options->tasks_max,
                            DUEQ_CALL_TASKS_MAX);
    if (options->wait_ms < -1)
        return dq_fault_set(fault, DUEQ_EINVAL, "a wait of %" PRId64 " ms; it is 0 or more, or -1",
                            options->wait_ms);
    int rc = options->lease_ms ? dq_check_lease(handle, options->lease_ms) : DUEQ_OK;
    return rc < 0 ? rc : dq_check_attempts(handle, options->max_attempts);
}

/* Looks and sleeps until there is something or the time is over. */
static int take_waiting(dueq *handle, const char *queue, const dueq_take_options *options,
                        dueq_batch **batch)
{
    if (!handle->waiter) handle->waiter = dq_waiter_make(handle);
    if (!handle->waiter) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    int64_t end_us = dq_deadline_us(options->wait_ms);
    int rc;
    for (;;) {
        dq_take_call call = {.options = options, .stays = DQ_STAYS_EMPTY};
        call.deadline_us = dq_handle_deadline_us(handle, options->timeout_ms);
        dq_outlook outlook;
        rc = dq_take_once(handle, queue, &call, batch, &outlook);
        if (rc < 0) break;
        int watched = dq_waiter_watch(handle->waiter, queue, &outlook);
        if (rc == DUEQ_OK) break;
        rc = watched;
        if (rc == DUEQ_OK) rc = dq_waiter_sleep(handle->waiter, end_us, handle->interrupt_fd);
        if (rc != DUEQ_OK) break;
    }
    dq_waiter_rest(handle->waiter);
    return rc;
}

int dueq_take(dueq *handle, const char *queue, const dueq_take_options *options, dueq_batch **batch)
{
    *batch = NULL;
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK) rc = check_options(handle, options);
    if (rc < 0) return rc;
    if (options && options->wait_ms) return take_waiting(handle, queue, options, batch);
    dq_take_call call = {.options = options, .stays = DQ_STAYS_NOT};
    call.deadline_us = dq_handle_deadline_us(handle, options ? options->timeout_ms : 0);
    dq_outlook outlook;
    return dq_take_once(handle, queue, &call, batch, &outlook);
}
