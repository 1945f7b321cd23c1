/* What the demo shows: a bar while it runs, then how late tasks were, and the verdict. */
#include <inttypes.h>
#include <stdio.h>

#include "demo.h"
#include "mem.h"
#include "out.h"
#include "text.h"

#define BAR_COLUMNS 30
#define PLAIN_EVERY_MS 1000 /* without a terminal: a line a second */

static int64_t shown_ms;
static bool bar_shown;

static void print_bar(int64_t filled, int64_t whole)
{
    const char *full = out_has_utf8() ? "█" : "#", *empty = out_has_utf8() ? "░" : "-";
    int64_t columns = whole > 0 ? filled * BAR_COLUMNS / whole : 0;

    out_printf("%s", out_on(STYLE_GOOD));
    for (int64_t i = 0; i < BAR_COLUMNS; i++) out_printf("%s", i < columns ? full : empty);
    out_printf("%s", out_off(STYLE_GOOD));
}

void demo_show_progress(const demo_plan *plan, const dueq_stats *sum, int64_t spent_ms)
{
    bool terminal = out_on_terminal();

    if (!terminal && spent_ms - shown_ms < PLAIN_EVERY_MS) return;
    shown_ms = spent_ms;
    if (terminal) {
        out_printf("\r\033[K");
        print_bar(sum->done, plan->task_count);
        out_printf(" ");
        bar_shown = true;
    }
    out_printf("%5.1f s  waiting %-5" PRId64 " ready %-4" PRId64 " leased %-4" PRId64
               " done %" PRId64 "/%" PRId64,
               (double)spent_ms / 1000, sum->waiting, sum->ready, sum->leased, sum->done,
               plan->task_count);
    if (!terminal) out_printf("\n");
    out_flush();
}

void demo_end_progress(void)
{
    if (bar_shown) out_printf("\n");
    bar_shown = false;
}

static double ms(int64_t us)
{
    return (double)us / 1000;
}

static void print_percentiles(const char *title, const demo_lateness *of)
{
    if (of->count == 0) return;
    out_printf("  %-32s %6zu  p50 %.1f  p90 %.1f  p99 %.1f  max %.1f ms\n", title, of->count,
               ms(demo_percentile(of, 50)), ms(demo_percentile(of, 90)),
               ms(demo_percentile(of, 99)), ms(demo_percentile(of, 100)));
}

/* Upper bounds of the histogram's rows; the last row has none. */
static const int64_t bounds_us[] = {500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, INT64_MAX};
#define ROW_COUNT (sizeof(bounds_us) / sizeof(bounds_us[0]))

static void count_rows(const demo_lateness *of, size_t counts[ROW_COUNT])
{
    size_t row = 0;

    for (size_t i = 0; i < ROW_COUNT; i++) counts[i] = 0;
    for (size_t i = 0; i < of->count; i++) {
        while (of->us[i] > bounds_us[row]) row++;
        counts[row]++;
    }
}

static void print_row(size_t row, size_t count, size_t most)
{
    if (row + 1 < ROW_COUNT)
        out_printf("  up to %5.1f ms  %6zu  ", ms(bounds_us[row]), count);
    else
        out_printf("  later           %6zu  ", count);
    out_printf("%s", out_on(STYLE_NOTE));
    for (size_t i = 0; i < (count * 40 + most - 1) / most; i++)
        out_printf("%s", out_has_utf8() ? "▇" : "#");
    out_printf("%s\n", out_off(STYLE_NOTE));
}

static void print_histogram(const demo_lateness *of)
{
    size_t counts[ROW_COUNT], most = 1, last = 0;

    count_rows(of, counts);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (counts[i] > most) most = counts[i];
        if (counts[i] > 0) last = i;
    }
    for (size_t i = 0; i <= last; i++) print_row(i, counts[i], most);
}

static void print_fact(const char *name, int64_t number, bool good, const char *remark)
{
    text_small shown;

    out_printf("  %-10s %8s  ", name, text_number(number, shown));
    out_styled(good ? STYLE_GOOD : STYLE_BAD, "%s", good ? "ok" : "BAD");
    out_printf("%s%s\n", *remark != '\0' ? "  " : "", remark);
}

static void print_facts(const demo_plan *plan, const demo_facts *facts, const demo_verdict *v)
{
    char *why = mem_printf("%" PRId64 " of them held by the worker that was killed", v->explained);

    print_fact("pushed", facts->pushed, facts->pushed == plan->task_count, "");
    print_fact("delivered", v->delivered, v->delivered == facts->pushed, "different tasks");
    print_fact("done", facts->done, facts->done == facts->pushed, "by the server's count");
    print_fact("early", v->early, v->early == 0, "");
    print_fact("lost", v->lost, v->lost == 0, "");
    print_fact("damaged", v->damaged, v->damaged == 0, "payloads are compared");
    print_fact("again", v->again, v->again == v->explained, v->again > 0 ? why : "");
    print_fact("left", facts->left, facts->left == 0, "on the server at the end");
    free(why);
}

void demo_print(const demo_plan *plan, const demo_facts *facts, const demo_verdict *v)
{
    out_printf("\n");
    out_styled(STYLE_BOLD, "How late, from due time to the start of the handler");
    out_printf("\n");
    print_histogram(&v->first);
    print_percentiles("by callbacks, first attempt", &v->first);
    print_percentiles("by a program (sh), first attempt", &v->by_program);
    print_percentiles("again, once the lease ran out", &v->repeated);
    out_printf("\n");
    out_styled(STYLE_BOLD, "Verdict");
    out_printf("\n");
    print_facts(plan, facts, v);
    if (v->good)
        out_styled(STYLE_GOOD, "%s",
                   "Good: all delivered and done, none early, none lost, none "
                   "twice without a reason.");
    else
        out_styled(STYLE_BAD, "%s", "Not as promised: see above.");
    out_printf("\n");
}

static json_t *lateness_json(const demo_lateness *of)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", (json_int_t)of->count, "p50_ms",
                     ms(demo_percentile(of, 50)), "p90_ms", ms(demo_percentile(of, 90)), "p99_ms",
                     ms(demo_percentile(of, 99)), "max_ms", ms(demo_percentile(of, 100)));
}

void demo_print_json(const demo_plan *plan, const demo_facts *facts, const demo_verdict *v)
{
    json_t *object = json_object();
    const struct {
        const char *name;
        int64_t number;
    } numbers[] = {
        {"tasks", plan->task_count},   {"pushed", facts->pushed}, {"delivered", v->delivered},
        {"done", facts->done},         {"early", v->early},       {"lost", v->lost},
        {"damaged", v->damaged},       {"again", v->again},       {"explained", v->explained},
        {"held_when_killed", v->held}, {"left", facts->left},
    };

    json_object_set_new(object, "verdict", json_string(v->good ? "good" : "bad"));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(object, numbers[i].name, json_integer(numbers[i].number));
    json_object_set_new(object, "first", lateness_json(&v->first));
    json_object_set_new(object, "by_program", lateness_json(&v->by_program));
    json_object_set_new(object, "repeated", lateness_json(&v->repeated));
    out_json(object);
}
