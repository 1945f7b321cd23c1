/* Locks on one server: one holder at a time, only one's own is released, tokens grow whatever
 * happens to the keys, holders tell who they are, and plain SET NX PX lockers are kept out and keep
 * out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/queue_fixture.h"

enum { FOR_EVER = -1, PLENTY_MS = 20000, SHORT_TTL_MS = 100 };

/* Takes what nobody holds. */
static dueq_lock *take(dueq *handle, const char *name, int64_t ttl_ms)
{
    dueq_lock_options options = {.ttl_ms = ttl_ms};
    dueq_lock *lock;
    ASSERT_RC(handle, dueq_lock_acquire(handle, name, &options, &lock), DUEQ_OK);
    assert_non_null(lock);
    return lock;
}

static int try(dueq *handle, const char *name, dueq_lock **lock)
{
    return dueq_lock_acquire(handle, name, NULL, lock);
}

static void assert_held(dueq *handle, const char *name)
{
    dueq_lock *none;
    ASSERT_RC(handle, try(handle, name, &none), DUEQ_HELD);
    assert_null(none);
}

static void give_up(dueq *handle, dueq_lock *lock)
{
    ASSERT_RC(handle, dueq_lock_release(handle, lock), DUEQ_OK);
    dueq_lock_free(lock);
}

/* Lets the lock's time run out on the server. */
static void run_out(const fixture *f, const char *name)
{
    UNTIL_EQ(PLENTY_MS, server_int(f->server, "EXISTS %s", name), 0);
}

/* ---- Holding --------------------------------------------------------------------------------- */

static void one_holds_it_at_a_time(void **state)
{
    fixture *f = *state;
    dueq *other = fixture_open(f);
    dueq_lock *lock = take(f->handle, "nightly", 0);
    assert_held(other, "nightly");
    assert_held(f->handle, "nightly"); /* also for the same process: a lock is not re-entered */
    give_up(other, take(other, "weekly", 0));
    give_up(f->handle, lock);
    give_up(other, take(other, "nightly", 0));
    assert_int_equal(server_int(f->server, "EXISTS nightly weekly"), 0);
    dueq_close(other);
}

static void the_time_left_is_told_and_ends(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 30000);
    assert_in_range(dueq_lock_left_ms(lock), 10000, 30000 - 300 - 2);
    assert_in_range(server_int(f->server, "PTTL a"), 10000, 30000);
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, 60000), DUEQ_OK);
    assert_in_range(dueq_lock_left_ms(lock), 40000, 60000 - 600 - 2);
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, 0), DUEQ_OK);
    assert_in_range(dueq_lock_left_ms(lock), 10000, 30000 - 300 - 2);

    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, SHORT_TTL_MS), DUEQ_OK);
    UNTIL_EQ(PLENTY_MS, dueq_lock_left_ms(lock), 0);
    run_out(f, "a");
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, 0), DUEQ_LOST);
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, lock), DUEQ_LOST);
    dueq_lock_free(lock);
}

static void a_released_lock_has_no_time_left(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 30000);
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, lock), DUEQ_OK);
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, lock), DUEQ_LOST);
    dueq_lock_free(lock);
    dueq_lock_free(NULL);
}

static void a_late_holder_touches_nothing_of_the_next(void **state)
{
    fixture *f = *state;
    dueq *other = fixture_open(f);
    dueq_lock *late = take(f->handle, "a", SHORT_TTL_MS);
    run_out(f, "a");
    dueq_lock *lock = take(other, "a", 30000);
    char *value = server_text(f->server, "GET a");
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, late), DUEQ_LOST);
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, late, 60000), DUEQ_LOST);
    char *still = server_text(f->server, "GET a");
    assert_string_equal(still, value);
    assert_in_range(server_int(f->server, "PTTL a"), 1, 30000);
    give_up(other, lock);
    dueq_lock_free(late);
    free(still);
    free(value);
    dueq_close(other);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

typedef struct waiting {
    const fixture *f;
    int64_t wait_ms;
    int interrupt_fd;
    int rc;
    int64_t token;
} waiting;

