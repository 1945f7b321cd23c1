/* Below the table of queues: when the tasks of the selected one fall due, and what became of those
 * before; and the words that explain the table. */
#ifndef DUEQ_CLI_TOP_PANEL_H
#define DUEQ_CLI_TOP_PANEL_H

#include "top_rows.h"

#define TOP_PAUSED " paused" /* after the name of a queue that is */

/* On TOP_PANEL_ROWS lines from `line` on. */
void top_panel_draw(const top_row *row, size_t line, size_t width);

typedef struct top_word {
    const char *name, *meaning;
} top_word;

extern const top_word top_legend[];
extern const size_t top_legend_count;

#endif
