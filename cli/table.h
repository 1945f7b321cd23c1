/* Rows with aligned columns. Cells are escaped as they come in. */
#ifndef DUEQ_CLI_TABLE_H
#define DUEQ_CLI_TABLE_H

#include <stddef.h>

#include "out.h"

typedef struct table_column {
    const char *title;
    bool to_right; /* numbers */
} table_column;

typedef struct table table;

/* The columns are borrowed. The last one is cut where the terminal ends. */
table *table_make(const table_column *columns, size_t column_count);
void table_free(table *rows); /* NULL is fine */

/* Adds the next cell, from left to right, row after row. */
void table_cell(table *to, out_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void table_foreign(table *to, out_style style, const void *bytes, size_t len);

/* Prints the rows added since the last time, the titles before the first ones; columns never get
 * narrower than they were. */
void table_print(table *rows);

#endif
