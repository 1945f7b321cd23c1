/* What the benchmark shows: a table a kind and a histogram, or a JSON object a measurement. Every
 * figure has one entry here, which says what it is called and how it is written. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mem.h"
#include "out.h"
#include "table.h"
#include "text.h"

#define BAR_COLUMNS 40

static const struct {
    const char *key, *title;
    int digits; /* after the point */
    bool bad;   /* anything but 0 is */
} figures[BENCH_FIGURE_COUNT] = {
    [BENCH_WAITING] = {"waiting", "TASKS WAITING", 0, false},
    [BENCH_TASKS_PER_S] = {"tasks_per_s", "TASKS/S", 0, false},
    [BENCH_SERVER_US] = {"server_us_per_task", "SERVER us/TASK", 2, false},
    [BENCH_BUSIEST_US] = {"busiest_us_per_task", "BUSIEST us/TASK", 2, false},
    [BENCH_PUSH_SERVER_US] = {"push_server_us_per_task", "PUSH us/TASK", 2, false},
    [BENCH_WORK_SERVER_US] = {"work_server_us_per_task", "TAKE+DONE us/TASK", 2, false},
    [BENCH_EARLY] = {"early", "EARLY", 0, true},
    [BENCH_AGAIN] = {"again", "AGAIN", 0, true},
    [BENCH_P50] = {"p50_us", "P50 us", 0, false},
    [BENCH_P90] = {"p90_us", "P90 us", 0, false},
    [BENCH_P99] = {"p99_us", "P99 us", 0, false},
    [BENCH_P999] = {"p999_us", "P99.9 us", 0, false},
    [BENCH_MAX] = {"max_us", "MAX us", 0, false},
    [BENCH_BYTES] = {"bytes_per_task", "BYTES/TASK", 0, false},
    [BENCH_COMMANDS_PER_S] = {"commands_per_s", "COMMANDS/S", 1, false},
    [BENCH_CPU_PERCENT] = {"server_cpu_percent", "SERVER CPU %", 2, false},
    [BENCH_SCRIPT_P99] = {"script_p99_us", "SCRIPT P99 us", 0, false},
    [BENCH_DRAIN_S] = {"drain_s", "DRAINED IN s", 3, false},
};

typedef struct bench_report {
    const bench *bench;
    const bench_view *view;
    table_column columns[BENCH_FIGURE_COUNT + 4];
    size_t column_count;
    table *rows;
    bench_times times; /* of all rows, for the histogram */
} bench_report;

/* ---- The server */

static const char *server_name(const bench *b)
{
    return b->server.valkey ? "Valkey" : "Redis";
}

void bench_print_server(const bench *b)
{
    out_styled(STYLE_BOLD, "%s ", server_name(b));
    out_foreign(b->server.version, strlen(b->server.version));
    out_printf(", persistence ");
    out_foreign(b->server.persistence, strlen(b->server.persistence));
    out_printf(", at ");
    out_foreign(dueq_url(b->handle), strlen(dueq_url(b->handle)));
    out_printf("\n");
    out_flush();
}

/* ---- JSON */

static json_t *histogram_json(const bench_times *times)
{
    json_t *rows = json_array();
    int64_t counts[BENCH_ROW_COUNT];

    bench_count_rows(times, counts);
    for (size_t i = 0; i < BENCH_ROW_COUNT; i++) {
        int64_t bound_us = bench_row_bound_us(i);
        json_t *bound = bound_us == INT64_MAX ? json_null() : json_integer(bound_us);

        if (counts[i] > 0)
            json_array_append_new(
                rows, json_pack("{s:o, s:I}", "up_to_us", bound, "count", (json_int_t)counts[i]));
        else
            json_decref(bound);
    }
    return rows;
}

static void set_figures(json_t *object, const bench_sample *sample)
{
    for (size_t i = 0; i < BENCH_FIGURE_COUNT; i++) {
        double value = sample->figures[i], scale = pow(10, figures[i].digits + 1);

        if (isnan(value)) continue;
        json_object_set_new(object, figures[i].key,
                            figures[i].digits == 0 ? json_integer(llround(value))
                                                   : json_real(round(value * scale) / scale));
    }
}

static void print_json(const bench *b, const bench_plan *plan, const bench_sample *sample)
{
    json_t *object = json_object();
    const struct {
        const char *name;
        int64_t number;
    } numbers[] = {
        {"tasks", plan->tasks},
        {"batch", plan->batch},
        {"runs", plan->runs},
        {"payload_bytes", plan->payload_len},
        {"workers", plan->workers},
        {"concurrency", plan->concurrency},
        {"seed", plan->seed},
        {"partitions", bench_partitions(b, plan)},
        {"servers", (int64_t)b->server.server_count},
    };
    char *version = mem_printf("%s %s", server_name(b), b->server.version);

    json_object_set_new(object, "bench", json_string(plan->kind));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(object, numbers[i].name, json_integer(numbers[i].number));
    set_figures(object, sample);
    if (sample->times.count > 0)
        json_object_set_new(object, "histogram", histogram_json(&sample->times));
    json_object_set_new(object, "server_version", json_string(version));
    json_object_set_new(object, "persistence", json_string(b->server.persistence));
    out_json(object);
    free(version);
}

