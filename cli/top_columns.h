/* The columns of dueq top's table of queues, and which of them there is room for. Pure. */
#ifndef DUEQ_CLI_TOP_COLUMNS_H
#define DUEQ_CLI_TOP_COLUMNS_H

#include "out.h"
#include "text.h"
#include "top_rows.h"

typedef struct top_column {
    const char *title;
    const char *sorted; /* "most waiting first": what is said of a table sorted by it */
    size_t narrow, wide;
    size_t rank;     /* the columns of low rank stay when room is short */
    out_style style; /* of a value above zero */
    double (*value)(const top_row *row);
    const char *(*text)(const top_row *row, size_t width, text_small out);
} top_column;

#define TOP_COLUMN_COUNT 11
extern const top_column top_columns[TOP_COLUMN_COUNT]; /* as they stand from left to right */

/* Widths of the columns, each with a blank before it; 0: it is not shown. */
typedef struct top_layout {
    size_t name_width;
    size_t widths[TOP_COLUMN_COUNT];
} top_layout;

#define TOP_NAME_MIN 8

/* For a table of `width` columns whose longest name takes `name_width`. */
void top_layout_fit(top_layout *layout, size_t width, size_t name_width);

#endif
