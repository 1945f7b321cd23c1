/* The arithmetic of dueq bench: percentiles, histograms, medians, script times, randomness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../cli/bench.h"

static void add_all(bench_times *times, const int64_t *us, size_t count)
{
    for (size_t i = 0; i < count; i++) bench_times_add(times, us[i]);
}

static void percentiles_are_values_that_occurred(void **state)
{
    (void)state;
    bench_times times = {0};
    assert_int_equal(bench_times_percentile(&times, 99), 0);
    for (int64_t i = 1000; i >= 1; i--) bench_times_add(&times, i);
    bench_times_sort(&times);
    static const struct {
        double percent;
        int64_t us;
    } cases[] = {{0, 1}, {0.1, 1}, {50, 500}, {99, 990}, {99.9, 999}, {100, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(bench_times_percentile(&times, cases[i].percent), cases[i].us);
    bench_times_free(&times);
}

static void rows_have_the_steps_1_2_5(void **state)
{
    (void)state;
    static const int64_t first[] = {1, 2, 5, 10, 20, 50, 100};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        assert_int_equal(bench_row_bound_us(i), first[i]);
    assert_int_equal(bench_row_bound_us(BENCH_ROW_COUNT - 2), 10000000);
    assert_int_equal(bench_row_bound_us(BENCH_ROW_COUNT - 1), INT64_MAX);
}

static void every_time_is_in_one_row(void **state)
{
    (void)state;
    static const int64_t us[] = {-7, 0, 1, 2, 3, 5, 6, 10, 11, 10000000, 10000001, INT64_MAX};
    bench_times times = {0};
    int64_t counts[BENCH_ROW_COUNT], sum = 0;
    add_all(&times, us, sizeof us / sizeof *us);
    bench_times_sort(&times);
    bench_count_rows(&times, counts);
    for (size_t i = 0; i < BENCH_ROW_COUNT; i++) sum += counts[i];
    assert_int_equal(sum, sizeof us / sizeof *us);
    assert_int_equal(counts[0], 3); /* early ones are there too */
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2], 2);
    assert_int_equal(counts[3], 2);
    assert_int_equal(counts[4], 1);
    assert_int_equal(counts[BENCH_ROW_COUNT - 2], 1);
    assert_int_equal(counts[BENCH_ROW_COUNT - 1], 2);
    bench_times_free(&times);
}

static void runs_come_to_medians(void **state)
{
    (void)state;
    bench_sample runs[3] = {0}, all = {0};
    static const double rates[] = {300, 100, 200};
    static const int64_t longest[] = {7, 90, 8};
    for (size_t i = 0; i < 3; i++) {
        bench_sample_clear(&runs[i]);
        runs[i].figures[BENCH_TASKS_PER_S] = rates[i];
        runs[i].figures[BENCH_EARLY] = (double)i;
        bench_times_add(&runs[i].times, longest[i]);
        bench_times_add(&runs[i].times, 1);
        bench_sample_finish(&runs[i]);
    }
    runs[1].figures[BENCH_SCRIPT_P99] = 5; /* the others could not tell */
    bench_combine(runs, 3, &all);
    assert_true(all.figures[BENCH_TASKS_PER_S] == 200);
    assert_true(all.figures[BENCH_EARLY] == 3);
    assert_true(all.figures[BENCH_P99] == 8);
    assert_true(all.figures[BENCH_MAX] == 90);
    assert_true(all.figures[BENCH_SCRIPT_P99] == 5);
    assert_true(isnan(all.figures[BENCH_BYTES]));
    assert_int_equal(all.times.count, 6);
    assert_int_equal(all.times.us[5], 90);
    for (size_t i = 0; i < 3; i++) bench_times_free(&runs[i].times);
    bench_times_free(&all.times);
}

static void median_of_two_is_between(void **state)
{
    (void)state;
    bench_sample runs[2] = {0}, all = {0};
    for (size_t i = 0; i < 2; i++) {
        bench_sample_clear(&runs[i]);
        runs[i].figures[BENCH_SERVER_US] = i == 0 ? 4 : 3;
    }
    bench_combine(runs, 2, &all);
    assert_true(all.figures[BENCH_SERVER_US] == 3.5);
}

static void script_times_are_of_the_calls_between(void **state)
{
    (void)state;
    /* Before: 1,000 slow calls. Between: 98 quick ones, one of up to 66 us, one of up to 528. */
    dueq_facts before = {.script_time_count = 1, .script_times = {{4227, 1000}}};
    dueq_facts after = {.script_time_count = 4,
                        .script_times = {{16, 98}, {66, 99}, {528, 100}, {4227, 1100}}};
    assert_true(bench_script_p99(&before, &after) == 66);
    assert_true(isnan(bench_script_p99(&after, &after)));
    assert_true(isnan(bench_script_p99(&(dueq_facts){0}, &(dueq_facts){0})));
    after.script_times[1].calls = 98;
    assert_true(bench_script_p99(&before, &after) == 528);
}

static void a_seed_gives_one_sequence(void **state)
{
    (void)state;
    uint64_t a = 1, b = 1, c = 2, buckets[10] = {0};
    for (int i = 0; i < 10000; i++) {
        uint64_t value = bench_random(&a);
        assert_true(value == bench_random(&b));
        assert_true(value != bench_random(&c));
        buckets[value % 10]++;
    }
    for (int i = 0; i < 10; i++) assert_in_range(buckets[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_values_that_occurred),
        cmocka_unit_test(rows_have_the_steps_1_2_5),
        cmocka_unit_test(every_time_is_in_one_row),
        cmocka_unit_test(runs_come_to_medians),
        cmocka_unit_test(median_of_two_is_between),
        cmocka_unit_test(script_times_are_of_the_calls_between),
        cmocka_unit_test(a_seed_gives_one_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
