/* fsck: every task of a queue in exactly one state, every key of its type and with its sentinel;
 * looked at in steps that never block the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "queue/check.h"
#include "queue/fanout.h"
#include "queue/reply.h"

enum { STEP_DEFAULT = 200, STEP_MAX = 1000, REPLY_BYTES_MAX = 4 << 20 };

typedef struct checkup {
    dueq *handle;
    dq_queue *queue;
    const dueq_fsck_options *options;
    size_t step;
    dueq_finding_fn *report;
    void *context;
    dueq_fsck_result *result;
    uint32_t partition;
} checkup;

/* ---- Reporting ---- */

typedef struct fault_text {
    const char *word; /* as the scripts say it */
    const char *found;
    const char *advice;
} fault_text;

static const fault_text fault_texts[] = {
    {"unplaced", "the task is in no state", "repair makes it ready"},
    {"bodiless", "the id is in a state but has no record", "repair removes the id"},
    {"doubled", "the task is in several states", "repair keeps it leased, or else dead"},
    {"tries", "failures are remembered of no task", "repair forgets them"},
    {"absent", "the key does not exist", "repair makes it anew, without tasks"},
    {"type", "the key is of another type", "repair sets it aside as KEY:aside"},
    {"sentinel", "the key lacks its sentinel", "repair adds it"},
    {"partition", "the partition did not exist", NULL},
};

static void report(checkup *c, const char *word, const void *name, size_t name_len, bool mended)
{
    const fault_text *text = fault_texts;
    while (strcmp(text->word, word) != 0 && text < fault_texts + 7) text++;
    dq_buf shown = {0};
    dq_buf_add_escaped(&shown, name, name_len);
    dueq_finding finding = {
        .grade = mended ? DUEQ_GRADE_NOTE : DUEQ_GRADE_FAIL,
        .name = shown.data ? shown.data : "",
        .found = text->found,
        .advice = mended ? "mended" : text->advice,
    };
    c->result->orphans++;
    if (mended) c->result->repaired++;
    if (c->report) c->report(c->context, &finding);
    dq_buf_clear(&shown);
}

/* ---- One request ---- */

static int ask(checkup *c, dq_request *request)
{
    int64_t deadline_us = dq_handle_deadline_us(c->handle, 0);
    if (request->args.failed) return dq_fault_set(&c->handle->fault, DUEQ_ENOMEM, "out of memory");
    return dq_link_exchange(c->handle->link, request, 1, deadline_us, &c->handle->fault);
}

/* Asks a script; DUEQ_OK, DQ_STALE or negative. The reply stays with the request. */
static int ask_script(checkup *c, dq_request *request)
{
    int rc = ask(c, request);
    return rc < 0 ? rc : dq_reply_status(request->reply);
}

/* ---- Keys ---- */

static const enum dq_key checked_keys[] = {DQ_KEY_DUE,  DQ_KEY_LEASED, DQ_KEY_BODY, DQ_KEY_TRIES,
                                           DQ_KEY_DEAD, DQ_KEY_GONE,   DQ_KEY_WAKE};
enum { CHECKED_KEY_COUNT = sizeof checked_keys / sizeof *checked_keys };

/* A key of another type makes way; what it holds is kept for a person to look at. */
static int set_aside(checkup *c, const char *key)
{
    dq_buf aside = {0};
    dq_buf_printf(&aside, "%s:aside", key);
    dq_request request = {.once = true, .key = key};
    dq_args_add_text(&request.args, "RENAME");
    dq_args_add_text(&request.args, key);
    dq_args_add_text(&request.args, aside.data ? aside.data : "");
    int rc = ask(c, &request);
    dq_request_clear(&request);
    dq_buf_clear(&aside);
    return rc;
}

static int ask_restore(checkup *c, dq_request *request, bool repair)
{
    *request = (dq_request){0};
    dq_request_begin(request, &dq_script_restore, c->queue, c->partition);
    dq_args_add_text(&request->args, repair ? "1" : "0");
    return ask_script(c, request);
}

/* Reports the keys that are at fault; *faults counts them. */
static int judge_keys(checkup *c, const valkeyReply *reply, size_t *faults)
{
    for (size_t i = 0; i < CHECKED_KEY_COUNT; i++) {
        const valkeyReply *word = dq_reply_at(reply, i + 1);
        if (!dq_reply_is_text(word)) return DUEQ_EPROTO;
        if (!word->len) continue;
        const char *key = c->queue->keys[c->partition].name[checked_keys[i]];
        ++*faults;
        if (c->options->repair && strcmp(word->str, "type") == 0) {
            int rc = set_aside(c, key);
            if (rc < 0) return rc;
        }
        report(c, word->str, key, strlen(key), c->options->repair);
    }
    return DUEQ_OK;
}

/* Settings of another type, which no script can read. Set aside, the partition is made anew. */
static int judge_settings(checkup *c, size_t *faults)
{
    const char *key = c->queue->keys[c->partition].name[DQ_KEY_META];
    bool repair = c->options->repair;
    int rc = repair ? set_aside(c, key) : DUEQ_OK;
    if (rc < 0) return rc;
    ++*faults;
    report(c, "type", key, strlen(key), repair);
    return repair ? DQ_STALE : DUEQ_OK;
}

static int check_keys(checkup *c, size_t *faults)
{
    dq_request request;
    *faults = 0;
    int rc = ask_restore(c, &request, false);
    if (rc == DUEQ_ECORRUPT) {
        dq_request_clear(&request);
        return judge_settings(c, faults);
    }
    if (rc == DUEQ_OK) rc = judge_keys(c, request.reply, faults);
    dq_request_clear(&request);
    if (rc != DUEQ_OK || !*faults || !c->options->repair) return rc;
    rc = ask_restore(c, &request, true);
    dq_request_clear(&request);
    return rc;
}

