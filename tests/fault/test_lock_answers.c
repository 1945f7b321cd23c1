/* Locks whose answers get lost: what may have been granted is given back, what was sent twice is
 * read right, and what no script of ours says is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <dueq.h>

#include "support/fake_server.h"
#include "support/until.h"

#define GREETED ACCEPT, GREET, EXPECT("INFO"), SEND("$0\r\n\r\n")
#define GRANTED SEND("*2\r\n:0\r\n$1\r\n7\r\n")
#define DONE SEND("*1\r\n:0\r\n")
#define LOST SEND("*1\r\n:3\r\n")

static dueq *open_on(fake_server *server, int64_t timeout_ms)
{
    dueq *handle;
    dueq_options options = {.timeout_ms = timeout_ms};
    int rc = dueq_open(&handle, fake_url(server), &options);
    if (rc != DUEQ_OK) fail_msg("open: %d: %s", rc, dueq_error(handle));
    return handle;
}

static void assert_rc(const dueq *handle, int have, int wanted)
{
    if (have != wanted) fail_msg("%d (%s), wanted %d", have, dueq_error(handle), wanted);
}

static dueq_lock *take(dueq *handle)
{
    dueq_lock *lock;
    assert_rc(handle, dueq_lock_acquire(handle, "a", NULL, &lock), DUEQ_OK);
    assert_int_equal(dueq_lock_token(lock), 7);
    return lock;
}

static void a_lost_grant_is_asked_for_again(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("EVALSHA"), CLOSE, GREETED, EXPECT("EVALSHA"), GRANTED, AWAIT_CLOSE, END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 20000);
    dueq_lock *lock = take(handle);
    assert_true(dueq_lock_left_ms(lock) > 0);
    dueq_lock_free(lock);
    dueq_close(handle);
    fake_end(server);
}

/* Whether it was granted is not known: so it is given back, by another connection. */
static void a_grant_that_stays_unknown_is_given_back(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("EVALSHA"), AWAIT_CLOSE, GREETED, EXPECT("EVALSHA"), DONE, AWAIT_CLOSE, END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 100);
    dueq_lock *none;
    assert_rc(handle, dueq_lock_acquire(handle, "a", NULL, &none), DUEQ_EUNSURE);
    assert_null(none);
    dueq_close(handle);
    fake_end(server);
}

static void *open_gate_once_it_is_over(void *context)
{
    int64_t granted_ms = until_now_ms();
    while (until_now_ms() <= granted_ms + DUEQ_LOCK_TTL_MS_MIN) until_again(INT64_MAX);
    fake_open_gate(context);
    return NULL;
}

/* The lock was granted, but the answer came when its time was over. */
static void a_late_grant_is_given_back(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("EVALSHA"), GATE, GRANTED, EXPECT("EVALSHA"), DONE, AWAIT_CLOSE, END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 20000);
    dueq_lock_options options = {.ttl_ms = DUEQ_LOCK_TTL_MS_MIN};
    dueq_lock *none;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_gate_once_it_is_over, server), 0);
    assert_rc(handle, dueq_lock_acquire(handle, "a", &options, &none), DUEQ_ETIMEOUT);
    assert_non_null(strstr(dueq_error(handle), "10 ms were over"));
    assert_null(none);
    pthread_join(thread, NULL);
    dueq_close(handle);
    fake_end(server);
}

static void a_lost_release_is_done(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("EVALSHA"), GRANTED, EXPECT("EVALSHA"), CLOSE,
        GREETED, EXPECT("EVALSHA"), LOST,    AWAIT_CLOSE,       END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 20000);
    dueq_lock *lock = take(handle);
    assert_rc(handle, dueq_lock_release(handle, lock), DUEQ_OK);
    dueq_lock_free(lock);
    dueq_close(handle);
    fake_end(server);
}

static void a_release_that_finds_another_is_not(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED, EXPECT("EVALSHA"), GRANTED, EXPECT("EVALSHA"), LOST, AWAIT_CLOSE, END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 20000);
    dueq_lock *lock = take(handle);
    assert_rc(handle, dueq_lock_release(handle, lock), DUEQ_LOST);
    dueq_lock_free(lock);
    dueq_close(handle);
    fake_end(server);
}

static void nonsense_is_not_believed(void **state)
{
    (void)state;
    static const fake_step script[] = {
        GREETED,
        EXPECT("EVALSHA"),
        GRANTED,
        EXPECT("EVALSHA"),
        SEND("+OK\r\n"),
        EXPECT("EVALSHA"),
        SEND("*1\r\n$3\r\nyes\r\n"),
        EXPECT("EVALSHA"),
        SEND("*1\r\n:0\r\n"), /* a holder without a value */
        EXPECT("EVALSHA"),
        SEND("*1\r\n:0\r\n"), /* a lock without a token */
        EXPECT("EVALSHA"),
        DONE, /* it is given back */
        AWAIT_CLOSE,
        END,
    };
    fake_server *server = fake_start(script, NULL);
    dueq *handle = open_on(server, 20000);
    dueq_lock *lock = take(handle);
    dueq_lock_holder holder;
    assert_rc(handle, dueq_lock_extend(handle, lock, 0), DUEQ_EPROTO);
    assert_non_null(strstr(dueq_error(handle), "lock_extend"));
    assert_true(dueq_lock_left_ms(lock) > 0); /* what was left is still left */
    assert_rc(handle, dueq_lock_extend(handle, lock, 0), DUEQ_EPROTO);
    assert_rc(handle, dueq_lock_look(handle, "a", &holder), DUEQ_EPROTO);
    dueq_lock_free(lock);
    assert_rc(handle, dueq_lock_acquire(handle, "a", NULL, &lock), DUEQ_EPROTO);
    dueq_close(handle);
    fake_end(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_grant_is_asked_for_again),
        cmocka_unit_test(a_grant_that_stays_unknown_is_given_back),
        cmocka_unit_test(a_late_grant_is_given_back),
        cmocka_unit_test(a_lost_release_is_done),
        cmocka_unit_test(a_release_that_finds_another_is_not),
        cmocka_unit_test(nonsense_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
