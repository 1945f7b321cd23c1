/* Waiting on a socket: what ends it, and which comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/socket.h"

typedef struct pairs {
    int ready[2], quiet[2]; /* [0] of `ready` has a byte to read */
} pairs;

static int open_pairs(void **state)
{
    static pairs p;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.ready), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.quiet), 0);
    assert_int_equal(write(p.ready[1], "x", 1), 1);
    *state = &p;
    return 0;
}

static int close_pairs(void **state)
{
    pairs *p = *state;
    for (int i = 0; i < 2; i++) {
        close(p->ready[i]);
        close(p->quiet[i]);
    }
    return 0;
}

static void waits_end_for_what_happened(void **state)
{
    pairs *p = *state;
    int64_t later_us = dq_deadline_us(20000), soon_us = dq_deadline_us(5);
    assert_int_equal(dq_socket_wait(p->ready[0], POLLIN, -1, later_us), DUEQ_OK);
    assert_int_equal(dq_socket_wait(p->quiet[0], POLLOUT, -1, later_us), DUEQ_OK);
    assert_int_equal(dq_socket_wait(p->quiet[0], POLLIN, -1, soon_us), DUEQ_ETIMEOUT);
    assert_true(dq_mono_us() >= soon_us);
    assert_int_equal(dq_socket_wait(-1, 0, -1, dq_deadline_us(5)), DUEQ_ETIMEOUT);
}

static void an_interrupt_comes_first(void **state)
{
    pairs *p = *state;
    assert_int_equal(dq_socket_wait(p->ready[0], POLLIN, p->ready[0], DQ_NEVER_US), DUEQ_ECANCELED);
    assert_int_equal(dq_socket_wait(-1, 0, p->ready[0], DQ_NEVER_US), DUEQ_ECANCELED);
    assert_int_equal(dq_socket_wait(p->quiet[0], POLLIN, p->ready[0], 0), DUEQ_ECANCELED);
    assert_int_equal(dq_socket_wait(p->ready[0], POLLIN, p->quiet[0], DQ_NEVER_US), DUEQ_OK);
}

/* Else a peer that sends a byte at a time could hold a call for ever. */
static void a_ready_socket_does_not_stretch_the_deadline(void **state)
{
    pairs *p = *state;
    assert_int_equal(dq_socket_wait(p->ready[0], POLLIN, -1, dq_mono_us() - 1), DUEQ_ETIMEOUT);
    assert_int_equal(dq_socket_wait(p->ready[0], POLLIN, -1, 0), DUEQ_ETIMEOUT);
}

static void the_end_of_a_stream_is_a_failure(void **state)
{
    pairs *p = *state;
    char byte;
    dq_fault fault = {0};
    assert_int_equal(dq_socket_read(p->quiet[0], &byte, 1, &fault), 0); /* would block */
    assert_int_equal(fault.code, 0);
    assert_int_equal(dq_socket_read(p->ready[0], &byte, 1, &fault), 1);
    assert_int_equal(byte, 'x');
    shutdown(p->ready[1], SHUT_RDWR);
    assert_int_equal(dq_socket_read(p->ready[0], &byte, 1, &fault), DUEQ_EUNSURE);
    assert_string_equal(fault.text, "the server closed the connection");
    assert_int_equal(dq_socket_write(p->ready[0], "y", 1, &fault), DUEQ_EUNSURE); /* no SIGPIPE */
    assert_string_equal(fault.text, "the connection broke: broken pipe");
}

static void errors_stand_in_the_middle_of_a_sentence(void **state)
{
    (void)state;
    char text[DQ_ERRNO_TEXT_MAX];
    assert_string_equal(dq_errno_text(ECONNREFUSED, text), "connection refused");
    assert_string_equal(dq_errno_text(ENOENT, text), "no such file or directory");
    assert_string_equal(dq_errno_text(EIO, text), "input/output error");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_end_for_what_happened, open_pairs, close_pairs),
        cmocka_unit_test_setup_teardown(an_interrupt_comes_first, open_pairs, close_pairs),
        cmocka_unit_test_setup_teardown(a_ready_socket_does_not_stretch_the_deadline, open_pairs,
                                        close_pairs),
        cmocka_unit_test_setup_teardown(the_end_of_a_stream_is_a_failure, open_pairs, close_pairs),
        cmocka_unit_test(errors_stand_in_the_middle_of_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
