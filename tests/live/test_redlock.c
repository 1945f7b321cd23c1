/* Locks on five independent servers: held while more than half say so, whatever becomes of the
 * others; tokens that grow though a server forgets, or has another time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/queue_fixture.h"
#include "support/skew.h"

enum { SERVERS = 5, QUORUM = 3, PLENTY_MS = 20000 };

static test_server *servers[SERVERS];

/* ---- The servers ----------------------------------------------------------------------------- */

static int start_servers(void **state)
{
    (void)state;
    for (int i = 0; i < SERVERS; i++) servers[i] = server_start(NULL);
    return 0;
}

static int end_servers(void **state)
{
    (void)state;
    for (int i = 0; i < SERVERS; i++) server_free(servers[i]);
    return 0;
}

static int clean_servers(void **state)
{
    (void)state;
    for (int i = 0; i < SERVERS; i++) {
        if (server_pid(servers[i]) == 0) server_restart(servers[i]);
        server_do(servers[i], "FLUSHALL SYNC");
    }
    return 0;
}

static int open_on(dueq **handle, test_server *const *list, size_t count)
{
    const char *urls[DUEQ_LOCK_SERVERS_MAX + 1];
    for (size_t i = 0; i < count; i++) urls[i] = server_url(list[i]);
    return dueq_open_quorum(handle, urls, count, NULL);
}

static dueq *open_all(void)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, open_on(&handle, servers, SERVERS), DUEQ_OK);
    return handle;
}

static dueq *open_one(int server)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, server_url(servers[server]), NULL), DUEQ_OK);
    return handle;
}

static dueq_lock *take(dueq *handle)
{
    dueq_lock_options options = {.ttl_ms = 30000, .wait_ms = PLENTY_MS, .retry_max_ms = 20};
    dueq_lock *lock;
    ASSERT_RC(handle, dueq_lock_acquire(handle, "a", &options, &lock), DUEQ_OK);
    return lock;
}

static int try(dueq *handle, dueq_lock **lock)
{
    return dueq_lock_acquire(handle, "a", NULL, lock);
}

static void give_up(dueq *handle, dueq_lock *lock)
{
    ASSERT_RC(handle, dueq_lock_release(handle, lock), DUEQ_OK);
    dueq_lock_free(lock);
}

/* On how many of the running servers the key stands. */
static int standing(void)
{
    int count = 0;
    for (int i = 0; i < SERVERS; i++)
        if (server_pid(servers[i])) count += (int)server_int(servers[i], "EXISTS a");
    return count;
}

/* ---- Holding --------------------------------------------------------------------------------- */

static void one_holds_it_on_all_of_them(void **state)
{
    (void)state;
    dueq *handle = open_all(), *other = open_all();
    dueq_lock *none, *lock = take(handle);
    assert_int_equal(standing(), SERVERS);
    ASSERT_RC(other, try(other, &none), DUEQ_HELD);
    assert_null(none);
    assert_int_equal(standing(), SERVERS);
    ASSERT_RC(handle, dueq_lock_extend(handle, lock, 60000), DUEQ_OK);
    assert_in_range(dueq_lock_left_ms(lock), 40000, 60000 - 600 - 2);
    for (int i = 0; i < SERVERS; i++)
        assert_in_range(server_int(servers[i], "PTTL a"), 40000, 60000);
    give_up(handle, lock);
    assert_int_equal(standing(), 0);
    give_up(other, take(other));
    dueq_close(handle);
    dueq_close(other);
}

static void what_was_granted_in_vain_is_given_back(void **state)
{
    (void)state;
    dueq *handle = open_all();
    dueq_lock *none;
    for (int i = 0; i < QUORUM; i++) server_do(servers[2 * i], "SET a theirs");
    ASSERT_RC(handle, try(handle, &none), DUEQ_HELD);
    assert_int_equal(standing(), QUORUM);
    server_do(servers[0], "DEL a");
    dueq_lock *lock = take(handle);
    assert_int_equal(standing(), SERVERS);
    give_up(handle, lock);
    assert_int_equal(standing(), SERVERS - QUORUM); /* theirs */
    dueq_close(handle);
}

static void a_lock_lost_on_more_than_half_is_lost(void **state)
{
    (void)state;
    dueq *handle = open_all();
    dueq_lock *lock = take(handle);
    server_do(servers[0], "DEL a");
    server_do(servers[1], "SET a theirs");
    ASSERT_RC(handle, dueq_lock_extend(handle, lock, 0), DUEQ_OK);
    server_do(servers[2], "DEL a");
    ASSERT_RC(handle, dueq_lock_extend(handle, lock, 0), DUEQ_LOST);
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    ASSERT_RC(handle, dueq_lock_release(handle, lock), DUEQ_LOST);
    assert_int_equal(standing(), 1); /* theirs; what was ours is gone also there */
    dueq_lock_free(lock);
    dueq_close(handle);
}

