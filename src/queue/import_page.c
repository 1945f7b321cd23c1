/* One page of an import: ids for its members, one script a partition, the answers counted. */
#include "queue/import_page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "queue/fanout.h"
#include "queue/record.h"
#include "queue/reply.h"
#include "queue/settings.h"
#include "wire/digest.h"

/* Marks a lock as ours. Such a lock keeps old consumers out, and no importer: what it stands for is
 * done. */
#define LOCK_VALUE "dueq-import"

/* A letter, which no shell takes for an option, and the digest. */
#define ID_LETTER 'z'
enum { ID_LEN = 1 + DQ_DIGEST_LEN };

enum { HEAD_MAX = 16 };

typedef struct member {
    const char *bytes; /* in the page */
    size_t len;
    double score;
    char id[ID_LEN + 1];
    int outcome; /* of sending it */
    int given;   /* what became of it, once the former is DUEQ_OK */
} member;

typedef struct work {
    const dq_import *import;
    member *members;
    size_t count;
    char head[HEAD_MAX]; /* of each record */
    size_t head_len;
} work;

/* ---- Reading ---- */

int dq_import_ask(const dq_import *import, dq_request *request)
{
    dueq *handle = import->handle;
    if (request->args.failed) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    return dq_link_exchange(handle->link, request, 1, dq_handle_deadline_us(handle, 0),
                            &handle->fault);
}

int dq_import_read(const dq_import *import, int64_t from, size_t count, valkeyReply **page)
{
    dq_request request = {.key = import->zset};
    dq_args_add_text(&request.args, "ZRANGE");
    dq_args_add_text(&request.args, import->zset);
    dq_args_add_int(&request.args, from);
    dq_args_add_int(&request.args, from < 0 ? from : from + (int64_t)count - 1);
    dq_args_add_text(&request.args, "WITHSCORES");
    int rc = dq_import_ask(import, &request);
    if (rc == DUEQ_OK) {
        *page = request.reply;
        request.reply = NULL;
    }
    dq_request_clear(&request);
    return rc;
}

double dq_import_score(const valkeyReply *reply)
{
    if (!dq_reply_is_text(reply) || !reply->len) return NAN;
    char *end;
    double score = strtod(reply->str, &end);
    return end == reply->str + reply->len ? score : NAN;
}

/* ---- Units ---- */

static int64_t unit_us(const work *w)
{
    return w->import->options->unit == DUEQ_UNIT_S ? 1000000 : 1000;
}

/* The years 1973 to 5138 in seconds are days of 1970 to 1973 in milliseconds; and what is a date of
 * ours in milliseconds is none in seconds. Taken for the wrong one, all would be run at once. */
static int check_unit(const work *w)
{
    static const double LEAST = 1e8, MOST = 1e11;
    bool seconds = w->import->options->unit == DUEQ_UNIT_S;
    for (size_t i = 0; i < w->count; i++) {
        double score = w->members[i].score;
        bool fine = seconds ? score < MOST || score > MOST * 1e3 : score < LEAST || score >= MOST;
        if (fine || isnan(score)) continue;
        return dq_fault_set(&w->import->handle->fault, DUEQ_EINVAL,
                            "a score of %.17g looks like %s, and %s were given as the unit", score,
                            seconds ? "milliseconds" : "seconds",
                            seconds ? "seconds" : "milliseconds");
    }
    return DUEQ_OK;
}

/* ---- Members ---- */

