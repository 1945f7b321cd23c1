/* Bars and counts of one queue. */
#include "top_panel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "top_screen.h"
#include "top_text.h"

#define LABEL_WIDTH 13
#define COUNT_WIDTH 11
#define EVER_WIDTH 24    /* of the counts on the right side */
#define BARS_AND_EVER 64 /* columns from which on there is room for both */
#define BAR_WIDTH_MAX 200

const top_word top_legend[] = {
    {"WAITING READY", "tasks that are due later, tasks that are due now"},
    {"LEASED DEAD", "being worked on; failed for good"},
    {"IN/S OUT/S", "pushed and done a second, a mean of the last seconds"},
    {"LATE", "how late the last take within a minute was"},
    {"OLDEST NEXT", "how long the oldest ready task waits; when the next is due"},
};
const size_t top_legend_count = sizeof(top_legend) / sizeof(top_legend[0]);

static void draw_rule(const char *name, size_t line, size_t width)
{
    const char *dash = out_has_utf8() ? "─" : "-";
    char *rule = mem_make(width * strlen(dash) + 1);
    size_t at;

    for (size_t i = 0; i < width; i++) strcat(rule + i * strlen(dash), dash);
    top_screen_put(line, 0, width, STYLE_FAINT, rule);
    at = 3 + top_screen_put(line, 3, width - 4, STYLE_BOLD, name);
    top_screen_put(line, 2, 1, STYLE_FAINT, " ");
    if (at < width) top_screen_put(line, at, 1, STYLE_FAINT, " ");
    free(rule);
}

/* Whole blocks, then what is left in eighths of one; without such characters whole ones. */
static void draw_bar(size_t line, size_t column, size_t eighths, out_style style)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool fine = out_has_utf8();
    const char *block = fine ? "█" : "#";
    size_t blocks = fine ? eighths / 8 : (eighths + 7) / 8;
    char bar[BAR_WIDTH_MAX * 4 + 4] = "";
    size_t len = 0;

    for (size_t i = 0; i < blocks && i < BAR_WIDTH_MAX; i++)
        len += (size_t)sprintf(bar + len, "%s", block);
    if (fine) sprintf(bar + len, "%s", parts[eighths % 8]);
    top_screen_put(line, column, BAR_WIDTH_MAX + 1, style, bar);
}

typedef struct span {
    const char *label;
    int64_t count;
    out_style style;
} span;

static void draw_bars(const dueq_stats *s, size_t line, size_t width)
{
    const span spans[] = {
        {"ready now", s->ready, STYLE_GOOD},
        {"within 1 min", s->due_minute, STYLE_NOTE},
        {"1 min to 1 h", s->due_hour - s->due_minute, STYLE_NOTE},
        {"1 h to 1 day", s->due_day - s->due_hour, STYLE_NOTE},
        {"later", s->waiting - s->due_day, STYLE_NOTE},
    };
    size_t bar_at = 1 + LABEL_WIDTH + COUNT_WIDTH + 1;
    size_t room = width > bar_at ? width - bar_at : 0;
    int64_t most = 0;
    text_small count;

    if (room > BAR_WIDTH_MAX) room = BAR_WIDTH_MAX;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
        if (spans[i].count > most) most = spans[i].count;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        top_screen_put(line + i, 1, LABEL_WIDTH, STYLE_FAINT, spans[i].label);
        top_screen_put_right(line + i, 1 + LABEL_WIDTH, COUNT_WIDTH, STYLE_PLAIN,
                             top_count_text(spans[i].count, COUNT_WIDTH, count));
        draw_bar(line + i, bar_at, top_bar_eighths(spans[i].count, most, room), spans[i].style);
    }
}

static void draw_ever(const dueq_stats *s, size_t line, size_t column)
{
    const span ever[] = {
        {"pushed", s->pushed, STYLE_PLAIN},   {"done", s->done, STYLE_PLAIN},
        {"retried", s->retried, STYLE_PLAIN}, {"expired", s->expired, STYLE_WARN},
        {"died", s->died, STYLE_BAD},
    };
    text_small count;

    for (size_t i = 0; i < sizeof(ever) / sizeof(ever[0]); i++) {
        out_style style = ever[i].count > 0 ? ever[i].style : STYLE_PLAIN;

        top_screen_put(line + i, column, 9, STYLE_FAINT, ever[i].label);
        top_screen_put_right(line + i, column + 9, EVER_WIDTH - 10, style,
                             text_number(ever[i].count, count));
    }
}

/* "next due in 3s, last take 1.2ms late, 4 partitions". */
static void draw_words(const top_row *row, size_t line, size_t width)
{
    const dueq_stats *s = &row->stats;
    int64_t late_us = top_row_late_us(row);
    char words[TEXT_SMALL * 4] = "";
    size_t len = 0;
    text_small span_text;

    if (s->next_due_ms >= 0)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "the next is due in %s",
                                dueq_format_duration(s->next_due_ms, span_text, TEXT_SMALL));
    if (late_us >= 0)
        len += (size_t)snprintf(words + len, sizeof(words) - len, "%sthe last take was %s late",
                                len > 0 ? ", " : "", top_span_text(late_us, span_text));
    if (s->partitions > 1)
        snprintf(words + len, sizeof(words) - len, "%s%" PRId64 " partitions", len > 0 ? ", " : "",
                 s->partitions);
    top_screen_put(line, 1, width - 1, STYLE_FAINT, words);
}

void top_panel_draw(const top_row *row, size_t line, size_t width)
{
    bool both = width >= BARS_AND_EVER;

    draw_rule(row->name, line, width);
    if (row->outcome != DUEQ_OK) return;
    draw_bars(&row->stats, line + 1, both ? width - EVER_WIDTH - 1 : width);
    if (both) draw_ever(&row->stats, line + 1, width - EVER_WIDTH);
    draw_words(row, line + 6, width);
}
