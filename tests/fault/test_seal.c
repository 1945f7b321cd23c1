/* The question how far a write has got, behind the write: whatever becomes of it, and of its
 * connection, the write's own outcome stays what it is. */
#include "support/linked.h"

static const dq_seal one_replica = {.level = {.replicas = 1}, .timeout_ms = 200};

/* One script call that must succeed, sealed; what the seal came to. */
static dq_seal sealed_within(linked *l, int64_t timeout_ms)
{
    dq_request request;
    dq_seal seal = one_replica;
    make_request(&request, &script_of_test, "key");
    int rc =
        dq_link_exchange_sealed(l->link, &request, 1, &seal, dq_deadline_us(timeout_ms), &l->fault);
    if (rc != DUEQ_OK || request.outcome != DUEQ_OK || l->fault.code != 0)
        fail_msg("outcomes %d and %d, fault \"%s\"; wanted none", rc, request.outcome,
                 l->fault.text);
    assert_int_equal(request.reply->integer, 7);
    dq_request_clear(&request);
    return seal;
}

static dq_seal sealed(linked *l)
{
    return sealed_within(l, PLENTY_MS);
}

static void assert_seal(const dq_seal *seal, bool met, bool unknown, size_t servers, int replicas)
{
    bool have_met = dq_seal_is_met(seal);
    if (have_met != met || seal->unknown != unknown || seal->server_count != servers ||
        seal->replicas != replicas)
        fail_msg("met %d, unknown %d, %zu servers, %d replicas; wanted %d, %d, %zu, %d", have_met,
                 seal->unknown, seal->server_count, seal->replicas, met, unknown, servers,
                 replicas);
}

static void it_goes_behind_the_write_in_one_pipeline(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n:1\r\n"), END};
    linked l = linked_to(script);
    dq_seal seal = sealed(&l);
    assert_seal(&seal, true, false, 1, 1);
    unlink_from(&l);
}

static void fewer_replicas_are_told(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n:0\r\n"), END};
    linked l = linked_to(script);
    dq_seal seal = sealed(&l);
    assert_seal(&seal, false, false, 1, 0);
    unlink_from(&l);
}

/* The write is answered, its durability is not: done, and not known. The next call connects anew. */
static void a_connection_cut_in_between(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n"),       CLOSE,
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n:1\r\n"), END};
    linked l = linked_to(script);
    dq_seal seal = sealed(&l);
    assert_seal(&seal, false, true, 0, 0);
    seal = sealed(&l);
    assert_seal(&seal, true, false, 1, 1);
    unlink_from(&l);
}

