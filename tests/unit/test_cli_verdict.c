/* The judge of `dueq demo` is judged: each of its rules must see the fault that it is there for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/demo.h"

#define DUE_MS 1000000
#define KILLED_US (DUE_MS * 1000 + 5000000)

static const demo_plan plan = {.task_count = 2, .program_every = 20};

/* What a good run of two tasks looks like: the doomed worker's is begun again after the kill. */
static const demo_record good_records[] = {
    {.task = 0,
     .attempt = 1,
     .due_ms = DUE_MS,
     .at_us = DUE_MS * 1000 + 300,
     .intact = true,
     .role = DEMO_SURVIVOR},
    {.task = 0, .is_end = true, .at_us = DUE_MS * 1000 + 9000, .role = DEMO_SURVIVOR},
    {.task = 1,
     .attempt = 1,
     .due_ms = DUE_MS,
     .at_us = KILLED_US - 100,
     .intact = true,
     .role = DEMO_DOOMED},
    {.task = 1,
     .attempt = 2,
     .due_ms = DUE_MS,
     .at_us = KILLED_US + 2000000,
     .intact = true,
     .role = DEMO_SURVIVOR},
    {.task = 1, .is_end = true, .at_us = KILLED_US + 2009000, .role = DEMO_SURVIVOR},
};
#define GOOD_COUNT (sizeof(good_records) / sizeof(good_records[0]))

static const demo_facts good_facts = {.pushed = 2, .done = 2, .killed_at_us = KILLED_US};

typedef struct run {
    demo_record records[GOOD_COUNT + 1];
    size_t count;
    demo_facts facts;
} run;

static run good_run(void)
{
    run r = {.count = GOOD_COUNT, .facts = good_facts};

    for (size_t i = 0; i < GOOD_COUNT; i++) r.records[i] = good_records[i];
    return r;
}

static demo_verdict judge(run *r)
{
    demo_records records = {.list = r->records, .count = r->count};
    demo_verdict verdict;

    demo_judge(&plan, &records, &r->facts, &verdict);
    return verdict;
}

static void a_good_run_is_good(void **state)
{
    run r = good_run();
    demo_verdict v = judge(&r);

    (void)state;
    assert_true(v.good);
    assert_int_equal(v.delivered, 2);
    assert_int_equal(v.again, 1);
    assert_int_equal(v.explained, 1);
    assert_int_equal(v.held, 1);
    assert_int_equal(v.first.count, 2);
    assert_int_equal(demo_percentile(&v.first, 0), 300);
    assert_int_equal(v.repeated.count, 1);
    demo_verdict_free(&v);
}

static void an_early_delivery_is_seen(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.records[0].at_us = DUE_MS * 1000 - 1;
    v = judge(&r);
    assert_int_equal(v.early, 1);
    assert_false(v.good);
    demo_verdict_free(&v);
}

static void a_lost_task_is_seen(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.count = 2;
    v = judge(&r);
    assert_int_equal(v.lost, 1);
    assert_false(v.good);
    demo_verdict_free(&v);
}

static void a_damaged_payload_is_seen(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.records[0].intact = false;
    v = judge(&r);
    assert_int_equal(v.damaged, 1);
    assert_false(v.good);
    demo_verdict_free(&v);
}

/* By a worker that nobody killed there is no reason for a second delivery. */
static void a_second_delivery_without_reason_is_seen(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.records[r.count] = r.records[0];
    r.records[r.count++].at_us = KILLED_US + 3000000;
    v = judge(&r);
    assert_int_equal(v.again, 2);
    assert_int_equal(v.explained, 1);
    assert_false(v.good);
    demo_verdict_free(&v);
}

static void nobody_killed_is_no_reason(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.facts.killed_at_us = 0;
    v = judge(&r);
    assert_int_equal(v.explained, 0);
    assert_false(v.good);
    demo_verdict_free(&v);
}

/* What the doomed worker had long finished, and been told so, must not come again. */
static void a_finished_task_that_comes_again_is_seen(void **state)
{
    run r = good_run();
    demo_verdict v;

    (void)state;
    r.records[2].at_us = DUE_MS * 1000 + 500;
    r.records[4] = r.records[3];
    r.records[3] = (demo_record){
        .task = 1, .is_end = true, .at_us = DUE_MS * 1000 + 9000, .role = DEMO_DOOMED};
    v = judge(&r);
    assert_int_equal(v.again, 1);
    assert_int_equal(v.explained, 0);
    assert_false(v.good);
    demo_verdict_free(&v);
}

static void what_the_server_says_counts(void **state)
{
    run undone = good_run(), left = good_run(), short_of = good_run();
    demo_verdict v;

    (void)state;
    undone.facts.done = 1;
    v = judge(&undone);
    assert_false(v.good);
    demo_verdict_free(&v);
    left.facts.left = 1;
    v = judge(&left);
    assert_false(v.good);
    demo_verdict_free(&v);
    short_of.facts.pushed = 1;
    v = judge(&short_of);
    assert_false(v.good);
    demo_verdict_free(&v);
}

static void percentiles_are_of_sorted_values(void **state)
{
    int64_t values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    demo_lateness of = {.us = values, .count = 10}, none = {0};

    (void)state;
    assert_int_equal(demo_percentile(&of, 0), 1);
    assert_int_equal(demo_percentile(&of, 50), 6);
    assert_int_equal(demo_percentile(&of, 100), 10);
    assert_int_equal(demo_percentile(&none, 50), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_is_good),
        cmocka_unit_test(an_early_delivery_is_seen),
        cmocka_unit_test(a_lost_task_is_seen),
        cmocka_unit_test(a_damaged_payload_is_seen),
        cmocka_unit_test(a_second_delivery_without_reason_is_seen),
        cmocka_unit_test(nobody_killed_is_no_reason),
        cmocka_unit_test(a_finished_task_that_comes_again_is_seen),
        cmocka_unit_test(what_the_server_says_counts),
        cmocka_unit_test(percentiles_are_of_sorted_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
