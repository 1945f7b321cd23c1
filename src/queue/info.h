/* Reading what INFO answers: lines of "field:value". Pure. */
#ifndef DQ_QUEUE_INFO_H
#define DQ_QUEUE_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of a field, cut at its line's end, in `value`; false, and "" there, when `info` lacks it. */
bool dq_info_text(const char *info, const char *field, char *value, size_t value_size);
bool dq_info_is(const char *info, const char *field, const char *wanted);
/* A field as a whole number; `otherwise` when it is not there. */
int64_t dq_info_int(const char *info, const char *field, int64_t otherwise);

#endif