static void the_holder_is_who_stands_on_more_than_half(void **state)
{
    (void)state;
    dueq *handle = open_all();
    dueq_lock_holder holder;
    ASSERT_RC(handle, dueq_lock_look(handle, "a", &holder), DUEQ_MISSING);
    dueq_lock *lock = take(handle);
    server_do(servers[0], "SET a theirs PX 50000");
    server_do(servers[1], "PEXPIRE a 20000");
    server_do(servers[2], "PEXPIRE a 10000");
    ASSERT_RC(handle, dueq_lock_look(handle, "a", &holder), DUEQ_OK);
    assert_int_equal(holder.pid, getpid());
    assert_int_equal(holder.server_count, 4);
    assert_int_equal(holder.token, dueq_lock_token(lock));
    assert_in_range(holder.left_ms, 10001, 20000); /* the third longest of 30, 30, 20 and 10 s */
    give_up(handle, lock);
    ASSERT_RC(handle, dueq_lock_look(handle, "a", &holder), DUEQ_MISSING); /* theirs is on one */
    dueq_close(handle);
}

/* ---- Servers gone ---------------------------------------------------------------------------- */

static void two_of_five_may_be_gone(void **state)
{
    (void)state;
    dueq *handle = open_all();
    dueq_lock *lock = take(handle);
    server_kill(servers[1]);
    server_kill(servers[3]);
    ASSERT_RC(handle, dueq_lock_extend(handle, lock, 0), DUEQ_OK);
    int64_t token = dueq_lock_token(lock);
    give_up(handle, lock);

    lock = take(handle);
    assert_true(dueq_lock_token(lock) > token);
    assert_int_equal(standing(), QUORUM);
    dueq *late = open_all(); /* opens with two gone, too */
    dueq_lock *none;
    dueq_lock_holder holder;
    ASSERT_RC(late, try(late, &none), DUEQ_HELD);
    ASSERT_RC(late, dueq_lock_look(late, "a", &holder), DUEQ_OK);
    assert_int_equal(holder.server_count, QUORUM);
    give_up(handle, lock);
    dueq_close(handle);
    dueq_close(late);
}

/* Three answer, and one of them says no: another has it, or half of it, and not "out of reach". */
static void one_no_among_three_that_answer_is_held(void **state)
{
    (void)state;
    dueq *handle = open_all();
    dueq_lock *none;
    server_kill(servers[1]);
    server_kill(servers[3]);
    server_do(servers[0], "SET a theirs");
    ASSERT_RC(handle, try(handle, &none), DUEQ_HELD);
    assert_int_equal(standing(), 1);
    dueq_close(handle);
}

static void three_of_five_may_not(void **state)
{
    (void)state;
    dueq *handle = open_all(), *late = NULL;
    dueq_lock *none, *lock = take(handle);
    dueq_lock_holder holder;
    for (int i = 0; i < QUORUM; i++) server_kill(servers[i]);
    assert_true(dueq_lock_extend(handle, lock, 0) < 0);
    fixture_assert_error(handle, "2 of 5 servers agreed, 3 are needed");
    assert_true(dueq_lock_left_ms(lock) > 0); /* what was left is still left */
    assert_true(dueq_lock_look(handle, "a", &holder) < 0);
    assert_true(dueq_lock_release(handle, lock) < 0);
    assert_int_equal(standing(), 0); /* given up where it could be told */
    assert_true(try(handle, &none) < 0);
    assert_null(none);
    ASSERT_RC(late, open_on(&late, servers, SERVERS), DUEQ_ECONNECT);
    fixture_assert_error(late, "2 of 5 servers are within reach, 3 are needed");
    ASSERT_RC(late, try(late, &none), DUEQ_ECONNECT);
    dueq_close(late);
    dueq_lock_free(lock);
    dueq_close(handle);
}

/* A server that takes connections but never answers: it costs its share of the time, once. */
static void a_silent_server_costs_no_more_than_its_share(void **state)
{
    (void)state;
    dueq *handle = open_all();
    give_up(handle, take(handle));
    server_freeze(servers[0]);
    server_freeze(servers[4]);
    dueq_lock_options options = {.ttl_ms = 30000};
    dueq_lock *lock;
    ASSERT_RC(handle, dueq_lock_acquire(handle, "a", &options, &lock), DUEQ_OK);
    assert_in_range(dueq_lock_left_ms(lock), 27000, 30000 - 300 - 2);
    ASSERT_RC(handle, dueq_lock_extend(handle, lock, 0), DUEQ_OK);
    ASSERT_RC(handle, dueq_lock_release(handle, lock), DUEQ_OK);
    dueq_lock_free(lock);
    server_thaw(servers[0]);
    server_thaw(servers[4]);
    /* What they were asked before they fell silent comes late, and stands until its time is over;
     * three others are enough. */
    give_up(handle, take(handle));
    dueq_close(handle);
}

