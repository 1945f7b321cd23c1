/* Memory for a program that has nothing better to do without it than to say so and end: none of
 * these ever returns NULL. */
#ifndef DUEQ_CLI_MEM_H
#define DUEQ_CLI_MEM_H

#include <stddef.h>

/* Free what they return with free(). */
void *mem_make(size_t size); /* zeroed; a size of 0 is fine */
void *mem_grow(void *old, size_t size);
char *mem_copy(const void *bytes, size_t len); /* with a NUL after them */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element in an array that doubles as it grows. */
void *mem_room(void *array, size_t count, size_t *cap, size_t element_size);

#endif
