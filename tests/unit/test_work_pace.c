/* How many tasks are held ready at which pace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work/pace.h"

static void note(dq_pace *pace, int64_t handled_us, int times)
{
    while (times-- > 0) {
        dq_pace_note(pace, handled_us);
    }
}

static void test_nothing_is_known_at_first(void **state)
{
    (void)state;
    dq_pace pace = {0};
    assert_int_equal(dq_pace_soon(&pace, 100), 0);
}

static void test_as_many_as_will_be_begun_soon(void **state)
{
    (void)state;
    const struct {
        int64_t handled_us;
        size_t room, soon;
    } cases[] = {
        {100000, 8, 0},                       /* slow handlers: nothing waits for them */
        {10000, 4, 4},                        /* one each */
        {5000, 4, 8},          {1000, 1, 10}, /* … */
        {1, 1, DQ_PACE_MOST},                 /* bounded */
        {0, 64, DQ_PACE_MOST},                /* the clock did not move */
        {INT64_MAX, 1024, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_pace pace = {0};
        note(&pace, cases[i].handled_us, 40);
        assert_int_equal(dq_pace_soon(&pace, cases[i].room), cases[i].soon);
    }
}

static void test_it_follows_a_change_of_pace(void **state)
{
    (void)state;
    dq_pace pace = {0};
    note(&pace, 10, 100);
    assert_int_equal(dq_pace_soon(&pace, 2), DQ_PACE_MOST);
    note(&pace, 50000, 60);
    assert_int_equal(dq_pace_soon(&pace, 2), 0);
    note(&pace, 10, 300);
    assert_in_range(dq_pace_soon(&pace, 2), 400, DQ_PACE_MOST);
}

/* One slow task among many quick ones costs the reserve a part, not all of it. */
static void test_one_slow_task(void **state)
{
    (void)state;
    dq_pace pace = {0};
    note(&pace, 100, 100);
    dq_pace_note(&pace, 3200);
    assert_in_range(dq_pace_soon(&pace, 10), 300, 400);
}

static void test_stuck(void **state)
{
    (void)state;
    dq_pace pace = {0};
    note(&pace, 10, 100);
    dq_pace_note_stuck(&pace);
    assert_int_equal(dq_pace_soon(&pace, 9), 0);
    note(&pace, 10, 20);
    assert_int_equal(dq_pace_soon(&pace, 1), 0);
    note(&pace, 10, 200);
    assert_in_range(dq_pace_soon(&pace, 1), 300, DQ_PACE_MOST); /* forgiven */
    note(&pace, INT64_MAX, 1);
    dq_pace_note_stuck(&pace); /* never takes it for quicker than it is */
    assert_int_equal(dq_pace_soon(&pace, 1024), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_as_many_as_will_be_begun_soon),
        cmocka_unit_test(test_it_follows_a_change_of_pace),
        cmocka_unit_test(test_one_slow_task),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
