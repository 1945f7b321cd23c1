/* A page of an import in a cluster, where no step reaches the ZSET's slot and the queue's together. So
 * it lies aside on the way, in a hash in the ZSET's slot, and each step can be made again by whoever
 * finds it there:
 *
 *     begin     whether it could be put aside now, and the time (import_begin)
 *     lock      old consumers are kept away from its members (lock_claim, a slot each)
 *     take      one step: out of the ZSET, into the hash, which names the page (import_take)
 *     put       into each partition, which notes the page's name in that step (import_put)
 *     drop      the hash goes; what the queue refused goes back into the ZSET (import_drop)
 *
 * One that dies between two of them leaves the page in the hash, and the next import goes on with it:
 * a partition that has noted its name pushes nothing. Names grow, so that a page that is over is not
 * taken for a new one when a sending of it comes late. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/random.h"
#include "queue/durable.h"
#include "queue/import_state.h"
#include "queue/reply.h"

#define KEY_START "dueq:import:"

/* Locks outlast the time within which the page may be taken by what an old consumer may need. */
enum { LOCK_SHARE = 2 };

/* A page as it lies aside. Holds: the texts are in `entries`. */
typedef struct aside {
    dq_import_work work; /* its members; none before it was read */
    dq_import *import;
    dq_buf key;
    valkeyReply *entries;
    const char *page, *queue; /* the latter as PREFIX:{QUEUE} */
    dq_buf own_queue;
    char source[DQ_DIGEST_LEN + 1]; /* names the ZSET in partitions */
} aside;

static int tell_memory(const dq_import *import)
{
    return dq_fault_set(&import->handle->fault, DUEQ_ENOMEM, "out of memory");
}

static int aside_open(aside *a, dq_import *import)
{
    *a = (aside){.import = import};
    const char *zset = import->zset;
    bool tagged = dq_key_has_tag(zset);
    bool fine =
        dq_buf_printf(&a->key, tagged ? KEY_START "=%s" : KEY_START "{%s}", zset) &&
        dq_buf_printf(&a->own_queue, "%s:{%s}", import->handle->url.prefix, import->queue) &&
        dq_digest(a->source, KEY_START, strlen(KEY_START), zset, strlen(zset));
    return fine ? DUEQ_OK : tell_memory(import);
}

static void aside_close(aside *a)
{
    freeReplyObject(a->entries);
    free(a->work.members);
    dq_buf_clear(&a->key);
    dq_buf_clear(&a->own_queue);
}

/* A script on the ZSET and what lies aside. */
static void begin(dq_request *request, const dq_script *script, const aside *a)
{
    *request = (dq_request){.script = script};
    dq_args_add_text(&request->args, a->import->zset);
    dq_args_add(&request->args, a->key.data, a->key.len);
}

static int send(const aside *a, dq_request *request)
{
    dueq *handle = a->import->handle;
    if (request->args.failed) return tell_memory(a->import);
    return dq_durable_exchange(handle, request, 1, dq_handle_deadline_us(handle, 0));
}

/* ---- Begin ---- */

/* Until when a page that is locked from now on may be taken, by the clock of the ZSET's master. DUEQ_OK,
 * DUEQ_STATE when another page lies aside, or negative. */
static int ask_limit(const aside *a, int64_t *until_us)
{
    dq_request request;
    begin(&request, &dq_script_import_begin, a);
    int rc = request.args.failed ? tell_memory(a->import) : dq_import_ask(a->import, &request);
    if (rc == DUEQ_OK) rc = dq_reply_status(request.reply);
    if (rc == DUEQ_OK)
        *until_us = dq_reply_int(dq_reply_at(request.reply, 1), 0) +
                    a->import->options->lock_keep_ms * 1000;
    dq_request_clear(&request);
    return rc;
}

/* ---- Lock ---- */

static bool encode_locks(const dq_import_work *w, dq_request *requests, size_t *count)
{
    bool fine = true;
    for (size_t i = 0; i < w->count; i++) {
        if (w->members[i].given != DUEQ_OK) continue;
        dq_request *request = &requests[(*count)++];
        request->script = &dq_script_lock_claim;
        dq_import_add_lock(&request->args, w->import->options->lock_prefix, &w->members[i]);
        dq_args_add_text(&request->args, DQ_IMPORT_LOCK);
        dq_args_add_int(&request->args, LOCK_SHARE * w->import->options->lock_keep_ms);
        fine = fine && !request->args.failed;
    }
    return fine;
}

