/* The end of a handler's stderr as one printable line, whatever was written and in what pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "work/tail.h"

static void add(dq_tail *tail, const char *text)
{
    dq_tail_add(tail, text, strlen(text));
}

/* Writes the tail into `room` bytes and compares. */
static void expect(const dq_tail *tail, size_t room, const char *wanted)
{
    dq_buf out = {0};
    assert_true(dq_tail_write(tail, room, &out));
    assert_string_equal(out.data == NULL ? "" : out.data, wanted);
    dq_buf_clear(&out);
}

static void test_short_texts(void **state)
{
    (void)state;
    dq_tail tail = {0};
    expect(&tail, 100, "");
    add(&tail, "  no such file\n");
    expect(&tail, 100, "no such file");
    add(&tail, "gave up\n\n");
    expect(&tail, 100, "no such file\\ngave up");
}

static void test_control_bytes_are_escaped(void **state)
{
    (void)state;
    dq_tail tail = {0};
    add(&tail, "\x1b[31mred\x7f");
    expect(&tail, 100, "\\x1b[31mred\\x7f");
}

/* The same bytes in pieces of every size leave the same tail. */
static void test_pieces_do_not_matter(void **state)
{
    (void)state;
    enum { LEN = 3210 };
    char text[LEN];
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (char)('a' + i % 26);
    }
    dq_tail whole = {0};
    dq_tail_add(&whole, text, LEN);
    dq_buf wanted = {0};
    dq_tail_write(&whole, DQ_TAIL_LEN, &wanted);
    assert_int_equal(wanted.len, DQ_TAIL_LEN - 1);
    for (size_t piece = 1; piece < 1500; piece += 13) {
        dq_tail tail = {0};
        for (size_t at = 0; at < LEN; at += piece) {
            dq_tail_add(&tail, text + at, piece < LEN - at ? piece : LEN - at);
        }
        expect(&tail, DQ_TAIL_LEN, wanted.data);
    }
    dq_buf_clear(&wanted);
}

static void test_whole_lines_are_kept(void **state)
{
    (void)state;
    dq_tail tail = {0};
    add(&tail, "a first line that does not fit\nsecond\nthird\n");
    expect(&tail, 20, "second\\nthird");
    expect(&tail, 12, "third");
}

static void test_a_long_line_is_cut_in_front(void **state)
{
    (void)state;
    dq_tail tail = {0};
    add(&tail, "abcdefghij");
    expect(&tail, 4, "ghij");
}

static void test_characters_stay_whole(void **state)
{
    (void)state;
    dq_tail tail = {0};
    add(&tail, "ab\xc3\xa4\xc3\xb6\xc3\xbc"); /* a-, o- and u-umlaut */
    expect(&tail, 5, "\xc3\xb6\xc3\xbc");
}

static void test_escapes_never_exceed_the_room(void **state)
{
    (void)state;
    dq_tail tail = {0};
    for (int i = 0; i < 5000; i++) {
        dq_tail_add(&tail, "\x01", 1);
    }
    for (size_t room = 0; room < 100; room++) {
        dq_buf out = {0};
        assert_true(dq_tail_write(&tail, room, &out));
        assert_in_range(out.len, room > 4 ? room - 4 : 0, room);
        dq_buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_texts),
        cmocka_unit_test(test_control_bytes_are_escaped),
        cmocka_unit_test(test_pieces_do_not_matter),
        cmocka_unit_test(test_whole_lines_are_kept),
        cmocka_unit_test(test_a_long_line_is_cut_in_front),
        cmocka_unit_test(test_characters_stay_whole),
        cmocka_unit_test(test_escapes_never_exceed_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
