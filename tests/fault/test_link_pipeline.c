/* Many requests at once: order, partial failure, big bodies both ways, replies cut at every byte. */
#include "support/linked.h"

#include <pthread.h>

#include "base/buf.h"

enum { MANY = 1000, BODY_LEN = 40000 };

static void send_many(linked *l, dq_request *requests, size_t count, int wanted)
{
    int rc = dq_link_exchange(l->link, requests, count, dq_deadline_us(PLENTY_MS), &l->fault);
    if (rc != wanted) {
        fail_msg("outcome %d (%s), wanted %d", rc, l->fault.text, wanted);
    }
}

static void an_empty_exchange_is_done(void **state)
{
    (void)state;
    static const fake_step script[] = {END};
    linked l = linked_to(script);
    send_many(&l, NULL, 0, DUEQ_OK);
    unlink_from(&l);
}

static void answers_go_to_their_questions(void **state)
{
    (void)state;
    dq_buf replies = {0};
    for (int i = 0; i < MANY; i++) {
        dq_buf_printf(&replies, i % 10 == 3 ? "-ERR no %d\r\n" : ":%d\r\n", i);
    }
    /* All answers at once, after the last question: nothing may depend on their being interleaved. */
    fake_step script[MANY + 6] = {ACCEPT, GREET};
    for (int i = 0; i < MANY; i++) {
        script[2 + i] = (fake_step)EXPECT("X");
    }
    script[MANY + 2] = (fake_step)SEND_BYTES(replies.data, replies.len);
    script[MANY + 3] = (fake_step)AWAIT_CLOSE;
    linked l = linked_to(script);
    static dq_request requests[MANY];
    for (int i = 0; i < MANY; i++) {
        make_request(&requests[i], NULL, "X");
    }
    send_many(&l, requests, MANY, DUEQ_ESERVER);
    assert_string_equal(l.fault.text, "the server answered: ERR no 3");
    for (int i = 0; i < MANY; i++) {
        if (i % 10 == 3) {
            assert_int_equal(requests[i].outcome, DUEQ_ESERVER);
            assert_null(requests[i].reply);
        } else {
            assert_int_equal(requests[i].outcome, DUEQ_OK);
            assert_int_equal(requests[i].reply->integer, i);
        }
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
    dq_buf_clear(&replies);
}

/* The fake answers each command before it reads the next: with buffers full both ways, a side that
 * only wrote would wait for ever. */
static void big_bodies_both_ways_do_not_deadlock(void **state)
{
    (void)state;
    dq_buf reply = {0};
    dq_buf_printf(&reply, "$%d\r\n", BODY_LEN);
    for (int i = 0; i < BODY_LEN; i++) {
        dq_buf_add_byte(&reply, (unsigned char)i);
    }
    dq_buf_add_text(&reply, "\r\n");
    const fake_step script[] = {ACCEPT, GREET, {FAKE_ANSWER, reply.data, reply.len, -1}, END};
    for (int tcp = 0; tcp < 2; tcp++) {
        linked l = linked_with(script, "", tcp == 1);
        static dq_request requests[MANY];
        char *body = calloc(1, BODY_LEN);
        for (int i = 0; i < MANY; i++) {
            make_request(&requests[i], NULL, "ECHO");
            dq_args_add(&requests[i].args, body, BODY_LEN);
        }
        send_many(&l, requests, MANY, DUEQ_OK);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(requests[i].reply->len, BODY_LEN);
            assert_memory_equal(requests[i].reply->str, strchr(reply.data, '\n') + 1, BODY_LEN);
            dq_request_clear(&requests[i]);
        }
        free(body);
        unlink_from(&l);
    }
    dq_buf_clear(&reply);
}

static void one_huge_body_passes(void **state)
{
    (void)state;
    enum { HUGE_LEN = 32 << 20 };
    char *body = malloc(HUGE_LEN);
    memset(body, 'x', HUGE_LEN);
    static const fake_step script[] = {ACCEPT, GREET, ANSWER(2, "+ok\r\n"), AWAIT_CLOSE, END};
    linked l = linked_to(script);
    dq_request requests[2];
    for (int i = 0; i < 2; i++) {
        make_request(&requests[i], NULL, "ECHO");
        dq_args_add(&requests[i].args, body, HUGE_LEN);
    }
    send_many(&l, requests, 2, DUEQ_OK);
    dq_request_clear(&requests[0]);
    dq_request_clear(&requests[1]);
    unlink_from(&l);
    free(body);
}

static void a_reply_may_be_cut_at_every_byte(void **state)
{
    (void)state;
    static const char reply[] = "*3\r\n:17\r\n$5\r\na\r\nbc\r\n*2\r\n$-1\r\n+ok\r\n";
    for (size_t cut = 0; cut < sizeof reply; cut++) {
        const fake_step script[] = {
            ACCEPT,      GREET,
            EXPECT("X"), SEND_BYTES(reply, cut),
            GATE,        SEND_BYTES(reply + cut, sizeof reply - 1 - cut),
            AWAIT_CLOSE, END,
        };
        linked l = linked_to(script);
        fake_open_gate(l.server);
        dq_request request;
        make_request(&request, NULL, "X");
        send_many(&l, &request, 1, DUEQ_OK);
        assert_int_equal(request.reply->elements, 3);
        assert_int_equal(request.reply->element[0]->integer, 17);
        assert_string_equal(request.reply->element[1]->str, "a\r\nbc");
        assert_string_equal(request.reply->element[2]->element[1]->str, "ok");
        dq_request_clear(&request);
        unlink_from(&l);
    }
}

