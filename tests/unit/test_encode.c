/* base64, base64url, percent-decoding, UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/encode.h"

static void base64_has_known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff\xfe", "+//+"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        size_t len = strlen(cases[i].bytes);
        dq_base64(text, cases[i].bytes, len);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(dq_base64_len(len), strlen(cases[i].text));
    }
}

static void base64url_has_known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16], bytes[16];
        size_t len = strlen(cases[i].bytes);
        dq_base64url(text, cases[i].bytes, len);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(dq_base64url_len(len), strlen(cases[i].text));
        assert_int_equal(dq_base64url_decode(bytes, text, strlen(text)), len);
        assert_memory_equal(bytes, cases[i].bytes, len);
    }
}

static void base64url_comes_back_at_every_length(void **state)
{
    (void)state;
    unsigned char bytes[256], back[256];
    char text[400];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 167 + 13);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        dq_base64url(text, bytes, len);
        assert_int_equal(strlen(text), dq_base64url_len(len));
        assert_int_equal(dq_base64url_decode(back, text, strlen(text)), len);
        assert_memory_equal(back, bytes, len);
    }
}

static void base64url_refuses_what_is_not_canonical(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A",    "AAAAA", "Zg==", "Zh",        "Zm9",
                                        "a+bc", "a/bc",  "a bc", "\xc3\xa9qq"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char out[16];
        ptrdiff_t rc = dq_base64url_decode(out, wrong[i], strlen(wrong[i]));
        if (rc != -1) {
            fail_msg("\"%s\" was decoded to %td bytes", wrong[i], rc);
        }
    }
}

static void percent_decodes_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *decoded; /* NULL: malformed */
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"%41%62", "Ab"},
        {"p%40ss%3aw", "p@ss:w"},
        {"100%25", "100%"},
        {"a+b", "a+b"},
        {"%e2%82%AC", "\xe2\x82\xac"},
        {"%", NULL},
        {"%4", NULL},
        {"%zz", NULL},
        {"a%0", NULL},
        {"%00", NULL},
        {"x%-1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        strcpy(text, cases[i].text);
        bool decoded = dq_percent_decode(text);
        assert_int_equal(decoded, cases[i].decoded != NULL);
        if (decoded) {
            assert_string_equal(text, cases[i].decoded);
        }
    }
}

static void utf8_is_told_from_other_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool valid;
    } cases[] = {
        {"", true},
        {"ascii", true},
        {"\x7f", true},
        {"\xc2\x80 \xdf\xbf", true},
        {"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", true},
        {"\x80", false},             /* a continuation alone */
        {"\xc0\xaf", false},         /* overlong */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xe2\x82", false}, /* cut */
        {"\xe2\x28\xa1", false},
        {"\xf0\x90\x28\xbc", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (dq_utf8_valid(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].valid) {
            fail_msg("case %zu should be %s", i, cases[i].valid ? "valid" : "invalid");
        }
    }
    assert_true(dq_utf8_valid("a\0b", 3));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_has_known_texts),
        cmocka_unit_test(base64url_has_known_texts),
        cmocka_unit_test(base64url_comes_back_at_every_length),
        cmocka_unit_test(base64url_refuses_what_is_not_canonical),
        cmocka_unit_test(percent_decodes_in_place),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
