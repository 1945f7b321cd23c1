/* How long a lock is sure, when to try again, and what several servers' answers add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dueq.h"
#include "queue/lock_rules.h"
#include "queue/quorum.h"
#include "work/lock_keeper.h"

enum { U = DQ_LOCK_UNASKED, H = DUEQ_HELD, L = DUEQ_LOST, E = DUEQ_ECONNECT, T = DUEQ_ETIMEOUT };

static void a_lock_is_sure_for_less_than_its_time(void **state)
{
    (void)state;
    assert_int_equal(dq_lock_sure_us(10), 10000 - 100 - 2000);
    assert_int_equal(dq_lock_sure_us(1000), 988000);
    assert_int_equal(dq_lock_sure_us(DUEQ_LOCK_TTL_MS_MAX),
                     INT64_C(1000) * DUEQ_LOCK_TTL_MS_MAX / 100 * 99 - 2000);
}

/* However many servers are gone, asking them all leaves half the time. */
static void the_servers_shares_leave_half_the_time(void **state)
{
    (void)state;
    assert_int_equal(dq_lock_share_ms(30000, 5, 200), 200);
    assert_int_equal(dq_lock_share_ms(1000, 5, 200), 100);
    assert_int_equal(dq_lock_share_ms(10, 15, 200), 1);
    for (size_t count = 1; count <= DUEQ_LOCK_SERVERS_MAX; count++)
        for (int64_t ttl_ms = 30; ttl_ms < 100000; ttl_ms *= 3)
            assert_true(dq_lock_share_ms(ttl_ms, count, 200) * (int64_t)count <= ttl_ms / 2);
}

static void pauses_are_drawn_from_a_growing_range(void **state)
{
    (void)state;
    assert_int_equal(dq_lock_pause_ms(1, 1000, -1, 0), 0);
    assert_int_equal(dq_lock_pause_ms(1, 1000, -1, 10), 10);
    assert_int_equal(dq_lock_pause_ms(1, 1000, -1, 11), 0);
    assert_int_equal(dq_lock_pause_ms(100, 1000, -1, 1000), 1000);
    assert_int_equal(dq_lock_pause_ms(100, 1000, -1, 1001), 0);
    assert_int_equal(dq_lock_pause_ms(100, 5, -1, 5), 5);
    /* no longer than until just after the holder's end */
    assert_int_equal(dq_lock_pause_ms(100, 1000, 100, 900), 101);
    assert_int_equal(dq_lock_pause_ms(100, 1000, 100, 907), 108);
    assert_int_equal(dq_lock_pause_ms(100, 1000, 100, 50), 50);
    assert_int_equal(dq_lock_pause_ms(100, 1000, 0, 1000), 1);
}

static void more_than_half_decide(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        int outcomes[5];
        int verdict;
    } rows[] = {
        {1, {0}, 0},
        {1, {H}, H},
        {1, {E}, E},
        {1, {U}, U},
        {2, {0, H}, H}, /* of two both are needed */
        {2, {0, E}, E},
        {3, {0, 0, E}, 0},
        {3, {0, H, U}, U},
        {3, {H, H, U}, H},
        {4, {0, 0, H, H}, H},
        {5, {0, 0, 0, U, U}, 0},
        {5, {0, 0, U, U, U}, U},
        {5, {0, 0, 0, E, E}, 0},
        {5, {0, 0, E, T, E}, E},
        {5, {T, 0, E, E, 0}, T},
        {5, {0, 0, H, E, E}, E}, /* not known: those away could say either */
        {5, {H, H, L, U, U}, H},
        {5, {H, H, U, U, U}, U},
        {5, {0, 0, H, H, L}, H},
        {5, {0, 0, 0, H, H}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int verdict = dq_lock_verdict(rows[i].outcomes, rows[i].count);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: verdict %d, wanted %d", i, verdict, rows[i].verdict);
    }
}

/* Left alone only for what time may mend, until it answers, and never when there is no other. */
static void a_server_that_failed_is_left_alone(void **state)
{
    (void)state;
    dq_member members[2] = {{0}};
    dueq several = {.members = members, .member_count = 2}, single = {0};
    static const int out_of_reach[] = {DUEQ_ECONNECT, DUEQ_ETIMEOUT, DUEQ_EUNSURE, DUEQ_EUNREADY};
    static const int answers[] = {DUEQ_OK, DUEQ_HELD, DUEQ_LOST, DUEQ_EFULL};
    for (size_t i = 0; i < 4; i++) {
        dq_server_told(&several, 1, out_of_reach[i]);
        assert_true(dq_server_is_away(&several, 1));
        assert_false(dq_server_is_away(&several, 0));
        dq_server_told(&several, 1, answers[i]);
        assert_false(dq_server_is_away(&several, 1));
    }
    dq_server_told(&single, 0, DUEQ_ETIMEOUT);
    assert_false(dq_server_is_away(&single, 0));
}

static void a_lock_is_renewed_well_before_its_end(void **state)
{
    (void)state;
    assert_int_equal(dq_lock_renew_after_us(30000), 10000000);
    assert_int_equal(dq_lock_retry_after_us(30000), 1000000);
    assert_int_equal(dq_lock_retry_after_us(1000), 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_is_sure_for_less_than_its_time),
        cmocka_unit_test(the_servers_shares_leave_half_the_time),
        cmocka_unit_test(pauses_are_drawn_from_a_growing_range),
        cmocka_unit_test(more_than_half_decide),
        cmocka_unit_test(a_server_that_failed_is_left_alone),
        cmocka_unit_test(a_lock_is_renewed_well_before_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
