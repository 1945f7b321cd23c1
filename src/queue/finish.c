/* What a holder does with its lease: done, release, extend, retry. */
#include "queue/finish.h"

#include <stdlib.h>
#include <string.h>

#include "queue/check.h"
#include "queue/durable.h"
#include "queue/fanout.h"
#include "queue/receipt.h"

/* Receipts taken apart, beside the callers' items that have room for the outcomes. */
typedef struct work {
    dq_receipt *receipts;
    dueq_lease *leases;     /* done, release, extend */
    dueq_failure *failures; /* retry */
    int64_t lease_ms;       /* extend */
    size_t *order;          /* done: the leases in the order in which they are sent */
} work;

static uint32_t partition(const void *of, size_t i, uint32_t partition_count)
{
    const work *w = of;
    (void)partition_count;
    return w->receipts[i].partition;
}

static int *lease_outcome(void *of, size_t i)
{
    work *w = of;
    return &w->leases[i].outcome;
}

static bool encode_leases(void *of, dq_args *args, const size_t *items, size_t count)
{
    work *w = of;
    for (size_t i = 0; i < count; i++)
        dq_args_add(args, w->receipts[items[i]].id, w->receipts[items[i]].id_len);
    for (size_t i = 0; i < count; i++) dq_args_add_text(args, w->receipts[items[i]].lease);
    return !args->failed;
}

static int check_receipt(dueq *handle, const char *queue, const char *text, dq_receipt *receipt)
{
    if (text && dq_receipt_read(receipt, queue, text)) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                        "\"%.40s\" is no receipt of queue \"%s\": cut, altered or another queue's",
                        text ? text : "", queue);
}

/* Fills w->receipts, which is the caller's to free whatever comes of it. */
static int read_receipts(dueq *handle, const char *queue, work *w, size_t count)
{
    int rc = dq_check_call(handle, queue, w->leases, count);
    if (rc < 0) return rc;
    w->receipts = calloc(count, sizeof *w->receipts);
    if (!w->receipts) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && rc == DUEQ_OK; i++)
        rc = check_receipt(handle, queue, w->leases[i].receipt, &w->receipts[i]);
    return rc;
}

static int run(dueq *handle, const char *queue, const dq_family *family, work *w, size_t count)
{
    dq_durable_begin(handle);
    return dq_fanout(handle, queue, family, w, count, dq_handle_deadline_us(handle, 0));
}

static int run_leases(dueq *handle, const char *queue, const dq_family *family, work *w,
                      size_t count)
{
    int rc = read_receipts(handle, queue, w, count);
    if (rc == DUEQ_OK) rc = run(handle, queue, family, w, count);
    free(w->receipts);
    return rc;
}

/* ---- done ---- */

static uint32_t done_partition(const void *of, size_t i, uint32_t partition_count)
{
    const work *w = of;
    return partition(of, w->order[i], partition_count);
}

static int *done_outcome(void *of, size_t i)
{
    work *w = of;
    return lease_outcome(of, w->order[i]);
}

static int compare_bytes(const dq_receipt *a, const dq_receipt *b)
{
    size_t len = a->id_len < b->id_len ? a->id_len : b->id_len;
    int order = memcmp(a->id, b->id, len);
    if (order) return order;
    return (a->id_len > b->id_len) - (a->id_len < b->id_len);
}

/* By lease, and within one as the server orders members of equal score. */
static int compare_receipts(const void *left, const void *right, void *receipts)
{
    const dq_receipt *a = (const dq_receipt *)receipts + *(const size_t *)left;
    const dq_receipt *b = (const dq_receipt *)receipts + *(const size_t *)right;
    int order = strcmp(a->lease, b->lease);
    return order ? order : compare_bytes(a, b);
}

/* Often they come in order. */
static void put_in_order(work *w, size_t count)
{
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        w->order[i] = i;
        if (i && compare_receipts(&w->order[i - 1], &w->order[i], w->receipts) > 0) sorted = false;
    }
    if (!sorted) qsort_r(w->order, count, sizeof *w->order, compare_receipts, w->receipts);
}

