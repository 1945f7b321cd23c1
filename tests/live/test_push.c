/* Push: every conflict policy in every state of the task, batches of every size, and what comes
 * back of ids, payloads, headers and times. Limits and refusals are in test_bad_input.c. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Policies -------------------------------------------------------------------------------- */

/* The task "t" stands with payload "old", due in OLD_MS where it waits; "new" is pushed, due in
 * NEW_MS, which is earlier. */
enum { OLD_MS = 1000000, NEW_MS = 500000, NEAR_MS = 100000 };

typedef enum stand { NONE, WAITING, READY, LEASED, DEAD, REMEMBERED, TWICE } stand;

static const char *const stand_names[] = {
    "none", "waiting", "ready", "leased", "dead", "remembered", "twice in one call"};
static const char *const policy_names[] = {"keep", "replace", "earliest", "latest", "fail"};

typedef struct policy_case {
    stand stand;
    dueq_if_exists policy;
    int outcome;
    dueq_state state;    /* afterwards */
    const char *payload; /* afterwards */
    int64_t due_in_ms;   /* afterwards, waiting tasks only */
} policy_case;

#define KEEP DUEQ_IF_EXISTS_KEEP
#define REPLACE DUEQ_IF_EXISTS_REPLACE
#define EARLIEST DUEQ_IF_EXISTS_EARLIEST
#define LATEST DUEQ_IF_EXISTS_LATEST
#define FAIL DUEQ_IF_EXISTS_FAIL