static void *wait_for_lock(void *context)
{
    waiting *w = context;
    dueq *handle = NULL;
    dueq_lock *lock = NULL;
    dueq_lock_options options = {.wait_ms = w->wait_ms, .retry_max_ms = 20};
    w->rc = dueq_open(&handle, server_url(w->f->server), NULL);
    if (w->interrupt_fd >= 0) dueq_set_interrupt_fd(handle, w->interrupt_fd);
    if (w->rc == DUEQ_OK) w->rc = dueq_lock_acquire(handle, "a", &options, &lock);
    if (w->rc == DUEQ_OK) {
        w->token = dueq_lock_token(lock);
        dueq_lock_release(handle, lock);
    }
    dueq_lock_free(lock);
    dueq_close(handle);
    return NULL;
}

static pthread_t start_waiting(waiting *w)
{
    pthread_t thread;
    long long before = fixture_calls(w->f, "evalsha");
    assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, w), 0);
    UNTIL(PLENTY_MS, fixture_calls(w->f, "evalsha") > before + 1); /* it has asked, and again */
    return thread;
}

static void a_waiter_gets_what_is_released(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 0);
    int64_t token = dueq_lock_token(lock);
    waiting w = {.f = f, .wait_ms = FOR_EVER, .interrupt_fd = -1};
    pthread_t thread = start_waiting(&w);
    give_up(f->handle, lock);
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, DUEQ_OK);
    assert_true(w.token > token);
}

static void a_waiter_gets_what_runs_out(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 1000);
    waiting w = {.f = f, .wait_ms = FOR_EVER, .interrupt_fd = -1};
    pthread_join(start_waiting(&w), NULL);
    assert_int_equal(w.rc, DUEQ_OK);
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    dueq_lock_free(lock);
}

static void waiting_ends_when_its_time_is_over(void **state)
{
    fixture *f = *state;
    dueq_lock *none, *lock = take(f->handle, "a", 0);
    dueq_lock_options options = {.wait_ms = 50};
    int64_t start_ms = until_now_ms();
    ASSERT_RC(f->handle, dueq_lock_acquire(f->handle, "a", &options, &none), DUEQ_HELD);
    assert_true(until_now_ms() - start_ms >= 50);
    give_up(f->handle, lock);
}

static void waiting_is_interrupted(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 0);
    waiting w = {.f = f, .wait_ms = FOR_EVER, .interrupt_fd = eventfd(0, EFD_CLOEXEC)};
    pthread_t thread = start_waiting(&w);
    eventfd_write(w.interrupt_fd, 1);
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, DUEQ_ECANCELED);
    close(w.interrupt_fd);
    give_up(f->handle, lock);
}

static void waiting_outlasts_a_restart_of_the_server(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", 0); /* the server forgets it: it keeps nothing on disk */
    waiting w = {.f = f, .wait_ms = FOR_EVER, .interrupt_fd = -1};
    pthread_t thread = start_waiting(&w);
    server_kill(f->server);
    server_restart(f->server);
    pthread_join(thread, NULL);
    assert_int_equal(w.rc, DUEQ_OK);
    assert_true(w.token > dueq_lock_token(lock)); /* though the counter is gone */
    dueq_lock_free(lock);
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static int64_t token_of_one_hold(const fixture *f)
{
    dueq_lock *lock = take(f->handle, "a", 0);
    int64_t token = dueq_lock_token(lock);
    give_up(f->handle, lock);
    return token;
}

static void tokens_grow_whatever_happens_to_the_keys(void **state)
{
    fixture *f = *state;
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        if (i % 5 == 1) server_do(f->server, "DEL a");
        if (i % 5 == 2) server_do(f->server, "DEL dueq:fence:{a}");
        if (i % 5 == 3) server_do(f->server, "FLUSHALL SYNC");
        if (i % 5 == 4) server_do(f->server, "SET dueq:fence:{a} nonsense");
        int64_t token = token_of_one_hold(f);
        if (token <= last) fail_msg("token %" PRId64 " after %" PRId64, token, last);
        last = token;
    }
}

/* The server's clock was ahead when the last token was given: the counter stays ahead with it. */
static void tokens_grow_when_the_clock_was_put_back(void **state)
{
    fixture *f = *state;
    int64_t ahead = fixture_now_us(f) + INT64_C(3600) * 1000000;
    server_do(f->server, "SET dueq:fence:{a} %lld", (long long)ahead);
    assert_int_equal(token_of_one_hold(f), ahead + 1);
    assert_int_equal(token_of_one_hold(f), ahead + 2);
    /* and it is kept until the clock has passed it by a day */
    int64_t left_ms = server_int(f->server, "PTTL dueq:fence:{a}");
    assert_in_range(left_ms, INT64_C(245) * 360000, INT64_C(25) * 3600000);
}

