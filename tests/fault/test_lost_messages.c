/* Every operation, with its request lost on the way or its answer lost on the way back: what the
 * caller is told is true, and it happened once. On a real server, behind the fault proxy. */
#include "support/behind.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000, LOSSES = 2 };

/* What is lost of the next call. In this order: the first call of a script also brings its source,
 * so that by the second it is the script's own answer that is lost. */
static const proxy_kind losses[LOSSES] = {PROXY_LOSE_REQUEST, PROXY_LOSE_REPLY};

static void lose(behind *b, int loss)
{
    proxy_arm(b->proxy, &(proxy_trick){.kind = losses[loss], .when = "EVALSHA"});
}

/* A loss that never happened would prove nothing. */
static void assert_lost(behind *b, int loss, int times)
{
    assert_int_equal(proxy_struck(b->proxy, losses[loss]), times);
}

/* A task that is leased through the proxy; free the batch. */
static dueq_batch *hold(behind *b, const char *id)
{
    ASSERT_RC(b->near, queue_push(b->near, "q", id, "x", 0), DUEQ_OK);
    return queue_take_one(b->far, "q", AN_HOUR_MS);
}

/* ---- push ------------------------------------------------------------------------------------ */

static void a_push_arrives_once(void **state)
{
    behind *b = *state;
    queue_make(b->near, "q", NULL);
    for (int i = 0; i < LOSSES; i++) {
        dueq_new_task tasks[3] = {{.payload = "a", .payload_len = 1}, {0}, {0}};
        lose(b, i);
        ASSERT_RC(b->far, dueq_push(b->far, "q", tasks, 3, NULL), DUEQ_OK);
        for (int t = 0; t < 3; t++) assert_int_equal(tasks[t].outcome, DUEQ_OK);
        assert_int_equal(queue_live(b->near, "q"), 3 * (i + 1));
        assert_lost(b, i, 1);
    }
}

/* Whose an id of the caller's is cannot be told; that it is there can. */
static void a_push_under_ones_own_id_arrives_once(void **state)
{
    behind *b = *state;
    static const char *const ids[] = {"first", "second"};
    static const int told[] = {DUEQ_OK, DUEQ_EXISTS};
    queue_make(b->near, "q", NULL);
    for (int i = 0; i < LOSSES; i++) {
        lose(b, i);
        ASSERT_RC(b->far, queue_push(b->far, "q", ids[i], "x", 0), told[i]);
        assert_int_equal(queue_live(b->near, "q"), i + 1);
        assert_lost(b, i, 1);
    }
}

/* With a retention also when the task was taken and done before the push is sent again. */
static void a_push_that_was_done_meanwhile_is_known(void **state)
{
    behind *b = *state;
    dueq_settings settings = {.retention_ms = AN_HOUR_MS};
    queue_make(b->near, "q", &settings);
    ASSERT_RC(b->far, queue_push(b->far, "q", "id", "x", 0), DUEQ_OK);
    queue_finish(b->near, "q", queue_take_one(b->near, "q", 0));
    ASSERT_RC(b->far, queue_push(b->far, "q", "id", "x", 0), DUEQ_EXISTS);
    assert_int_equal(queue_live(b->near, "q"), 0);
}

/* ---- take ------------------------------------------------------------------------------------ */

/* A lease that nobody knows of runs out: the task comes again, an attempt counted. */
static void a_take_whose_answer_is_lost_costs_an_attempt(void **state)
{
    behind *b = *state;
    ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", 0), DUEQ_OK);
    for (int i = 0; i < LOSSES; i++) {
        lose(b, i);
        dueq_batch *batch = queue_take(b->far, "q", 1, 100);
        if (batch == NULL) batch = queue_await(b->far, "q", 1, 100);
        assert_int_equal(batch->tasks[0].attempt, 1 + i);
        ASSERT_RC(b->far, queue_release(b->far, "q", batch->tasks[0].receipt), DUEQ_OK);
        dueq_batch_free(batch);
        assert_lost(b, i, 1);
    }
    assert_int_equal(queue_stats(b->near, "q").expired, 1);
}

/* ---- What a holder says ---------------------------------------------------------------------- */

static void a_done_is_final_not_failed(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_batch *batch = hold(b, "id");
        lose(b, i);
        ASSERT_RC(b->far, queue_done(b->far, "q", batch->tasks[0].receipt), DUEQ_OK);
        dueq_batch_free(batch);
        assert_int_equal(queue_live(b->near, "q"), 0);
        assert_int_equal(queue_stats(b->near, "q").done, i + 1);
        assert_lost(b, i, 1);
    }
}

static void a_failure_is_counted_once(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_batch *batch = hold(b, "id");
        lose(b, i);
        int rc = queue_retry(b->far, "q", batch->tasks[0].receipt, 0, "once");
        ASSERT_RC(b->far, rc, DUEQ_OK);
        dueq_batch_free(batch);
        batch = queue_get(b->near, "q", "id");
        assert_int_equal(batch->tasks[0].attempt, 1);
        dueq_batch_free(batch);
        assert_int_equal(queue_stats(b->near, "q").retried, i + 1);
        ASSERT_RC(b->near, queue_cancel(b->near, "q", "id"), DUEQ_OK);
        assert_lost(b, i, 1);
    }
}

