/* The signature of a request, by which an endpoint knows that it comes from a worker that shares its
 * secret, and when. Pure. */
#ifndef DQ_WORK_HTTP_SIGN_H
#define DQ_WORK_HTTP_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DQ_HTTP_SIGNATURE_SIZE 65 /* hexadecimal digits of a SHA-256 and a NUL */

/* What is signed: time_s, queue, id, attempt and token, each ended by a line feed, then the body.
 * None of the five can hold a line feed, so that two requests never have the same text. */
typedef struct dq_http_signed {
    int64_t time_s;
    const char *queue;
    const char *id; /* as it is sent: encoded */
    int64_t attempt;
    int64_t token;
    const void *body;
    size_t body_len;
} dq_http_signed;

/* Writes HMAC-SHA256 in lower-case hexadecimal. False when out of memory. */
bool dq_http_sign(char out[DQ_HTTP_SIGNATURE_SIZE], const char *secret,
                  const dq_http_signed *request);

#endif