static const dq_receipt *nth_receipt(const work *w, const size_t *items, size_t n)
{
    return &w->receipts[w->order[items[n]]];
}

/* How many from the first one on have its lease. */
static size_t run_length(const work *w, const size_t *items, size_t count)
{
    size_t n = 1;
    while (n < count &&
           strcmp(nth_receipt(w, items, n)->lease, nth_receipt(w, items, 0)->lease) == 0)
        n++;
    return n;
}

static bool encode_done(void *of, dq_args *args, const size_t *items, size_t count)
{
    const work *w = of;
    int64_t runs = 0;
    for (size_t at = 0; at < count; at += run_length(w, items + at, count - at)) runs++;
    dq_args_add_int(args, runs);
    for (size_t at = 0, n; at < count; at += n) {
        n = run_length(w, items + at, count - at);
        dq_args_add_int(args, (int64_t)n);
        dq_args_add_text(args, nth_receipt(w, items, at)->lease);
    }
    for (size_t i = 0; i < count; i++) {
        const dq_receipt *receipt = nth_receipt(w, items, i);
        dq_args_add(args, receipt->id, receipt->id_len);
    }
    return !args->failed;
}

/* Sent again after a lost answer and gone: the first sending finished it. */
static int done_meaning(int outcome, bool resent)
{
    if (outcome == DUEQ_MISSING) return resent ? DUEQ_OK : DUEQ_LOST;
    return outcome;
}

static int done_meaning_again(int outcome, bool resent)
{
    (void)resent;
    return done_meaning(outcome, true);
}

