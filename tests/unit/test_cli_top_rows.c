/* What dueq top shows, in words: numbers, rates, the order and the columns of the table, the lines of
 * a task. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../cli/top_columns.h"
#include "../../cli/top_model.h"
#include "../../cli/top_task.h"
#include "../../cli/top_text.h"

enum { SECOND_US = 1000000 };

/* ---- Texts ----------------------------------------------------------------------------------- */

static void counts_fit_their_columns(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        size_t width;
        const char *text;
    } cases[] = {
        {0, 7, "0"},
        {999999, 7, "999,999"},
        {1000000, 7, "1.00M"},
        {1234567, 11, "1,234,567"},
        {9994999, 7, "9.99M"},
        {9996000, 7, "10.0M"},
        {99949999, 7, "99.9M"},
        {999499999, 7, "999M"},
        {999999999, 7, "1.00G"},
        {INT64_MAX, 7, "9.22E"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_small out;
        assert_string_equal(top_count_text(cases[i].count, cases[i].width, out), cases[i].text);
    }
}

static void rates_tell_small_from_none(void **state)
{
    (void)state;
    static const struct {
        double per_s;
        const char *text;
    } cases[] = {{-1, "-"},           {0, "0"},      {0.25, "0.2"}, {99.94, "99.9"}, {99.96, "100"},
                 {12345.4, "12,345"}, {1e7, "10.0M"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_small out;
        assert_string_equal(top_rate_text(cases[i].per_s, 7, out), cases[i].text);
    }
}

static void spans_take_six_columns(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{-1, "-"},
                 {0, "0us"},
                 {999, "999us"},
                 {1000, "1.0ms"},
                 {99949, "99.9ms"},
                 {99950, "100ms"},
                 {999499, "999ms"},
                 {SECOND_US, "1.0s"},
                 {INT64_C(99949999), "99.9s"},
                 {INT64_C(120) * SECOND_US, "2m"},
                 {INT64_C(119) * 60 * SECOND_US, "119m"},
                 {INT64_C(72) * 3600 * SECOND_US - 1, "72h"},
                 {INT64_C(72) * 3600 * SECOND_US, "3d"},
                 {INT64_C(36500) * 86400 * SECOND_US, "36500d"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_small out;
        assert_string_equal(top_span_text(cases[i].us, out), cases[i].text);
    }
}

static void bars_show_all_that_is_there(void **state)
{
    (void)state;
    assert_int_equal(top_bar_eighths(0, 10, 20), 0);
    assert_int_equal(top_bar_eighths(5, 10, 20), 80);
    assert_int_equal(top_bar_eighths(10, 10, 20), 160);
    assert_int_equal(top_bar_eighths(1, 1000000, 20), 1);
    assert_int_equal(top_bar_eighths(0, 0, 20), 0);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static dueq_queue_counts counted(const char *queue, int64_t pushed, int64_t done)
{
    dueq_queue_counts one = {.queue = queue};
    one.stats = (dueq_stats){.partitions = 1,
                             .pushed = pushed,
                             .done = done,
                             .ready = pushed - done,
                             .oldest_ready_ms = -1,
                             .next_due_ms = -1,
                             .late_us = -1,
                             .late_ago_ms = -1};
    return one;
}

static void look(top_rows *rows, int64_t at_us, int64_t pushed, int64_t done)
{
    dueq_queue_counts one = counted("q", pushed, done);
    top_rows_count(rows, &one, 1, at_us);
}

#define assert_rate(have, wanted)                                \
    do {                                                         \
        double have_ = (have), wanted_ = (wanted);               \
        if (have_ < wanted_ - 0.001 || have_ > wanted_ + 0.001)  \
            fail_msg("a rate of %f, wanted %f", have_, wanted_); \
    } while (0)

static void rates_are_of_the_last_seconds(void **state)
{
    (void)state;
    top_rows rows = {0};
    look(&rows, 10 * SECOND_US, 1000, 900);
    assert_rate(rows.all[0]->in_per_s, -1);
    assert_rate(rows.total.in_per_s, -1);
    look(&rows, 12 * SECOND_US, 1100, 900);
    assert_rate(rows.all[0]->in_per_s, 50);
    assert_rate(rows.all[0]->out_per_s, 0);
    for (int i = 13; i <= 17; i++) look(&rows, i * (int64_t)SECOND_US, 1100, 900 + (i - 12) * 10);
    assert_rate(rows.all[0]->in_per_s, 0); /* what came before is five seconds past */
    assert_rate(rows.all[0]->out_per_s, 10);
    assert_rate(rows.total.out_per_s, 10);
    look(&rows, INT64_C(18) * SECOND_US, 1100,
         1010); /* 60 in the last second, 40 in the four before */
    assert_rate(rows.all[0]->out_per_s, 20);
    top_rows_free(&rows);
}

/* Longer than the window between two looks: the mean of all that time. */
static void rates_over_long_intervals(void **state)
{
    (void)state;
    top_rows rows = {0};
    look(&rows, 0, 0, 0);
    look(&rows, INT64_C(60) * SECOND_US, 600, 60);
    look(&rows, INT64_C(120) * SECOND_US, 660, 60);
    assert_rate(rows.all[0]->in_per_s, 1);
    assert_rate(rows.all[0]->out_per_s, 0);
    top_rows_free(&rows);
}

/* More looks within the window than there is room for. */
static void rates_with_a_full_ring(void **state)
{
    (void)state;
    top_rows rows = {0};
    for (int i = 0; i < 1000; i++) look(&rows, i * INT64_C(50000), i * 3, i);
    assert_rate(rows.all[0]->in_per_s, 60);
    assert_rate(rows.all[0]->out_per_s, 20);
    top_rows_free(&rows);
}

static void a_queue_made_anew_begins_anew(void **state)
{
    (void)state;
    top_rows rows = {0};
    look(&rows, 0, 1000, 1000);
    look(&rows, SECOND_US, 5, 0);
    assert_rate(rows.all[0]->in_per_s, -1);
    look(&rows, 2 * SECOND_US, 7, 0);
    assert_rate(rows.all[0]->in_per_s, 2);
    top_rows_free(&rows);
}

static void two_looks_at_once_make_no_rate(void **state)
{
    (void)state;
    top_rows rows = {0};
    look(&rows, SECOND_US, 0, 0);
    look(&rows, SECOND_US, 10, 0);
    assert_rate(rows.all[0]->in_per_s, -1);
    top_rows_free(&rows);
}

static void count_names(top_rows *rows, const char *const *names, size_t count)
{
    dueq_queue_counts list[8];
    for (size_t i = 0; i < count; i++) list[i] = counted(names[i], (int64_t)i, 0);
    top_rows_count(rows, list, count, 0);
}

static void assert_shown(const top_rows *rows, const char *wanted)
{
    char have[256] = "";
    for (size_t i = 0; i < rows->count; i++) {
        strcat(have, rows->shown[i]->name);
        strcat(have, " ");
    }
    assert_string_equal(have, wanted);
}

static void rows_come_and_go(void **state)
{
    (void)state;
    top_rows rows = {0};
    count_names(&rows, (const char *[]){"b", "d"}, 2);
    const top_row *d = rows.all[1];
    count_names(&rows, (const char *[]){"a", "c", "d", "e"}, 4);
    assert_shown(&rows, "a c d e ");
    assert_ptr_equal(rows.all[2], d); /* and its samples with it */
    count_names(&rows, NULL, 0);
    assert_shown(&rows, "");
    top_rows_free(&rows);
}

static size_t column_called(const char *title)
{
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++)
        if (strcmp(top_columns[i].title, title) == 0) return i;
    fail_msg("no column %s", title);
    return 0;
}

static void the_largest_comes_first_then_names(void **state)
{
    (void)state;
    top_rows rows = {0};
    dueq_queue_counts list[] = {counted("a", 5, 0), counted("b", 9, 0), counted("c", 9, 0),
                                counted("d", 1, 0)};
    list[3].stats.next_due_ms = 500;
    list[0].stats.next_due_ms = 900;
    top_rows_count(&rows, list, 4, 0);
    assert_shown(&rows, "a b c d ");
    top_rows_sort(&rows, 1 + column_called("READY"));
    assert_shown(&rows, "b c a d ");
    top_rows_sort(&rows, 1 + column_called("NEXT"));
    assert_shown(&rows, "d a b c ");
    top_rows_count(&rows, list, 3, 0); /* the order stays */
    assert_shown(&rows, "a b c ");
    top_rows_free(&rows);
}

static void totals_sum_and_take_the_worst(void **state)
{
    (void)state;
    top_rows rows = {0};
    dueq_queue_counts list[] = {counted("a", 5, 1), counted("b", 9, 2), counted("c", 0, 0)};
    list[0].stats.oldest_ready_ms = 10;
    list[1].stats.oldest_ready_ms = 70;
    list[0].stats.next_due_ms = 33;
    list[0].stats.late_us = 400;
    list[0].stats.late_ago_ms = 100;
    list[1].stats.late_us = 99999; /* but long ago */
    list[1].stats.late_ago_ms = TOP_LATE_MS;
    list[2].outcome = DUEQ_ECORRUPT;
    list[2].stats = (dueq_stats){0};
    top_rows_count(&rows, list, 3, 0);
    assert_int_equal(rows.total.stats.pushed, 14);
    assert_int_equal(rows.total.stats.ready, 11);
    assert_int_equal(rows.total.stats.oldest_ready_ms, 70);
    assert_int_equal(rows.total.stats.next_due_ms, 33);
    assert_int_equal(top_row_late_us(&rows.total), 400);
    assert_int_equal(top_row_late_us(rows.all[1]), -1);
    assert_int_equal(top_row_late_us(rows.all[2]), -1);
    top_rows_free(&rows);
}

/* ---- Columns --------------------------------------------------------------------------------- */

static void columns_fit_every_width(void **state)
{
    (void)state;
    static const size_t names[] = {1, 7, 8, 15, 16, 17, 40, 136};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        size_t fewer = 0;
        for (size_t width = TOP_WIDTH_MIN; width < 300; width++) {
            top_layout layout;
            size_t taken, shown = 0;
            top_layout_fit(&layout, width, names[n]);
            taken = layout.name_width;
            for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
                if (layout.widths[i] == 0) continue;
                taken += layout.widths[i] + 1;
                shown++;
                assert_in_range(layout.widths[i], top_columns[i].narrow, top_columns[i].wide);
            }
            assert_in_range(layout.name_width, TOP_NAME_MIN, 136);
            if (taken > width) fail_msg("%zu columns of %zu are taken", taken, width);
            if (shown < fewer) fail_msg("with %zu columns fewer are shown than before", width);
            fewer = shown;
        }
        assert_int_equal(fewer, TOP_COLUMN_COUNT);
    }
}