static const policy_case policy_cases[] = {
    {NONE, KEEP, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {NONE, REPLACE, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {NONE, EARLIEST, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {NONE, LATEST, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {NONE, FAIL, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},

    {WAITING, KEEP, DUEQ_EXISTS, DUEQ_STATE_WAITING, "old", OLD_MS},
    {WAITING, REPLACE, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {WAITING, EARLIEST, DUEQ_OK, DUEQ_STATE_WAITING, "old", NEW_MS},
    {WAITING, LATEST, DUEQ_OK, DUEQ_STATE_WAITING, "old", OLD_MS},
    {WAITING, FAIL, DUEQ_EEXIST, DUEQ_STATE_WAITING, "old", OLD_MS},

    {READY, KEEP, DUEQ_EXISTS, DUEQ_STATE_READY, "old", 0},
    {READY, REPLACE, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {READY, EARLIEST, DUEQ_OK, DUEQ_STATE_READY, "old", 0},
    {READY, LATEST, DUEQ_OK, DUEQ_STATE_WAITING, "old", NEW_MS},
    {READY, FAIL, DUEQ_EEXIST, DUEQ_STATE_READY, "old", 0},

    {LEASED, KEEP, DUEQ_EXISTS, DUEQ_STATE_LEASED, "old", 0},
    {LEASED, REPLACE, DUEQ_EXISTS, DUEQ_STATE_LEASED, "old", 0},
    {LEASED, EARLIEST, DUEQ_EXISTS, DUEQ_STATE_LEASED, "old", 0},
    {LEASED, LATEST, DUEQ_EXISTS, DUEQ_STATE_LEASED, "old", 0},
    {LEASED, FAIL, DUEQ_EEXIST, DUEQ_STATE_LEASED, "old", 0},

    {DEAD, KEEP, DUEQ_EXISTS, DUEQ_STATE_DEAD, "old", 0},
    {DEAD, REPLACE, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {DEAD, EARLIEST, DUEQ_EXISTS, DUEQ_STATE_DEAD, "old", 0},
    {DEAD, LATEST, DUEQ_EXISTS, DUEQ_STATE_DEAD, "old", 0},
    {DEAD, FAIL, DUEQ_EEXIST, DUEQ_STATE_DEAD, "old", 0},

    {REMEMBERED, KEEP, DUEQ_EXISTS, DUEQ_STATE_NONE, NULL, 0},
    {REMEMBERED, REPLACE, DUEQ_EXISTS, DUEQ_STATE_NONE, NULL, 0},
    {REMEMBERED, EARLIEST, DUEQ_EXISTS, DUEQ_STATE_NONE, NULL, 0},
    {REMEMBERED, LATEST, DUEQ_EXISTS, DUEQ_STATE_NONE, NULL, 0},
    {REMEMBERED, FAIL, DUEQ_EEXIST, DUEQ_STATE_NONE, NULL, 0},

    {TWICE, KEEP, DUEQ_EXISTS, DUEQ_STATE_WAITING, "old", OLD_MS},
    {TWICE, REPLACE, DUEQ_OK, DUEQ_STATE_WAITING, "new", NEW_MS},
    {TWICE, EARLIEST, DUEQ_OK, DUEQ_STATE_WAITING, "old", NEW_MS},
    {TWICE, LATEST, DUEQ_OK, DUEQ_STATE_WAITING, "old", OLD_MS},
    {TWICE, FAIL, DUEQ_EEXIST, DUEQ_STATE_NONE, NULL, 0},
};

static void bring_to(dueq *h, const char *queue, stand at)
{
    if (at == NONE || at == TWICE) return;
    ASSERT_RC(h, queue_push(h, queue, "t", "old", at == WAITING ? OLD_MS : 0), DUEQ_OK);
    if (at == DEAD) queue_kill_one(h, queue);
    if (at != LEASED && at != REMEMBERED) return;
    dueq_batch *batch = queue_take_one(h, queue, 0);
    if (at == REMEMBERED)
        queue_finish(h, queue, batch);
    else
        dueq_batch_free(batch);
}

/* The outcome of "new", which is pushed alone, or behind "old" in the same call. */
static int push_new(dueq *h, const char *queue, const policy_case *c)
{
    dueq_new_task tasks[] = {
        {.id = "t", .payload = "old", .payload_len = 3, .delay_ms = OLD_MS},
        {.id = "t", .payload = "new", .payload_len = 3, .delay_ms = NEW_MS},
    };
    dueq_push_options options = {.if_exists = c->policy};
    bool twice = c->stand == TWICE;
    int rc = dueq_push(h, queue, tasks + !twice, twice ? 2 : 1, &options);
    ASSERT_RC(h, rc, tasks[1].outcome);
    if (twice) assert_int_equal(tasks[0].outcome, c->policy == FAIL ? DUEQ_EEXIST : DUEQ_OK);
    return tasks[1].outcome;
}

static void check_after(const fixture *f, const char *queue, const policy_case *c)
{
    const char *found = stand_names[c->stand], *policy = policy_names[c->policy];
    dueq_batch *batch = queue_get(f->handle, queue, "t");
    dueq_state state = batch ? batch->tasks[0].state : DUEQ_STATE_NONE;
    if (state != c->state)
        fail_msg("%s, %s: now %s, wanted %s", found, policy, dueq_state_name(state),
                 dueq_state_name(c->state));
    if (!batch) return;
    if (strcmp(batch->tasks[0].payload, c->payload) != 0)
        fail_msg("%s, %s: payload %s, wanted %s", found, policy, batch->tasks[0].payload,
                 c->payload);
    int64_t due_in_ms = batch->tasks[0].due_ms - fixture_now_us(f) / 1000;
    if (state == DUEQ_STATE_WAITING && llabs(due_in_ms - c->due_in_ms) > NEAR_MS)
        fail_msg("%s, %s: due in %lld ms, wanted about %lld", found, policy, (long long)due_in_ms,
                 (long long)c->due_in_ms);
    if (state != DUEQ_STATE_DEAD) assert_int_equal(batch->tasks[0].attempt, 0);
    dueq_batch_free(batch);
}

static void each_policy_in_each_state(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof policy_cases / sizeof *policy_cases; i++) {
        const policy_case *c = &policy_cases[i];
        char queue[32];
        snprintf(queue, sizeof queue, "policy-%zu", i);
        dueq_settings settings = {.retention_ms = c->stand == REMEMBERED ? 3600000 : 0};
        queue_make(f->handle, queue, &settings);
        bring_to(f->handle, queue, c->stand);
        int outcome = push_new(f->handle, queue, c);
        if (outcome != c->outcome)
            fail_msg("%s, %s: %s, wanted %s", stand_names[c->stand], policy_names[c->policy],
                     dueq_outcome_text(outcome), dueq_outcome_text(c->outcome));
        check_after(f, queue, c);
        queue_assert_sound(f->handle, queue);
    }
}

/* A task that was replaced while dead starts anew, errors and attempts forgotten. */
static void replace_forgets_the_failures(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "old", 0), DUEQ_OK);
    queue_kill_one(f->handle, "q");
    dueq_new_task task = {.id = "t", .payload = "new", .payload_len = 3};
    dueq_push_options replace = {.if_exists = REPLACE};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, &replace), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    assert_int_equal(batch->tasks[0].attempt, 1);
    assert_null(batch->tasks[0].error);
    dueq_batch_free(batch);
}

static void each_task_has_its_own_outcome(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "b", "old", 0), DUEQ_OK);
    dueq_new_task tasks[] = {{.id = "a"}, {.id = "b"}, {.id = "c"}, {.id = "c"}};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, 4, NULL), DUEQ_EXISTS);
    assert_int_equal(tasks[0].outcome, DUEQ_OK);
    assert_int_equal(tasks[1].outcome, DUEQ_EXISTS);
    assert_int_equal(tasks[2].outcome, DUEQ_OK);
    assert_int_equal(tasks[3].outcome, DUEQ_EXISTS);
    assert_int_equal(queue_live(f->handle, "q"), 3);
}

