/* What is sent again and what is not: errors that mean "not applied", answers that were lost, and the
 * deadline that ends both. */
#include "support/linked.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define GREETED ACCEPT, GREET

/* ---- Not applied ----------------------------------------------------------------------------- */

static void not_now_is_asked_again_on_the_same_connection(void **state)
{
    (void)state;
    static const char *const errors[] = {
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        size_t len = strlen(errors[i]);
        const fake_step script[] = {
            GREETED,
            EXPECT("X"),
            SEND_BYTES(errors[i], len),
            EXPECT("X"),
            SEND_BYTES(errors[i], len),
            EXPECT("X"),
            SEND("+done\r\n"),
            AWAIT_CLOSE,
            END,
        };
        linked l = linked_to(script);
        told t = call_once(&l, "X", PLENTY_MS); /* even what must not be sent twice */
        assert_reply(&l, &t, "done", false);
        unlink_from(&l);
    }
}

static void not_now_is_told_at_the_deadline(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        ANSWER(-1, "-MISCONF Errors writing to the AOF file: No space left on device\r\n"),
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", SHORT_MS);
    assert_told(&l, &t, DUEQ_EUNREADY, "No space left on device");
    unlink_from(&l);
}

static void a_replica_is_left_and_the_master_found(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        EXPECT("X"),
        SEND("-READONLY You can't write against a read only replica. script: ab, on "
             "@user_script:1.\r\n"),
        AWAIT_CLOSE,
        GREETED,
        EXPECT("X"),
        SEND("-UNBLOCKED force unblock\r\n"),
        AWAIT_CLOSE,
        GREETED,
        EXPECT("X"),
        SEND("+done\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call_once(&l, "X", PLENTY_MS);
    assert_reply(&l, &t, "done", false);
    assert_int_equal(fake_connections(l.server), 3);
    unlink_from(&l);
}

static void a_replica_that_stays_one_is_told(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        ANSWER(-1, "-READONLY You can't write against a read only replica.\r\n"),
        REPEAT,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", SHORT_MS);
    assert_told(&l, &t, DUEQ_EREADONLY, "is a read-only replica; use its master's address");
    assert_in_range(fake_connections(l.server), 2, 60); /* no storm */
    unlink_from(&l);
}

static void final_errors_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        int outcome;
        const char *told;
    } cases[] = {
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", DUEQ_EFULL, "maxmemory"},
        {"-NOPERM this user has no permissions to run the 'evalsha' command\r\n", DUEQ_EDENIED,
         "'evalsha'"},
        {"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", DUEQ_ECORRUPT,
         "another type"},
        {"-MOVED 3999 127.0.0.1:6381\r\n", DUEQ_ESERVER, "redis-cluster://"},
        {"-ASK 3999 127.0.0.1:6381\r\n", DUEQ_ESERVER, "redis-cluster://"},
        {"-ERR anything\x1b[31m else\r\n", DUEQ_ESERVER, "ERR anything\\x1b[31m else"},
        {"-NOSCRIPT for a command that is none\r\n", DUEQ_ESERVER, "NOSCRIPT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const fake_step script[] = {
            GREETED,
            EXPECT("X"),
            SEND_BYTES(cases[i].error, strlen(cases[i].error)),
            EXPECT("Y"),
            SEND("+on the same connection\r\n"),
            AWAIT_CLOSE,
            END,
        };
        linked l = linked_to(script);
        told t = call(&l, "X", PLENTY_MS);
        assert_told(&l, &t, cases[i].outcome, cases[i].told);
        t = call(&l, "Y", PLENTY_MS);
        assert_reply(&l, &t, "on the same connection", false);
        unlink_from(&l);
    }
}

/* ---- Scripts --------------------------------------------------------------------------------- */

#define SHA "0123456789012345678901234567890123456789"
#define EVALSHA EXPECT("EVALSHA " SHA " 1 key")
#define EVAL EXPECT("EVAL return 'source' 1 key")
#define NOSCRIPT SEND("-NOSCRIPT No matching script. Please use EVAL.\r\n")

static void a_script_the_server_lacks_is_sent_whole(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        EVALSHA,
        NOSCRIPT,
        EVAL,
        SEND("$2\r\nok\r\n"),
        EVALSHA,
        SEND("$5\r\nagain\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call_script(&l, PLENTY_MS);
    assert_reply(&l, &t, "ok", false);
    t = call_script(&l, PLENTY_MS);
    assert_reply(&l, &t, "again", false);
    unlink_from(&l);
}

static void of_many_calls_one_brings_the_source(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,        EVALSHA,        NOSCRIPT,       EVALSHA, NOSCRIPT, EVALSHA, NOSCRIPT, EVAL,
        SEND("+a\r\n"), EVALSHA,        SEND("+b\r\n"), EVALSHA, NOSCRIPT, /* flushed in between */
        EVAL,           SEND("+c\r\n"), AWAIT_CLOSE,    END,
    };
    linked l = linked_to(script);
    dq_request requests[3];
    for (int i = 0; i < 3; i++) {
        make_request(&requests[i], &script_of_test, "key");
    }
    int rc = dq_link_exchange(l.link, requests, 3, dq_deadline_us(PLENTY_MS), &l.fault);
    assert_int_equal(rc, DUEQ_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(requests[i].reply->str[0], 'a' + i);
        assert_false(requests[i].resent);
        dq_request_clear(&requests[i]);
    }
    unlink_from(&l);
}

