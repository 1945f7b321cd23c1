/* The growing run of bytes: appends that remember a failure instead of each returning it to be
 * checked. Knows nothing of what the bytes mean. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

#define BUF_CAP_MIN 64u
#define BUF_CAP_MAX ((size_t)PTRDIFF_MAX)

void dq_buf_clear(dq_buf *buf)
{
    free(buf->data);
    *buf = (dq_buf){0};
}

void dq_buf_reset(dq_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

/* A capacity that holds `needed`: twice what there is, so that appends cost a constant each. */
static size_t grown_cap(size_t cap, size_t needed)
{
    size_t grown = cap < BUF_CAP_MIN ? BUF_CAP_MIN : cap;
    while (grown < needed) {
        grown = grown > BUF_CAP_MAX / 2 ? BUF_CAP_MAX : grown * 2;
    }
    return grown;
}

bool dq_buf_reserve(dq_buf *buf, size_t more)
{
    if (buf->failed) {
        return false;
    }
    if (more >= BUF_CAP_MAX - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t needed = buf->len + more + 1;
    if (needed <= buf->cap) {
        return true;
    }
    size_t cap = grown_cap(buf->cap, needed);
    char *data = realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    data[buf->len] = '\0';
    buf->data = data;
    buf->cap = cap;
    return true;
}

bool dq_buf_add(dq_buf *buf, const void *bytes, size_t len)
{
    if (!dq_buf_reserve(buf, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool dq_buf_add_text(dq_buf *buf, const char *text)
{
    return dq_buf_add(buf, text, strlen(text));
}

bool dq_buf_add_byte(dq_buf *buf, unsigned char byte)
{
    return dq_buf_add(buf, &byte, 1);
}

bool dq_buf_printf(dq_buf *buf, const char *format, ...)
{
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int len = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (len < 0) {
        buf->failed = true;
    } else if (dq_buf_reserve(buf, (size_t)len)) {
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return !buf->failed;
}

bool dq_buf_add_escaped(dq_buf *buf, const void *bytes, size_t len)
{
    const char *text = bytes;
    for (size_t at = 0; at < len;) {
        if (text[at] == '\\') {
            dq_buf_add_text(buf, "\\\\");
            at++;
            continue;
        }
        char form[DQ_PRINTABLE_MAX];
        size_t form_len;
        at += dq_printable_next(text + at, len - at, form, &form_len);
        dq_buf_add(buf, form, form_len);
    }
    return !buf->failed;
}
