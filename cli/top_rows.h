/* The queues that dueq top shows: their counts, their rates, their order. Pure: what time it is comes
 * in as an argument. */
#ifndef DUEQ_CLI_TOP_ROWS_H
#define DUEQ_CLI_TOP_ROWS_H

#include <dueq.h>

#define TOP_WINDOW_US 5000000 /* rates are means of the last so long, or of the last two looks */
#define TOP_LATE_MS 60000     /* a last take's lateness is shown for so long */
#define TOP_SAMPLES 64        /* as many as a window can have, at the shortest interval, and more */

/* How many tasks had ever come in and gone out at one look. */
typedef struct top_sample {
    int64_t at_us, pushed, done;
} top_sample;

/* Holds: samples are in a ring, `newest` the index of the last one; their counters never fall. */
typedef struct top_row {
    char name[DUEQ_QUEUE_NAME_MAX + 1];
    int outcome; /* of the last look: DUEQ_OK, or why there are no counts */
    dueq_stats stats;
    top_sample samples[TOP_SAMPLES];
    size_t sample_count, newest;
    double in_per_s, out_per_s; /* negative: not known yet */
} top_row;

/* Holds: `all` is sorted by name; `shown` has the same rows as they are to be shown. */
typedef struct top_rows {
    top_row **all;
    top_row **shown;
    size_t count;
    size_t sort; /* 0: by name; else by column sort - 1 of top_columns.h, the largest first */
    top_row total;
} top_rows;

void top_rows_free(top_rows *rows);

/* Takes over what was counted at `at_us`, sorted by name. Queues that are not among it go. */
void top_rows_count(top_rows *rows, const dueq_queue_counts *counts, size_t count, int64_t at_us);
void top_rows_sort(top_rows *rows, size_t sort);

/* Where the queue is shown; rows->count when it is not there. */
size_t top_rows_find(const top_rows *rows, const char *name);

/* The lateness to show for a queue, µs; -1: none. */
int64_t top_row_late_us(const top_row *row);

#endif