/* ---- Answers that are lost ------------------------------------------------------------------- */

static void a_lost_answer_is_asked_for_again(void **state)
{
    (void)state;
    static const fake_step scripts[][9] = {
        {GREETED, EXPECT("X"), CLOSE, GREETED, EXPECT("X"), SEND("+done\r\n"), END},
        {GREETED, EXPECT("X"), RESET, GREETED, EXPECT("X"), SEND("+done\r\n"), END},
        {GREETED, EXPECT("X"), SEND("$10\r\nhalf"), GREETED, EXPECT("X"), SEND("+done\r\n"), END},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        linked l = linked_with(scripts[i], "", true);
        told t = call(&l, "X", PLENTY_MS);
        assert_reply(&l, &t, "done", true);
        assert_int_equal(fake_connections(l.server), 2);
        unlink_from(&l);
    }
}

static void what_must_not_run_twice_is_told_as_unsure(void **state)
{
    (void)state;
    static const struct {
        fake_step script[9];
        const char *told;
    } cases[] = {
        {{GREETED, EXPECT("X"), CLOSE, END}, "closed the connection"},
        {{GREETED, EXPECT("X"), RESET, END}, "connection"},
        {{GREETED, EXPECT("X"), SEND("$10\r\nhalf"), CLOSE, END}, "in the middle of an answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        linked l = linked_with(cases[i].script, "", true);
        told t = call_once(&l, "X", PLENTY_MS);
        assert_told(&l, &t, DUEQ_EUNSURE, "may or may not have been done");
        assert_told(&l, &t, DUEQ_EUNSURE, cases[i].told);
        assert_int_equal(fake_connections(l.server), 1);
        unlink_from(&l);
    }
}

static void an_answer_that_stays_away_is_unsure(void **state)
{
    (void)state;
    static const fake_step script[] = {GREETED, EXPECT("X"), AWAIT_CLOSE, END};
    linked l = linked_to(script);
    int64_t before_us = dq_mono_us();
    told t = call(&l, "X", SHORT_MS);
    assert_told(&l, &t, DUEQ_EUNSURE, "did not answer in time");
    assert_true(dq_mono_us() - before_us >= SHORT_MS * 1000);
    unlink_from(&l);
}

/* The first sending may have run: what later answers say does not make that sure. */
static void once_unsure_stays_unsure(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        EXPECT("X"),
        CLOSE,
        GREETED,
        ANSWER(-1, "-LOADING Redis is loading the dataset in memory\r\n"),
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", SHORT_MS);
    assert_told(&l, &t, DUEQ_EUNSURE, "may or may not have been done");
    unlink_from(&l);
}

/* Sent again, and refused for good: the first sending may have run before that was so. */
static void refused_after_a_lost_answer_is_unsure(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("X"), CLOSE,
        GREETED, EXPECT("X"), SEND("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", PLENTY_MS);
    assert_told(&l, &t, DUEQ_EUNSURE, "maxmemory");
    unlink_from(&l);
}

static void an_idle_connection_that_ended_costs_nothing(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("X"), SEND("+1\r\n"), GATE,        CLOSE,
        GREETED, EXPECT("Y"), SEND("+2\r\n"), AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", PLENTY_MS);
    assert_reply(&l, &t, "1", false);
    fake_open_gate(l.server);
    /* The close is on its way; either it is seen before anything is sent, or the call is sent again. */
    dq_request request;
    make_request(&request, NULL, "Y");
    t = exchange_one(&l, &request, PLENTY_MS);
    assert_reply(&l, &t, "2", t.resent);
    unlink_from(&l);
}

static void a_late_answer_is_nobodys(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,     EXPECT("X"), GATE,        SEND("+late\r\n"),
        AWAIT_CLOSE, GREETED,     EXPECT("Y"), SEND("+right\r\n"),
        AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", SHORT_MS);
    assert_told(&l, &t, DUEQ_EUNSURE, "did not answer in time");
    fake_open_gate(l.server);
    t = call(&l, "Y", PLENTY_MS);
    assert_reply(&l, &t, "right", false);
    unlink_from(&l);
}

static void an_answer_to_no_question_ends_the_connection(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,        EXPECT("X"), SEND("+1\r\n+unasked\r\n"),
        AWAIT_CLOSE,    GREETED,     EXPECT("Y"),
        SEND("+2\r\n"), AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", PLENTY_MS);
    assert_reply(&l, &t, "1", false);
    t = call(&l, "Y", PLENTY_MS);
    assert_reply(&l, &t, "2", false);
    unlink_from(&l);
}

static void hostile_answers_end_the_call(void **state)
{
    (void)state;
    static const fake_step scripts[][6] = {
        {GREETED, EXPECT("X"), SEND("$99999999999999\r\n"), AWAIT_CLOSE, END},
        {GREETED, EXPECT("X"), SEND("*99999999\r\n"), AWAIT_CLOSE, END},
        {GREETED, EXPECT("X"), FLOOD("*1\r\n"), END},
        {GREETED, EXPECT("X"), FLOOD("+no end "), END},
        {GREETED, EXPECT("X"), SEND("%1\r\n+a\r\n+b\r\n"), AWAIT_CLOSE, END},
        {GREETED, EXPECT("X"), SEND("what?\r\n"), AWAIT_CLOSE, END},
        {GREETED, EXPECT("X"), SEND("\x80\x81\x82"), AWAIT_CLOSE, END},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        linked l = linked_to(scripts[i]);
        told t = call(&l, "X", PLENTY_MS);
        assert_told(&l, &t, DUEQ_EPROTO, "broke the protocol");
        assert_int_equal(fake_connections(l.server), 1);
        unlink_from(&l);
    }
}

/* ---- Deadlines and interrupts ---------------------------------------------------------------- */

static void a_deadline_that_has_passed_sends_nothing(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("X"), SEND("+1\r\n"), EXPECT("Z"), SEND("+3\r\n"), AWAIT_CLOSE, END,
    };
    linked l = linked_to(script);
    told t = call(&l, "X", PLENTY_MS);
    assert_reply(&l, &t, "1", false);
    t = call(&l, "Y", 0);
    assert_told(&l, &t, DUEQ_ETIMEOUT, "deadline");
    t = call(&l, "Z", PLENTY_MS);
    assert_reply(&l, &t, "3", false);
    unlink_from(&l);
}

