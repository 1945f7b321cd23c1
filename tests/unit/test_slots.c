/* Slots of keys, and what nodes say of them: in every form they have, and in those they must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "wire/reader.h"
#include "wire/slots.h"

static void keys_have_their_slots(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int slot;
    } cases[] = {
        /* as CLUSTER KEYSLOT says */
        {"", 0},           {"foo", 12182},      {"123456789", 12739},
        {"{foo}", 12182},  {"a{foo}b", 12182},  {"{foo}{bar}", 12182},
        {"a{b", 13340},    {"a}b{foo}", 12182}, {"{}", 15257},
        {"{}{foo}", 2263}, {"{{foo}", 13308},   {"dueq:{q:1}:due", 8980},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int slot = dq_slot_of(cases[i].key, strlen(cases[i].key));
        if (slot != cases[i].slot) {
            fail_msg("\"%s\" is in slot %d, wanted %d", cases[i].key, slot, cases[i].slot);
        }
    }
}

static void redirections_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int slot, port;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381},
        {"ASK 0 node-1.example.org:1", "node-1.example.org", 0, 1},
        {"MOVED 16383 ::1:65535", "::1", 16383, 65535},
        {"MOVED 5 :7000", "", 5, 7000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_redirect r;
        assert_true(dq_redirect_read(&r, cases[i].text, strlen(cases[i].text)));
        assert_string_equal(r.host, cases[i].host);
        assert_int_equal(r.slot, cases[i].slot);
        assert_int_equal(r.port, cases[i].port);
    }
}

static void wrong_redirections_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED 1 h",
        "MOVED 1 h:",
        "MOVED 1 h:0",
        "MOVED 1 h:65536",
        "MOVED 1 h:99999999999999999999",
        "MOVED 1 h:1x",
        "MOVED -1 h:1",
        "MOVED 16384 h:1",
        "MOVED 99999999999999999999 h:1",
        "MOVED  h:1",
        "MOVED x h:1",
        "MOVED 1 ?:1",
        "MOVED 1 h h:1",
        "MOVED 1 a/b:1",
        "MOVED 1 a\x1b[m:1",
    };
    dq_redirect r;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (dq_redirect_read(&r, texts[i], strlen(texts[i]))) {
            fail_msg("\"%s\" was read as slot %d at \"%s\":%d", texts[i], r.slot, r.host, r.port);
        }
    }
    assert_false(dq_redirect_read(&r, "MOVED 1 a\0b:1", 13));
    char longest[400] = "MOVED 1 ";
    memset(longest + 8, 'h', 256);
    strcpy(longest + 8 + 256, ":1");
    assert_false(dq_redirect_read(&r, longest, strlen(longest)));
    strcpy(longest + 8 + 255, ":1");
    assert_true(dq_redirect_read(&r, longest, strlen(longest)));
}

/* One answer out of its bytes. */
static valkeyReply *reply_of(const char *bytes, size_t len)
{
    dq_reader *reader = dq_reader_make();
    valkeyReply *reply = NULL;
    assert_int_equal(dq_reader_feed(reader, bytes, len, NULL), 0);
    assert_int_equal(dq_reader_next(reader, &reply, NULL), 0);
    dq_reader_free(reader);
    assert_non_null(reply);
    return reply;
}

#define NODE(host, port) "*4\r\n" host ":" port "\r\n+id\r\n*0\r\n"
#define RUN(first, last, node) "*3\r\n:" first "\r\n:" last "\r\n" node

static void runs_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *host;
        int first, last, port;
    } cases[] = {
        {"*1\r\n" RUN("0", "16383", NODE("+10.0.0.1\r\n", "7000")), "10.0.0.1", 0, 16383, 7000},
        {"*1\r\n" RUN("5", "5", NODE("$3\r\n::1\r\n", "1")), "::1", 5, 5, 1},
        {"*1\r\n" RUN("5", "5", NODE("$-1\r\n", "1")), "", 5, 5, 1},    /* unknown: nil */
        {"*1\r\n" RUN("5", "5", NODE("$0\r\n\r\n", "1")), "", 5, 5, 1}, /* not met yet: empty */
        {"*1\r\n" RUN("5", "5", NODE("+?\r\n", "1")), "", 5, 5, 1},
        {"*1\r\n" RUN("5", "5", "*2\r\n+h\r\n:1\r\n"), "h", 5, 5, 1}, /* as before 4.0 */
        {"*1\r\n" RUN("5", "5", "*4\r\n+?\r\n:1\r\n+id\r\n*2\r\n+ip\r\n+10.0.0.9\r\n"), "10.0.0.9",
         5, 5, 1},
        {"*1\r\n*4\r\n:1\r\n:2\r\n*2\r\n+h\r\n:1\r\n*2\r\n+replica\r\n:2\r\n", "h", 1, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        valkeyReply *reply = reply_of(cases[i].bytes, strlen(cases[i].bytes));
        dq_slot_run run;
        if (!dq_slot_run_read(&run, reply, 0)) {
            fail_msg("case %zu was refused", i);
        }
        assert_string_equal(run.host, cases[i].host);
        assert_int_equal(run.first, cases[i].first);
        assert_int_equal(run.last, cases[i].last);
        assert_int_equal(run.port, cases[i].port);
        freeReplyObject(reply);
    }
}

static void wrong_runs_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "*1\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n:1\r\n:2\r\n",
        "*1\r\n" RUN("-1", "5", NODE("+h\r\n", "1")),
        "*1\r\n" RUN("0", "16384", NODE("+h\r\n", "1")),
        "*1\r\n" RUN("6", "5", NODE("+h\r\n", "1")),
        "*1\r\n" RUN("9223372036854775807", "5", NODE("+h\r\n", "1")),
        "*1\r\n" RUN("1", "4294967297", NODE("+h\r\n", "1")),
        "*1\r\n" RUN("1", "2", NODE("+h\r\n", "0")),
        "*1\r\n" RUN("1", "2", NODE("+h\r\n", "65536")),
        "*1\r\n" RUN("1", "2", NODE(":5\r\n", "1")),
        "*1\r\n" RUN("1", "2", NODE("+a b\r\n", "1")),
        "*1\r\n" RUN("1", "2", "*1\r\n+h\r\n"),
        "*1\r\n" RUN("1", "2", "+h\r\n"),
        "*1\r\n" RUN("1", "2", "*2\r\n+h\r\n+1\r\n"),
        "*1\r\n*3\r\n+1\r\n:2\r\n" NODE("+h\r\n", "1"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        valkeyReply *reply = reply_of(texts[i], strlen(texts[i]));
        dq_slot_run run;
        if (dq_slot_run_read(&run, reply, 0)) {
            fail_msg("case %zu was read as %d to %d at \"%s\":%d", i, run.first, run.last, run.host,
                     run.port);
        }
        freeReplyObject(reply);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_their_slots),          cmocka_unit_test(redirections_are_read),
        cmocka_unit_test(wrong_redirections_are_refused), cmocka_unit_test(runs_are_read),
        cmocka_unit_test(wrong_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
