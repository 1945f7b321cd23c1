/* Big-endian numbers of any length up to eight bytes. */
#ifndef DQ_BASE_BYTES_H
#define DQ_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Writes the low `len` bytes of number; returns out + len. */
unsigned char *dq_bytes_put(void *out, uint64_t number, size_t len);
uint64_t dq_bytes_get(const void *bytes, size_t len);

#endif
