/* Failures noted where they are found. The text is one printable line whatever went into it: a
 * server's reply or a path may hold anything. Knows nothing of Redis. */
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"

void dq_fault_clear(dq_fault *fault)
{
    fault->code = 0;
    fault->text[0] = '\0';
}

/* Copies as many whole characters as fit, each in its printable form. */
static void copy_printable(char *out, size_t out_size, const char *text)
{
    size_t len = strlen(text), at = 0, out_len = 0;
    while (at < len) {
        char form[DQ_PRINTABLE_MAX];
        size_t form_len;
        at += dq_printable_next(text + at, len - at, form, &form_len);
        if (out_len + form_len >= out_size) {
            break;
        }
        memcpy(out + out_len, form, form_len);
        out_len += form_len;
    }
    out[out_len] = '\0';
}

int dq_fault_set(dq_fault *fault, int code, const char *format, ...)
{
    if (fault == NULL) {
        return code;
    }
    char raw[sizeof fault->text]; /* apart, since an argument may be the old text itself */
    va_list values;
    va_start(values, format);
    vsnprintf(raw, sizeof raw, format, values);
    va_end(values);
    copy_printable(fault->text, sizeof fault->text, raw);
    fault->code = code;
    return code;
}