int dq_done(dueq *handle, const char *queue, dueq_lease *leases, size_t count, bool again)
{
    const dq_family family = {
        .script = &dq_script_done,
        .absent = DUEQ_LOST,
        .partition = done_partition,
        .encode = encode_done,
        .meaning = again ? done_meaning_again : done_meaning,
        .outcome = done_outcome,
    };
    work w = {.leases = leases};
    int rc = read_receipts(handle, queue, &w, count);
    if (rc == DUEQ_OK) {
        w.order = calloc(count, sizeof *w.order);
        if (!w.order) rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    if (rc == DUEQ_OK && w.order) {
        put_in_order(&w, count);
        rc = run(handle, queue, &family, &w, count);
    }
    free(w.order);
    free(w.receipts);
    return rc;
}

int dueq_done(dueq *handle, const char *queue, dueq_lease *leases, size_t count)
{
    return dq_done(handle, queue, leases, count, false);
}

/* ---- release ---- */

/* Sent again after a lost answer: no longer held, which is what was wanted. */
static int release_meaning(int outcome, bool resent)
{
    return outcome == DUEQ_LOST && resent ? DUEQ_OK : outcome;
}

static int release_meaning_again(int outcome, bool resent)
{
    (void)resent;
    return release_meaning(outcome, true);
}

int dq_release(dueq *handle, const char *queue, dueq_lease *leases, size_t count, bool again)
{
    const dq_family family = {
        .script = &dq_script_release,
        .absent = DUEQ_LOST,
        .partition = partition,
        .encode = encode_leases,
        .meaning = again ? release_meaning_again : release_meaning,
        .outcome = lease_outcome,
    };
    work w = {.leases = leases};
    return run_leases(handle, queue, &family, &w, count);
}

int dueq_release(dueq *handle, const char *queue, dueq_lease *leases, size_t count)
{
    return dq_release(handle, queue, leases, count, false);
}

/* ---- extend ---- */

static bool encode_extend(void *of, dq_args *args, const size_t *items, size_t count)
{
    work *w = of;
    dq_args_add_int(args, w->lease_ms);
    return encode_leases(of, args, items, count);
}

int dueq_extend(dueq *handle, const char *queue, dueq_lease *leases, size_t count, int64_t lease_ms)
{
    static const dq_family family = {
        .script = &dq_script_extend,
        .absent = DUEQ_LOST,
        .partition = partition,
        .encode = encode_extend,
        .outcome = lease_outcome,
    };
    work w = {.leases = leases, .lease_ms = lease_ms};
    int rc = dq_check_queue(handle, queue);
    if (rc == DUEQ_OK) rc = dq_check_lease(handle, lease_ms);
    return rc < 0 ? rc : run_leases(handle, queue, &family, &w, count);
}

/* ---- retry ---- */

static int *failure_outcome(void *of, size_t i)
{
    work *w = of;
    return &w->failures[i].outcome;
}

static size_t error_len(const dueq_failure *failure)
{
    size_t len =
        failure->error_len || !failure->error ? failure->error_len : strlen(failure->error);
    return len < DUEQ_ERROR_TEXT_MAX ? len : DUEQ_ERROR_TEXT_MAX;
}

static size_t failure_size(const void *of, size_t i)
{
    const work *w = of;
    return w->receipts[i].id_len + error_len(&w->failures[i]);
}

static bool encode_failures(void *of, dq_args *args, const size_t *items, size_t count)
{
    work *w = of;
    for (size_t i = 0; i < count; i++) {
        const dq_receipt *receipt = &w->receipts[items[i]];
        const dueq_failure *failure = &w->failures[items[i]];
        dq_args_add(args, receipt->id, receipt->id_len);
        dq_args_add_text(args, receipt->lease);
        dq_args_add_int(args, failure->delay_ms * 1000);
        dq_args_add_int(args, failure->max_attempts);
        dq_args_add_text(args, failure->hopeless ? "1" : "0");
        dq_args_add(args, failure->error ? failure->error : "", error_len(failure));
    }
    return !args->failed;
}

/* The script tells when it had taken this very failure down before: right only for a call that
 * was sent again. */
static int retry_meaning(int outcome, bool resent)
{
    if (outcome == DQ_AGAIN_OK) return resent ? DUEQ_OK : DUEQ_LOST;
    if (outcome == DQ_AGAIN_DEAD) return resent ? DUEQ_DEAD : DUEQ_LOST;
    return outcome;
}

static int check_failure(dueq *handle, const char *queue, const dueq_failure *failure,
                         dq_receipt *receipt)
{
    int rc = check_receipt(handle, queue, failure->receipt, receipt);
    if (rc == DUEQ_OK && failure->error_len && !failure->error)
        rc = dq_fault_set(&handle->fault, DUEQ_EINVAL, "an error of %zu bytes without them",
                          failure->error_len);
    if (rc == DUEQ_OK) rc = dq_check_when(handle, failure->delay_ms, 0);
    if (rc == DUEQ_OK) rc = dq_check_attempts(handle, failure->max_attempts);
    return rc;
}

/* Dead tasks are an answer like any other; only lost leases are worth a "no" of the whole call. */
static int sum_failures(const dueq_failure *failures, size_t count, int rc)
{
    if (rc != DUEQ_DEAD) return rc;
    for (size_t i = 0; i < count; i++)
        if (failures[i].outcome == DUEQ_LOST) return DUEQ_LOST;
    return DUEQ_OK;
}

static int retry_meaning_again(int outcome, bool resent)
{
    (void)resent;
    return retry_meaning(outcome, true);
}

int dq_retry(dueq *handle, const char *queue, dueq_failure *failures, size_t count, bool again)
{
    const dq_family family = {
        .script = &dq_script_retry,
        .absent = DUEQ_LOST,
        .partition = partition,
        .size = failure_size,
        .encode = encode_failures,
        .meaning = again ? retry_meaning_again : retry_meaning,
        .outcome = failure_outcome,
    };
    int rc = dq_check_call(handle, queue, failures, count);
    if (rc < 0) return rc;
    work w = {.failures = failures, .receipts = calloc(count, sizeof *w.receipts)};
    if (!w.receipts) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && rc == DUEQ_OK; i++)
        rc = check_failure(handle, queue, &failures[i], &w.receipts[i]);
    if (rc == DUEQ_OK) rc = run(handle, queue, &family, &w, count);
    free(w.receipts);
    return sum_failures(failures, count, rc);
}

int dueq_retry(dueq *handle, const char *queue, dueq_failure *failures, size_t count)
{
    return dq_retry(handle, queue, failures, count, false);
}