static void eighty_columns_have_what_matters(void **state)
{
    (void)state;
    static const char *const titles[] = {"WAITING", "READY", "LEASED", "DEAD",
                                         "IN/S",    "OUT/S", "LATE",   "OLDEST"};
    top_layout layout;
    top_layout_fit(&layout, 80, 136);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        assert_true(layout.widths[column_called(titles[i])] > 0);
    assert_in_range(layout.name_width, 16, 24);
}

/* ---- A task's lines -------------------------------------------------------------------------- */

static bool has_line(const top_lines *lines, const char *label, const char *text)
{
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->lines[i].label, label) == 0 && strcmp(lines->lines[i].text, text) == 0)
            return true;
    return false;
}

static void assert_lines(const dueq_task *task, const top_task_look *how, const char *label,
                         const char *text)
{
    top_lines lines;
    top_task_lines(task, how, &lines);
    if (!has_line(&lines, label, text)) {
        for (size_t i = 0; i < lines.count; i++)
            print_message("%-8s|%s|\n", lines.lines[i].label, lines.lines[i].text);
        fail_msg("there is no line %s |%s|", label, text);
    }
    for (size_t i = 0; i < lines.count; i++)
        if (text_width(lines.lines[i].text) > how->width)
            fail_msg("wider than %zu: %s", how->width, lines.lines[i].text);
    top_lines_free(&lines);
}

