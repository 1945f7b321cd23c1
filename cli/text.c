/* UTF-8, escaping and display width: what stands between foreign bytes and a terminal. */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "mem.h"

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The length that a first byte promises, 0 for a byte that cannot be first, and its own bits. */
static size_t lead(unsigned char byte, uint32_t *bits)
{
    if (byte < 0x80) {
        *bits = byte;
        return 1;
    }
    if (byte >= 0xC2 && byte <= 0xDF) {
        *bits = byte & 0x1FU;
        return 2;
    }
    if (byte >= 0xE0 && byte <= 0xEF) {
        *bits = byte & 0x0FU;
        return 3;
    }
    if (byte >= 0xF0 && byte <= 0xF4) {
        *bits = byte & 0x07U;
        return 4;
    }
    return 0;
}

size_t text_utf8_next(const unsigned char *bytes, size_t len, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t value;
    size_t size = len > 0 ? lead(bytes[0], &value) : 0;

    if (size == 0 || size > len) return 0;
    for (size_t i = 1; i < size; i++) {
        if (!continues(bytes[i])) return 0;
        value = value << 6 | (bytes[i] & 0x3FU);
    }
    if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return size;
}

bool text_is_utf8(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint32_t code;

    while (len > 0) {
        size_t size = text_utf8_next(at, len, &code);

        if (size == 0) return false;
        at += size;
        len -= size;
    }
    return true;
}

/* Characters that steer a terminal or make text read otherwise than it is. */
static bool steers(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
           code == 0x061C || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB) ||
           (code >= 0xE0000 && code <= 0xE007F);
}

/* Writes how a steering character or a stray byte is shown; 12 bytes are room enough. */
static size_t show(char *out, uint32_t code)
{
    static const char letters[] = "abtnvfr"; /* of 7 to 13 */
    int len;

    if (code == '\n' || code == '\t' || code == '\r')
        len = sprintf(out, "\\%c", letters[code - 7]);
    else if (code < 0x100)
        len = sprintf(out, "\\x%02x", code);
    else
        len = sprintf(out, "\\u{%x}", code);
    return (size_t)len;
}

char *text_escape(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    char *out = mem_make(len * 4 + 12); /* a byte becomes 4 at most, 3 of UTF-8 become 10 */
    size_t out_len = 0;

    while (len > 0) {
        uint32_t code = 0;
        size_t size = text_utf8_next(at, len, &code);

        if (size == 0) {
            out_len += show(out + out_len, *at);
            size = 1;
        } else if (steers(code)) {
            out_len += show(out + out_len, code);
        } else {
            memcpy(out + out_len, at, size);
            out_len += size;
        }
        at += size;
        len -= size;
    }
    out[out_len] = '\0';
    return out;
}

/* Columns of one character; what the C library does not know counts as one. */
static size_t columns_of(uint32_t code)
{
    int columns = wcwidth((wchar_t)code);

    return columns < 0 ? 1 : (size_t)columns;
}

size_t text_cut(const char *text, size_t columns)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t len = strlen(text), at = 0, used = 0;

    while (at < len) {
        uint32_t code = '?';
        size_t size = text_utf8_next(bytes + at, len - at, &code);
        size_t width = columns_of(code);

        if (used + width > columns) break;
        used += width;
        at += size > 0 ? size : 1;
    }
    return at;
}

size_t text_whole(const char *text, size_t len, size_t max)
{
    if (len <= max) return len;
    while (max > 0 && continues((unsigned char)text[max])) max--;
    return max;
}

size_t text_width(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t len = strlen(text), at = 0, width = 0;

    while (at < len) {
        uint32_t code = '?';
        size_t size = text_utf8_next(bytes + at, len - at, &code);

        width += columns_of(code);
        at += size > 0 ? size : 1;
    }
    return width;
}