static void a_server_that_went_away_for_good_is_told(void **state)
{
    (void)state;
    static const fake_step script[] = {GREETED, EXPECT("X"), SEND("+1\r\n"), END};
    linked l = linked_to(script);
    told t = call(&l, "X", PLENTY_MS);
    assert_reply(&l, &t, "1", false);
    fake_end(l.server); /* nobody listens any more */
    t = call(&l, "Y", SHORT_MS);
    assert_told(&l, &t, DUEQ_ECONNECT, "cannot connect to");
    dq_link_free(l.link);
}

static void an_interrupt_ends_the_waiting_between(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        ANSWER(-1, "-LOADING Redis is loading the dataset in memory\r\n"),
        END,
    };
    linked l = linked_to(script);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    dq_link_set_interrupt_fd(l.link, ends[0]);
    told t = call(&l, "X", -1); /* no deadline: only the interrupt can end it */
    assert_told(&l, &t, DUEQ_ECANCELED, "interrupted");
    close(ends[0]);
    close(ends[1]);
    unlink_from(&l);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_now_is_asked_again_on_the_same_connection),
        cmocka_unit_test(not_now_is_told_at_the_deadline),
        cmocka_unit_test(a_replica_is_left_and_the_master_found),
        cmocka_unit_test(a_replica_that_stays_one_is_told),
        cmocka_unit_test(final_errors_are_told_at_once),
        cmocka_unit_test(a_script_the_server_lacks_is_sent_whole),
        cmocka_unit_test(of_many_calls_one_brings_the_source),
        cmocka_unit_test(a_lost_answer_is_asked_for_again),
        cmocka_unit_test(what_must_not_run_twice_is_told_as_unsure),
        cmocka_unit_test(an_answer_that_stays_away_is_unsure),
        cmocka_unit_test(once_unsure_stays_unsure),
        cmocka_unit_test(refused_after_a_lost_answer_is_unsure),
        cmocka_unit_test(an_idle_connection_that_ended_costs_nothing),
        cmocka_unit_test(a_late_answer_is_nobodys),
        cmocka_unit_test(an_answer_to_no_question_ends_the_connection),
        cmocka_unit_test(hostile_answers_end_the_call),
        cmocka_unit_test(a_deadline_that_has_passed_sends_nothing),
        cmocka_unit_test(a_server_that_went_away_for_good_is_told),
        cmocka_unit_test(an_interrupt_ends_the_waiting_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