#define BYTES(text) (text), sizeof(text) - 1

static dueq_task make_task(const char *payload, size_t payload_len)
{
    return (dueq_task){.id = "id\033[2J",
                       .id_len = 6,
                       .payload = payload,
                       .payload_len = payload_len,
                       .state = DUEQ_STATE_DEAD,
                       .attempt = 3,
                       .max_attempts = 3,
                       .died_ms = 60000,
                       .pushed_ms = 1000,
                       .error = "it said\nno\001",
                       .error_len = 11};
}

static void a_task_is_told_in_full(void **state)
{
    (void)state;
    static const dueq_header headers[] = {{"kind", "a\tb", 3}, {"other", "", 0}};
    dueq_task task = make_task(BYTES("first\nsecond\033]0;x\007"));
    task.headers = headers;
    task.header_count = 2;
    top_task_look how = {.width = 80, .now_ms = 61000};
    assert_lines(&task, &how, "id", "id\\x1b[2J");
    assert_lines(&task, &how, "state", "dead, died 1s ago (1970-01-01T00:01:00.000Z)");
    assert_lines(&task, &how, "attempts", "3 failed, 3 at most");
    assert_lines(&task, &how, "error", "it said");
    assert_lines(&task, &how, "", "no\\x01");
    assert_lines(&task, &how, "headers", "kind: a\\tb");
    assert_lines(&task, &how, "", "other: ");
    assert_lines(&task, &how, "payload", "18 B, as text");
    assert_lines(&task, &how, "", "first");
    assert_lines(&task, &how, "", "second\\x1b]0;x\\x07");
}

