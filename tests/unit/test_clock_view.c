/* When a server's clock counts as put forward or back, and by how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/clock_view.h"

enum { START_MS = 1000000, AN_HOUR_MS = 3600000 };

/* The server's clock is `ahead_ms` before this machine's; the answer takes `took_ms`, and the clock
 * was read at its end. */
static int64_t note(dq_clock_view *view, int64_t at_ms, int64_t ahead_ms, int64_t took_ms)
{
    return dq_clock_view_note(view, at_ms + took_ms + ahead_ms, at_ms * 1000,
                              (at_ms + took_ms) * 1000);
}

static void the_first_reading_tells_nothing(void **state)
{
    (void)state;
    dq_clock_view view = {0};
    assert_int_equal(note(&view, START_MS, AN_HOUR_MS, 1), 0);
}

static void a_clock_that_goes_on_has_no_step(void **state)
{
    (void)state;
    dq_clock_view view = {0};
    for (int64_t k = 0; k < 100; k++)
        assert_int_equal(note(&view, START_MS + k * 7919, AN_HOUR_MS, k % 13), 0);
}

static void steps_are_told_once(void **state)
{
    (void)state;
    dq_clock_view view = {0};
    note(&view, START_MS, 0, 0);
    assert_in_range(note(&view, START_MS + 10, AN_HOUR_MS, 0), AN_HOUR_MS - 3, AN_HOUR_MS);
    assert_int_equal(note(&view, START_MS + 20, AN_HOUR_MS, 0), 0);
    assert_in_range(-note(&view, START_MS + 30, 0, 0), AN_HOUR_MS - 3, AN_HOUR_MS);
    assert_int_equal(note(&view, START_MS + 40, 0, 0), 0);
}

/* Slewing, and drift between two readings far apart. */
static void small_differences_are_not_told(void **state)
{
    (void)state;
    dq_clock_view view = {0};
    int64_t ahead_ms = 0;
    for (int64_t k = 0; k < 50; k++) {
        assert_int_equal(note(&view, START_MS + k * 60000, ahead_ms, 2), 0);
        ahead_ms += DQ_CLOCK_STEP_MIN_MS - 10;
    }
}

/* What a slow answer leaves open is not taken for a step. */
static void a_slow_answer_is_no_step(void **state)
{
    (void)state;
    dq_clock_view view = {0};
    note(&view, START_MS, 0, 0);
    assert_int_equal(note(&view, START_MS + 10, 0, 4000), 0);
    assert_int_equal(note(&view, START_MS + 5000, 0, 0), 0);
    note(&view, START_MS + 5010, AN_HOUR_MS, 4000);
    assert_int_equal(note(&view, START_MS + 10000, AN_HOUR_MS, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_reading_tells_nothing),
        cmocka_unit_test(a_clock_that_goes_on_has_no_step),
        cmocka_unit_test(steps_are_told_once),
        cmocka_unit_test(small_differences_are_not_told),
        cmocka_unit_test(a_slow_answer_is_no_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
