/* The shared ground of the live tests of the queue layer. Uses the public interface only, so that
 * what it tells of a queue is what a user would see. */
#include "queue_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MAX = 10000 };

static fixture the_fixture;

int fixture_start(void **state)
{
    the_fixture.server = server_start(NULL);
    *state = &the_fixture;
    return 0;
}

int fixture_end(void **state)
{
    fixture *f = *state;
    server_free(f->server);
    f->server = NULL;
    return 0;
}

int fixture_setup(void **state)
{
    fixture *f = *state;
    server_do(f->server, "CONFIG SET maxmemory 0"); /* a test that failed may have left one */
    server_do(f->server, "FLUSHALL SYNC");
    f->damaged = false;
    f->handle = fixture_open(f);
    return 0;
}

static void check_queues(dueq *handle)
{
    dueq_queue_list *list;
    ASSERT_RC(handle, dueq_queues(handle, &list), DUEQ_OK);
    for (size_t i = 0; i < list->count; i++) queue_assert_sound(handle, list->names[i]);
    dueq_queue_list_free(list);
}

int fixture_teardown(void **state)
{
    fixture *f = *state;
    if (!f->damaged) check_queues(f->handle);
    dueq_close(f->handle);
    f->handle = NULL;
    return 0;
}

dueq *fixture_open(const fixture *f)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, server_url(f->server), NULL), DUEQ_OK);
    return handle;
}

int64_t fixture_now_us(const fixture *f)
{
    valkeyReply *reply = server_command(f->server, "TIME");
    int64_t now_us = strtoll(reply->element[0]->str, NULL, 10) * 1000000 +
                     strtoll(reply->element[1]->str, NULL, 10);
    freeReplyObject(reply);
    return now_us;
}

long long fixture_calls(const fixture *f, const char *command)
{
    char *info = server_text(f->server, "INFO commandstats");
    char line[80];
    snprintf(line, sizeof line, "cmdstat_%s:calls=", command);
    const char *at = strstr(info, line);
    long long calls = at ? strtoll(at + strlen(line), NULL, 10) : 0;
    free(info);
    return calls;
}

void fixture_assert_rc(const dueq *handle, int have, int wanted, const char *call, const char *file,
                       int line)
{
    if (have == wanted) return;
    print_error("%s:%d: %s is %d (%s), wanted %d (%s); error: \"%s\"\n", file, line, call, have,
                dueq_outcome_text(have), wanted, dueq_outcome_text(wanted), dueq_error(handle));
    _fail(file, line);
}

void fixture_assert_error(const dueq *handle, const char *part)
{
    if (strstr(dueq_error(handle), part)) return;
    fail_msg("the error is \"%s\", wanted one with \"%s\"", dueq_error(handle), part);
}

/* ---- Short forms ----------------------------------------------------------------------------- */

int queue_push(dueq *handle, const char *queue, const char *id, const char *payload,
               int64_t delay_ms)
{
    dueq_new_task task = {
        .id = id, .payload = payload, .payload_len = strlen(payload), .delay_ms = delay_ms};
    return dueq_push(handle, queue, &task, 1, NULL);
}

static void push_chunk(dueq *handle, const char *queue, const char *prefix, size_t first,
                       size_t count, int64_t delay_ms)
{
    dueq_new_task *tasks = calloc(count, sizeof *tasks);
    char(*ids)[64] = calloc(count, sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(ids[i], sizeof ids[i], "%s%zu", prefix, first + i);
        tasks[i] = (dueq_new_task){
            .id = ids[i], .payload = ids[i], .payload_len = (size_t)len, .delay_ms = delay_ms};
    }
    ASSERT_RC(handle, dueq_push(handle, queue, tasks, count, NULL), DUEQ_OK);
    free(tasks);
    free(ids);
}

void queue_push_many(dueq *handle, const char *queue, const char *prefix, size_t count,
                     int64_t delay_ms)
{
    for (size_t first = 0; first < count; first += CALL_MAX) {
        size_t chunk = count - first < CALL_MAX ? count - first : CALL_MAX;
        push_chunk(handle, queue, prefix, first, chunk, delay_ms);
    }
}

dueq_batch *queue_take(dueq *handle, const char *queue, size_t count, int64_t lease_ms)
{
    dueq_take_options options = {.tasks_max = count, .lease_ms = lease_ms};
    dueq_batch *batch;
    int rc = dueq_take(handle, queue, &options, &batch);
    if (rc != DUEQ_EMPTY) ASSERT_RC(handle, rc, DUEQ_OK);
    return batch;
}

dueq_batch *queue_take_one(dueq *handle, const char *queue, int64_t lease_ms)
{
    dueq_batch *batch = queue_take(handle, queue, 1, lease_ms);
    if (!batch) fail_msg("queue \"%s\" has no ready task, wanted one", queue);
    return batch;
}

dueq_batch *queue_await(dueq *handle, const char *queue, size_t count, int64_t lease_ms)
{
    dueq_batch *batch = NULL;
    UNTIL(20000, (batch = queue_take(handle, queue, count, lease_ms)) != NULL);
    return batch;
}

