/* Passing stderr on: whole lines only, long ones in pieces, and an end to the last one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "work/relay.h"

enum { PIECE_LEN = PIPE_BUF };

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

static int close_pipe(void **state)
{
    (void)state;
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return 0;
}

static void say(dq_relay *relay, const char *text)
{
    size_t room, len = strlen(text);
    char *to = dq_relay_room(relay, &room);
    assert_true(len <= room);
    for (size_t i = 0; i < len; i++) to[i] = text[i]; /* not a string there: it goes on */
    dq_relay_added(relay, len);
}

/* A piece of a line as long as the relay. */
static void say_piece(dq_relay *relay)
{
    size_t room;
    char *to = dq_relay_room(relay, &room);
    memset(to, 'x', room);
    dq_relay_added(relay, room);
}

/* What has been passed on since the last call. */
static const char *passed_on(void)
{
    static char text[3 * PIECE_LEN];
    ssize_t len = read(ends[0], text, sizeof text - 1);
    text[len < 0 ? 0 : len] = '\0';
    return text;
}

static void test_whole_lines(void **state)
{
    (void)state;
    dq_relay relay = {0};
    say(&relay, "one\ntw");
    assert_true(dq_relay_ready(&relay));
    dq_relay_pump(&relay, ends[1]);
    assert_string_equal(passed_on(), "one\n");
    assert_false(dq_relay_ready(&relay));
    say(&relay, "o\n");
    dq_relay_pump(&relay, ends[1]);
    assert_string_equal(passed_on(), "two\n");
}

static void test_the_last_line(void **state)
{
    (void)state;
    static const struct {
        const char *said, *passed_on;
    } cases[] = {{"", ""}, {"one", "one\n"}, {"one\n", "one\n"}, {"one\ntwo", "one\ntwo\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_relay relay = {0};
        say(&relay, cases[i].said);
        dq_relay_finish(&relay, ends[1]);
        assert_string_equal(passed_on(), cases[i].passed_on);
        dq_relay_finish(&relay, ends[1]); /* there is nothing left to end */
        assert_string_equal(passed_on(), "");
    }
}

/* What it begins with has gone on in pieces, the last of which was all there was. */
static void test_the_end_of_a_long_line(void **state)
{
    (void)state;
    dq_relay relay = {0};
    say_piece(&relay);
    dq_relay_pump(&relay, ends[1]);
    assert_int_equal(strlen(passed_on()), PIECE_LEN);
    dq_relay_finish(&relay, ends[1]);
    assert_string_equal(passed_on(), "\n");
    say_piece(&relay);
    dq_relay_finish(&relay, ends[1]); /* full: there is no room for the end beside it */
    const char *text = passed_on();
    assert_int_equal(strlen(text), PIECE_LEN + 1);
    assert_string_equal(text + PIECE_LEN, "\n");
}

static void test_nobody_reads(void **state)
{
    (void)state;
    char filler[PIECE_LEN] = {0};
    while (write(ends[1], filler, sizeof filler) > 0) {}
    dq_relay relay = {0};
    say(&relay, "kept\n");
    dq_relay_pump(&relay, ends[1]);
    assert_int_equal(relay.len, 5);
    close(ends[1]);
    ends[1] = -1;
    dq_relay_pump(&relay, ends[0]); /* can take nothing ever */
    assert_int_equal(relay.len, 0);
}

#define RELAY_TEST(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_TEST(test_whole_lines),
        RELAY_TEST(test_the_last_line),
        RELAY_TEST(test_the_end_of_a_long_line),
        RELAY_TEST(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