static void fail_pushes_all_or_none_of_a_thousand(void **state)
{
    fixture *f = *state;
    enum { COUNT = 1000 };
    static dueq_new_task tasks[COUNT];
    static char ids[COUNT][16];
    dueq_push_options fail = {.if_exists = FAIL};
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "id-%zu", i);
        tasks[i] = (dueq_new_task){.id = ids[i]};
    }
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "id-999", "old", 0), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, &fail), DUEQ_EEXIST);
    fixture_assert_error(f->handle, "\"id-999\" exists");
    assert_int_equal(queue_live(f->handle, "q"), 1);
    assert_int_equal(tasks[0].outcome, DUEQ_EEXIST);

    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "id-999"), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, &fail), DUEQ_OK);
    assert_int_equal(queue_live(f->handle, "q"), COUNT);
}

/* ---- Batches --------------------------------------------------------------------------------- */

static void batches_of_every_size(void **state)
{
    fixture *f = *state;
    static const size_t sizes[] = {1, 2, 999, 1000, 1001, 2001, 10000};
    int64_t pushed = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        dueq_new_task *tasks = calloc(sizes[i], sizeof *tasks);
        for (size_t k = 0; k < sizes[i]; k++) tasks[k].payload = "x", tasks[k].payload_len = 1;
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, sizes[i], NULL), DUEQ_OK);
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(tasks[k].outcome, DUEQ_OK);
        free(tasks);
        pushed += (int64_t)sizes[i];
        assert_int_equal(queue_live(f->handle, "q"), pushed);
    }
    assert_int_equal(queue_drain(f->handle, "q"), pushed);
}

/* Twelve payloads of 1 MiB are more than one script call may carry. */
static void big_payloads_are_split_over_calls(void **state)
{
    fixture *f = *state;
    enum { COUNT = 12, LEN = 1 << 20 };
    char *payload = malloc(LEN);
    dueq_new_task tasks[COUNT] = {0};
    for (int i = 0; i < LEN; i++) payload[i] = (char)(i * 31);
    for (int i = 0; i < COUNT; i++) tasks[i].payload = payload, tasks[i].payload_len = LEN;
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, NULL), DUEQ_OK);
    assert_int_equal(queue_live(f->handle, "q"), COUNT);
    for (int i = 0; i < COUNT; i++) {
        dueq_batch *batch = queue_take_one(f->handle, "q", 0);
        assert_int_equal(batch->tasks[0].payload_len, LEN);
        assert_memory_equal(batch->tasks[0].payload, payload, LEN);
        queue_finish(f->handle, "q", batch);
    }
    free(payload);
}

