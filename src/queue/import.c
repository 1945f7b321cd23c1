/* Import: the members of a bare ZSET become tasks, a page at a time (import_page.h). Here is the walk. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/check.h"
#include "queue/durable.h"
#include "queue/fanout.h"
#include "queue/import_page.h"
#include "queue/reply.h"
#include "wire/socket.h"

enum { PAGE_DEFAULT = 200, FIRST_PAGE = 16, POLL_DEFAULT_MS = 1000, LOCK_KEEP_DEFAULT_MS = 60000 };

/* Holds: `offset` members at the ZSET's head were left there by this pass. */
typedef struct walk {
    dq_import import;
    dueq_import_result *result;
    int64_t offset;
    size_t page; /* how many to ask for next */
} walk;

/* ---- What callers pass in ---- */

static int check_options(dueq *handle, const dueq_import_options *options)
{
    dq_fault *fault = &handle->fault;
    if ((unsigned)options->unit > DUEQ_UNIT_MS)
        return dq_fault_set(fault, DUEQ_EINVAL, "the unit is neither seconds nor milliseconds");
    if (options->page < 1 || options->page > DQ_CALL_ITEMS_MAX)
        return dq_fault_set(fault, DUEQ_ELIMIT, "pages of %zu members; at most %d", options->page,
                            DQ_CALL_ITEMS_MAX);
    if (options->lock_keep_ms < DUEQ_LOCK_TTL_MS_MIN ||
        options->lock_keep_ms > DUEQ_LOCK_TTL_MS_MAX)
        return dq_fault_set(fault, DUEQ_EINVAL, "locks kept for %lld ms; it is %d to %d",
                            (long long)options->lock_keep_ms, DUEQ_LOCK_TTL_MS_MIN,
                            DUEQ_LOCK_TTL_MS_MAX);
    if (options->poll_ms < 1 || options->poll_ms > DUEQ_DELAY_MS_MAX)
        return dq_fault_set(fault, DUEQ_EINVAL, "a pause of %lld ms between looks; it is 1 or more",
                            (long long)options->poll_ms);
    if (options->wait_ms < -1 || options->wait_ms > DUEQ_DELAY_MS_MAX)
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "a wait of %lld ms; it is 0 or more, or -1: for ever",
                            (long long)options->wait_ms);
    return DUEQ_OK;
}

static int check_call(dueq *handle, const char *zset, const char *queue,
                      const dueq_import_options *options)
{
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK && (!zset || !*zset))
        rc = dq_fault_set(&handle->fault, DUEQ_EINVAL, "the ZSET has no key");
    if (rc == DUEQ_OK) rc = check_options(handle, options);
    if (rc == DUEQ_OK && dq_link_is_cluster(handle->link) && !dq_key_has_neighbour(zset))
        rc = dq_fault_set(
            &handle->fault, DUEQ_EINVAL,
            "the key \"%s\" has a closing brace and no hash tag, so that no other key "
            "can be in its slot, and members lie in one on their way: copy it to another key",
            zset);
    return rc;
}

static dueq_import_options fill_in(const dueq_import_options *options)
{
    dueq_import_options filled = options ? *options : (dueq_import_options){0};
    if (!filled.lock_keep_ms) filled.lock_keep_ms = LOCK_KEEP_DEFAULT_MS;
    if (!filled.poll_ms) filled.poll_ms = POLL_DEFAULT_MS;
    if (!filled.page) filled.page = PAGE_DEFAULT;
    return filled;
}

/* ---- The ZSET as it stands at the beginning ---- */

static int64_t due_ms_of(const walk *w, const valkeyReply *entry)
{
    const valkeyReply *score = dq_reply_at(entry, 1);
    double at_ms = dq_import_score(score) * (w->import.options->unit == DUEQ_UNIT_S ? 1e3 : 1);
    if (isnan(at_ms)) return 0;
    return at_ms > 9e15 ? (int64_t)9e15 : at_ms < -9e15 ? (int64_t)-9e15 : (int64_t)ceil(at_ms);
}

static int count_members(walk *w)
{
    dq_request request = {.key = w->import.zset};
    dq_args_add_text(&request.args, "ZCARD");
    dq_args_add_text(&request.args, w->import.zset);
    int rc = dq_import_ask(&w->import, &request);
    if (rc == DUEQ_OK) w->result->members = dq_reply_int(request.reply, 0);
    dq_request_clear(&request);
    return rc;
}

static int look_it_over(walk *w)
{
    int rc = count_members(w);
    for (int end = 0; rc == DUEQ_OK && end < 2; end++) {
        valkeyReply *entry = NULL;
        rc = dq_import_read(&w->import, end ? -1 : 0, 1, &entry);
        if (rc == DUEQ_OK && dq_reply_count(entry) == 2)
            *(end ? &w->result->last_due_ms : &w->result->first_due_ms) = due_ms_of(w, entry);
        freeReplyObject(entry);
    }
    return rc;
}

/* ---- A pass over it ---- */

static void report(const walk *w)
{
    const dueq_import_options *options = w->import.options;
    if (options->report) options->report(options->context, w->result);
}

/* Members may be of any size: a page is to stay within what a script call is. */
static void fit_page(walk *w, size_t count, size_t bytes)
{
    size_t fit = count && bytes ? DQ_CALL_BYTES_MAX / (bytes / count + 1) : w->page;
    size_t most = w->import.options->page;
    w->page = fit < 1 ? 1 : fit > most ? most : fit;
}

