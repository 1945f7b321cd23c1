/* Dealing free slots among queues: by weight, mixed; in strict order; dry queues left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work/share.h"

static dq_share open_share(int weight)
{
    return (dq_share){.weight = weight, .open = true};
}

static void test_quotas_follow_weights(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(3), open_share(1)};
    assert_true(dq_share_deal(shares, 2, 100, false));
    assert_int_equal(shares[0].quota, 75);
    assert_int_equal(shares[1].quota, 25);
}

/* One slot at a time gives the same shares, and the smaller one is not kept to the end. */
static void test_single_slots_mix(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(3), open_share(1)};
    size_t of_second = 0, first_second = 0;
    for (size_t i = 1; i <= 8; i++) {
        assert_true(dq_share_deal(shares, 2, 1, false));
        assert_int_equal(shares[0].quota + shares[1].quota, 1);
        if (shares[1].quota == 1 && of_second++ == 0) first_second = i;
    }
    assert_int_equal(of_second, 2);
    assert_in_range(first_second, 2, 4);
}

static void test_closed_shares_get_nothing(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(5), open_share(1), open_share(1)};
    dq_share_close(&shares[0]);
    assert_true(dq_share_deal(shares, 3, 10, false));
    assert_int_equal(shares[0].quota, 0);
    assert_int_equal(shares[1].quota, 5);
    assert_int_equal(shares[2].quota, 5);
}

static void test_none_open(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(1)};
    dq_share_close(&shares[0]);
    assert_false(dq_share_deal(shares, 1, 10, false));
    assert_int_equal(shares[0].quota, 0);
    assert_false(dq_share_deal(shares, 1, 10, true));
}

/* A queue that was dry comes back with its share, not with a claim for the time it was away. */
static void test_no_claims_for_dry_time(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(1), open_share(1)};
    dq_share_deal(shares, 2, 1, false);
    dq_share_close(&shares[1]);
    dq_share_deal(shares, 2, 1000, false);
    shares[1].open = true;
    dq_share_deal(shares, 2, 100, false);
    assert_in_range(shares[0].quota, 49, 51);
    assert_in_range(shares[1].quota, 49, 51);
}

static void test_strict_order(void **state)
{
    (void)state;
    dq_share shares[] = {open_share(1), open_share(100)};
    assert_true(dq_share_deal(shares, 2, 7, true));
    assert_int_equal(shares[0].quota, 7);
    assert_int_equal(shares[1].quota, 0);
    dq_share_close(&shares[0]);
    assert_true(dq_share_deal(shares, 2, 7, true));
    assert_int_equal(shares[0].quota, 0);
    assert_int_equal(shares[1].quota, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotas_follow_weights),     cmocka_unit_test(test_single_slots_mix),
        cmocka_unit_test(test_closed_shares_get_nothing), cmocka_unit_test(test_none_open),
        cmocka_unit_test(test_no_claims_for_dry_time),    cmocka_unit_test(test_strict_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
