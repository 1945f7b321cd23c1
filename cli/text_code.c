/* Base64 both ways, strict: what is decoded is what was encoded, or it is refused. */
#include <string.h>

#include "mem.h"
#include "text.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *text_base64(const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    char *out = mem_make((len + 2) / 3 * 4 + 1);
    char *at = out;

    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0U);

        *at++ = digits[bits >> 18 & 63];
        *at++ = digits[bits >> 12 & 63];
        *at++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[bits & 63] : '=';
    }
    return out;
}

static int value_of(char digit)
{
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Decodes four characters into up to three bytes; 0 when they are not base64. The bits that the
 * padding leaves over have to be zero, so that a text has one meaning and a meaning one text. */
static size_t decode_four(const char *four, bool last, unsigned char out[3])
{
    size_t count = 4;
    uint32_t bits = 0;

    if (last && four[3] == '=') count = four[2] == '=' ? 2 : 3;
    for (size_t i = 0; i < 4; i++) {
        int value = i < count ? value_of(four[i]) : 0;

        if (value < 0) return 0;
        bits = bits << 6 | (uint32_t)value;
    }
    out[0] = (unsigned char)(bits >> 16);
    out[1] = (unsigned char)(bits >> 8);
    out[2] = (unsigned char)bits;
    if ((count == 2 && (bits & 0xFFFF) != 0) || (count == 3 && (bits & 0xFF) != 0)) return 0;
    return count - 1;
}

bool text_unbase64(const char *text, size_t len, unsigned char *bytes, size_t *bytes_len)
{
    size_t out = 0;

    if (len % 4 != 0) return false;
    for (size_t i = 0; i < len; i += 4) {
        unsigned char three[3];
        size_t count = decode_four(text + i, i + 4 == len, three);

        if (count == 0) return false;
        memcpy(bytes + out, three, count);
        out += count;
    }
    *bytes_len = out;
    return true;
}
