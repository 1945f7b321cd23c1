/* A short name for bytes of any length, that no others have: the first half of their SHA-256. */
#ifndef DQ_WIRE_DIGEST_H
#define DQ_WIRE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DQ_DIGEST_LEN 22 /* characters of base64url */

/* Of two runs of bytes, told apart: "ab", "c" and "a", "bc" differ. Writes DQ_DIGEST_LEN characters
 * and a NUL. False when OpenSSL is out of memory. */
bool dq_digest(char out[DQ_DIGEST_LEN + 1], const void *first, size_t first_len, const void *second,
               size_t second_len);

#endif