/* ---- What comes back ------------------------------------------------------------------------- */

static void made_ids_differ_and_sort(void **state)
{
    fixture *f = *state;
    enum { COUNT = 2000 };
    static dueq_new_task tasks[COUNT];
    memset(tasks, 0, sizeof tasks);
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, NULL), DUEQ_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(strlen(tasks[i].made_id), DUEQ_MADE_ID_LEN);
        if (i && strcmp(tasks[i - 1].made_id, tasks[i].made_id) >= 0)
            fail_msg("%s does not sort before %s", tasks[i - 1].made_id, tasks[i].made_id);
    }
    assert_int_equal(queue_state(f->handle, "q", tasks[77].made_id), DUEQ_STATE_READY);

    dueq_new_task own = {.id = "own"};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &own, 1, NULL), DUEQ_OK);
    assert_string_equal(own.made_id, "");
}

typedef struct bytes {
    const char *at;
    size_t len;
} bytes;

static void assert_bytes(const char *have, size_t have_len, bytes wanted)
{
    assert_int_equal(have_len, wanted.len);
    assert_memory_equal(have, wanted.at, wanted.len);
    assert_int_equal(have[have_len], '\0');
}

static void ids_and_payloads_come_back_to_the_byte(void **state)
{
    fixture *f = *state;
    char all[256], longest[DUEQ_ID_MAX];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    memset(longest, 'L', sizeof longest);
    const bytes words[] = {
        {"a", 1},     {longest, DUEQ_ID_MAX}, {all, DUEQ_ID_MAX},
        {"\0", 1},    {"n\0ul", 4},           {"}", 1},
        {"{q:0}", 5}, {" \r\n\t", 4},         {"\xff\xfe", 2},
        {"-", 1},     {"~~~~~~~", 7},         {"0", 1},
        {"\"'\\", 3}, {"id with é", 10},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        dueq_new_task task = {.id = words[i].at,
                              .id_len = words[i].len,
                              .payload = words[i].at,
                              .payload_len = words[i].len};
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
        dueq_batch *batch = queue_take_one(f->handle, "q", 0);
        assert_bytes(batch->tasks[0].id, batch->tasks[0].id_len, words[i]);
        assert_bytes(batch->tasks[0].payload, batch->tasks[0].payload_len, words[i]);
        queue_finish(f->handle, "q", batch);
    }
}

static void an_empty_payload_is_one(void **state)
{
    fixture *f = *state;
    dueq_new_task task = {.id = "t"};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    assert_bytes(batch->tasks[0].payload, batch->tasks[0].payload_len, (bytes){"", 0});
    assert_int_equal(batch->tasks[0].header_count, 0);
    dueq_batch_free(batch);
}

static void headers_come_back_in_order(void **state)
{
    fixture *f = *state;
    static char long_value[DUEQ_HEADER_VALUE_MAX];
    static char long_name[DUEQ_HEADER_NAME_MAX + 1];
    memset(long_value, 'v', sizeof long_value);
    memset(long_name, 'N', DUEQ_HEADER_NAME_MAX);
    dueq_header headers[DUEQ_HEADERS_MAX] = {
        {"Color", "red", 0}, {"Color", "again", 0},   {"empty", "", 0},
        {"none", NULL, 0},   {"binary", "a\0b\n", 4}, {long_name, long_value, sizeof long_value},
    };
    for (size_t i = 6; i < DUEQ_HEADERS_MAX; i++) headers[i] = (dueq_header){"x-y_Z9", "v", 1};
    dueq_new_task task = {.id = "t",
                          .payload = "p",
                          .payload_len = 1,
                          .headers = headers,
                          .header_count = DUEQ_HEADERS_MAX,
                          .max_attempts = 7};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    const dueq_task *back = &batch->tasks[0];
    assert_int_equal(back->header_count, DUEQ_HEADERS_MAX);
    for (size_t i = 0; i < back->header_count; i++) {
        const char *value = headers[i].value ? headers[i].value : "";
        size_t len = headers[i].value_len ? headers[i].value_len : strlen(value);
        assert_string_equal(back->headers[i].name, headers[i].name);
        assert_bytes(back->headers[i].value, back->headers[i].value_len, (bytes){value, len});
    }
    assert_bytes(back->payload, back->payload_len, (bytes){"p", 1});
    assert_int_equal(back->max_attempts, 7);
    dueq_batch_free(batch);
}

