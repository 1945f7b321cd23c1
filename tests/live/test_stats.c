/* Counting: what falls due when, how late the last take was, and many queues in few round trips. */
#include "support/queue_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { A_MINUTE_MS = 60000, AN_HOUR_MS = 3600000, A_DAY_MS = 86400000 };

/* ---- One queue ------------------------------------------------------------------------------- */

static void what_falls_due_when(void **state)
{
    fixture *f = *state;
    static const int64_t delays_ms[] = {0,
                                        A_MINUTE_MS / 2,
                                        A_MINUTE_MS / 2 + 1,
                                        A_MINUTE_MS * 2,
                                        AN_HOUR_MS / 2,
                                        AN_HOUR_MS * 3,
                                        INT64_C(7) * A_DAY_MS};
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    for (size_t i = 0; i < sizeof delays_ms / sizeof *delays_ms; i++) {
        char id[8];
        snprintf(id, sizeof id, "t%zu", i);
        ASSERT_RC(f->handle, queue_push(f->handle, "q", id, "x", delays_ms[i]), DUEQ_OK);
    }
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.ready, 1); /* it does not fall due any more */
    assert_int_equal(stats.waiting, 6);
    assert_int_equal(stats.due_minute, 2);
    assert_int_equal(stats.due_hour, 4);
    assert_int_equal(stats.due_day, 5);
}

static void an_empty_queue_has_nothing_due(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", NULL);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.due_minute + stats.due_hour + stats.due_day, 0);
    assert_int_equal(stats.late_us, -1);
    assert_int_equal(stats.late_ago_ms, -1);
}

/* The bounds themselves: a task that is due in exactly a minute is within it. The server's clock goes
 * on, so the scores are put a second this side and that side of the bound. */
static void the_bounds_of_a_minute(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "in", "x", A_MINUTE_MS - 1000), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "out", "x", A_MINUTE_MS + 20000), DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").due_minute, 1);
}

static void a_take_leaves_its_lateness(void **state)
{
    fixture *f = *state;
    dueq_new_task task = {.id = "t", .payload = "x", .payload_len = 1, .delay_ms = 1};
    ASSERT_RC(f->handle, dueq_push(f->handle, "q", &task, 1, NULL), DUEQ_OK);
    assert_int_equal(queue_stats(f->handle, "q").late_us, -1);
    dueq_batch *batch = queue_await(f->handle, "q", 1, 0);
    int64_t taken_us = fixture_now_us(f);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_in_range(stats.late_us, 0, taken_us - batch->tasks[0].due_ms * 1000);
    assert_in_range(stats.late_ago_ms, 0, A_MINUTE_MS);
    queue_finish(f->handle, "q", batch);
}

/* Of several partitions the one that was taken from last counts. */
static void the_latest_take_counts(void **state)
{
    fixture *f = *state;
    static const struct {
        int64_t late_us, ago_s;
    } takes[] = {{111, 300}, {222, 10}, {333, 200}};
    dueq_settings settings = {.partitions = 4};
    queue_make(f->handle, "q", &settings);
    for (int p = 0; p < 3; p++)
        server_do(f->server, "HSET dueq:{q:%d}:meta late_us %" PRId64 " token %" PRId64, p,
                  takes[p].late_us, fixture_now_us(f) - takes[p].ago_s * 1000000);
    dueq_stats stats = queue_stats(f->handle, "q");
    assert_int_equal(stats.late_us, 222);
    assert_in_range(stats.late_ago_ms, 10000, 200000 - 1);
}

/* Half of it is none of it; a clock that stepped back makes no negative age. */
static void odd_lateness_is_none(void **state)
{
    fixture *f = *state;
    queue_make(f->handle, "q", NULL);
    server_do(f->server, "HDEL dueq:{q:0}:meta token");
    server_do(f->server, "HSET dueq:{q:0}:meta late_us 5");
    assert_int_equal(queue_stats(f->handle, "q").late_us, -1);
    server_do(f->server, "HSET dueq:{q:0}:meta token %" PRId64,
              fixture_now_us(f) + INT64_C(3600000000));
    assert_int_equal(queue_stats(f->handle, "q").late_us, 5);
    assert_int_equal(queue_stats(f->handle, "q").late_ago_ms, 0);
}

/* ---- Many queues ----------------------------------------------------------------------------- */

typedef struct many {
    dueq_queue_list *list;
    dueq_queue_counts *counts;
} many;

static many all_queues(dueq *handle)
{
    many m;
    ASSERT_RC(handle, dueq_queues(handle, &m.list), DUEQ_OK);
    m.counts = calloc(m.list->count + 1, sizeof *m.counts);
    for (size_t i = 0; i < m.list->count; i++) m.counts[i].queue = m.list->names[i];
    return m;
}

static void free_many(many *m)
{
    dueq_queue_list_free(m->list);
    free(m->counts);
}

static long long reads(const fixture *f)
{
    char *info = server_text(f->server, "INFO stats");
    const char *at = strstr(info, "total_reads_processed:");
    long long count = at ? strtoll(strchr(at, ':') + 1, NULL, 10) : -1;
    free(info);
    return count;
}

