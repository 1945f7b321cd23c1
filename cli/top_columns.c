/* What each column shows of a queue, and the fitting of columns into a width. */
#include "top_columns.h"

#include "top_text.h"

/* ---- Counts */

#define COUNT_COLUMN(name)                                                           \
    static double name##_value(const top_row *row)                                   \
    {                                                                                \
        return (double)row->stats.name;                                              \
    }                                                                                \
    static const char *name##_text(const top_row *row, size_t width, text_small out) \
    {                                                                                \
        return top_count_text(row->stats.name, width, out);                          \
    }

COUNT_COLUMN(waiting)
COUNT_COLUMN(ready)
COUNT_COLUMN(leased)
COUNT_COLUMN(dead)
COUNT_COLUMN(pushed)
COUNT_COLUMN(done)

/* ---- Rates */

static double in_value(const top_row *row)
{
    return row->in_per_s;
}

static const char *in_text(const top_row *row, size_t width, text_small out)
{
    return top_rate_text(row->in_per_s, width, out);
}

static double out_value(const top_row *row)
{
    return row->out_per_s;
}

static const char *out_text(const top_row *row, size_t width, text_small out)
{
    return top_rate_text(row->out_per_s, width, out);
}

/* ---- Times */

static double late_value(const top_row *row)
{
    return (double)top_row_late_us(row);
}

static const char *late_text(const top_row *row, size_t width, text_small out)
{
    (void)width;
    return top_span_text(top_row_late_us(row), out);
}

static const char *ms_text(int64_t ms, text_small out)
{
    return top_span_text(ms < 0 ? -1 : ms * 1000, out);
}

static double oldest_value(const top_row *row)
{
    return (double)row->stats.oldest_ready_ms;
}

static const char *oldest_text(const top_row *row, size_t width, text_small out)
{
    (void)width;
    return ms_text(row->stats.oldest_ready_ms, out);
}

/* The soonest first; a queue in which nothing waits comes last. */
static double next_value(const top_row *row)
{
    return row->stats.next_due_ms < 0 ? -1e300 : -(double)row->stats.next_due_ms;
}

static const char *next_text(const top_row *row, size_t width, text_small out)
{
    (void)width;
    return ms_text(row->stats.next_due_ms, out);
}

const top_column top_columns[TOP_COLUMN_COUNT] = {
    {"WAITING", "most waiting first", 7, 11, 1, STYLE_PLAIN, waiting_value, waiting_text},
    {"READY", "most ready first", 7, 11, 0, STYLE_GOOD, ready_value, ready_text},
    {"LEASED", "most leased first", 7, 11, 3, STYLE_NOTE, leased_value, leased_text},
    {"DEAD", "most dead first", 7, 11, 2, STYLE_BAD, dead_value, dead_text},
    {"IN/S", "fastest in first", 7, 9, 4, STYLE_PLAIN, in_value, in_text},
    {"OUT/S", "fastest out first", 7, 9, 5, STYLE_PLAIN, out_value, out_text},
    {"LATE", "latest take first", 6, 7, 6, STYLE_PLAIN, late_value, late_text},
    {"OLDEST", "oldest ready first", 6, 7, 7, STYLE_PLAIN, oldest_value, oldest_text},
    {"NEXT", "next due first", 6, 7, 8, STYLE_PLAIN, next_value, next_text},
    {"PUSHED", "most pushed first", 7, 13, 9, STYLE_PLAIN, pushed_value, pushed_text},
    {"DONE", "most done first", 7, 13, 10, STYLE_PLAIN, done_value, done_text},
};

#define NAME_ROOM \
    24 /* what a name gets of a wide screen: its numbers are not to stand too far off */

/* The column of that rank. */
static size_t by_rank(size_t rank)
{
    size_t i = 0;

    while (top_columns[i].rank != rank) i++;
    return i;
}

void top_layout_fit(top_layout *layout, size_t width, size_t name_width)
{
    size_t name_min = name_width < TOP_NAME_MIN * 2 ? name_width : TOP_NAME_MIN * 2;
    size_t left, extra, rank = 0;

    if (name_min < TOP_NAME_MIN) name_min = TOP_NAME_MIN;
    *layout = (top_layout){0};
    left = width > name_min ? width - name_min : 0;
    for (; rank < TOP_COLUMN_COUNT && left > top_columns[by_rank(rank)].narrow; rank++) {
        layout->widths[by_rank(rank)] = top_columns[by_rank(rank)].narrow;
        left -= top_columns[by_rank(rank)].narrow + 1;
    }
    extra = name_width - (name_width > name_min ? name_min : name_width);
    left = left > extra ? left - extra : 0;
    for (size_t i = 0; rank == TOP_COLUMN_COUNT && i < TOP_COLUMN_COUNT; i++) {
        const top_column *column = &top_columns[by_rank(i)];

        if (left < column->wide - column->narrow) break;
        layout->widths[by_rank(i)] = column->wide;
        left -= column->wide - column->narrow;
    }
    layout->name_width = width;
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++)
        if (layout->widths[i] > 0) layout->name_width -= layout->widths[i] + 1;
    if (name_width < NAME_ROOM) name_width = NAME_ROOM;
    if (layout->name_width > name_width) layout->name_width = name_width;
}