static void a_counter_of_a_past_day_does_not_stay(void **state)
{
    fixture *f = *state;
    token_of_one_hold(f);
    assert_in_range(server_int(f->server, "PTTL dueq:fence:{a}"), 23 * 3600000, 24 * 3600000);
}

/* ---- Others ---------------------------------------------------------------------------------- */

/* What bsm/redislock and its like do, in their own words. */
static bool foreign_take(const fixture *f, const char *name, const char *value)
{
    char *answer = server_text(f->server, "SET %s %s NX PX 30000", name, value);
    bool taken = answer != NULL;
    free(answer);
    return taken;
}

static bool foreign_release(const fixture *f, const char *name, const char *value)
{
    return server_int(f->server, "EVAL %s 1 %s %s",
                      "if redis.call('get', KEYS[1]) == ARGV[1] then "
                      "return redis.call('del', KEYS[1]) else return 0 end",
                      name, value) == 1;
}

static void plain_lockers_and_we_keep_each_other_out(void **state)
{
    fixture *f = *state;
    const char *value = "Zm9vYmFyYmF6cXV4cXV1eAmeta";
    assert_true(foreign_take(f, "a", value));
    assert_held(f->handle, "a");
    char *still = server_text(f->server, "GET a");
    assert_string_equal(still, value);
    free(still);
    assert_true(foreign_release(f, "a", value));

    dueq_lock *lock = take(f->handle, "a", 0);
    assert_false(foreign_take(f, "a", value));
    assert_false(foreign_release(f, "a", value));
    give_up(f->handle, lock);
    assert_true(foreign_take(f, "a", value));
}

static void a_lock_that_a_plain_locker_took_over_is_lost(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "a", SHORT_TTL_MS);
    run_out(f, "a");
    assert_true(foreign_take(f, "a", "theirs"));
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, 0), DUEQ_LOST);
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, lock), DUEQ_LOST);
    assert_int_equal(server_int(f->server, "EXISTS a"), 1);
    dueq_lock_free(lock);
}

/* 22 characters that differ each time, as others' tokens, and what follows them is for reading. */
static void the_value_has_the_shape_of_others(void **state)
{
    fixture *f = *state;
    char *first = NULL;
    for (int i = 0; i < 2; i++) {
        dueq_lock_options options = {.owner = "the owner"};
        dueq_lock *lock;
        ASSERT_RC(f->handle, dueq_lock_acquire(f->handle, "a", &options, &lock), DUEQ_OK);
        char *value = server_text(f->server, "GET a");
        static const char base64url[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        assert_int_equal(strspn(value, base64url), 22);
        assert_non_null(strstr(value + 22, "the owner"));
        if (first) assert_int_not_equal(strncmp(first, value, 22), 0);
        give_up(f->handle, lock);
        free(first);
        first = value;
    }
    free(first);
}

static void holders_tell_who_they_are(void **state)
{
    fixture *f = *state;
    dueq_lock_holder holder;
    ASSERT_RC(f->handle, dueq_lock_look(f->handle, "a", &holder), DUEQ_MISSING);

    dueq_lock_options options = {.ttl_ms = 30000, .owner = "nightly \x01 report"};
    dueq_lock *lock;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    ASSERT_RC(f->handle, dueq_lock_acquire(f->handle, "a", &options, &lock), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_lock_look(f->handle, "a", &holder), DUEQ_OK);
    assert_string_equal(holder.owner, options.owner);
    assert_int_equal(strncmp(holder.host, host, DUEQ_LOCK_HOST_MAX), 0);
    assert_int_equal(holder.pid, getpid());
    assert_int_equal(holder.token, dueq_lock_token(lock));
    assert_int_equal(holder.server_count, 1);
    assert_in_range(holder.left_ms, 10000, 30000);
    give_up(f->handle, lock);

    server_do(f->server, "SET a theirs");
    ASSERT_RC(f->handle, dueq_lock_look(f->handle, "a", &holder), DUEQ_OK);
    assert_string_equal(holder.owner, "theirs");
    assert_string_equal(holder.host, "");
    assert_int_equal(holder.token, 0);
    assert_int_equal(holder.left_ms, -1);
    assert_held(f->handle, "a");
}

static void names_are_keys_whole(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "app:{user 7}:\xff", 0);
    assert_int_equal(server_int(f->server, "EXISTS %s", "app:{user 7}:\xff"), 1);
    assert_int_equal(server_int(f->server, "EXISTS %s", "dueq:fence:app:{user 7}:\xff"), 1);
    assert_int_equal(server_int(f->server, "DBSIZE"), 2);
    give_up(f->handle, lock);
}

