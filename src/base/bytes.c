/* Big-endian numbers of any length up to eight bytes. */
#include "base/bytes.h"

unsigned char *dq_bytes_put(void *out, uint64_t number, size_t len)
{
    unsigned char *bytes = out;
    for (size_t i = len; i-- > 0; number >>= 8) bytes[i] = (unsigned char)(number & 0xff);
    return bytes + len;
}

uint64_t dq_bytes_get(const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) number = number << 8 | from[i];
    return number;
}