/* DUEQ_OK, DUEQ_HELD or negative. A lock of another type is somebody's too. */
static int read_lock(const dq_request *request)
{
    if (request->outcome == DUEQ_ECORRUPT) return DUEQ_HELD;
    return request->outcome < 0 ? request->outcome : dq_reply_status(request->reply);
}

static int send_locks(dq_import_work *w, dq_request *requests, size_t count)
{
    dueq *handle = w->import->handle;
    dq_durable_exchange(handle, requests, count, dq_handle_deadline_us(handle, 0));
    int rc = DUEQ_OK;
    for (size_t i = 0, at = 0; i < w->count; i++) {
        dq_import_member *m = &w->members[i];
        if (m->given != DUEQ_OK) continue;
        m->given = read_lock(&requests[at++]);
        if (m->given < 0 && rc == DUEQ_OK) rc = m->given;
    }
    if (rc == DUEQ_OK) dq_fault_clear(&handle->fault);
    return rc;
}

static int lock_members(dq_import_work *w)
{
    size_t count = 0;
    dq_request *requests = calloc(w->count + 1, sizeof *requests);
    if (!requests) return tell_memory(w->import);
    int rc =
        encode_locks(w, requests, &count) ? send_locks(w, requests, count) : tell_memory(w->import);
    for (size_t i = 0; i < count; i++) dq_request_clear(&requests[i]);
    free(requests);
    return rc;
}

/* ---- Take ---- */

/* A page goes into each partition in one call: it ends before the first member that would be too much. */
static void cut(dq_import_work *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->members[i].given != DUEQ_OK) continue;
        size_t size = dq_import_size(w, i);
        if (bytes && bytes + size > DQ_CALL_BYTES_MAX) w->count = i;
        bytes += size;
    }
}

static size_t count_free(const dq_import_work *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++) count += w->members[i].given == DUEQ_OK;
    return count;
}

static int64_t unit_us(const aside *a)
{
    return dq_import_unit_us(a->import);
}

static void encode_take(dq_request *request, const dq_import_work *w, const aside *a,
                        int64_t until_us, const char *nonce)
{
    begin(request, &dq_script_import_take, a);
    dq_args_add(&request->args, a->own_queue.data, a->own_queue.len);
    dq_args_add_int(&request->args, unit_us(a));
    dq_args_add_int(&request->args, DUEQ_DELAY_MS_MAX * 1000);
    dq_args_add_int(&request->args, until_us);
    dq_args_add_int(&request->args, a->import->page_floor);
    dq_args_add_text(&request->args, nonce);
    for (size_t i = 0; i < w->count; i++) {
        const dq_import_member *m = &w->members[i];
        if (m->given == DUEQ_OK) dq_args_add(&request->args, m->bytes, m->len);
    }
}

/* What was taken is told by the page that lies aside, and no more by the one that was read. */
static int read_taken(dq_import_work *w, const dq_request *request)
{
    int status = dq_reply_status(request->reply);
    if (status == DUEQ_LOST)
        return dq_fault_set(&w->import->handle->fault, DUEQ_ETIMEOUT,
                            "%zu members could not be taken within the %lld ms that they are kept "
                            "locked for: let that be longer, or pages smaller",
                            count_free(w), (long long)w->import->options->lock_keep_ms);
    if (status == DUEQ_STATE) return status;
    if (status != DUEQ_OK || dq_reply_count(request->reply) != count_free(w) + 1)
        return dq_fault_set(&w->import->handle->fault, DUEQ_EPROTO,
                            "the script \"%s\" answered what it never does", request->script->name);
    for (size_t i = 0, at = 1; i < w->count; i++) {
        dq_import_member *m = &w->members[i];
        if (m->given != DUEQ_OK) continue;
        int64_t given = dq_reply_int(dq_reply_at(request->reply, at++), DUEQ_MISSING);
        m->given = given == DUEQ_EINVAL ? DUEQ_EINVAL : DUEQ_MISSING;
    }
    return status;
}

/* DUEQ_OK, DUEQ_STATE when another page lies aside, or negative. */
static int take(dq_import_work *w, const aside *a, int64_t until_us)
{
    char nonce[32];
    uint64_t random = dq_random_u64();
    dq_request request;
    dq_base64url(nonce, &random, sizeof random);
    encode_take(&request, w, a, until_us, nonce);
    int rc = send(a, &request);
    if (rc == DUEQ_OK) rc = read_taken(w, &request);
    dq_request_clear(&request);
    return rc;
}