/* ---- Being kept ------------------------------------------------------------------------------ */

typedef struct loss {
    atomic_int count;
    char why[700];
} loss;

static void note_loss(void *context, const char *why)
{
    loss *l = context;
    snprintf(l->why, sizeof l->why, "%s", why);
    atomic_fetch_add(&l->count, 1);
}

static void a_kept_lock_outlasts_its_time(void **state)
{
    fixture *f = *state;
    loss l = {0};
    dueq_lock *lock = take(f->handle, "a", 900);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_OK);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_STATE);
    UNTIL(PLENTY_MS, fixture_calls(f, "pexpire") >= 5); /* two thirds beyond its time */
    assert_held(f->handle, "a");
    assert_true(dueq_lock_left_ms(lock) > 0);
    assert_int_equal(atomic_load(&l.count), 0);
    give_up(f->handle, lock);
    assert_int_equal(server_int(f->server, "EXISTS a"), 0);
    assert_int_equal(atomic_load(&l.count), 0);
}

static void a_keeper_tells_that_another_has_it(void **state)
{
    fixture *f = *state;
    loss l = {0};
    dueq_lock *lock = take(f->handle, "a", 300);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_OK);
    server_do(f->server, "SET a theirs");
    UNTIL_EQ(PLENTY_MS, atomic_load(&l.count), 1);
    assert_non_null(strstr(l.why, "no longer ours"));
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    ASSERT_RC(f->handle, dueq_lock_release(f->handle, lock), DUEQ_LOST);
    assert_int_equal(atomic_load(&l.count), 1);
    char *value = server_text(f->server, "GET a");
    assert_string_equal(value, "theirs");
    free(value);
    dueq_lock_free(lock);
}

/* By the end of the time that was sure, whatever the server does meanwhile. */
static void a_keeper_tells_in_time_that_the_server_is_away(void **state)
{
    fixture *f = *state;
    loss l = {0};
    long long before = fixture_calls(f, "pexpire");
    dueq_lock *lock = take(f->handle, "a", 900);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_OK);
    UNTIL(PLENTY_MS, fixture_calls(f, "pexpire") > before); /* the keeper is connected */
    server_freeze(f->server);
    int64_t frozen_ms = until_now_ms();
    UNTIL_EQ(PLENTY_MS, dueq_lock_left_ms(lock), 0);
    UNTIL_EQ(PLENTY_MS, atomic_load(&l.count), 1);
    int64_t told_ms = until_now_ms() - frozen_ms;
    if (told_ms >= 4900) fail_msg("told after %" PRId64 " ms: a call's deadline", told_ms);
    assert_non_null(strstr(l.why, "could not be renewed in time"));
    server_thaw(f->server);
    dueq_lock_free(lock);
}

static void a_keeper_outlasts_a_short_outage(void **state)
{
    fixture *f = *state;
    loss l = {0};
    dueq_lock *lock = take(f->handle, "a", 3000);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_OK);
    long long before = fixture_calls(f, "pexpire");
    server_do(f->server, "CLIENT KILL TYPE normal SKIPME yes"); /* the handle's too */
    UNTIL(PLENTY_MS, fixture_calls(f, "pexpire") > before);
    assert_int_equal(atomic_load(&l.count), 0);
    give_up(f->handle, lock);
}

