/* Looks at the same queues, one after the other, and what follows from two of them. */
#include "top_rows.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "top_columns.h"

void top_rows_free(top_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) free(rows->all[i]);
    free(rows->all);
    free(rows->shown);
    *rows = (top_rows){0};
}

/* ---- Rates */

static const top_sample *sample_before(const top_row *row, size_t back)
{
    return &row->samples[(row->newest + TOP_SAMPLES - back) % TOP_SAMPLES];
}

/* A queue that was made anew counts from nothing: what was before tells nothing of it. */
static void add_sample(top_row *row, int64_t at_us)
{
    const top_sample *last = sample_before(row, 0);
    top_sample now = {.at_us = at_us, .pushed = row->stats.pushed, .done = row->stats.done};

    if (row->sample_count > 0 && (now.pushed < last->pushed || now.done < last->done))
        row->sample_count = 0;
    if (row->sample_count > 0) row->newest = (row->newest + 1) % TOP_SAMPLES;
    row->samples[row->newest] = now;
    if (row->sample_count < TOP_SAMPLES) row->sample_count++;
}

/* The oldest sample of the window, or the one before the last. */
static const top_sample *rate_begins_at(const top_row *row)
{
    const top_sample *now = sample_before(row, 0);
    size_t back = 1;

    while (back + 1 < row->sample_count &&
           now->at_us - sample_before(row, back + 1)->at_us <= TOP_WINDOW_US)
        back++;
    return sample_before(row, back);
}

static void set_rates(top_row *row)
{
    const top_sample *now = sample_before(row, 0), *then;
    double span_s;

    row->in_per_s = row->out_per_s = -1;
    if (row->sample_count < 2) return;
    then = rate_begins_at(row);
    span_s = (double)(now->at_us - then->at_us) / 1e6;
    if (span_s <= 0) return;
    row->in_per_s = (double)(now->pushed - then->pushed) / span_s;
    row->out_per_s = (double)(now->done - then->done) / span_s;
}

/* ---- Rows */

static top_row *make_row(const char *name)
{
    top_row *row = mem_make(sizeof(*row));
    size_t len = strnlen(name, DUEQ_QUEUE_NAME_MAX);

    memcpy(row->name, name, len);
    row->in_per_s = row->out_per_s = -1;
    return row;
}

static void count_row(top_row *row, const dueq_queue_counts *counted, int64_t at_us)
{
    row->outcome = counted->outcome;
    row->stats = counted->stats;
    if (row->outcome == DUEQ_OK) {
        add_sample(row, at_us);
    } else {
        row->sample_count = 0;
        row->stats.oldest_ready_ms = row->stats.next_due_ms = row->stats.late_us = -1;
    }
    set_rates(row);
}

int64_t top_row_late_us(const top_row *row)
{
    bool fresh = row->stats.late_ago_ms >= 0 && row->stats.late_ago_ms < TOP_LATE_MS;

    return row->outcome == DUEQ_OK && fresh ? row->stats.late_us : -1;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void add_to_total(dueq_stats *sum, const top_row *row)
{
    const dueq_stats *s = &row->stats;

    sum->waiting += s->waiting;
    sum->ready += s->ready;
    sum->leased += s->leased;
    sum->dead += s->dead;
    sum->pushed += s->pushed;
    sum->done += s->done;
    sum->oldest_ready_ms = larger(sum->oldest_ready_ms, s->oldest_ready_ms);
    sum->late_us = larger(sum->late_us, top_row_late_us(row));
    if (s->next_due_ms >= 0 && (sum->next_due_ms < 0 || s->next_due_ms < sum->next_due_ms))
        sum->next_due_ms = s->next_due_ms;
}

/* Of lateness and age the worst, of what is next the soonest, of all else the sum. */
static void set_total(top_rows *rows)
{
    top_row *total = &rows->total;

    *total = (top_row){.in_per_s = -1, .out_per_s = -1};
    total->stats = (dueq_stats){.oldest_ready_ms = -1, .next_due_ms = -1, .late_us = -1};
    for (size_t i = 0; i < rows->count; i++) {
        const top_row *row = rows->all[i];

        add_to_total(&total->stats, row);
        if (row->in_per_s < 0) continue;
        total->in_per_s = (total->in_per_s < 0 ? 0 : total->in_per_s) + row->in_per_s;
        total->out_per_s = (total->out_per_s < 0 ? 0 : total->out_per_s) + row->out_per_s;
    }
}

void top_rows_count(top_rows *rows, const dueq_queue_counts *counts, size_t count, int64_t at_us)
{
    top_row **now = mem_make(count * sizeof(now[0]));
    size_t old = 0;

    for (size_t i = 0; i < count; i++) {
        while (old < rows->count && strcmp(rows->all[old]->name, counts[i].queue) < 0)
            free(rows->all[old++]);
        if (old < rows->count && strcmp(rows->all[old]->name, counts[i].queue) == 0)
            now[i] = rows->all[old++];
        else
            now[i] = make_row(counts[i].queue);
        count_row(now[i], &counts[i], at_us);
    }
    while (old < rows->count) free(rows->all[old++]);
    free(rows->all);
    rows->all = now;
    rows->count = count;
    set_total(rows);
    top_rows_sort(rows, rows->sort);
}

/* ---- Order */

static int compare_names(const void *a, const void *b)
{
    const top_row *const *first = a, *const *second = b;

    return strcmp((*first)->name, (*second)->name);
}

static int compare_values(const void *a, const void *b, void *context)
{
    const top_row *const *first = a, *const *second = b;
    const top_column *column = context;
    double left = column->value(*first), right = column->value(*second);

    if (left > right) return -1;
    return left < right ? 1 : compare_names(a, b);
}

void top_rows_sort(top_rows *rows, size_t sort)
{
    size_t size = rows->count * sizeof(rows->shown[0]);

    rows->sort = sort;
    rows->shown = mem_grow(rows->shown, size);
    if (rows->count == 0) return;
    memcpy(rows->shown, rows->all, size);
    if (sort > 0) {
        top_column column = top_columns[sort - 1];

        qsort_r(rows->shown, rows->count, sizeof(rows->shown[0]), compare_values, &column);
    }
}

size_t top_rows_find(const top_rows *rows, const char *name)
{
    size_t i = 0;

    while (i < rows->count && strcmp(rows->shown[i]->name, name) != 0) i++;
    return i;
}