/* ---- What lies aside ---- */

static int tell_damage(const aside *a)
{
    return dq_fault_set(&a->import->handle->fault, DUEQ_ECORRUPT,
                        "the key \"%s\" is not a page of an import on its way", a->key.data);
}

/* An entry's value is 'due_us score'. */
static bool add_entry(aside *a, const valkeyReply *field, const valkeyReply *value)
{
    char *end;
    dq_import_work *w = &a->work;
    int64_t due_us = strtoll(value->str, &end, 10);
    double score = *end == ' ' ? strtod(end + 1, NULL) : 0;
    if (!dq_import_work_add(w, field->str + 1, field->len - 1, score)) return false;
    w->members[w->count - 1].due_us = due_us;
    w->members[w->count - 1].given = DUEQ_LOST; /* until a partition says otherwise */
    return true;
}

static int read_entries(aside *a)
{
    size_t count = dq_reply_count(a->entries);
    if (!dq_import_work_begin(&a->work, a->import, count / 2)) return tell_memory(a->import);
    for (size_t i = 0; i + 1 < count; i += 2) {
        const valkeyReply *field = dq_reply_at(a->entries, i);
        const valkeyReply *value = dq_reply_at(a->entries, i + 1);
        if (!dq_reply_is_text(field) || !dq_reply_is_text(value)) return tell_damage(a);
        if (strcmp(field->str, "page") == 0) a->page = value->str;
        if (strcmp(field->str, "queue") == 0) a->queue = value->str;
        if (field->str[0] == 'm' && !add_entry(a, field, value)) return tell_memory(a->import);
    }
    return a->page && a->queue ? DUEQ_OK : tell_damage(a);
}

static int check_queue(const aside *a)
{
    if (strcmp(a->queue, a->own_queue.data) == 0) return DUEQ_OK;
    return dq_fault_set(&a->import->handle->fault, DUEQ_EINVAL,
                        "%zu members of \"%s\" are on their way into the queue \"%s\": import into "
                        "that one first",
                        a->work.count, a->import->zset, a->queue);
}

static void raise_floor(dq_import *import, int64_t number)
{
    if (import->page_floor <= number) import->page_floor = number + 1;
}

/* DUEQ_OK, DUEQ_EMPTY: none does, or negative. */
static int read_aside(aside *a)
{
    dq_request request = {.key = a->key.data};
    dq_args_add_text(&request.args, "HGETALL");
    dq_args_add(&request.args, a->key.data, a->key.len);
    int rc = dq_import_ask(a->import, &request);
    a->entries = request.reply;
    request.reply = NULL;
    dq_request_clear(&request);
    if (rc == DUEQ_ECORRUPT) return tell_damage(a);
    if (rc == DUEQ_OK && !dq_reply_count(a->entries)) return DUEQ_EMPTY;
    if (rc == DUEQ_OK) rc = read_entries(a);
    if (rc == DUEQ_OK) rc = check_queue(a);
    if (rc == DUEQ_OK) raise_floor(a->import, strtoll(a->page, NULL, 10));
    return rc;
}

/* ---- Put ---- */

static bool encode_put(void *of, dq_args *args, const size_t *order, size_t count)
{
    const aside *a = of;
    dq_args_add(args, a->work.head, a->work.head_len);
    dq_args_add(args, a->source, DQ_DIGEST_LEN);
    dq_args_add_text(args, a->page);
    for (size_t i = 0; i < count; i++) {
        const dq_import_member *m = &a->work.members[order[i]];
        dq_args_add(args, m->id, DQ_IMPORT_ID_LEN);
        dq_args_add(args, m->bytes, m->len);
        dq_args_add_int(args, m->due_us);
    }
    return !args->failed;
}

/* A page that a later one overtook: this one was over, or else its number was too small, after a
 * failover; import_drop knows which. */
static int read_overtaken(aside *a, const dq_request *request, const size_t *order, size_t count)
{
    raise_floor(a->import, dq_reply_int(dq_reply_at(request->reply, 1), 0));
    for (size_t i = 0; i < count; i++) {
        a->work.members[order[i]].given = DUEQ_LOST;
        a->work.members[order[i]].outcome = DUEQ_OK;
    }
    return (int)count;
}

