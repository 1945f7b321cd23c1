/* The arithmetic of the benchmark: times, percentiles, histograms, medians, randomness. Pure. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mem.h"

/* ---- Times */

void bench_times_add(bench_times *times, int64_t us)
{
    times->us = mem_room(times->us, times->count, &times->cap, sizeof(times->us[0]));
    times->us[times->count++] = us;
}

void bench_times_join(bench_times *to, const bench_times *more)
{
    for (size_t i = 0; i < more->count; i++) bench_times_add(to, more->us[i]);
}

void bench_times_free(bench_times *times)
{
    free(times->us);
    *times = (bench_times){0};
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

void bench_times_sort(bench_times *times)
{
    if (times->count > 0) qsort(times->us, times->count, sizeof(times->us[0]), compare_times);
}

int64_t bench_times_percentile(const bench_times *sorted, double percent)
{
    /* 99.9 has no exact form: what is a hair above a whole number is that number. */
    double rank = ceil(percent / 100 * (double)sorted->count - 1e-6);

    if (sorted->count == 0) return 0;
    return sorted->us[rank < 1 ? 0 : (size_t)rank - 1];
}

int64_t bench_row_bound_us(size_t row)
{
    static const int64_t steps[] = {1, 2, 5};
    int64_t bound = steps[row % 3];

    if (row + 1 >= BENCH_ROW_COUNT) return INT64_MAX;
    for (size_t i = 0; i < row / 3; i++) bound *= 10;
    return bound;
}

void bench_count_rows(const bench_times *sorted, int64_t counts[BENCH_ROW_COUNT])
{
    size_t row = 0;

    memset(counts, 0, BENCH_ROW_COUNT * sizeof(counts[0]));
    for (size_t i = 0; i < sorted->count; i++) {
        while (sorted->us[i] > bench_row_bound_us(row)) row++;
        counts[row]++;
    }
}

/* ---- Samples */

void bench_sample_clear(bench_sample *sample)
{
    bench_times_free(&sample->times);
    for (size_t i = 0; i < BENCH_FIGURE_COUNT; i++) sample->figures[i] = NAN;
}

void bench_sample_finish(bench_sample *sample)
{
    static const struct {
        bench_figure figure;
        double percent;
    } percentiles[] = {
        {BENCH_P50, 50}, {BENCH_P90, 90}, {BENCH_P99, 99}, {BENCH_P999, 99.9}, {BENCH_MAX, 100}};

    bench_times_sort(&sample->times);
    if (sample->times.count == 0) return;
    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
        sample->figures[percentiles[i].figure] =
            (double)bench_times_percentile(&sample->times, percentiles[i].percent);
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Of the numbers of one figure, which it sorts; those that do not apply have been left out. */
static double combine_numbers(bench_figure figure, double *numbers, size_t count)
{
    double sum = 0;

    if (count == 0) return NAN;
    qsort(numbers, count, sizeof(numbers[0]), compare_numbers);
    for (size_t i = 0; i < count; i++) sum += numbers[i];
    switch (figure) {
    case BENCH_EARLY:
    case BENCH_AGAIN:
        return sum;
    case BENCH_MAX:
        return numbers[count - 1];
    default:
        return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
    }
}

void bench_combine(const bench_sample *runs, size_t run_count, bench_sample *all)
{
    double *numbers = mem_make(run_count * sizeof(numbers[0]));

    bench_sample_clear(all);
    for (size_t figure = 0; figure < BENCH_FIGURE_COUNT; figure++) {
        size_t count = 0;

        for (size_t i = 0; i < run_count; i++) {
            if (!isnan(runs[i].figures[figure])) numbers[count++] = runs[i].figures[figure];
        }
        all->figures[figure] = combine_numbers((bench_figure)figure, numbers, count);
    }
    for (size_t i = 0; i < run_count; i++) bench_times_join(&all->times, &runs[i].times);
    bench_times_sort(&all->times);
    free(numbers);
}

/* ---- Randomness: a counter, scrambled by two multiplications */

uint64_t bench_random(uint64_t *state)
{
    uint64_t mixed = *state += 0x9E3779B97F4A7C15u;

    mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93u;
    mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93u;
    return mixed ^ (mixed >> 32);
}

/* ---- Script times */

/* How many calls took at most `us`. The server leaves out bounds below which there were none. */
static int64_t calls_up_to(const dueq_facts *facts, int64_t us)
{
    int64_t calls = 0;

    for (size_t i = 0; i < facts->script_time_count && facts->script_times[i].us <= us; i++)
        calls = facts->script_times[i].calls;
    return calls;
}

double bench_script_p99(const dueq_facts *before, const dueq_facts *after)
{
    size_t count = after->script_time_count;
    int64_t all = calls_up_to(after, INT64_MAX) - calls_up_to(before, INT64_MAX);

    if (all <= 0) return NAN;
    for (size_t i = 0; i < count; i++) {
        int64_t us = after->script_times[i].us;
        int64_t calls = calls_up_to(after, us) - calls_up_to(before, us);

        if ((double)calls >= 0.99 * (double)all) return (double)us;
    }
    return NAN;
}
