/* A growing run of bytes. Running out of memory is remembered (`failed`) so that a row of appends
 * needs one check at its end. */
#ifndef DQ_BASE_BUF_H
#define DQ_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holds: data[len] is NUL whenever data is not NULL; after a failure nothing more is appended. */
typedef struct dq_buf {
    char *data;
    size_t len;
    size_t cap;
    bool failed;
} dq_buf;

void dq_buf_clear(dq_buf *buf); /* frees; the buffer is empty and usable again */
void dq_buf_reset(dq_buf *buf); /* forgets the content and a failure, keeps the memory */
bool dq_buf_reserve(dq_buf *buf, size_t more);
bool dq_buf_add(dq_buf *buf, const void *bytes, size_t len);
bool dq_buf_add_text(dq_buf *buf, const char *text);
bool dq_buf_add_byte(dq_buf *buf, unsigned char byte);
bool dq_buf_printf(dq_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends bytes with control bytes, DEL and backslash written as \n, \t or \xNN; UTF-8 passes. */
bool dq_buf_add_escaped(dq_buf *buf, const void *bytes, size_t len);

#endif
