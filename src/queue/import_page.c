/* One page of an import: ids for its members, one script a partition, the answers counted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "queue/import_state.h"
#include "queue/record.h"
#include "queue/reply.h"
#include "queue/settings.h"

#define ID_LETTER 'z'

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

int64_t dq_import_unit_us(const dq_import *import)
{
    return import->options->unit == DUEQ_UNIT_S ? 1000000 : 1000;
}

/* The years 1973 to 5138 in seconds are days of 1970 to 1973 in milliseconds; and what is a date of
 * ours in milliseconds is none in seconds. Taken for the wrong one, all would be run at once. */
static int check_unit(const dq_import_work *w)
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

bool dq_import_work_begin(dq_import_work *work, dq_import *import, size_t room)
{
    dueq_new_task plain = {0};
    *work = (dq_import_work){.import = import};
    work->head_len = dq_record_head_len(&plain);
    dq_record_write_head(work->head, &plain, dq_link_server_ms(import->handle->link));
    work->members = calloc(room + 1, sizeof *work->members);
    return work->members;
}

bool dq_import_work_add(dq_import_work *work, const char *bytes, size_t len, double score)
{
    const char *zset = work->import->zset;
    dq_import_member *m = &work->members[work->count++];
    *m = (dq_import_member){.bytes = bytes, .len = len, .score = score};
    m->id[0] = ID_LETTER;
    return dq_digest(m->id + 1, zset, strlen(zset), bytes, len);
}

static bool fill(dq_import_work *w, dq_import *import, const valkeyReply *page)
{
    if (!dq_import_work_begin(w, import, dq_reply_count(page) / 2)) return false;
    for (size_t i = 0; i + 1 < dq_reply_count(page); i += 2) {
        const valkeyReply *bytes = dq_reply_at(page, i);
        if (!dq_reply_is_text(bytes)) continue;
        double score = dq_import_score(dq_reply_at(page, i + 1));
        if (!dq_import_work_add(w, bytes->str, bytes->len, score)) return false;
    }
    return true;
}