/* ---- Times ----------------------------------------------------------------------------------- */

static void due_times(void **state)
{
    fixture *f = *state;
    int64_t now_ms = fixture_now_us(f) / 1000;
    const struct {
        const char *id;
        int64_t delay_ms, due_ms, wanted_ms;
        dueq_state state;
    } cases[] = {
        {"now", 0, 0, now_ms, DUEQ_STATE_READY},
        {"soon", 600000, 0, now_ms + 600000, DUEQ_STATE_WAITING},
        {"century", DUEQ_DELAY_MS_MAX, 0, now_ms + DUEQ_DELAY_MS_MAX, DUEQ_STATE_WAITING},
        {"past", 0, 1, now_ms, DUEQ_STATE_READY},
        {"future", 0, now_ms + 700000, now_ms + 700000, DUEQ_STATE_WAITING},
        {"both", 5, now_ms + 800000, now_ms + 800000, DUEQ_STATE_WAITING},
        {"last", 0, 9007199254740, 9007199254740, DUEQ_STATE_WAITING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dueq_new_task task = {
            .id = cases[i].id, .delay_ms = cases[i].delay_ms, .due_ms = cases[i].due_ms};
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
        dueq_batch *batch = queue_get(f->handle, "q", cases[i].id);
        int64_t off_ms = batch->tasks[0].due_ms - cases[i].wanted_ms;
        if (batch->tasks[0].state != cases[i].state || off_ms < 0 || off_ms > NEAR_MS)
            fail_msg("%s: %s and due %lld ms after it should be", cases[i].id,
                     dueq_state_name(batch->tasks[0].state), (long long)off_ms);
        int64_t pushed_ago_ms = now_ms - batch->tasks[0].pushed_ms;
        assert_true(llabs(pushed_ago_ms) < NEAR_MS);
        dueq_batch_free(batch);
    }
}

/* With an absolute time the very millisecond comes back, and order within a queue follows it. */
static void tasks_come_in_the_order_of_their_due_times(void **state)
{
    fixture *f = *state;
    enum { COUNT = 50 };
    int64_t start_ms = fixture_now_us(f) / 1000 - 5000;
    for (int i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        ASSERT_RC(f->handle, queue_push(f->handle, "q", id, "x", 3600000), DUEQ_OK);
    }
    /* A time in the past is now, so those are ready in the order in which they were moved. */
    for (int i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i * 7 % COUNT);
        dueq_name name = {.id = id};
        ASSERT_RC(f->handle, dueq_reschedule(f->handle, "q", &name, 1, 0, start_ms), DUEQ_OK);
    }
    dueq_batch *batch = queue_take(f->handle, "q", COUNT, 0);
    assert_int_equal(batch->count, COUNT);
    for (int i = 0; i < COUNT; i++) assert_int_equal(atoi(batch->tasks[i].id), i * 7 % COUNT);
    dueq_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(each_policy_in_each_state),
        FIXTURE_TEST(replace_forgets_the_failures),
        FIXTURE_TEST(each_task_has_its_own_outcome),
        FIXTURE_TEST(fail_pushes_all_or_none_of_a_thousand),
        FIXTURE_TEST(batches_of_every_size),
        FIXTURE_TEST(big_payloads_are_split_over_calls),
        FIXTURE_TEST(made_ids_differ_and_sort),
        FIXTURE_TEST(ids_and_payloads_come_back_to_the_byte),
        FIXTURE_TEST(an_empty_payload_is_one),
        FIXTURE_TEST(headers_come_back_in_order),
        FIXTURE_TEST(due_times),
        FIXTURE_TEST(tasks_come_in_the_order_of_their_due_times),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