void queue_finish(dueq *handle, const char *queue, dueq_batch *batch)
{
    dueq_lease *leases = calloc(batch->count, sizeof *leases);
    for (size_t i = 0; i < batch->count; i++) leases[i].receipt = batch->tasks[i].receipt;
    ASSERT_RC(handle, dueq_done(handle, queue, leases, batch->count), DUEQ_OK);
    free(leases);
    dueq_batch_free(batch);
}

int queue_done(dueq *handle, const char *queue, const char *receipt)
{
    dueq_lease lease = {.receipt = receipt};
    return dueq_done(handle, queue, &lease, 1);
}

int queue_release(dueq *handle, const char *queue, const char *receipt)
{
    dueq_lease lease = {.receipt = receipt};
    return dueq_release(handle, queue, &lease, 1);
}

int queue_extend(dueq *handle, const char *queue, const char *receipt, int64_t lease_ms)
{
    dueq_lease lease = {.receipt = receipt};
    return dueq_extend(handle, queue, &lease, 1, lease_ms);
}

int queue_retry(dueq *handle, const char *queue, const char *receipt, int64_t delay_ms,
                const char *error)
{
    dueq_failure failure = {.receipt = receipt, .delay_ms = delay_ms, .error = error};
    int rc = dueq_retry(handle, queue, &failure, 1);
    return rc < 0 ? rc : failure.outcome;
}

void queue_kill_one(dueq *handle, const char *queue)
{
    dueq_batch *batch = queue_await(handle, queue, 1, 0);
    dueq_failure failure = {
        .receipt = batch->tasks[0].receipt, .error = "hopeless", .hopeless = true};
    ASSERT_RC(handle, dueq_retry(handle, queue, &failure, 1), DUEQ_OK);
    assert_int_equal(failure.outcome, DUEQ_DEAD);
    dueq_batch_free(batch);
}

int queue_cancel(dueq *handle, const char *queue, const char *id)
{
    dueq_name name = {.id = id};
    return dueq_cancel(handle, queue, &name, 1);
}

dueq_batch *queue_get(dueq *handle, const char *queue, const char *id)
{
    dueq_name name = {.id = id};
    dueq_batch *batch;
    int rc = dueq_get(handle, queue, &name, 1, &batch);
    if (rc == DUEQ_OK) {
        assert_int_equal(batch->count, 1);
        return batch;
    }
    ASSERT_RC(handle, rc, DUEQ_MISSING);
    assert_int_equal(batch->count, 0);
    dueq_batch_free(batch);
    return NULL;
}

dueq_state queue_state(dueq *handle, const char *queue, const char *id)
{
    dueq_batch *batch = queue_get(handle, queue, id);
    dueq_state state = batch ? batch->tasks[0].state : DUEQ_STATE_NONE;
    dueq_batch_free(batch);
    return state;
}

dueq_stats queue_stats(dueq *handle, const char *queue)
{
    dueq_stats stats;
    ASSERT_RC(handle, dueq_queue_stats(handle, queue, &stats), DUEQ_OK);
    return stats;
}

int64_t queue_live(dueq *handle, const char *queue)
{
    dueq_stats stats = queue_stats(handle, queue);
    return stats.waiting + stats.ready + stats.leased + stats.dead;
}

size_t queue_drain(dueq *handle, const char *queue)
{
    size_t count = 0;
    for (dueq_batch *batch; (batch = queue_take(handle, queue, CALL_MAX, 0));) {
        count += batch->count;
        queue_finish(handle, queue, batch);
    }
    return count;
}

void queue_make(dueq *handle, const char *queue, const dueq_settings *settings)
{
    ASSERT_RC(handle, dueq_queue_create(handle, queue, settings), DUEQ_OK);
}

/* ---- What always holds ----------------------------------------------------------------------- */

static void print_finding(void *context, const dueq_finding *finding)
{
    print_error("fsck of \"%s\": %s: %s\n", (const char *)context, finding->name, finding->found);
}

static void check_balance(const char *queue, const dueq_stats *s)
{
    int64_t sum = s->waiting + s->ready + s->leased + s->dead + s->done + s->cancelled + s->dropped;
    if (s->pushed == sum) return;
    fail_msg("queue \"%s\": pushed %" PRId64 ", but waiting %" PRId64 " + ready %" PRId64
             " + leased %" PRId64 " + dead %" PRId64 " + done %" PRId64 " + cancelled %" PRId64
             " + dropped %" PRId64 " = %" PRId64,
             queue, s->pushed, s->waiting, s->ready, s->leased, s->dead, s->done, s->cancelled,
             s->dropped, sum);
}

void queue_assert_sound(dueq *handle, const char *queue)
{
    char *context = strdup(queue);
    dueq_fsck_result result;
    ASSERT_RC(handle, dueq_fsck(handle, queue, NULL, print_finding, context, &result), DUEQ_OK);
    free(context);
    if (result.orphans)
        fail_msg("queue \"%s\": fsck found %" PRId64 " faults", queue, result.orphans);
    dueq_stats stats = queue_stats(handle, queue);
    check_balance(queue, &stats);
    int64_t live = stats.waiting + stats.ready + stats.leased + stats.dead;
    if (result.tasks != live)
        fail_msg("queue \"%s\": fsck saw %" PRId64 " tasks, stats tell of %" PRId64, queue,
                 result.tasks, live);
}