typedef struct failing {
    dueq *handle;
    const char *receipt;
    int outcome;
} failing;

static void *fail_it(void *context)
{
    failing *f = context;
    f->outcome = queue_retry(f->handle, "q", f->receipt, 0, "once");
    return NULL;
}

/* Sent again when another has the task already: it was counted all the same, and is not "lost". */
static void a_failure_is_known_when_the_task_was_taken_again(void **state)
{
    behind *b = *state;
    dueq_batch *first = hold(b, "before"); /* the server has the script */
    ASSERT_RC(b->far, queue_retry(b->far, "q", first->tasks[0].receipt, AN_HOUR_MS, "x"), DUEQ_OK);
    dueq_batch_free(first);
    first = hold(b, "id");
    failing f = {.handle = b->far, .receipt = first->tasks[0].receipt};
    pthread_t thread;
    proxy_arm(b->proxy, &(proxy_trick){.kind = PROXY_HOLD_REPLY, .when = "EVALSHA"});
    assert_int_equal(pthread_create(&thread, NULL, fail_it, &f), 0);
    dueq_batch *second = queue_await(b->near, "q", 1, AN_HOUR_MS);
    assert_int_equal(second->tasks[0].attempt, 2);
    proxy_cut(b->proxy, true);
    proxy_set_mode(b->proxy, PROXY_PASS);
    pthread_join(thread, NULL);
    ASSERT_RC(b->far, f.outcome, DUEQ_OK);
    assert_int_equal(queue_stats(b->near, "q").retried, 2);
    dueq_batch_free(first);
    queue_finish(b->near, "q", second); /* whose lease was not touched */
}

static void a_last_failure_is_told_as_the_last(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_batch *batch = hold(b, "id");
        dueq_failure failure = {.receipt = batch->tasks[0].receipt, .hopeless = true};
        lose(b, i);
        ASSERT_RC(b->far, dueq_retry(b->far, "q", &failure, 1), DUEQ_OK);
        assert_int_equal(failure.outcome, DUEQ_DEAD);
        dueq_batch_free(batch);
        assert_int_equal(queue_stats(b->near, "q").died, i + 1);
        ASSERT_RC(b->near, queue_cancel(b->near, "q", "id"), DUEQ_OK);
        assert_lost(b, i, 1);
    }
}

static void a_release_counts_no_attempt(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_batch *batch = hold(b, "id");
        lose(b, i);
        ASSERT_RC(b->far, queue_release(b->far, "q", batch->tasks[0].receipt), DUEQ_OK);
        dueq_batch_free(batch);
        batch = queue_take_one(b->near, "q", AN_HOUR_MS);
        assert_int_equal(batch->tasks[0].attempt, 1);
        queue_finish(b->near, "q", batch);
        assert_lost(b, i, 1);
    }
}

static void an_extended_lease_is_held_on(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_batch *batch = hold(b, "id");
        int64_t before_ms = batch->tasks[0].deadline_ms;
        lose(b, i);
        ASSERT_RC(b->far, queue_extend(b->far, "q", batch->tasks[0].receipt, 2 * AN_HOUR_MS),
                  DUEQ_OK);
        dueq_batch *now = queue_get(b->near, "q", "id");
        assert_true(now->tasks[0].deadline_ms >= before_ms + AN_HOUR_MS);
        dueq_batch_free(now);
        queue_finish(b->far, "q", batch);
        assert_lost(b, i, 1);
    }
}

/* A stale holder is not told otherwise because its message was lost. */
static void a_lost_lease_stays_lost(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", 0), DUEQ_OK);
        dueq_batch *stale = queue_take_one(b->far, "q", 1);
        dueq_batch *held = queue_await(b->near, "q", 1, AN_HOUR_MS);
        const char *receipt = stale->tasks[0].receipt;
        lose(b, i);
        ASSERT_RC(b->far, queue_done(b->far, "q", receipt), DUEQ_LOST);
        lose(b, i);
        ASSERT_RC(b->far, queue_retry(b->far, "q", receipt, 0, "stale"), DUEQ_LOST);
        lose(b, i);
        ASSERT_RC(b->far, queue_extend(b->far, "q", receipt, AN_HOUR_MS), DUEQ_LOST);
        assert_lost(b, i, 3);
        dueq_batch_free(stale);
        queue_finish(b->near, "q", held);
    }
}

/* ---- By id ----------------------------------------------------------------------------------- */

