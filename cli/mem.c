/* Memory, or the end of the program. */
#include "mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static void *or_die(void *memory)
{
    if (memory == NULL) {
        fputs("dueq: out of memory\n", stderr);
        exit(STATUS_FAILED);
    }
    return memory;
}

void *mem_make(size_t size)
{
    return or_die(calloc(1, size > 0 ? size : 1));
}

void *mem_grow(void *old, size_t size)
{
    return or_die(realloc(old, size > 0 ? size : 1));
}

char *mem_copy(const void *bytes, size_t len)
{
    char *copy = mem_make(len + 1);

    if (len > 0) memcpy(copy, bytes, len);
    return copy;
}

char *mem_printf(const char *format, ...)
{
    char *text;
    va_list list;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0) text = NULL;
    va_end(list);
    return or_die(text);
}

void *mem_room(void *array, size_t count, size_t *cap, size_t element_size)
{
    if (count < *cap) return array;
    *cap = *cap > 0 ? *cap * 2 : 16;
    if (*cap > SIZE_MAX / element_size) return or_die(NULL);
    return mem_grow(array, *cap * element_size);
}