/* Half an answer, nonsense, an error: the same. */
static void answers_that_tell_nothing(void **state)
{
    (void)state;
    static const fake_step cut[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n:"), CLOSE, END};
    static const fake_step nonsense[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n+many\r\n"), END};
    static const fake_step error[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n-NOPERM no\r\n"), END};
    static const fake_step broken[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n!!\r\n"), AWAIT_CLOSE, END};
    static const fake_step *const scripts[] = {cut, nonsense, error, broken};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        linked l = linked_to(scripts[i]);
        dq_seal seal = sealed(&l);
        assert_seal(&seal, false, true, 0, 0);
        unlink_from(&l);
    }
}

/* A server that answers the write and then falls silent takes no more than the call's time. */
static void silence_ends_with_the_deadline(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAIT 1"), SEND(":7\r\n"), AWAIT_CLOSE, END};
    linked l = linked_to(script);
    dq_seal seal = sealed_within(&l, SHORT_MS);
    assert_seal(&seal, false, true, 0, 0);
    unlink_from(&l);
}

/* The first sending may have written over the connection that is gone: the second one's answer
 * covers the second connection alone. */
static void a_write_that_was_sent_again(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT,
                                       GREET,
                                       EXPECT("EVALSHA"),
                                       CLOSE,
                                       ACCEPT,
                                       GREET,
                                       EXPECT("EVALSHA"),
                                       EXPECT("WAIT 1"),
                                       SEND(":7\r\n:1\r\n"),
                                       END};
    linked l = linked_to(script);
    dq_seal seal = sealed(&l);
    assert_seal(&seal, false, true, 1, 1);
    unlink_from(&l);
}

/* What was certainly not done does not count; the round that did it does. */
static void rounds_that_did_nothing_do_not_count(void **state)
{
    (void)state;
    static const fake_step no_script[] = {ACCEPT,
                                          GREET,
                                          EXPECT("EVALSHA"),
                                          EXPECT("WAIT 1"),
                                          SEND("-NOSCRIPT No\r\n:0\r\n"),
                                          EXPECT("EVAL"),
                                          EXPECT("WAIT 1"),
                                          SEND(":7\r\n:1\r\n"),
                                          END};
    static const fake_step loading[] = {ACCEPT,
                                        GREET,
                                        EXPECT("EVALSHA"),
                                        EXPECT("WAIT 1"),
                                        SEND("-LOADING Later\r\n-LOADING Later\r\n"),
                                        EXPECT("EVALSHA"),
                                        EXPECT("WAIT 1"),
                                        SEND(":7\r\n:1\r\n"),
                                        END};
    static const fake_step *const scripts[] = {no_script, loading};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        linked l = linked_to(scripts[i]);
        dq_seal seal = sealed(&l);
        assert_seal(&seal, true, false, 1, 1);
        unlink_from(&l);
    }
}

/* Two writes, of which the second must wait: what the first has written is asked about too. */
static void a_round_cut_short_is_asked_about(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT,
                                       GREET,
                                       EXPECT("EVALSHA"),
                                       EXPECT("EVALSHA"),
                                       EXPECT("WAIT 1"),
                                       SEND(":7\r\n-LOADING Later\r\n:0\r\n"),
                                       EXPECT("EVALSHA"),
                                       EXPECT("WAIT 1"),
                                       SEND(":7\r\n:1\r\n"),
                                       END};
    linked l = linked_to(script);
    dq_request requests[2];
    dq_seal seal = one_replica;
    for (size_t i = 0; i < 2; i++) make_request(&requests[i], &script_of_test, "key");
    assert_int_equal(
        dq_link_exchange_sealed(l.link, requests, 2, &seal, dq_deadline_us(PLENTY_MS), &l.fault),
        DUEQ_OK);
    assert_seal(&seal, false, false, 2, 0);
    for (size_t i = 0; i < 2; i++) dq_request_clear(&requests[i]);
    unlink_from(&l);
}

/* fsync: both numbers count, and the first one decides. */
static void fsync_is_asked_with_its_own_command(void **state)
{
    (void)state;
    static const fake_step yes[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAITAOF 1 0"), SEND(":7\r\n*2\r\n:1\r\n:0\r\n"),
        END};
    static const fake_step no[] = {
        ACCEPT, GREET, EXPECT("EVALSHA"), EXPECT("WAITAOF 1 0"), SEND(":7\r\n*2\r\n:0\r\n:2\r\n"),
        END};
    static const fake_step *const scripts[] = {yes, no};
    for (size_t i = 0; i < 2; i++) {
        linked l = linked_to(scripts[i]);
        dq_request request;
        dq_seal seal = {.level = {.fsync = true}, .timeout_ms = 200};
        make_request(&request, &script_of_test, "key");
        assert_int_equal(dq_link_exchange_sealed(l.link, &request, 1, &seal,
                                                 dq_deadline_us(PLENTY_MS), &l.fault),
                         DUEQ_OK);
        assert_int_equal(dq_seal_is_met(&seal), i == 0);
        assert_int_equal(seal.fsynced, i == 0);
        assert_int_equal(seal.replicas, i == 0 ? 0 : 2);
        dq_request_clear(&request);
        unlink_from(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_behind_the_write_in_one_pipeline),
        cmocka_unit_test(fewer_replicas_are_told),
        cmocka_unit_test(a_connection_cut_in_between),
        cmocka_unit_test(answers_that_tell_nothing),
        cmocka_unit_test(silence_ends_with_the_deadline),
        cmocka_unit_test(a_write_that_was_sent_again),
        cmocka_unit_test(rounds_that_did_nothing_do_not_count),
        cmocka_unit_test(a_round_cut_short_is_asked_about),
        cmocka_unit_test(fsync_is_asked_with_its_own_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
