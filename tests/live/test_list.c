/* Listing: every state, page by page, over partitions; cursors, also forged ones. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AN_HOUR_MS = 3600000, MANY = 5000 };

/* The numbers of the tasks "tN" of one listing, in the order in which they came. */
typedef struct listing {
    int *numbers;
    size_t count;
    size_t pages;
} listing;

static listing list_all(dueq *h, const char *queue, dueq_state state, size_t page)
{
    listing all = {.numbers = calloc(MANY + 1, sizeof(int))};
    char *cursor = NULL;
    do {
        dueq_list_options options = {.state = state, .tasks_max = page, .cursor = cursor};
        dueq_batch *batch;
        char *next;
        ASSERT_RC(h, dueq_list(h, queue, &options, &batch, &next), DUEQ_OK);
        assert_true(batch->count <= (page ? page : 100));
        for (size_t i = 0; i < batch->count && all.count < MANY; i++) {
            const dueq_task *task = &batch->tasks[i];
            all.numbers[all.count++] = atoi(task->id + 1);
            assert_string_equal(task->payload, task->id);
            if (state != DUEQ_STATE_NONE) assert_int_equal(task->state, state);
        }
        dueq_batch_free(batch);
        dueq_free(cursor);
        cursor = next;
        all.pages++;
        assert_true(all.pages <= MANY + 100);
    } while (cursor);
    return all;
}

static int compare_numbers(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Each of t0 … tCOUNT-1 once. */
static void assert_all_once(listing *all, size_t count)
{
    assert_int_equal(all->count, count);
    qsort(all->numbers, all->count, sizeof(int), compare_numbers);
    for (size_t i = 0; i < count; i++) assert_int_equal(all->numbers[i], i);
    free(all->numbers);
}

/* MANY tasks t0 … in one state. */
static void fill(dueq *h, const char *queue, dueq_state state)
{
    dueq_settings settings = {.max_attempts = 1, .dead_max = 1000000};
    dueq_queue_create(h, queue, &settings);
    queue_push_many(h, queue, "t", MANY, state == DUEQ_STATE_WAITING ? AN_HOUR_MS : 0);
    if (state != DUEQ_STATE_LEASED && state != DUEQ_STATE_DEAD) return;
    dueq_batch *batch = queue_take(h, queue, MANY, 0);
    dueq_failure *failures = calloc(batch->count, sizeof *failures);
    for (size_t i = 0; i < batch->count; i++) failures[i].receipt = batch->tasks[i].receipt;
    if (state == DUEQ_STATE_DEAD)
        ASSERT_RC(h, dueq_retry(h, queue, failures, batch->count), DUEQ_OK);
    free(failures);
    dueq_batch_free(batch);
}

static void pages_hold_every_task_once(void **state)
{
    fixture *f = *state;
    static const dueq_state states[] = {DUEQ_STATE_WAITING, DUEQ_STATE_READY, DUEQ_STATE_LEASED,
                                        DUEQ_STATE_DEAD};
    static const size_t pages[] = {0, 7, 999, 1000};
    for (size_t s = 0; s < 4; s++) {
        const char *queue = dueq_state_name(states[s]);
        fill(f->handle, queue, states[s]);
        for (size_t p = 0; p < 4; p++) {
            listing all = list_all(f->handle, queue, states[s], pages[p]);
            assert_all_once(&all, MANY);
        }
        for (size_t other = 0; other < 4; other++) {
            if (other == s) continue;
            listing none = list_all(f->handle, queue, states[other], 0);
            assert_all_once(&none, 0);
        }
        bool unleased = states[s] == DUEQ_STATE_WAITING || states[s] == DUEQ_STATE_READY;
        listing both = list_all(f->handle, queue, DUEQ_STATE_NONE, 1000);
        assert_all_once(&both, unleased ? MANY : 0);
    }
}

/* Ready ones and waiting ones in one queue: each state has its own, and both together have all. */
static void waiting_and_ready_are_told_apart(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "t%d", i);
        ASSERT_RC(f->handle, queue_push(f->handle, "q", id, id, i < 40 ? 0 : AN_HOUR_MS + i),
                  DUEQ_OK);
    }
    listing ready = list_all(f->handle, "q", DUEQ_STATE_READY, 9);
    listing waiting = list_all(f->handle, "q", DUEQ_STATE_WAITING, 9);
    listing both = list_all(f->handle, "q", DUEQ_STATE_NONE, 9);
    for (int i = 0; i < 100; i++) assert_int_equal(both.numbers[i], i); /* by due time */
    for (int i = 0; i < 60; i++) assert_int_equal(waiting.numbers[i], 40 + i);
    assert_int_equal(waiting.count, 60);
    free(waiting.numbers);
    assert_all_once(&ready, 40);
    assert_all_once(&both, 100);
}

static void every_partition_is_listed(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 16};
    queue_make(f->handle, "q", &settings);
    queue_push_many(f->handle, "q", "t", 1000, AN_HOUR_MS);
    listing all = list_all(f->handle, "q", DUEQ_STATE_WAITING, 33);
    assert_all_once(&all, 1000);
    all = list_all(f->handle, "q", DUEQ_STATE_WAITING, 1000);
    assert_int_equal(all.pages, 1);
    assert_all_once(&all, 1000);
}

