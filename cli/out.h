/* What the program writes to stdout: escaped for people, exact for programs, checked to the last
 * byte. Everything foreign goes through here, so nothing can steer a terminal. */
#ifndef DUEQ_CLI_OUT_H
#define DUEQ_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum out_style {
    STYLE_PLAIN = 0,
    STYLE_BOLD,
    STYLE_FAINT,
    STYLE_GOOD,
    STYLE_NOTE,
    STYLE_WARN,
    STYLE_BAD
} out_style;

void out_open(void);

/* True when stdout is a terminal. */
bool out_on_terminal(void);
/* True when the terminal's character set has more than ASCII. */
bool out_has_utf8(void);
/* Columns of the terminal; 0 when stdout is none. */
size_t out_columns(void);
/* What switches a style on and off; "" when stdout gets no colours. */
const char *out_on(out_style wanted);
const char *out_off(out_style wanted);

void out_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void out_styled(out_style wanted, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes from elsewhere: escaped. */
void out_foreign(const void *bytes, size_t len);
/* Bytes as they are: for payloads that were asked for as such. */
void out_raw(const void *bytes, size_t len);
/* One JSON value on a line of its own; takes over the value. */
void out_json(json_t *value);

/* Sends what is buffered. False when stdout can take no more; a reader that has gone away ends the
 * program quietly unless out_keep_going() was called. */
bool out_flush(void);
void out_keep_going(void);
/* The last flush: says so when something could not be written. Returns the status to end with. */
int out_close(int status);

#endif
