/* Replies read from bytes however they are cut, and the limits on a server that means ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/reader.h"

static const char mixed[] =
    "+OK\r\n:42\r\n$5\r\na\r\nbc\r\n-ERR no\r\n*3\r\n:1\r\n$-1\r\n*2\r\n+x\r\n$0\r\n\r\n*-1\r\n"
    "*0\r\n";

/* One reply as text: enough to tell two apart. */
static void describe(const valkeyReply *reply, dq_buf *out)
{
    dq_buf_printf(out, "%d/%lld", reply->type, reply->integer);
    if (reply->str != NULL) {
        dq_buf_add_text(out, "=");
        dq_buf_add_escaped(out, reply->str, reply->len);
    }
    for (size_t i = 0; i < reply->elements; i++) {
        dq_buf_add_text(out, i == 0 ? "(" : ",");
        describe(reply->element[i], out);
    }
    dq_buf_add_text(out, reply->elements > 0 ? ")" : "");
}

static void take_all(dq_reader *reader, dq_buf *out)
{
    valkeyReply *reply;
    dq_fault fault;
    while (dq_reader_next(reader, &reply, &fault) == DUEQ_OK && reply != NULL) {
        describe(reply, out);
        dq_buf_add_text(out, " ");
        freeReplyObject(reply);
    }
}

static void replies_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char wanted[] =
        "5/0=OK 3/42 1/0=a\\r\\nbc 6/0=ERR no 2/0(3/1,4/0,2/0(5/0=x,1/0=)) "
        "4/0 2/0 ";
    const size_t len = sizeof mixed - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        dq_reader *reader = dq_reader_make();
        dq_buf out = {0};
        dq_reader_feed(reader, mixed, cut, NULL);
        take_all(reader, &out);
        dq_reader_feed(reader, mixed + cut, len - cut, NULL);
        take_all(reader, &out);
        assert_string_equal(out.data, wanted);
        assert_false(dq_reader_midway(reader));
        dq_buf_clear(&out);
        dq_reader_free(reader);
    }
}

static void midway_is_within_a_reply(void **state)
{
    (void)state;
    static const char text[] = "*2\r\n$2\r\nab\r\n:1\r\n";
    dq_reader *reader = dq_reader_make();
    valkeyReply *reply;
    assert_false(dq_reader_midway(reader));
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(dq_reader_feed(reader, text + i, 1, NULL), DUEQ_OK);
        assert_int_equal(dq_reader_next(reader, &reply, NULL), DUEQ_OK);
        if (i < sizeof text - 2) {
            assert_null(reply);
            assert_true(dq_reader_midway(reader));
        }
    }
    assert_non_null(reply);
    freeReplyObject(reply);
    assert_int_equal(dq_reader_next(reader, &reply, NULL), DUEQ_OK);
    assert_null(reply);
    assert_false(dq_reader_midway(reader));
    dq_reader_free(reader);
}

/* Feeds `text` up to `times` times; the failure it ends with, or DUEQ_OK. */
static int feed_until_refused(const char *text, size_t times, dq_fault *fault)
{
    dq_reader *reader = dq_reader_make();
    valkeyReply *reply = NULL;
    int rc = DUEQ_OK;
    dq_fault_clear(fault);
    for (size_t i = 0; i < times && rc == DUEQ_OK; i++) {
        rc = dq_reader_feed(reader, text, strlen(text), fault);
        if (rc == DUEQ_OK) {
            rc = dq_reader_next(reader, &reply, fault);
            freeReplyObject(reply);
        }
    }
    if (rc < 0) { /* for good */
        assert_int_equal(dq_reader_next(reader, &reply, NULL), rc);
        assert_null(reply);
    }
    dq_reader_free(reader);
    return rc;
}