/* ---- Ids ---- */

/* What a collection's ids can be guilty of that the scan of the records does not find. */
static const struct kind {
    const char *name;
    const char *only; /* report no other fault; NULL: all */
} kinds[] = {
    {"body", NULL},       {"due", "bodiless"}, {"leased", "bodiless"},
    {"dead", "bodiless"}, {"tries", "tries"},
};

/* Judges the ids of a scan's reply, from its third element on, at one instant. */
static int check_ids(checkup *c, const struct kind *kind, const valkeyReply *scan)
{
    dq_request request = {0};
    dq_request_begin(&request, &dq_script_check, c->queue, c->partition);
    dq_args_add_text(&request.args, c->options->repair ? "1" : "0");
    for (size_t i = 2; i < scan->elements; i++)
        dq_args_add(&request.args, scan->element[i]->str, scan->element[i]->len);
    int rc = ask_script(c, &request);
    for (size_t i = 2; rc == DUEQ_OK && i < scan->elements; i++) {
        const valkeyReply *word = dq_reply_at(request.reply, i - 1);
        if (!dq_reply_is_text(word))
            rc = DUEQ_EPROTO;
        else if (word->len && (!kind->only || strcmp(kind->only, word->str) == 0))
            report(c, word->str, scan->element[i]->str, scan->element[i]->len, c->options->repair);
    }
    if (!kind->only) c->result->tasks += (int64_t)scan->elements - 2;
    dq_request_clear(&request);
    return rc;
}

/* One step of a scan; *cursor is moved on, "0" at its end. */
static int scan_step(checkup *c, const struct kind *kind, char cursor[24])
{
    dq_request request = {0};
    dq_request_begin(&request, &dq_script_scan, c->queue, c->partition);
    dq_args_add_text(&request.args, kind->name);
    dq_args_add_text(&request.args, cursor);
    dq_args_add_int(&request.args, (int64_t)c->step);
    dq_args_add_int(&request.args, REPLY_BYTES_MAX);
    int rc = ask_script(c, &request);
    const valkeyReply *next = dq_reply_at(request.reply, 1);
    if (rc == DUEQ_OK && !dq_reply_is_text(next)) rc = DUEQ_EPROTO;
    if (rc == DUEQ_OK) {
        snprintf(cursor, 24, "%s", next->str);
        if (request.reply->elements > 2) rc = check_ids(c, kind, request.reply);
    }
    dq_request_clear(&request);
    return rc;
}

static int check_partition(checkup *c)
{
    size_t key_faults;
    int rc = check_keys(c, &key_faults);
    /* Ids cannot be judged by keys of another type. */
    if (rc != DUEQ_OK || (key_faults && !c->options->repair)) return rc;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == DUEQ_OK; i++) {
        char cursor[24] = "0";
        do rc = scan_step(c, &kinds[i], cursor);
        while (rc == DUEQ_OK && strcmp(cursor, "0") != 0);
    }
    return rc;
}

/* ---- The whole queue ---- */

/* A partition that does not exist is made, with the registry's settings: nothing is lost by it. */
static int check_with_restart(checkup *c, const char *name)
{
    int rc = check_partition(c);
    if (rc != DQ_STALE) return rc;
    char key[2 * DUEQ_QUEUE_NAME_MAX];
    snprintf(key, sizeof key, "%s, partition %u", name, c->partition);
    int64_t deadline_us = dq_handle_deadline_us(c->handle, 0);
    rc = dq_queue_refresh(c->handle, name, deadline_us);
    if (rc == DUEQ_OK) rc = dq_queue_find(c->handle, name, deadline_us, &c->queue);
    if (rc != DUEQ_OK) return rc;
    report(c, "partition", key, strlen(key), true);
    if (c->partition >= c->queue->partition_count) return DUEQ_OK;
    rc = check_partition(c);
    return rc == DQ_STALE ? dq_fault_set(&c->handle->fault, DUEQ_ECORRUPT,
                                         "queue \"%s\" keeps changing its partitions", name)
                          : rc;
}

int dueq_fsck(dueq *handle, const char *queue, const dueq_fsck_options *options,
              dueq_finding_fn *on_finding, void *context, dueq_fsck_result *result)
{
    static const dueq_fsck_options defaults = {0};
    dueq_fsck_result unused;
    checkup c = {.handle = handle,
                 .options = options ? options : &defaults,
                 .report = on_finding,
                 .context = context,
                 .result = result ? result : &unused};
    *c.result = (dueq_fsck_result){0};
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    c.step = c.options->step ? c.options->step : STEP_DEFAULT;
    if (c.step > STEP_MAX)
        return dq_fault_set(&handle->fault, DUEQ_ELIMIT, "steps of %zu ids; at most %d", c.step,
                            STEP_MAX);
    rc = dq_queue_find(handle, queue, dq_handle_deadline_us(handle, 0), &c.queue);
    for (; rc == DUEQ_OK && c.partition < c.queue->partition_count; c.partition++)
        rc = check_with_restart(&c, queue);
    if (rc == DUEQ_EPROTO && !handle->fault.code)
        dq_fault_set(&handle->fault, rc, "a script answered what it never does");
    if (rc != DUEQ_OK) return rc;
    return c.result->orphans > c.result->repaired ? DUEQ_STATE : DUEQ_OK;
}