static void payloads_are_cut_by_width(void **state)
{
    (void)state;
    dueq_task task = make_task(BYTES("日本語日本語日本語"));
    top_task_look how = {.width = TOP_LABEL_WIDTH + 7, .now_ms = 61000};
    top_lines lines;
    size_t found = 0;
    setlocale(LC_CTYPE, "C.UTF-8");
    top_task_lines(&task, &how, &lines);
    for (size_t i = 0; i < lines.count; i++)
        found += strcmp(lines.lines[i].text, "日本語") == 0; /* six columns of seven */
    assert_int_equal(found, 3);
    top_lines_free(&lines);
    how.width = 1; /* it comes to an end even so */
    top_task_lines(&task, &how, &lines);
    top_lines_free(&lines);
}

static void bytes_are_told_in_hexadecimal(void **state)
{
    (void)state;
    dueq_task task = make_task(BYTES("\0\1\2A\xff"));
    top_task_look how = {.width = 80, .now_ms = 61000};
    assert_lines(&task, &how, "payload", "5 B, as hexadecimal");
    assert_lines(&task, &how, "", "0000  00 01 02 41 ff                                   ...A.");
    how.other_form = true;
    assert_lines(&task, &how, "payload", "5 B, as text");
    assert_lines(&task, &how, "", "\\x00\\x01\\x02A\\xff");
    task.payload = "text";
    task.payload_len = 4;
    assert_lines(&task, &how, "", "0000  74 65 78 74                                      text");
}

static void a_large_payload_is_cut(void **state)
{
    (void)state;
    size_t len = TOP_PAYLOAD_MAX + 2048;
    char *payload = malloc(len);
    memset(payload, 'x', len);
    dueq_task task = make_task(payload, len);
    top_task_look how = {.width = 80, .now_ms = 61000};
    assert_lines(&task, &how, "", "(2 KiB more: dueq get --json)");
    task.payload_len = 0;
    assert_lines(&task, &how, "payload", "0 B, as text");
    free(payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_fit_their_columns),
        cmocka_unit_test(rates_tell_small_from_none),
        cmocka_unit_test(spans_take_six_columns),
        cmocka_unit_test(bars_show_all_that_is_there),
        cmocka_unit_test(rates_are_of_the_last_seconds),
        cmocka_unit_test(rates_over_long_intervals),
        cmocka_unit_test(rates_with_a_full_ring),
        cmocka_unit_test(a_queue_made_anew_begins_anew),
        cmocka_unit_test(two_looks_at_once_make_no_rate),
        cmocka_unit_test(rows_come_and_go),
        cmocka_unit_test(the_largest_comes_first_then_names),
        cmocka_unit_test(totals_sum_and_take_the_worst),
        cmocka_unit_test(columns_fit_every_width),
        cmocka_unit_test(eighty_columns_have_what_matters),
        cmocka_unit_test(a_task_is_told_in_full),
        cmocka_unit_test(payloads_are_cut_by_width),
        cmocka_unit_test(bytes_are_told_in_hexadecimal),
        cmocka_unit_test(a_large_payload_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