static bool fill(work *w, const valkeyReply *page)
{
    const char *zset = w->import->zset;
    w->members = calloc(dq_reply_count(page) / 2 + 1, sizeof *w->members);
    if (!w->members) return false;
    for (size_t i = 0; i + 1 < dq_reply_count(page); i += 2) {
        const valkeyReply *bytes = dq_reply_at(page, i);
        if (!dq_reply_is_text(bytes)) continue;
        member *m = &w->members[w->count++];
        *m = (member){.bytes = bytes->str, .len = bytes->len};
        m->score = dq_import_score(dq_reply_at(page, i + 1));
        m->id[0] = ID_LETTER;
        if (!dq_digest(m->id + 1, zset, strlen(zset), m->bytes, m->len)) return false;
    }
    dueq_new_task plain = {0};
    w->head_len = dq_record_head_len(&plain);
    dq_record_write_head(w->head, &plain, dq_link_server_ms(w->import->handle->link));
    return true;
}

static void count_outcomes(const work *w, dq_import_counts *counts)
{
    double now = (double)dq_link_server_ms(w->import->handle->link) * 1e3 / (double)unit_us(w);
    for (size_t i = 0; i < w->count; i++) {
        const member *m = &w->members[i];
        counts->count++;
        counts->bytes += 2 * m->len; /* it is sent twice where it is locked */
        if (m->outcome != DUEQ_OK) continue;
        counts->moved += m->given == DUEQ_OK;
        counts->overdue += m->given == DUEQ_OK && m->score <= now;
        counts->held += m->given == DUEQ_HELD;
        counts->busy += m->given == DUEQ_STATE;
        counts->too_large += m->given == DUEQ_ELIMIT;
        counts->undated += m->given == DUEQ_EINVAL;
    }
}

/* ---- The family ---- */

static uint32_t partition(const void *of, size_t i, uint32_t partition_count)
{
    const work *w = of;
    return dq_partition_of(w->members[i].id, ID_LEN, partition_count);
}

static size_t size(const void *of, size_t i)
{
    const work *w = of;
    return ID_LEN + 2 * w->members[i].len;
}

static int *outcome(void *of, size_t i)
{
    work *w = of;
    return &w->members[i].outcome;
}

static bool add_lock(dq_args *args, const char *prefix, const member *m)
{
    size_t prefix_len = strlen(prefix);
    char *room = dq_args_add_room(args, prefix_len + m->len);
    if (!room) return false;
    room = mempcpy(room, prefix, prefix_len);
    memcpy(room, m->bytes, m->len);
    return true;
}

static size_t add_keys(void *of, dq_args *args, const size_t *order, size_t count)
{
    work *w = of;
    const char *prefix = w->import->options->lock_prefix;
    dq_args_add_text(args, w->import->zset);
    if (!prefix) return 1;
    for (size_t i = 0; i < count; i++) add_lock(args, prefix, &w->members[order[i]]);
    return 1 + count;
}

static bool encode(void *of, dq_args *args, const size_t *order, size_t count)
{
    work *w = of;
    dq_args_add(args, w->head, w->head_len);
    dq_args_add_int(args, unit_us(w));
    dq_args_add_text(args, LOCK_VALUE);
    dq_args_add_int(args, w->import->options->lock_keep_ms);
    dq_args_add_int(args, DUEQ_DELAY_MS_MAX * 1000);
    for (size_t i = 0; i < count; i++) {
        const member *m = &w->members[order[i]];
        dq_args_add(args, m->id, ID_LEN);
        dq_args_add(args, m->bytes, m->len);
    }
    return !args->failed;
}

/* What a lost answer's sending moved is no longer there. */
static int meaning(int given, bool resent)
{
    return resent && given == DUEQ_MISSING ? DUEQ_OK : given;
}

/* What became of a member is no failure of the call. */
static int decode(void *of, dq_request *request, const size_t *order, size_t count)
{
    work *w = of;
    if (dq_reply_count(request->reply) != count + 1) return DUEQ_EPROTO;
    for (size_t i = 0; i < count; i++) {
        int given = (int)dq_reply_int(dq_reply_at(request->reply, i + 1), DUEQ_EPROTO);
        if (given == DUEQ_EPROTO) return given;
        w->members[order[i]].given = meaning(given, request->resent);
        w->members[order[i]].outcome = DUEQ_OK;
    }
    return (int)count;
}

