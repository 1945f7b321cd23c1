/* Text forms of bytes: base64, base64url without padding, percent-decoding, and the UTF-8 check. */
#ifndef DQ_BASE_ENCODE_H
#define DQ_BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that `len` bytes take in base64, its padding included. */
size_t dq_base64_len(size_t len);
/* Writes dq_base64_len(len) characters and a NUL. */
void dq_base64(char *out, const void *bytes, size_t len);

/* Characters that `len` bytes take in base64url without padding. */
size_t dq_base64url_len(size_t len);
/* Writes dq_base64url_len(len) characters and a NUL. */
void dq_base64url(char *out, const void *bytes, size_t len);
/* Decodes text_len characters into out (room for text_len * 3 / 4 bytes). Returns the count, or -1
 * when the text is not canonical base64url (wrong character, impossible length, stray bits). */
ptrdiff_t dq_base64url_decode(void *out, const char *text, size_t text_len);

/* Decodes %XX in place (text is NUL-terminated; %00 is refused). False when malformed. */
bool dq_percent_decode(char *text);

bool dq_utf8_valid(const void *bytes, size_t len);

/* Length of the UTF-8 character at the start of `bytes`, 1 to 4; 0 when there is no valid one. */
size_t dq_utf8_next(const void *bytes, size_t len);

/* Bytes that the printable form of one character takes at most. */
#define DQ_PRINTABLE_MAX 8

/* Writes a form of the first character of `bytes` (len is at least 1) that is safe on a terminal
 * and in a log: itself, or \n, \r, \t, \xNN for control bytes, DEL, C1 controls and what is not
 * UTF-8. Sets *form_len; returns how many bytes were consumed. Backslash passes. */
size_t dq_printable_next(const void *bytes, size_t len, char form[DQ_PRINTABLE_MAX],
                         size_t *form_len);

#endif