static void replies_may_come_byte_by_byte(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,      GREET,
        EXPECT("X"), EXPECT("X"),
        EXPECT("X"), TRICKLE("*2\r\n$3\r\nabc\r\n:5\r\n-ERR oh no\r\n$4\r\n\r\n\r\n\r\n"),
        AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    dq_request requests[3];
    for (int i = 0; i < 3; i++) {
        make_request(&requests[i], NULL, "X");
    }
    send_many(&l, requests, 3, DUEQ_ESERVER);
    assert_string_equal(requests[0].reply->element[0]->str, "abc");
    assert_int_equal(requests[1].outcome, DUEQ_ESERVER);
    assert_string_equal(requests[2].reply->str, "\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
}

/* Two answered, the third lost: the two keep their answers, the rest is sent again. */
static void only_what_is_open_is_sent_again(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        GREET,
        EXPECT("A"),
        EXPECT("B"),
        EXPECT("C"),
        EXPECT("D"),
        SEND("+a\r\n-ERR b\r\n"),
        CLOSE,
        ACCEPT,
        GREET,
        EXPECT("C"),
        SEND("+c\r\n"),
        EXPECT("D"),
        SEND("+d\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    static const char *const words[] = {"A", "B", "C", "D"};
    dq_request requests[4];
    for (int i = 0; i < 4; i++) {
        make_request(&requests[i], NULL, words[i]);
    }
    send_many(&l, requests, 4, DUEQ_ESERVER);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(requests[i].outcome, i == 1 ? DUEQ_ESERVER : DUEQ_OK);
        assert_int_equal(requests[i].resent, i >= 2);
        if (i != 1) {
            assert_int_equal(requests[i].reply->str[0], 'a' + i);
        }
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
}

/* Of requests that must not run twice, one whose bytes never left whole is still safe to send. */
static void what_never_left_may_be_sent(void **state)
{
    (void)state;
    enum { BIG_LEN = 16 << 20 }; /* more than any socket's buffer: the peer takes only a part */
    char *body = calloc(1, BIG_LEN);
    static const fake_step script[] = {
        ACCEPT,      GREET,          EXPECT("A"), RESET,          ACCEPT,      GREET,
        EXPECT("B"), SEND("+b\r\n"), EXPECT("C"), SEND("+c\r\n"), AWAIT_CLOSE, END,
    };
    linked l = linked_with(script, "", true);
    static const char *const words[] = {"A", "B", "C"};
    dq_request requests[3];
    for (int i = 0; i < 3; i++) {
        make_request(&requests[i], NULL, words[i]);
        requests[i].once = true;
    }
    dq_args_add(&requests[1].args, body, BIG_LEN);
    send_many(&l, requests, 3, DUEQ_EUNSURE);
    assert_int_equal(requests[0].outcome, DUEQ_EUNSURE);
    assert_int_equal(requests[1].outcome, DUEQ_OK);
    assert_int_equal(requests[2].outcome, DUEQ_OK);
    assert_false(requests[1].resent);
    for (int i = 0; i < 3; i++) {
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
    free(body);
}

/* A peer that stops reading: what was not written whole did not happen, and that is told. */
static void a_peer_that_takes_nothing_is_a_time_out(void **state)
{
    (void)state;
    enum { BIG_LEN = 16 << 20 };
    char *body = calloc(1, BIG_LEN);
    static const fake_step script[] = {ACCEPT, GREET, EXPECT("A"), GATE, AWAIT_CLOSE, END};
    linked l = linked_to(script);
    dq_request requests[3];
    make_request(&requests[0], NULL, "A");
    make_request(&requests[1], NULL, "B");
    dq_args_add(&requests[1].args, body, BIG_LEN);
    make_request(&requests[2], NULL, "C");
    int rc = dq_link_exchange(l.link, requests, 3, dq_deadline_us(SHORT_MS), &l.fault);
    assert_int_equal(rc, DUEQ_EUNSURE);
    assert_int_equal(requests[0].outcome, DUEQ_EUNSURE);
    assert_int_equal(requests[1].outcome, DUEQ_ETIMEOUT);
    assert_int_equal(requests[2].outcome, DUEQ_ETIMEOUT);
    fake_open_gate(l.server);
    for (int i = 0; i < 3; i++) {
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
    free(body);
}

static void requests_that_are_no_commands_fail_alone(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("A"), SEND("+a\r\n"), EXPECT("C"), SEND("+c\r\n"), AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    dq_request requests[4] = {0};
    make_request(&requests[0], NULL, "A");
    make_request(&requests[2], NULL, "B");
    dq_args_add_room(&requests[2].args, SIZE_MAX);
    make_request(&requests[3], NULL, "C");
    send_many(&l, requests, 4, DUEQ_EINVAL);
    assert_int_equal(requests[0].outcome, DUEQ_OK);
    assert_int_equal(requests[1].outcome, DUEQ_EINVAL);
    assert_int_equal(requests[2].outcome, DUEQ_ENOMEM);
    assert_int_equal(requests[3].outcome, DUEQ_OK);
    for (int i = 0; i < 4; i++) {
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_exchange_is_done),
        cmocka_unit_test(answers_go_to_their_questions),
        cmocka_unit_test(big_bodies_both_ways_do_not_deadlock),
        cmocka_unit_test(one_huge_body_passes),
        cmocka_unit_test(a_reply_may_be_cut_at_every_byte),
        cmocka_unit_test(replies_may_come_byte_by_byte),
        cmocka_unit_test(only_what_is_open_is_sent_again),
        cmocka_unit_test(what_never_left_may_be_sent),
        cmocka_unit_test(a_peer_that_takes_nothing_is_a_time_out),
        cmocka_unit_test(requests_that_are_no_commands_fail_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
