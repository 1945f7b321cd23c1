/* Operations on tasks named by their ids: get, cancel, reschedule, in every state. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000 };

/* One task in each state: "waiting", "ready", "leased", "dead". The receipt is of "leased". */
static dueq_batch *push_one_of_each(dueq *h)
{
    ASSERT_RC(h, queue_push(h, "q", "dead", "d", 0), DUEQ_OK);
    queue_kill_one(h, "q");
    ASSERT_RC(h, queue_push(h, "q", "leased", "l", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(h, "q", 0);
    ASSERT_RC(h, queue_push(h, "q", "ready", "r", 0), DUEQ_OK);
    ASSERT_RC(h, queue_push(h, "q", "waiting", "w", AN_HOUR_MS), DUEQ_OK);
    return batch;
}

static const char *const ids[] = {"waiting", "missing", "ready", "dead", "leased"};
static const dueq_state states[] = {DUEQ_STATE_WAITING, DUEQ_STATE_NONE, DUEQ_STATE_READY,
                                    DUEQ_STATE_DEAD, DUEQ_STATE_LEASED};
enum { ID_COUNT = 5 };

static void fill_names(dueq_name names[ID_COUNT])
{
    for (int i = 0; i < ID_COUNT; i++) names[i] = (dueq_name){.id = ids[i], .outcome = 99};
}

/* ---- get ------------------------------------------------------------------------------------- */

static void get_finds_every_state_in_the_order_asked(void **state)
{
    fixture *f = *state;
    dueq_batch *leased = push_one_of_each(f->handle), *batch;
    dueq_name names[ID_COUNT];
    fill_names(names);
    ASSERT_RC(f->handle, dueq_get(f->handle, "q", names, ID_COUNT, &batch), DUEQ_MISSING);
    assert_int_equal(batch->count, ID_COUNT - 1);
    for (size_t i = 0, found = 0; i < ID_COUNT; i++) {
        bool missing = states[i] == DUEQ_STATE_NONE;
        assert_int_equal(names[i].outcome, missing ? DUEQ_MISSING : DUEQ_OK);
        if (missing) continue;
        const dueq_task *task = &batch->tasks[found++];
        assert_string_equal(task->id, ids[i]);
        assert_int_equal(task->payload[0], ids[i][0]);
        assert_int_equal(task->state, states[i]);
        assert_null(task->receipt);
        assert_int_equal(task->token, 0);
        bool unleased = states[i] == DUEQ_STATE_WAITING || states[i] == DUEQ_STATE_READY;
        assert_int_equal(task->due_ms != 0, unleased);
        assert_int_equal(task->deadline_ms != 0, states[i] == DUEQ_STATE_LEASED);
        assert_int_equal(task->died_ms != 0, states[i] == DUEQ_STATE_DEAD);
    }
    assert_int_equal(leased->tasks[0].deadline_ms, batch->tasks[3].deadline_ms);
    dueq_batch_free(batch);
    dueq_batch_free(leased);
}

static void get_of_many(void **state)
{
    fixture *f = *state;
    enum { COUNT = 10000 };
    static dueq_name names[COUNT];
    static char texts[COUNT][16];
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", COUNT / 2, AN_HOUR_MS);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof texts[i], "t%zu", COUNT - 1 - i);
        names[i].id = texts[i];
    }
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_get(f->handle, "q", names, COUNT, &batch), DUEQ_MISSING);
    assert_int_equal(batch->count, COUNT / 2);
    for (size_t i = 0; i < batch->count; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "t%zu", COUNT / 2 - 1 - i);
        assert_string_equal(batch->tasks[i].id, wanted);
    }
    dueq_batch_free(batch);
}

/* Replies are bounded: forty MiB come back in several. */
static void get_of_large_payloads(void **state)
{
    fixture *f = *state;
    enum { COUNT = 40, LEN = 1 << 20 };
    char *payload = calloc(1, LEN);
    dueq_new_task tasks[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) tasks[i].payload = payload, tasks[i].payload_len = LEN;
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, NULL), DUEQ_OK);
    dueq_name names[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) names[i].id = tasks[i].made_id;
    server_do(f->server, "CONFIG RESETSTAT");
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_get(f->handle, "q", names, COUNT, &batch), DUEQ_OK);
    assert_int_equal(batch->count, COUNT);
    for (int i = 0; i < COUNT; i++) assert_string_equal(batch->tasks[i].id, tasks[i].made_id);
    assert_in_range(fixture_calls(f, "evalsha"), 5, COUNT);
    dueq_batch_free(batch);
    free(payload);
}