static void take_down(walk *w, const dq_import_counts *counts)
{
    dueq_import_result *r = w->result;
    r->moved += counts->moved;
    r->overdue += counts->overdue;
    r->held += counts->held;
    r->busy += counts->busy;
    r->too_large += counts->too_large;
    r->undated += counts->undated;
    int64_t stay = counts->held + counts->busy + counts->too_large + counts->undated;
    w->offset += w->import.options->dry_run ? stay + counts->moved : stay;
}

/* DUEQ_EMPTY: there are no more. */
static int move_page(walk *w)
{
    valkeyReply *page = NULL;
    dq_import_counts counts = {0};
    dq_durable_next(w->import.handle);
    int rc = dq_import_read(&w->import, w->offset, w->page, &page);
    if (rc == DUEQ_OK && !dq_reply_count(page)) rc = DUEQ_EMPTY;
    if (rc == DUEQ_OK) rc = dq_import_page(&w->import, page, &counts);
    freeReplyObject(page);
    take_down(w, &counts);
    if (rc == DUEQ_OK) fit_page(w, counts.count, counts.bytes);
    if (rc == DUEQ_ETIMEOUT) w->page = (w->page + 1) / 2;
    return rc;
}

static bool is_interrupted(const walk *w, int64_t until_us)
{
    return dq_socket_wait(-1, 0, w->import.handle->interrupt_fd, until_us) == DUEQ_ECANCELED;
}

/* DUEQ_OK when something lay on its way, DUEQ_EMPTY when nothing did, or negative. */
static int resume(walk *w)
{
    dq_import_counts counts = {0};
    if (w->import.options->dry_run || !dq_link_is_cluster(w->import.handle->link))
        return DUEQ_EMPTY;
    int rc = dq_import_resume(&w->import, &counts);
    take_down(w, &counts);
    return rc;
}

/* All that is in the ZSET. DUEQ_EMPTY, or negative. */
static int move_pages(walk *w)
{
    int rc;
    while ((rc = move_page(w)) == DUEQ_OK) {
        report(w);
        if (is_interrupted(w, 0)) return DUEQ_ECANCELED;
    }
    return rc;
}

/* It is over when the ZSET was found empty, and then nothing on its way: another importer may have
 * taken the last of it. */
static int pass(walk *w)
{
    dueq_import_result *r = w->result;
    r->held = r->busy = r->too_large = r->undated = 0;
    w->offset = 0;
    int rc = resume(w);
    while (rc >= 0) {
        rc = move_pages(w);
        if (rc == DUEQ_EMPTY) rc = resume(w);
        if (rc == DUEQ_EMPTY) return DUEQ_OK;
    }
    return rc;
}

/* ---- All of it ---- */

/* What goes away by itself, or by an administrator's hand. */
static bool is_passing(int rc)
{
    return rc == DUEQ_ECONNECT || rc == DUEQ_ETIMEOUT || rc == DUEQ_EUNSURE ||
           rc == DUEQ_EUNREADY || rc == DUEQ_EREADONLY || rc == DUEQ_EFULL;
}

static int judge(const dueq_import_result *r)
{
    if (r->held || r->busy) return DUEQ_HELD;
    return r->too_large || r->undated ? DUEQ_STATE : DUEQ_OK;
}

/* Whether to look again; sleeps until then. */
static bool goes_on(walk *w, int *rc, int64_t deadline_us)
{
    const dueq_import_options *options = w->import.options;
    w->result->trouble = options->follow && is_passing(*rc) ? *rc : 0;
    bool waits = options->follow ? *rc >= 0 || w->result->trouble : *rc == DUEQ_HELD;
    if (!waits || options->dry_run || (!options->follow && dq_mono_us() >= deadline_us))
        return false;
    report(w);
    int64_t look_us = dq_deadline_us(options->poll_ms);
    if (!options->follow && look_us > deadline_us) look_us = deadline_us;
    if (!is_interrupted(w, look_us)) return true;
    *rc = DUEQ_ECANCELED;
    return false;
}

static int run(walk *w)
{
    int64_t deadline_us = dq_deadline_us(w->import.options->wait_ms);
    int rc = look_it_over(w);
    if (rc < 0) return rc;
    do {
        rc = pass(w);
        if (rc == DUEQ_OK) rc = judge(w->result);
    } while (goes_on(w, &rc, deadline_us));
    if (rc == DUEQ_ECANCELED) dq_fault_set(&w->import.handle->fault, rc, "interrupted");
    return rc;
}

int dueq_import(dueq *handle, const char *zset, const char *queue,
                const dueq_import_options *options, dueq_import_result *result)
{
    dueq_import_result unused = {0};
    dueq_import_options filled = fill_in(options);
    walk w = {.import = {.handle = handle, .zset = zset, .queue = queue, .options = &filled},
              .result = result ? result : &unused,
              .page = filled.page < FIRST_PAGE ? filled.page : FIRST_PAGE};
    *w.result = (dueq_import_result){0};
    int rc = check_call(handle, zset, queue, &filled);
    if (rc < 0) return rc;
    dq_durable_begin(handle);
    return run(&w);
}