/* Tasks of the same due time, finished between two pages: the others are all met. */
static void tasks_may_go_between_pages(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 300, 0);
    dueq_list_options options = {.state = DUEQ_STATE_READY, .tasks_max = 100};
    dueq_batch *page;
    char *cursor;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &page, &cursor), DUEQ_OK);
    assert_int_equal(page->count, 100);
    dueq_batch *taken = queue_take(f->handle, "q", 150, 0); /* the first page, and 50 more */
    queue_finish(f->handle, "q", taken);
    dueq_batch_free(page);
    options.cursor = cursor;
    options.tasks_max = 1000;
    char *end;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &page, &end), DUEQ_OK);
    assert_null(end);
    assert_int_equal(page->count, 150);
    dueq_batch_free(page);
    dueq_free(cursor);
}

/* A page is bounded in bytes too. */
static void large_payloads_make_short_pages(void **state)
{
    fixture *f = *state;
    enum { COUNT = 20, LEN = 1 << 20 };
    char *payload = calloc(1, LEN);
    dueq_new_task tasks[COUNT] = {0};
    for (int i = 0; i < COUNT; i++) tasks[i].payload = payload, tasks[i].payload_len = LEN;
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", tasks, COUNT, NULL), DUEQ_OK);
    server_do(f->server, "CONFIG RESETSTAT");
    dueq_list_options options = {.tasks_max = 1000};
    dueq_batch *batch;
    char *cursor;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &cursor), DUEQ_OK);
    assert_int_equal(batch->count, COUNT);
    assert_null(cursor);
    assert_in_range(fixture_calls(f, "evalsha") + fixture_calls(f, "eval"), 3, COUNT);
    dueq_batch_free(batch);
    free(payload);
}

static void ids_of_any_bytes_make_cursors(void **state)
{
    fixture *f = *state;
    char id[DUEQ_ID_MAX];
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < DUEQ_ID_MAX; k++) id[k] = (char)(k * i);
        id[0] = (char)i;
        dueq_new_task task = {.id = id, .id_len = sizeof id};
        ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
    }
    char *cursor = NULL;
    int seen = 0;
    do {
        dueq_list_options options = {.tasks_max = 3, .cursor = cursor};
        dueq_batch *batch;
        char *next;
        ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &next), DUEQ_OK);
        for (size_t i = 0; i < batch->count; i++) assert_int_equal(batch->tasks[i].id[0], seen++);
        dueq_batch_free(batch);
        dueq_free(cursor);
        cursor = next;
    } while (cursor);
    assert_int_equal(seen, 20);
}

/* ---- What is no cursor ----------------------------------------------------------------------- */

static void forged_cursors_are_refused(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3, 0);
    static const char *const forged[] = {
        "x",
        "0",
        "0:",
        "0:1",
        ":1:YQ",
        "0:1:",
        "0::YQ",
        "-1:1:YQ",
        "1024:1:YQ",
        "0:1x:YQ",
        "0:-1:YQ",
        "0:1:Y Q",
        "0:1:YQ=",
        "0:1:YQ:1",
        "0:123456789012345678901234567890:YQ",
        "0:1:\xff",
        "99999999999999999999:1:YQ",
        "0x0:1:YQ",
        " 0:1:YQ",
        "+0:1:YQ",
    };
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        dueq_list_options options = {.cursor = forged[i]};
        dueq_batch *batch;
        char *cursor;
        int rc = dueq_list(f->handle, "q", &options, &batch, &cursor);
        if (rc != DUEQ_EINVAL) fail_msg("cursor \"%s\": %s", forged[i], dueq_outcome_text(rc));
        assert_null(batch);
        assert_null(cursor);
        fixture_assert_error(f->handle, "cursor");
    }
    char long_id[1000];
    snprintf(long_id, sizeof long_id, "0:1:%0400d", 0);
    dueq_list_options options = {.cursor = long_id};
    dueq_batch *batch;
    char *cursor;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &cursor), DUEQ_EINVAL);
}

/* Well made, but of nothing that exists: a page, maybe empty, and an end. */
static void strange_cursors_end(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3, 0);
    static const struct {
        const char *cursor;
        size_t wanted;
    } strange[] = {{"0:1:YQ", 3},    {"0:9999999999999999:YQ", 0},
                   {"5:1:YQ", 0},    {"0::", 3},
                   {"1023::", 0},    {"", 3},
                   {"0:00001:YQ", 3}};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        dueq_list_options options = {.cursor = strange[i].cursor};
        dueq_batch *batch;
        char *cursor;
        ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &cursor), DUEQ_OK);
        assert_int_equal(batch->count, strange[i].wanted);
        assert_null(cursor);
        dueq_batch_free(batch);
    }
}

static void bad_options_and_no_queue(void **state)
{
    fixture *f = *state;
    dueq_batch *batch;
    char *cursor;
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", NULL, &batch, &cursor), DUEQ_MISSING);
    assert_null(batch);
    assert_null(cursor);
    queue_make(f->handle, "q", NULL);
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", NULL, &batch, &cursor), DUEQ_OK);
    assert_int_equal(batch->count, 0);
    dueq_batch_free(batch);
    dueq_list_options options = {.tasks_max = 1001};
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &cursor), DUEQ_ELIMIT);
    options = (dueq_list_options){.state = (dueq_state)17};
    ASSERT_RC(f->handle, dueq_list(f->handle, "q", &options, &batch, &cursor), DUEQ_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(pages_hold_every_task_once),
        FIXTURE_TEST(waiting_and_ready_are_told_apart),
        FIXTURE_TEST(every_partition_is_listed),
        FIXTURE_TEST(tasks_may_go_between_pages),
        FIXTURE_TEST(large_payloads_make_short_pages),
        FIXTURE_TEST(ids_of_any_bytes_make_cursors),
        FIXTURE_TEST(forged_cursors_are_refused),
        FIXTURE_TEST(strange_cursors_end),
        FIXTURE_TEST(bad_options_and_no_queue),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