static void what_is_done_by_id_is_done_once(void **state)
{
    behind *b = *state;
    for (int i = 0; i < LOSSES; i++) {
        dueq_name name = {.id = "id"};
        ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", AN_HOUR_MS), DUEQ_OK);
        lose(b, i);
        ASSERT_RC(b->far, dueq_reschedule(b->far, "q", &name, 1, 0, 0), DUEQ_OK);
        queue_kill_one(b->near, "q");
        lose(b, i);
        ASSERT_RC(b->far, dueq_redrive(b->far, "q", &name, 1), DUEQ_OK);
        assert_int_equal(queue_state(b->near, "q", "id"), DUEQ_STATE_READY);
        queue_kill_one(b->near, "q");
        lose(b, i);
        ASSERT_RC(b->far, dueq_drop(b->far, "q", &name, 1), DUEQ_OK);
        ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", 0), DUEQ_OK);
        lose(b, i);
        ASSERT_RC(b->far, queue_cancel(b->far, "q", "id"), DUEQ_OK);
        assert_lost(b, i, 4);
        assert_int_equal(queue_live(b->near, "q"), 0);
    }
}

/* ---- When nothing helps ---------------------------------------------------------------------- */

/* Every sending is lost: the call ends by its deadline, and says what it knows. */
static void a_call_that_never_gets_through_says_so(void **state)
{
    behind *b = *state;
    dueq *far = behind_open(b, 300);
    ASSERT_RC(far, queue_push(far, "q", "before", "x", 0), DUEQ_OK); /* the server has the script */
    proxy_arm(b->proxy, &(proxy_trick){.kind = PROXY_LOSE_REPLY, .when = "EVALSHA", .times = 999});
    ASSERT_RC(far, queue_push(far, "q", "id", "x", 0), DUEQ_EUNSURE);
    proxy_arm(b->proxy, NULL);
    assert_int_equal(queue_live(b->near, "q"), 2);
    assert_in_range(proxy_struck(b->proxy, PROXY_LOSE_REPLY), 2, 40); /* tried again, no storm */
    dueq_close(far);
}

/* A reply that is cut after each of its bytes: asked for again, and taken whole. */
static void a_reply_cut_anywhere_is_asked_for_again(void **state)
{
    behind *b = *state;
    ASSERT_RC(b->near, queue_push(b->near, "q", "id", "payload", 0), DUEQ_OK);
    dueq_name name = {.id = "id"};
    for (int bytes = 0; bytes < 80; bytes++) {
        dueq_batch *batch = NULL;
        proxy_arm(b->proxy, &(proxy_trick){.kind = PROXY_CUT_REPLY,
                                           .when = "EVALSHA",
                                           .bytes = bytes,
                                           .reset = bytes % 2 == 0});
        ASSERT_RC(b->far, dueq_get(b->far, "q", &name, 1, &batch), DUEQ_OK);
        assert_int_equal(batch->count, 1);
        assert_string_equal(batch->tasks[0].payload, "payload");
        dueq_batch_free(batch);
        assert_int_equal(proxy_struck(b->proxy, PROXY_CUT_REPLY), bytes + 1);
    }
}

/* An answer that comes after its call has given up is never another call's. */
static void a_late_reply_is_nobodys(void **state)
{
    behind *b = *state;
    ASSERT_RC(b->near, queue_push(b->near, "q", "one", "payload of one", 0), DUEQ_OK);
    ASSERT_RC(b->near, queue_push(b->near, "q", "two", "payload of two", 0), DUEQ_OK);
    dueq *far = behind_open(b, 300);
    dueq_name one = {.id = "one"}, two = {.id = "two"};
    dueq_batch *batch = NULL;
    ASSERT_RC(far, dueq_get(far, "q", &two, 1, &batch), DUEQ_OK); /* it knows the queue */
    dueq_batch_free(batch);
    batch = NULL;
    proxy_arm(b->proxy, &(proxy_trick){.kind = PROXY_HOLD_REPLY, .when = "EVALSHA"});
    int rc = dueq_get(far, "q", &one, 1, &batch);
    assert_true(rc < 0 && batch == NULL);
    proxy_set_mode(b->proxy, PROXY_PASS); /* now it arrives */
    ASSERT_RC(far, dueq_get(far, "q", &two, 1, &batch), DUEQ_OK);
    assert_string_equal(batch->tasks[0].payload, "payload of two");
    dueq_batch_free(batch);
    dueq_close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEHIND_TEST(a_push_arrives_once),
        BEHIND_TEST(a_push_under_ones_own_id_arrives_once),
        BEHIND_TEST(a_push_that_was_done_meanwhile_is_known),
        BEHIND_TEST(a_take_whose_answer_is_lost_costs_an_attempt),
        BEHIND_TEST(a_done_is_final_not_failed),
        BEHIND_TEST(a_failure_is_counted_once),
        BEHIND_TEST(a_failure_is_known_when_the_task_was_taken_again),
        BEHIND_TEST(a_last_failure_is_told_as_the_last),
        BEHIND_TEST(a_release_counts_no_attempt),
        BEHIND_TEST(an_extended_lease_is_held_on),
        BEHIND_TEST(a_lost_lease_stays_lost),
        BEHIND_TEST(what_is_done_by_id_is_done_once),
        BEHIND_TEST(a_call_that_never_gets_through_says_so),
        BEHIND_TEST(a_reply_cut_anywhere_is_asked_for_again),
        BEHIND_TEST(a_late_reply_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