void dq_import_count(const dq_import_work *w, dq_import_counts *counts)
{
    double now_us = (double)dq_link_server_ms(w->import->handle->link) * 1e3;
    double now = now_us / (double)dq_import_unit_us(w->import);
    for (size_t i = 0; i < w->count; i++) {
        const dq_import_member *m = &w->members[i];
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

uint32_t dq_import_partition(const void *work, size_t item, uint32_t partition_count)
{
    const dq_import_work *w = work;
    return dq_partition_of(w->members[item].id, DQ_IMPORT_ID_LEN, partition_count);
}

size_t dq_import_size(const void *work, size_t item)
{
    const dq_import_work *w = work;
    return DQ_IMPORT_ID_LEN + 2 * w->members[item].len;
}

int *dq_import_outcome(void *work, size_t item)
{
    dq_import_work *w = work;
    return &w->members[item].outcome;
}

bool dq_import_add_lock(dq_args *args, const char *prefix, const dq_import_member *m)
{
    size_t prefix_len = strlen(prefix);
    char *room = dq_args_add_room(args, prefix_len + m->len);
    if (!room) return false;
    room = mempcpy(room, prefix, prefix_len);
    if (m->len) memcpy(room, m->bytes, m->len);
    return true;
}

static size_t add_keys(void *of, dq_args *args, const size_t *order, size_t count)
{
    dq_import_work *w = of;
    const char *prefix = w->import->options->lock_prefix;
    dq_args_add_text(args, w->import->zset);
    if (!prefix) return 1;
    for (size_t i = 0; i < count; i++) dq_import_add_lock(args, prefix, &w->members[order[i]]);
    return 1 + count;
}

static bool encode(void *of, dq_args *args, const size_t *order, size_t count)
{
    dq_import_work *w = of;
    dq_args_add(args, w->head, w->head_len);
    dq_args_add_int(args, dq_import_unit_us(w->import));
    dq_args_add_text(args, DQ_IMPORT_LOCK);
    dq_args_add_int(args, w->import->options->lock_keep_ms);
    dq_args_add_int(args, DUEQ_DELAY_MS_MAX * 1000);
    for (size_t i = 0; i < count; i++) {
        const dq_import_member *m = &w->members[order[i]];
        dq_args_add(args, m->id, DQ_IMPORT_ID_LEN);
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
    dq_import_work *w = of;
    if (dq_reply_count(request->reply) != count + 1) return DUEQ_EPROTO;
    for (size_t i = 0; i < count; i++) {
        int given = (int)dq_reply_int(dq_reply_at(request->reply, i + 1), DUEQ_EPROTO);
        if (given == DUEQ_EPROTO) return given;
        w->members[order[i]].given = meaning(given, request->resent);
        w->members[order[i]].outcome = DUEQ_OK;
    }
    return (int)count;
}

static int move(dq_import_work *w)
{
    static const dq_family family = {
        .script = &dq_script_import,
        .absent = DUEQ_OK,
        .partition = dq_import_partition,
        .size = dq_import_size,
        .add_keys = add_keys,
        .encode = encode,
        .decode = decode,
        .outcome = dq_import_outcome,
    };
    dueq *handle = w->import->handle;
    return dq_fanout(handle, w->import->queue, &family, w, w->count,
                     dq_handle_deadline_us(handle, 0));
}

/* ---- What would be done ---- */

static size_t longest_of(const dq_import_work *w)
{
    size_t longest = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->members[i].len > longest) longest = w->members[i].len;
    return longest;
}

/* What the handle knows of it may be out of date, and is looked up again before it refuses one. */
static int payload_max_of(const dq_import_work *w, int64_t *payload_max)
{
    dueq *handle = w->import->handle;
    int64_t deadline_us = dq_handle_deadline_us(handle, 0);
    *payload_max = dq_settings_default().payload_max;
    for (int look = 0; look < 2; look++) {
        dq_queue *queue;
        if (look) dq_queue_forget(handle, w->import->queue);
        int rc = dq_queue_find(handle, w->import->queue, deadline_us, &queue);
        if (rc != DUEQ_OK) return rc < 0 ? rc : DUEQ_OK;
        *payload_max = queue->payload_max;
        if (longest_of(w) <= (size_t)*payload_max) break;
    }
    return DUEQ_OK;
}

int dq_import_foretell(dq_import_work *w)
{
    int64_t payload_max;
    int64_t latest_ms = dq_link_server_ms(w->import->handle->link) + DUEQ_DELAY_MS_MAX;
    double unit_ms = (double)dq_import_unit_us(w->import) / 1e3;
    int rc = payload_max_of(w, &payload_max);
    for (size_t i = 0; i < w->count; i++) {
        dq_import_member *m = &w->members[i];
        double due_ms = m->score * unit_ms;
        bool dated = due_ms <= (double)latest_ms && due_ms > -HUGE_VAL;
        m->outcome = rc;
        m->given = m->len > (size_t)payload_max ? DUEQ_ELIMIT : dated ? DUEQ_OK : DUEQ_EINVAL;
    }
    return rc;
}

static bool is_held(const dq_request *request)
{
    if (request->outcome != DUEQ_OK) return true;
    if (dq_reply_status(request->reply) == DUEQ_MISSING) return false;
    const valkeyReply *holder = dq_reply_at(request->reply, 1);
    return !holder || !dq_reply_is_text(holder) || strcmp(holder->str, DQ_IMPORT_LOCK) != 0;
}

/* Who holds each member's lock; clear the requests. */
static int ask_locks(const dq_import_work *w, dq_request *requests)
{
    dueq *handle = w->import->handle;
    for (size_t i = 0; i < w->count; i++) {
        requests[i].script = &dq_script_lock_holder;
        if (!dq_import_add_lock(&requests[i].args, w->import->options->lock_prefix, &w->members[i]))
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

static int look_at_locks(dq_import_work *w)
{
    dq_request *locks = calloc(w->count + 1, sizeof *locks);
    if (!locks) return dq_fault_set(&w->import->handle->fault, DUEQ_ENOMEM, "out of memory");
    int rc = ask_locks(w, locks);
    for (size_t i = 0; i < w->count; i++) {
        w->members[i].outcome = rc;
        if (rc == DUEQ_OK && is_held(&locks[i])) w->members[i].given = DUEQ_HELD;
        dq_request_clear(&locks[i]);
    }
    free(locks);
    return rc;
}

static int rehearse(dq_import_work *w)
{
    int rc = dq_import_foretell(w);
    return rc == DUEQ_OK && w->import->options->lock_prefix ? look_at_locks(w) : rc;
}

/* ---- The page ---- */

int dq_import_page(dq_import *import, const valkeyReply *page, dq_import_counts *counts)
{
    dq_import_work w;
    dq_fault *fault = &import->handle->fault;
    dq_fault_clear(fault);
    int rc =
        fill(&w, import, page) ? check_unit(&w) : dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    if (rc == DUEQ_OK && w.count) {
        rc = import->options->dry_run                   ? rehearse(&w)
             : dq_link_is_cluster(import->handle->link) ? dq_import_by_way(&w, counts)
                                                        : move(&w);
        dq_import_count(&w, counts);
    }
    free(w.members);
    return rc;
}
