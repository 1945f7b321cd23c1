/* Numbers and spans of time so short that they fit the columns of dueq top. Pure. */
#ifndef DUEQ_CLI_TOP_TEXT_H
#define DUEQ_CLI_TOP_TEXT_H

#include "text.h"

/* A count in at most `width` columns, of which there are 6 or more: 12,345 or 1.23M. */
const char *top_count_text(int64_t count, size_t width, text_small out);
/* So many a second, in 6 columns or more; "-" when it is negative: not known. */
const char *top_rate_text(double per_s, size_t width, text_small out);
/* A span in at most 6 columns: 850us, 1.2ms, 12.5s, 45m, 7h, 12d; "-" when it is negative: none. */
const char *top_span_text(int64_t us, text_small out);

/* How much of `width` columns a part of the whole fills, in eighths of a column: something for all
 * that is more than nothing. */
size_t top_bar_eighths(int64_t part, int64_t whole, size_t width);

#endif