static void hostile_replies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t times;
        const char *told;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n", 1, "broke the protocol"},
        {"$1073741825\r\n", 1, "more than"},
        {"$99999999999999999999\r\n", 1, "broke the protocol"},
        {"$9223372036854775807\r\n", 1, "more than"},
        {"$-2\r\n", 1, "broke the protocol"},
        {"$12345678901234567890123456789012345", 1, "a line of more"},
        {"*1048577\r\n", 1, "broke the protocol"},
        {"*9223372036854775807\r\n", 1, "broke the protocol"},
        {"*-2\r\n", 1, "broke the protocol"},
        {"*1\r\n", 9, "nested deeper than 8"},
        {"*1048576\r\n", 2, "more than 1048576 elements"},
        {"*600000\r\n", 2, "more than 1048576 elements"},
        {"*300000\r\n*0\r\n*300000\r\n+a\r\n*300000\r\n:1\r\n*300000\r\n", 1,
         "more than 1048576 elements"},
        {":12x\r\n", 1, "broke the protocol"},
        {":99999999999999999999\r\n", 1, "broke the protocol"},
        {"+aaaaaaaaaaaaaaaa", 5000, "a line of more"},
        {"-aaaaaaaaaaaaaaaa", 5000, "a line of more"},
        {":11111111111111111", 5000, "a line of more"},
        {"*11111111111111111", 5000, "a line of more"},
        {"%1\r\n+a\r\n+b\r\n", 1, "RESP3"},
        {"~1\r\n+a\r\n", 1, "RESP3"},
        {">1\r\n+a\r\n", 1, "RESP3"},
        {"|1\r\n+a\r\n+b\r\n", 1, "RESP3"},
        {"#t\r\n", 1, "RESP3"},
        {",1.5\r\n", 1, "RESP3"},
        {"(12345\r\n", 1, "RESP3"},
        {"=7\r\ntxt:abc\r\n", 1, "RESP3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_fault fault;
        int rc = feed_until_refused(cases[i].text, cases[i].times, &fault);
        if (rc != DUEQ_EPROTO || strstr(fault.text, cases[i].told) == NULL) {
            fail_msg("%.40s: outcome %d, \"%s\"; wanted a text with \"%s\"", cases[i].text, rc,
                     fault.text, cases[i].told);
        }
    }
}

static void what_is_allowed_passes(void **state)
{
    (void)state;
    dq_fault fault;
    assert_int_equal(feed_until_refused("*1\r\n", 8, &fault), DUEQ_OK);
    assert_int_equal(feed_until_refused("$1073741000\r\n", 1, &fault), DUEQ_OK);
    assert_int_equal(feed_until_refused("*1048576\r\n", 1, &fault), DUEQ_OK);
    assert_int_equal(feed_until_refused("$536870912\r\n", 1, &fault), DUEQ_OK);
    assert_int_equal(feed_until_refused(":1\r\n", 100000, &fault), DUEQ_OK);
}

/* The limits are of one reply, not of a connection's life. */
static void limits_begin_anew_with_each_reply(void **state)
{
    (void)state;
    dq_reader *reader = dq_reader_make();
    dq_buf array = {0};
    dq_buf_add_text(&array, "*100000\r\n");
    for (int i = 0; i < 100000; i++) {
        dq_buf_add_text(&array, ":1\r\n");
    }
    for (int i = 0; i < 12; i++) {
        valkeyReply *reply;
        assert_int_equal(dq_reader_feed(reader, array.data, array.len, NULL), DUEQ_OK);
        assert_int_equal(dq_reader_next(reader, &reply, NULL), DUEQ_OK);
        assert_non_null(reply);
        assert_int_equal(reply->elements, 100000);
        freeReplyObject(reply);
    }
    dq_buf_clear(&array);
    dq_reader_free(reader);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_may_be_cut_anywhere),
        cmocka_unit_test(midway_is_within_a_reply),
        cmocka_unit_test(hostile_replies_are_refused),
        cmocka_unit_test(what_is_allowed_passes),
        cmocka_unit_test(limits_begin_anew_with_each_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
