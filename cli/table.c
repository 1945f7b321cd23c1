/* Collects cells, measures them, prints them. Knows nothing of what they say. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

#define GAP 2 /* blanks between columns */

struct cell {
    char *text;
    out_style style;
};

struct table {
    const table_column *columns;
    size_t column_count;
    size_t *widths;
    struct cell *cells; /* row after row */
    size_t cell_count;
    size_t cell_cap;
    bool titled; /* the titles have been printed */
};

table *table_make(const table_column *columns, size_t column_count)
{
    table *made = mem_make(sizeof(*made));

    made->columns = columns;
    made->column_count = column_count;
    made->widths = mem_make(column_count * sizeof(made->widths[0]));
    for (size_t i = 0; i < column_count; i++) made->widths[i] = text_width(columns[i].title);
    return made;
}

static void forget_cells(table *rows)
{
    for (size_t i = 0; i < rows->cell_count; i++) free(rows->cells[i].text);
    rows->cell_count = 0;
}

void table_free(table *rows)
{
    if (rows == NULL) return;
    forget_cells(rows);
    free(rows->cells);
    free(rows->widths);
    free(rows);
}

void table_foreign(table *to, out_style style, const void *bytes, size_t len)
{
    size_t column = to->cell_count % to->column_count;
    char *text = text_escape(bytes, len);
    size_t width = text_width(text);

    to->cells = mem_room(to->cells, to->cell_count, &to->cell_cap, sizeof(to->cells[0]));
    to->cells[to->cell_count++] = (struct cell){.text = text, .style = style};
    if (width > to->widths[column]) to->widths[column] = width;
}

void table_cell(table *to, out_style style, const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) text = mem_copy("", 0);
    va_end(list);
    table_foreign(to, style, text, strlen(text));
    free(text);
}

/* The columns left for the last cell; no limit when stdout is no terminal. */
static size_t room_for_last(const table *rows)
{
    size_t columns = out_columns(), used = 0;

    for (size_t i = 0; i + 1 < rows->column_count; i++) used += rows->widths[i] + GAP;
    if (columns == 0) return SIZE_MAX;
    return columns > used + 8 ? columns - used : 8;
}

static void print_last(const table *rows, const struct cell *last)
{
    size_t room = room_for_last(rows);
    const char *more = out_has_utf8() ? "…" : ">";

    if (text_width(last->text) <= room)
        out_styled(last->style, "%s", last->text);
    else
        out_styled(last->style, "%.*s%s", (int)text_cut(last->text, room - 1), last->text, more);
}

static void print_cell(const table *rows, size_t column, const struct cell *cell)
{
    int blanks = (int)(rows->widths[column] - text_width(cell->text));
    bool to_right = rows->columns[column].to_right;

    if (to_right) out_printf("%*s", blanks, "");
    if (column + 1 == rows->column_count) {
        print_last(rows, cell);
        return;
    }
    out_styled(cell->style, "%s", cell->text);
    out_printf("%*s", (to_right ? 0 : blanks) + GAP, "");
}

static void print_titles(table *rows)
{
    for (size_t i = 0; i < rows->column_count; i++) {
        char *title = mem_copy(rows->columns[i].title, strlen(rows->columns[i].title));
        struct cell shown = {.text = title, .style = STYLE_BOLD};

        print_cell(rows, i, &shown);
        free(title);
    }
    out_printf("\n");
    rows->titled = true;
}

void table_print(table *rows)
{
    if (rows->cell_count > 0 && !rows->titled) print_titles(rows);
    for (size_t i = 0; i < rows->cell_count; i++) {
        size_t column = i % rows->column_count;

        print_cell(rows, column, &rows->cells[i]);
        if (column + 1 == rows->column_count) out_printf("\n");
    }
    forget_cells(rows);
}
