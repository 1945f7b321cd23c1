/* Buffers, faults and printable forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/fault.h"

static void grows_and_stays_ended(void **state)
{
    (void)state;
    dq_buf buf = {0};
    for (int i = 0; i < 10000; i++) {
        assert_true(dq_buf_add_byte(&buf, (unsigned char)('a' + i % 26)));
        assert_int_equal(buf.len, i + 1);
        assert_int_equal(buf.data[buf.len], '\0');
    }
    assert_int_equal(buf.data[9999], 'a' + 9999 % 26);
    dq_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_string_equal(buf.data, "");
    dq_buf_clear(&buf);
    assert_null(buf.data);
}

static void takes_bytes_text_and_formats(void **state)
{
    (void)state;
    dq_buf buf = {0};
    dq_buf_add(&buf, "a\0b", 3);
    dq_buf_add(&buf, NULL, 0);
    dq_buf_add_text(&buf, "cd");
    dq_buf_printf(&buf, "%d-%s", 42, "a text that is longer than the first capacity of sixty-four");
    assert_false(buf.failed);
    assert_int_equal(buf.len, 3 + 2 + 3 + 59);
    assert_memory_equal(buf.data, "a\0bcd42-a text", 14);
    dq_buf_clear(&buf);
}

static void remembers_that_it_failed(void **state)
{
    (void)state;
    dq_buf buf = {0};
    dq_buf_add_text(&buf, "kept");
    assert_false(dq_buf_reserve(&buf, SIZE_MAX - 10));
    assert_true(buf.failed);
    assert_false(dq_buf_add_text(&buf, "not added"));
    assert_string_equal(buf.data, "kept");
    dq_buf_reset(&buf);
    assert_true(dq_buf_add_text(&buf, "again"));
    dq_buf_clear(&buf);
}

static void escapes_what_a_terminal_obeys(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *escaped;
    } cases[] = {
        {"plain", 5, "plain"},
        {"a\nb\rc\td", 7, "a\\nb\\rc\\td"},
        {"\x1b[31m\x7f", 6, "\\x1b[31m\\x7f"},
        {"nul\0", 4, "nul\\x00"},
        {"back\\slash", 10, "back\\\\slash"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15,
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc2\x9b"
         "2J",
         4, "\\xc2\\x9b2J"},
        {"\xff\xfe", 2, "\\xff\\xfe"},
        {"cut \xe2\x82", 6, "cut \\xe2\\x82"},
        {"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_buf buf = {0};
        assert_true(dq_buf_add_escaped(&buf, cases[i].bytes, cases[i].len));
        assert_string_equal(buf.data, cases[i].escaped);
        dq_buf_clear(&buf);
    }
}

static void a_fault_is_one_printable_line(void **state)
{
    (void)state;
    dq_fault fault = {0};
    assert_int_equal(dq_fault_set(&fault, DUEQ_ESERVER, "said: %s", "a\r\nb\x1b"), DUEQ_ESERVER);
    assert_int_equal(fault.code, DUEQ_ESERVER);
    assert_string_equal(fault.text, "said: a\\r\\nb\\x1b");

    dq_fault_set(&fault, DUEQ_ECONNECT, "outer: %s", fault.text); /* its own text as an argument */
    assert_string_equal(fault.text, "outer: said: a\\r\\nb\\x1b");

    assert_int_equal(dq_fault_set(NULL, DUEQ_EINVAL, "unread"), DUEQ_EINVAL);
    dq_fault_clear(&fault);
    assert_int_equal(fault.code, 0);
    assert_string_equal(fault.text, "");
}

static void a_long_fault_is_cut_between_characters(void **state)
{
    (void)state;
    char text[2000] = "";
    for (size_t i = 0; i + 3 < sizeof text; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 4);
    }
    dq_fault fault;
    dq_fault_set(&fault, DUEQ_EINVAL, "%s", text);
    size_t len = strlen(fault.text);
    assert_in_range(len, 500, sizeof fault.text - 1);
    assert_true(dq_utf8_valid(fault.text, len - len % 3));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_ended),
        cmocka_unit_test(takes_bytes_text_and_formats),
        cmocka_unit_test(remembers_that_it_failed),
        cmocka_unit_test(escapes_what_a_terminal_obeys),
        cmocka_unit_test(a_fault_is_one_printable_line),
        cmocka_unit_test(a_long_fault_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
