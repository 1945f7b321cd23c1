/* Text forms of bytes. Pure functions; refuse what is not canonical, so that one value has one
 * text. */
#include "base/encode.h"

#include <string.h>

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* ---- base64, base64url ------------------------------------------------------------------------ */

/* Returns the end of what it wrote; no padding. */
static char *write_digits(char *out, const char *digits, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (bit_count += 8; bit_count >= 6;) {
            bit_count -= 6;
            *out++ = digits[bits >> bit_count & 63u];
        }
    }
    if (bit_count > 0) {
        *out++ = digits[bits << (6 - bit_count) & 63u];
    }
    return out;
}

size_t dq_base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

void dq_base64(char *out, const void *bytes, size_t len)
{
    char *end = out + dq_base64_len(len);
    char *at = write_digits(out, LETTERS_AND_DIGITS "+/", bytes, len);
    memset(at, '=', (size_t)(end - at));
    *end = '\0';
}

size_t dq_base64url_len(size_t len)
{
    static const size_t tail[3] = {0, 2, 3};
    return len / 3 * 4 + tail[len % 3];
}

void dq_base64url(char *out, const void *bytes, size_t len)
{
    *write_digits(out, LETTERS_AND_DIGITS "-_", bytes, len) = '\0';
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ptrdiff_t dq_base64url_decode(void *out, const char *text, size_t text_len)
{
    if (text_len % 4 == 1) {
        return -1;
    }
    unsigned char *to = out;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text_len; i++) {
        int value = base64url_value(text[i]);
        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            *to++ = (unsigned char)(bits >> bit_count);
        }
    }
    if ((bits & ((1u << bit_count) - 1)) != 0) {
        return -1; /* stray bits: another text means the same bytes */
    }
    return to - (unsigned char *)out;
}

/* ---- Percent-decoding ------------------------------------------------------------------------ */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool dq_percent_decode(char *text)
{
    char *to = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        int high = hex_value(at[1]);
        int low = high < 0 ? -1 : hex_value(at[2]);
        if (low < 0 || (high == 0 && low == 0)) {
            return false;
        }
        *to++ = (char)(high << 4 | low);
        at += 2;
    }
    *to = '\0';
    return true;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* What may follow a lead byte: how long the character is and the range of its second byte, which
 * is where overlong forms, surrogates and points past U+10FFFF show. */
typedef struct lead {
    unsigned char from, to;
    unsigned char len, second_min, second_max;
} lead;

static const lead leads[] = {
    {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const lead *find_lead(unsigned char byte)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (byte >= leads[i].from && byte <= leads[i].to) {
            return &leads[i];
        }
    }
    return NULL;
}

size_t dq_utf8_next(const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    const lead *form = len == 0 ? NULL : find_lead(in[0]);
    if (form == NULL || form->len > len) {
        return 0;
    }
    if (form->len > 1 && (in[1] < form->second_min || in[1] > form->second_max)) {
        return 0;
    }
    for (size_t i = 2; i < form->len; i++) {
        if ((in[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return form->len;
}

bool dq_utf8_valid(const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    for (size_t at = 0; at < len;) {
        size_t step = in[at] < 0x80 ? 1 : dq_utf8_next(in + at, len - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

/* ---- Printable forms ------------------------------------------------------------------------- */

/* The letter of a control byte's short escape, NUL when it has none. */
static char short_escape(unsigned char byte)
{
    switch (byte) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return '\0';
    }
}

static size_t write_escape(char *form, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    form[0] = '\\';
    form[1] = short_escape(byte);
    if (form[1] != '\0') {
        return 2;
    }
    form[1] = 'x';
    form[2] = hex[byte >> 4];
    form[3] = hex[byte & 15];
    return 4;
}

size_t dq_printable_next(const void *bytes, size_t len, char form[DQ_PRINTABLE_MAX],
                         size_t *form_len)
{
    const unsigned char *in = bytes;
    size_t step = dq_utf8_next(in, len);
    bool control = step == 1 && (in[0] < 0x20 || in[0] == 0x7f);
    bool control_c1 = step == 2 && in[0] == 0xc2 && in[1] < 0xa0; /* terminals obey these too */
    if (step > 0 && !control && !control_c1) {
        memcpy(form, in, step);
        *form_len = step;
        return step;
    }
    *form_len = write_escape(form, in[0]);
    if (!control_c1) {
        return 1;
    }
    *form_len += write_escape(form + *form_len, in[1]);
    return 2;
}