static void a_kept_lock_is_freed_without_a_word(void **state)
{
    fixture *f = *state;
    loss l = {0};
    dueq_lock *lock = take(f->handle, "a", 30000);
    ASSERT_RC(f->handle, dueq_lock_keep(f->handle, lock, note_loss, &l), DUEQ_OK);
    dueq_lock_free(lock);
    assert_int_equal(server_int(f->server, "EXISTS a"), 1); /* it runs out by itself */
    assert_int_equal(atomic_load(&l.count), 0);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void what_is_not_valid_is_refused_unsent(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = NULL;
    dueq_lock_holder holder;
    char long_text[DUEQ_LOCK_NAME_MAX + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    const char *const names[] = {NULL, "", "a}b", "{}", long_text};
    server_do(f->server, "CONFIG RESETSTAT");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ASSERT_RC(f->handle, try(f->handle, names[i], &lock), DUEQ_EINVAL);
        ASSERT_RC(f->handle, dueq_lock_look(f->handle, names[i], &holder), DUEQ_EINVAL);
        fixture_assert_error(f->handle, "lock name");
        assert_null(lock);
    }
    const dueq_lock_options bad[] = {
        {.ttl_ms = DUEQ_LOCK_TTL_MS_MIN - 1}, {.ttl_ms = -1},       {.wait_ms = -2},
        {.ttl_ms = DUEQ_LOCK_TTL_MS_MAX + 1}, {.retry_max_ms = -1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ASSERT_RC(f->handle, dueq_lock_acquire(f->handle, "a", &bad[i], &lock), DUEQ_EINVAL);
    dueq_lock_options too_long = {.owner = long_text};
    ASSERT_RC(f->handle, dueq_lock_acquire(f->handle, "a", &too_long, &lock), DUEQ_ELIMIT);
    assert_int_equal(fixture_calls(f, "evalsha"), 0);
}

static void a_key_of_another_type_is_no_lock(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = NULL;
    dueq_lock_holder holder;
    server_do(f->server, "LPUSH a x");
    ASSERT_RC(f->handle, try(f->handle, "a", &lock), DUEQ_ECORRUPT);
    fixture_assert_error(f->handle, "the key \"a\"");
    ASSERT_RC(f->handle, dueq_lock_look(f->handle, "a", &holder), DUEQ_ECORRUPT);
    server_do(f->server, "LPUSH dueq:fence:{b} x");
    ASSERT_RC(f->handle, try(f->handle, "b", &lock), DUEQ_ECORRUPT);
    assert_int_equal(server_int(f->server, "EXISTS b"), 0); /* nothing half done */
}

static void a_full_server_refuses_whole_locks(void **state)
{
    fixture *f = *state;
    dueq_lock *lock = take(f->handle, "held", 0), *none;
    server_do(f->server, "CONFIG SET maxmemory 1");
    ASSERT_RC(f->handle, try(f->handle, "a", &none), DUEQ_EFULL);
    ASSERT_RC(f->handle, dueq_lock_extend(f->handle, lock, 0), DUEQ_OK);
    give_up(f->handle, lock);
    server_do(f->server, "CONFIG SET maxmemory 0");
    assert_int_equal(server_int(f->server, "EXISTS a dueq:fence:{a}"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(one_holds_it_at_a_time),
        FIXTURE_TEST(the_time_left_is_told_and_ends),
        FIXTURE_TEST(a_released_lock_has_no_time_left),
        FIXTURE_TEST(a_late_holder_touches_nothing_of_the_next),
        FIXTURE_TEST(a_waiter_gets_what_is_released),
        FIXTURE_TEST(a_waiter_gets_what_runs_out),
        FIXTURE_TEST(waiting_ends_when_its_time_is_over),
        FIXTURE_TEST(waiting_is_interrupted),
        FIXTURE_TEST(waiting_outlasts_a_restart_of_the_server),
        FIXTURE_TEST(tokens_grow_whatever_happens_to_the_keys),
        FIXTURE_TEST(tokens_grow_when_the_clock_was_put_back),
        FIXTURE_TEST(a_counter_of_a_past_day_does_not_stay),
        FIXTURE_TEST(plain_lockers_and_we_keep_each_other_out),
        FIXTURE_TEST(a_lock_that_a_plain_locker_took_over_is_lost),
        FIXTURE_TEST(the_value_has_the_shape_of_others),
        FIXTURE_TEST(holders_tell_who_they_are),
        FIXTURE_TEST(names_are_keys_whole),
        FIXTURE_TEST(a_kept_lock_outlasts_its_time),
        FIXTURE_TEST(a_keeper_tells_that_another_has_it),
        FIXTURE_TEST(a_keeper_tells_in_time_that_the_server_is_away),
        FIXTURE_TEST(a_keeper_outlasts_a_short_outage),
        FIXTURE_TEST(a_kept_lock_is_freed_without_a_word),
        FIXTURE_TEST(what_is_not_valid_is_refused_unsent),
        FIXTURE_TEST(a_key_of_another_type_is_no_lock),
        FIXTURE_TEST(a_full_server_refuses_whole_locks),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