/* More than a round has, one of them with more partitions than a round has requests. */
static void many_queues_take_few_round_trips(void **state)
{
    fixture *f = *state;
    enum { COUNT = 520, WIDE = 1024 };
    dueq_settings wide = {.partitions = WIDE};
    for (int i = 0; i < COUNT; i++) {
        char name[16];
        snprintf(name, sizeof name, "q%03d", i);
        ASSERT_RC(f->handle, queue_push(f->handle, name, "t", "x", i % 2 ? 0 : A_MINUTE_MS / 2),
                  DUEQ_OK);
    }
    queue_make(f->handle, "q100wide", &wide);
    dueq *fresh = fixture_open(f);
    many m = all_queues(fresh);
    assert_int_equal(m.list->count, COUNT + 1);
    long long before = reads(f);
    ASSERT_RC(fresh, dueq_queues_stats(fresh, m.counts, m.list->count), DUEQ_OK);
    assert_in_range(reads(f) - before, 1, 60); /* it is 1,544 scripts; a read takes up to 16 KiB */
    for (size_t i = 0; i < m.list->count; i++) {
        const dueq_queue_counts *one = &m.counts[i];
        bool is_wide = strcmp(one->queue, "q100wide") == 0;
        int number = atoi(one->queue + 1);
        assert_int_equal(one->outcome, DUEQ_OK);
        assert_int_equal(one->stats.partitions, is_wide ? WIDE : 1);
        assert_int_equal(one->stats.ready, !is_wide && number % 2);
        assert_int_equal(one->stats.due_minute, !is_wide && number % 2 == 0);
        assert_int_equal(one->stats.oldest_ready_ms >= 0, one->stats.ready > 0);
    }
    free_many(&m);
    dueq_close(fresh);
}

static void one_that_cannot_be_counted_stops_no_other(void **state)
{
    fixture *f = *state;
    f->damaged = true;
    static const char *const names[] = {"good", "none", "typed", "unread", "zgood"};
    enum { COUNT = sizeof names / sizeof *names };
    static const int wanted[COUNT] = {DUEQ_OK, DUEQ_MISSING, DUEQ_ECORRUPT, DUEQ_ECORRUPT, DUEQ_OK};
    dueq_queue_counts counts[COUNT] = {0};
    ASSERT_RC(f->handle, queue_push(f->handle, "good", "t", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "typed", "t", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "zgood", "t", "x", 0), DUEQ_OK);
    server_do(f->server, "DEL dueq:{typed:0}:due");
    server_do(f->server, "SET dueq:{typed:0}:due x");
    server_do(f->server, "HSET dueq:queues unread nonsense");
    for (size_t i = 0; i < COUNT; i++) counts[i].queue = names[i];
    dueq *fresh = fixture_open(f);
    ASSERT_RC(fresh, dueq_queues_stats(fresh, counts, COUNT), DUEQ_ECORRUPT);
    if (!*dueq_error(fresh)) fail_msg("it failed without a word");
    for (size_t i = 0; i < COUNT; i++) {
        if (counts[i].outcome != wanted[i])
            fail_msg("%s: %d, wanted %d", names[i], counts[i].outcome, wanted[i]);
        assert_int_equal(counts[i].stats.ready, wanted[i] == DUEQ_OK);
        assert_int_equal(counts[i].stats.pushed, wanted[i] == DUEQ_OK);
    }
    ASSERT_RC(fresh, dueq_queues_stats(fresh, counts, 2), DUEQ_MISSING);
    dueq_close(fresh);
}

/* A handle that believes in the former partitions looks again; one that is gone is missing. */
static void queues_made_anew_are_counted_anew(void **state)
{
    fixture *f = *state;
    dueq_settings three = {.partitions = 3}, five = {.partitions = 5};
    dueq_queue_counts counts[] = {{.queue = "anew"}, {.queue = "gone"}, {.queue = "same"}};
    queue_make(f->handle, "anew", &three);
    queue_make(f->handle, "gone", &three);
    queue_make(f->handle, "same", &three);
    dueq *old = fixture_open(f);
    ASSERT_RC(old, dueq_queues_stats(old, counts, 3), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "anew", false), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "gone", false), DUEQ_OK);
    queue_make(f->handle, "anew", &five);
    queue_push_many(f->handle, "anew", "t", 20, 0);
    ASSERT_RC(old, dueq_queues_stats(old, counts, 3), DUEQ_MISSING);
    assert_int_equal(counts[0].outcome, DUEQ_OK);
    assert_int_equal(counts[0].stats.partitions, 5);
    assert_int_equal(counts[0].stats.ready, 20);
    assert_int_equal(counts[1].outcome, DUEQ_MISSING);
    assert_int_equal(counts[1].stats.partitions, 0);
    assert_int_equal(counts[2].stats.partitions, 3);
    dueq_close(old);
}

static void nothing_and_nonsense(void **state)
{
    fixture *f = *state;
    dueq_queue_counts counts[] = {{.queue = "fine"}, {.queue = "not fine"}};
    queue_make(f->handle, "fine", NULL);
    ASSERT_RC(f->handle, dueq_queues_stats(f->handle, NULL, 0), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_queues_stats(f->handle, counts, 2), DUEQ_EINVAL);
    fixture_assert_error(f->handle, "not fine");
    assert_int_equal(counts[0].outcome, DUEQ_EINVAL); /* it was not asked for either */
    ASSERT_RC(f->handle, dueq_queues_stats(f->handle, counts, 1), DUEQ_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_falls_due_when),
        FIXTURE_TEST(an_empty_queue_has_nothing_due),
        FIXTURE_TEST(the_bounds_of_a_minute),
        FIXTURE_TEST(a_take_leaves_its_lateness),
        FIXTURE_TEST(the_latest_take_counts),
        FIXTURE_TEST(odd_lateness_is_none),
        FIXTURE_TEST(many_queues_take_few_round_trips),
        FIXTURE_TEST(one_that_cannot_be_counted_stops_no_other),
        FIXTURE_TEST(queues_made_anew_are_counted_anew),
        FIXTURE_TEST(nothing_and_nonsense),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