typedef struct loss {
    atomic_int count;
} loss;

static void note_loss(void *context, const char *why)
{
    (void)why;
    atomic_fetch_add(&((loss *)context)->count, 1);
}

static void a_kept_lock_outlasts_two_servers_not_three(void **state)
{
    (void)state;
    dueq *handle = open_all();
    loss l = {0};
    dueq_lock_options options = {.ttl_ms = 1500};
    dueq_lock *lock;
    ASSERT_RC(handle, dueq_lock_acquire(handle, "a", &options, &lock), DUEQ_OK);
    int64_t began_ms = until_now_ms();
    ASSERT_RC(handle, dueq_lock_keep(handle, lock, note_loss, &l), DUEQ_OK);
    server_kill(servers[0]);
    server_kill(servers[1]);
    UNTIL(PLENTY_MS, until_now_ms() > began_ms + 1500 && dueq_lock_left_ms(lock) > 0);
    assert_int_equal(atomic_load(&l.count), 0);
    server_kill(servers[2]);
    UNTIL_EQ(PLENTY_MS, atomic_load(&l.count), 1);
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    dueq_lock_free(lock);
    dueq_close(handle);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static int64_t token_of_one_hold(dueq *handle)
{
    dueq_lock *lock = take(handle);
    int64_t token = dueq_lock_token(lock);
    give_up(handle, lock);
    return token;
}

/* Each round another two are gone or have forgotten all; any two rounds share a server that knows. */
static void tokens_grow_on_whichever_servers(void **state)
{
    (void)state;
    int64_t last = 0;
    dueq *handle = open_all();
    for (int i = 0; i < 2 * SERVERS; i++) {
        test_server *gone = servers[i % SERVERS], *empty = servers[(i + 2) % SERVERS];
        server_kill(gone);
        server_kill(empty);
        server_restart(empty);
        int64_t token = token_of_one_hold(handle);
        if (token <= last) fail_msg("token %" PRId64 " after %" PRId64, token, last);
        last = token;
        server_restart(gone);
    }
    dueq_close(handle);
}

/* A counter that only one server has, and the three that answer first have not. */
static void the_largest_counter_counts(void **state)
{
    (void)state;
    dueq *handle = open_all();
    int64_t ahead = INT64_C(8000000000000000);
    server_do(servers[4], "SET dueq:fence:{a} %lld", (long long)ahead);
    assert_int_equal(token_of_one_hold(handle), ahead + 1);
    int knowing = 0;
    for (int i = 0; i < SERVERS; i++)
        knowing += server_int(servers[i], "GET dueq:fence:{a}") >= ahead + 1;
    if (knowing < QUORUM) fail_msg("%d servers know the token, wanted %d", knowing, QUORUM);
    for (int i = 3; i < SERVERS; i++) server_kill(servers[i]);
    assert_int_equal(token_of_one_hold(handle), ahead + 2);
    dueq_close(handle);
}

/* ---- Clocks ---------------------------------------------------------------------------------- */

static int64_t clock_of(test_server *s)
{
    valkeyReply *reply = server_command(s, "TIME");
    int64_t now_s = strtoll(reply->element[0]->str, NULL, 10);
    freeReplyObject(reply);
    return now_s;
}

/* One of five is an hour ahead, then an hour behind: nobody gets in, and tokens grow. */
static void one_stepped_clock_changes_nothing(void **state)
{
    (void)state;
    skew *clock = skew_open();
    test_server *list[SERVERS] = {server_start(NULL), servers[1], servers[2], servers[3],
                                  servers[4]};
    int64_t true_s = clock_of(servers[1]);
    dueq *handle = NULL, *other = NULL;
    ASSERT_RC(handle, open_on(&handle, list, SERVERS), DUEQ_OK);
    ASSERT_RC(other, open_on(&other, list, SERVERS), DUEQ_OK);
    static const int64_t steps_s[] = {3600, -3600, 7200, 0};
    int64_t last = token_of_one_hold(handle);
    for (size_t i = 0; i < sizeof steps_s / sizeof *steps_s; i++) {
        dueq_lock *none, *lock = take(handle);
        skew_set_ms(clock, steps_s[i] * 1000);
        UNTIL(PLENTY_MS, llabs(clock_of(list[0]) - true_s - steps_s[i]) < 600);
        if (dueq_lock_token(lock) <= last)
            fail_msg("token %" PRId64 " after %" PRId64, dueq_lock_token(lock), last);
        last = dueq_lock_token(lock);
        ASSERT_RC(other, try(other, &none), DUEQ_HELD);
        ASSERT_RC(handle, dueq_lock_extend(handle, lock, 0), DUEQ_OK);
        give_up(handle, lock);
    }
    dueq_close(handle);
    dueq_close(other);
    server_free(list[0]);
    skew_close(clock);
}

/* ---- Settings -------------------------------------------------------------------------------- */

static void one_server_has_one_vote(void **state)
{
    (void)state;
    dueq *handle = NULL;
    test_server *twice[] = {servers[0], servers[1], servers[0]};
    ASSERT_RC(handle, open_on(&handle, twice, 3), DUEQ_EINVAL);
    fixture_assert_error(handle, "named twice");
    dueq_close(handle);

    /* under names that differ it is not seen, and does not count twice either */
    char urls[3][600];
    const char *const list[] = {urls[0], urls[1], urls[2]};
    snprintf(urls[0], sizeof urls[0], "%s", server_url(servers[0]));
    snprintf(urls[1], sizeof urls[1], "unix:%s/./s.sock", server_dir(servers[0]));
    snprintf(urls[2], sizeof urls[2], "%s", server_url(servers[1]));
    server_do(servers[1], "SET a theirs");
    dueq_lock *none;
    ASSERT_RC(handle, dueq_open_quorum(&handle, list, 3, NULL), DUEQ_OK);
    ASSERT_RC(handle, try(handle, &none), DUEQ_HELD);
    dueq_close(handle);
}

static void such_a_handle_is_for_locks_only(void **state)
{
    (void)state;
    dueq *handle = open_all();
    ASSERT_RC(handle, queue_push(handle, "q", "id", "x", 0), DUEQ_EINVAL);
    fixture_assert_error(handle, "for locks only");
    assert_non_null(strstr(dueq_url(handle), server_url(servers[3])));
    give_up(handle, take(handle)); /* and it is still good for them */
    dueq_close(handle);
}

static void one_url_is_an_ordinary_handle(void **state)
{
    (void)state;
    dueq *handle = NULL, *plain = open_one(0);
    ASSERT_RC(handle, open_on(&handle, servers, 1), DUEQ_OK);
    ASSERT_RC(handle, queue_push(handle, "q", "id", "x", 0), DUEQ_OK);
    dueq_lock *none, *lock = take(handle);
    ASSERT_RC(plain, try(plain, &none), DUEQ_HELD);
    give_up(handle, lock);
    dueq_close(handle);
    dueq_close(plain);
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    dueq *handle = NULL;
    const char *urls[DUEQ_LOCK_SERVERS_MAX + 1];
    for (size_t i = 0; i <= DUEQ_LOCK_SERVERS_MAX; i++) urls[i] = "redis://127.0.0.1";
    ASSERT_RC(handle, dueq_open_quorum(&handle, urls, DUEQ_LOCK_SERVERS_MAX + 1, NULL),
              DUEQ_EINVAL);
    fixture_assert_error(handle, "locks want 1 to 15");
    dueq_close(handle);
    ASSERT_RC(handle, dueq_open_quorum(&handle, urls, 0, NULL), DUEQ_EINVAL);
    dueq_close(handle);
    ASSERT_RC(handle, dueq_open_quorum(&handle, NULL, 3, NULL), DUEQ_EINVAL);
    dueq_close(handle);
    const char *const bad[] = {server_url(servers[0]), "http://x", server_url(servers[1])};
    ASSERT_RC(handle, dueq_open_quorum(&handle, bad, 3, NULL), DUEQ_EINVAL);
    dueq_close(handle);
}

#define REDLOCK_TEST(test) cmocka_unit_test_setup(test, clean_servers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REDLOCK_TEST(one_holds_it_on_all_of_them),
        REDLOCK_TEST(what_was_granted_in_vain_is_given_back),
        REDLOCK_TEST(a_lock_lost_on_more_than_half_is_lost),
        REDLOCK_TEST(the_holder_is_who_stands_on_more_than_half),
        REDLOCK_TEST(two_of_five_may_be_gone),
        REDLOCK_TEST(one_no_among_three_that_answer_is_held),
        REDLOCK_TEST(three_of_five_may_not),
        REDLOCK_TEST(a_silent_server_costs_no_more_than_its_share),
        REDLOCK_TEST(a_kept_lock_outlasts_two_servers_not_three),
        REDLOCK_TEST(tokens_grow_on_whichever_servers),
        REDLOCK_TEST(the_largest_counter_counts),
        REDLOCK_TEST(one_stepped_clock_changes_nothing),
        REDLOCK_TEST(one_server_has_one_vote),
        REDLOCK_TEST(such_a_handle_is_for_locks_only),
        REDLOCK_TEST(one_url_is_an_ordinary_handle),
        REDLOCK_TEST(bad_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, start_servers, end_servers);
}