static void no_such_queue(void **state)
{
    fixture *f = *state;
    dueq_name name = {.id = "t"};
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_get(f->handle, "q", &name, 1, &batch), DUEQ_MISSING);
    assert_int_equal(batch->count, 0);
    dueq_batch_free(batch);
    ASSERT_RC(f->handle, dueq_cancel(f->handle, "q", &name, 1), DUEQ_MISSING);
    ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, 0, 0), DUEQ_MISSING);
    assert_int_equal(server_int(f->server, "DBSIZE"), 0);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

static void cancel_removes_from_any_state(void **state)
{
    fixture *f = *state;
    dueq_batch *leased = push_one_of_each(f->handle);
    dueq_name names[ID_COUNT];
    fill_names(names);
    ASSERT_RC(f->handle, dueq_cancel(f->handle, "q", names, ID_COUNT), DUEQ_MISSING);
    for (int i = 0; i < ID_COUNT; i++)
        assert_int_equal(names[i].outcome, states[i] == DUEQ_STATE_NONE ? DUEQ_MISSING : DUEQ_OK);
    assert_int_equal(queue_live(f->handle, "q"), 0);
    assert_int_equal(queue_stats(f->handle, "q").cancelled, 4);
    const char *receipt = leased->tasks[0].receipt;
    ASSERT_RC(f->handle, queue_done(f->handle, "q", receipt), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_extend(f->handle, "q", receipt, 1000), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_release(f->handle, "q", receipt), DUEQ_LOST);
    ASSERT_RC(f->handle, queue_retry(f->handle, "q", receipt, 0, NULL), DUEQ_LOST);
    dueq_batch_free(leased);
}

static void cancel_twice_in_a_call(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_name names[] = {{.id = "t"}, {.id = "t"}};
    ASSERT_RC(f->handle, dueq_cancel(f->handle, "q", names, 2), DUEQ_MISSING);
    assert_int_equal(names[0].outcome, DUEQ_OK);
    assert_int_equal(names[1].outcome, DUEQ_MISSING);
    assert_int_equal(queue_stats(f->handle, "q").cancelled, 1);
}

/* ---- reschedule ------------------------------------------------------------------------------ */

static void reschedule_moves_what_is_not_leased_or_dead(void **state)
{
    fixture *f = *state;
    dueq_batch_free(push_one_of_each(f->handle));
    static const int wanted[] = {DUEQ_OK, DUEQ_MISSING, DUEQ_OK, DUEQ_STATE, DUEQ_STATE};
    dueq_name names[ID_COUNT];
    fill_names(names);
    int64_t before_ms = fixture_now_us(f) / 1000;
    int rc = dueq_reschedule(f->handle, "q", names, ID_COUNT, 2 * AN_HOUR_MS, 0);
    int64_t after_ms = fixture_now_us(f) / 1000;
    ASSERT_RC(f->handle, rc, DUEQ_MISSING);
    for (int i = 0; i < ID_COUNT; i++) {
        assert_int_equal(names[i].outcome, wanted[i]);
        if (wanted[i] != DUEQ_OK) continue;
        dueq_batch *batch = queue_get(f->handle, "q", ids[i]);
        assert_int_equal(batch->tasks[0].state, DUEQ_STATE_WAITING);
        assert_in_range(batch->tasks[0].due_ms, before_ms + 2 * AN_HOUR_MS,
                        after_ms + 2 * AN_HOUR_MS);
        dueq_batch_free(batch);
    }
    assert_int_equal(queue_state(f->handle, "q", "leased"), DUEQ_STATE_LEASED);
    assert_int_equal(queue_state(f->handle, "q", "dead"), DUEQ_STATE_DEAD);
}

static void reschedule_to_a_time(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", AN_HOUR_MS), DUEQ_OK);
    int64_t at_ms = fixture_now_us(f) / 1000 + 1234567;
    dueq_name name = {.id = "t"};
    ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, 0, at_ms), DUEQ_OK);
    dueq_batch *batch = queue_get(f->handle, "q", "t");
    assert_int_equal(batch->tasks[0].due_ms, at_ms);
    dueq_batch_free(batch);
    ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, 0, 0), DUEQ_OK);
    queue_finish(f->handle, "q", queue_take_one(f->handle, "q", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(get_finds_every_state_in_the_order_asked),
        FIXTURE_TEST(get_of_many),
        FIXTURE_TEST(get_of_large_payloads),
        FIXTURE_TEST(no_such_queue),
        FIXTURE_TEST(cancel_removes_from_any_state),
        FIXTURE_TEST(cancel_twice_in_a_call),
        FIXTURE_TEST(reschedule_moves_what_is_not_leased_or_dead),
        FIXTURE_TEST(reschedule_to_a_time),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