/* ---- Tables */

static void add_column(bench_report *report, const char *title)
{
    report->columns[report->column_count++] = (table_column){.title = title, .to_right = true};
}

/* Which of several servers is the busiest is asked only where there are several. */
static bool is_shown(const bench_report *report, bench_figure figure)
{
    return figure != BENCH_BUSIEST_US || bench_has_many_servers(report->bench);
}

bench_report *bench_report_begin(const bench *b, const bench_view *view)
{
    bench_report *report = mem_make(sizeof(*report));

    report->bench = b;
    report->view = view;
    if (view->has_batch) add_column(report, "TASKS/CALL");
    if (view->has_workers) add_column(report, "WORKERS");
    add_column(report, "TASKS");
    for (const bench_figure *f = view->figures; *f != BENCH_FIGURE_COUNT; f++)
        if (is_shown(report, *f)) add_column(report, figures[*f].title);
    report->rows = table_make(report->columns, report->column_count);
    if (b->call->json) return report;
    out_printf("\n");
    out_styled(STYLE_BOLD, "%s", view->title);
    out_printf("\n");
    return report;
}

static void add_figure(table *rows, bench_figure figure, double value)
{
    out_style style = figures[figure].bad && value > 0 ? STYLE_BAD : STYLE_PLAIN;
    int digits = value < 100 ? figures[figure].digits : 0;
    text_small number;

    if (isnan(value))
        table_cell(rows, STYLE_FAINT, "-");
    else if (digits > 0)
        table_cell(rows, style, "%.*f", digits, value);
    else
        table_cell(rows, style, "%s", text_number(llround(value), number));
}

/* "100", or how many tasks at a time the worker that makes the batches may have. */
static void add_batch(table *rows, const bench_plan *plan)
{
    text_small number;

    if (plan->by_worker)
        table_cell(rows, STYLE_PLAIN, "worker %" PRId64, plan->concurrency);
    else
        table_cell(rows, STYLE_PLAIN, "%s", text_number(plan->batch, number));
}

static void add_workers(table *rows, const bench_plan *plan)
{
    if (plan->concurrency > 1)
        table_cell(rows, STYLE_PLAIN, "%" PRId64 " of %" PRId64, plan->workers, plan->concurrency);
    else
        table_cell(rows, STYLE_PLAIN, "%" PRId64, plan->workers);
}

void bench_report_add(bench_report *report, const bench_plan *plan, const bench_sample *sample)
{
    text_small number;

    if (report->bench->call->json) {
        print_json(report->bench, plan, sample);
        out_flush();
        return;
    }
    if (report->view->has_batch) add_batch(report->rows, plan);
    if (report->view->has_workers) add_workers(report->rows, plan);
    table_cell(report->rows, STYLE_PLAIN, "%s", text_number(plan->tasks, number));
    for (const bench_figure *f = report->view->figures; *f != BENCH_FIGURE_COUNT; f++)
        if (is_shown(report, *f)) add_figure(report->rows, *f, sample->figures[*f]);
    table_print(report->rows);
    bench_times_join(&report->times, &sample->times);
    out_flush();
}

/* ---- Histograms */

/* "500 us", "2 ms", "10 s" */
static const char *bound_text(int64_t us, text_small out)
{
    if (us < 1000)
        snprintf(out, TEXT_SMALL, "%" PRId64 " us", us);
    else if (us < 1000000)
        snprintf(out, TEXT_SMALL, "%" PRId64 " ms", us / 1000);
    else
        snprintf(out, TEXT_SMALL, "%" PRId64 " s", us / 1000000);
    return out;
}

static void print_row(size_t row, int64_t count, int64_t most)
{
    int64_t bound_us = bench_row_bound_us(row);
    text_small bound, number;

    if (bound_us == INT64_MAX)
        out_printf("  later         ");
    else
        out_printf("  up to %6s  ", bound_text(bound_us, bound));
    out_printf("%10s  %s", text_number(count, number), out_on(STYLE_NOTE));
    for (int64_t i = 0; i < (count * BAR_COLUMNS + most - 1) / most; i++)
        out_printf("%s", out_has_utf8() ? "▇" : "#");
    out_printf("%s\n", out_off(STYLE_NOTE));
}

static void print_histogram(const bench_report *report)
{
    int64_t counts[BENCH_ROW_COUNT], most = 0;
    size_t first = BENCH_ROW_COUNT, last = 0;

    bench_count_rows(&report->times, counts);
    for (size_t i = 0; i < BENCH_ROW_COUNT; i++) {
        if (counts[i] == 0) continue;
        if (counts[i] > most) most = counts[i];
        if (first == BENCH_ROW_COUNT) first = i;
        last = i;
    }
    out_styled(STYLE_FAINT, "  %s", report->view->times_title);
    out_printf("\n");
    for (size_t i = first; i <= last; i++) print_row(i, counts[i], most);
}

void bench_report_end(bench_report *report)
{
    bench_times_sort(&report->times);
    if (!report->bench->call->json && report->view->times_title != NULL && report->times.count > 0)
        print_histogram(report);
    table_free(report->rows);
    bench_times_free(&report->times);
    free(report);
}