static int decode_put(void *of, dq_request *request, const size_t *order, size_t count)
{
    aside *a = of;
    if (dq_reply_status(request->reply) == DUEQ_LOST)
        return read_overtaken(a, request, order, count);
    if (dq_reply_count(request->reply) != count + 1) return DUEQ_EPROTO;
    for (size_t i = 0; i < count; i++) {
        int given = (int)dq_reply_int(dq_reply_at(request->reply, i + 1), DUEQ_EPROTO);
        if (given == DUEQ_EPROTO) return given;
        a->work.members[order[i]].given = given;
        a->work.members[order[i]].outcome = DUEQ_OK;
    }
    return (int)count;
}

static int put(aside *a)
{
    static const dq_family family = {
        .script = &dq_script_import_put,
        .absent = DUEQ_OK,
        .partition = dq_import_partition,
        .size = dq_import_size,
        .encode = encode_put,
        .decode = decode_put,
        .outcome = dq_import_outcome,
    };
    dueq *handle = a->import->handle;
    return dq_fanout(handle, a->import->queue, &family, a, a->work.count,
                     dq_handle_deadline_us(handle, 0));
}

/* ---- Drop ---- */

/* DUEQ_OK, DUEQ_MISSING when somebody else has ended the page, or negative. */
static int drop(const aside *a)
{
    dq_request request;
    begin(&request, &dq_script_import_drop, a);
    dq_args_add_text(&request.args, a->page);
    for (size_t i = 0; i < a->work.count; i++) {
        const dq_import_member *m = &a->work.members[i];
        if (m->given != DUEQ_OK) dq_args_add(&request.args, m->bytes, m->len);
    }
    int rc = send(a, &request);
    if (rc == DUEQ_OK) rc = dq_reply_status(request.reply);
    if (rc == DUEQ_MISSING && request.resent) rc = DUEQ_OK;
    dq_request_clear(&request);
    return rc;
}

/* Brings what lies aside to its end; what came of it is counted by whoever ends it. DUEQ_OK, DUEQ_EMPTY
 * when nothing does, or negative. */
static int finish(aside *a, dq_import_counts *counts)
{
    int rc = read_aside(a);
    if (rc != DUEQ_OK) return rc;
    rc = put(a);
    if (rc >= 0) rc = drop(a);
    if (rc == DUEQ_OK) dq_import_count(&a->work, counts);
    return rc < 0 ? rc : DUEQ_OK;
}

/* ---- All of it ---- */

/* Of another's page: those that went back are met again in the ZSET. */
static int finish_other(aside *a, dq_import_counts *counts)
{
    dq_import_counts all = {0};
    int rc = finish(a, &all);
    counts->moved += all.moved;
    counts->overdue += all.overdue;
    return rc;
}

int dq_import_resume(dq_import *import, dq_import_counts *counts)
{
    aside a;
    int rc = aside_open(&a, import);
    if (rc == DUEQ_OK) rc = finish_other(&a, counts);
    aside_close(&a);
    return rc;
}

/* They are not taken now: another page is in the way. */
static void leave(dq_import_work *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->members[i].given == DUEQ_OK) w->members[i].given = DUEQ_MISSING;
}

static int set_aside(dq_import_work *w, aside *a, dq_import_counts *counts)
{
    int64_t until_us = 0;
    int rc = ask_limit(a, &until_us);
    if (rc == DUEQ_OK && w->import->options->lock_prefix) rc = lock_members(w);
    if (rc == DUEQ_OK && !count_free(w)) return rc;
    if (rc == DUEQ_OK) rc = take(w, a, until_us);
    if (rc == DUEQ_OK) return finish(a, counts);
    if (rc != DUEQ_STATE) return rc;
    leave(w);
    return finish_other(a, counts);
}

int dq_import_by_way(dq_import_work *w, dq_import_counts *counts)
{
    aside a;
    int rc = aside_open(&a, w->import);
    if (rc == DUEQ_OK) rc = dq_import_foretell(w);
    if (rc == DUEQ_OK) cut(w);
    if (rc == DUEQ_OK && count_free(w)) rc = set_aside(w, &a, counts);
    if (rc == DUEQ_EMPTY) rc = DUEQ_OK; /* somebody else has ended it */
    for (size_t i = 0; i < w->count && rc < 0; i++) w->members[i].outcome = rc;
    aside_close(&a);
    return rc;
}