static int move(work *w)
{
    static const dq_family family = {
        .script = &dq_script_import,
        .absent = DUEQ_OK,
        .partition = partition,
        .size = size,
        .add_keys = add_keys,
        .encode = encode,
        .decode = decode,
        .outcome = outcome,
    };
    dueq *handle = w->import->handle;
    return dq_fanout(handle, w->import->queue, &family, w, w->count,
                     dq_handle_deadline_us(handle, 0));
}

/* ---- What would be done ---- */

static int payload_max_of(const dq_import *import, int64_t *payload_max)
{
    dq_queue *queue;
    dueq *handle = import->handle;
    *payload_max = dq_settings_default().payload_max;
    int rc = dq_queue_find(handle, import->queue, dq_handle_deadline_us(handle, 0), &queue);
    if (rc == DUEQ_OK) *payload_max = queue->payload_max;
    return rc < 0 ? rc : DUEQ_OK;
}

/* Who holds each member's lock; clear the requests. */
static int ask_locks(const work *w, dq_request *requests)
{
    dueq *handle = w->import->handle;
    const char *prefix = w->import->options->lock_prefix;
    if (!prefix) return DUEQ_OK;
    for (size_t i = 0; i < w->count; i++) {
        requests[i].key = w->import->zset;
        dq_args_add_text(&requests[i].args, "GET");
        add_lock(&requests[i].args, prefix, &w->members[i]);
        if (requests[i].args.failed)
            return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    int rc = dq_link_exchange(handle->link, requests, w->count, dq_handle_deadline_us(handle, 0),
                              &handle->fault);
    if (rc == DUEQ_ECORRUPT) { /* a key of another type is somebody's lock too */
        dq_fault_clear(&handle->fault);
        return DUEQ_OK;
    }
    return rc;
}

static bool is_held(const dq_request *request)
{
    if (request->outcome != DUEQ_OK) return true;
    const valkeyReply *holder = request->reply;
    return holder && dq_reply_is_text(holder) && strcmp(holder->str, LOCK_VALUE) != 0;
}

static int foretell_one(const work *w, const member *m, const dq_request *lock, int64_t payload_max)
{
    double latest_ms = (double)(dq_link_server_ms(w->import->handle->link) + DUEQ_DELAY_MS_MAX);
    if (w->import->options->lock_prefix && is_held(lock)) return DUEQ_HELD;
    if (m->len > (size_t)payload_max) return DUEQ_ELIMIT;
    double due_ms = m->score * ((double)unit_us(w) / 1e3);
    return due_ms <= latest_ms && due_ms > -HUGE_VAL ? DUEQ_OK : DUEQ_EINVAL;
}

static int foretell(work *w)
{
    int64_t payload_max;
    dq_request *locks = calloc(w->count + 1, sizeof *locks);
    if (!locks) return dq_fault_set(&w->import->handle->fault, DUEQ_ENOMEM, "out of memory");
    int rc = payload_max_of(w->import, &payload_max);
    if (rc == DUEQ_OK) rc = ask_locks(w, locks);
    for (size_t i = 0; i < w->count; i++) {
        member *m = &w->members[i];
        m->outcome = rc;
        if (rc == DUEQ_OK) m->given = foretell_one(w, m, &locks[i], payload_max);
        dq_request_clear(&locks[i]);
    }
    free(locks);
    return rc;
}

/* ---- The page ---- */

int dq_import_page(const dq_import *import, const valkeyReply *page, dq_import_counts *counts)
{
    work w = {.import = import};
    dq_fault *fault = &import->handle->fault;
    dq_fault_clear(fault);
    int rc = fill(&w, page) ? check_unit(&w) : dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    if (rc == DUEQ_OK && w.count) {
        rc = import->options->dry_run ? foretell(&w) : move(&w);
        count_outcomes(&w, counts);
    }
    free(w.members);
    return rc;
}
