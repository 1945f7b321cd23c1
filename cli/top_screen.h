/* The terminal of dueq top: what is put on it, and the keys that come from it. Alone knows curses. */
#ifndef DUEQ_CLI_TOP_SCREEN_H
#define DUEQ_CLI_TOP_SCREEN_H

#include "out.h"
#include "top_model.h"

/* Takes the terminal over; it is given back at the end of the program at the latest. False: it cannot
 * be drawn on. */
bool top_screen_open(void);
void top_screen_close(void);

/* Asks the terminal for its size, and tells. */
void top_screen_measure(size_t *width, size_t *height);

/* What the next key means. False: no key has been pressed. */
bool top_screen_key(top_action *action);

/* A new picture: empty. */
void top_screen_begin(void);
/* From now on everything is put faintly, or not. */
void top_screen_dim(bool dim);
/* Puts text into `width` columns of a line, cut where it is longer, and returns the columns it took.
 * The text is to be escaped. */
size_t top_screen_put(size_t line, size_t column, size_t width, out_style style, const char *text);
/* The same for bytes from elsewhere: escapes them. */
size_t top_screen_put_foreign(size_t line, size_t column, size_t width, const void *bytes,
                              size_t len);
/* The same, in the last columns of the width. */
void top_screen_put_right(size_t line, size_t column, size_t width, out_style style,
                          const char *text);
/* Marks a whole line as the selected one. */
void top_screen_select(size_t line);
void top_screen_show(void);

/* The keys, for the help: a name such as "Up k" and what it does. */
typedef struct top_key_help {
    const char *names, *does;
} top_key_help;
size_t top_screen_help(const top_key_help **list);

#endif
