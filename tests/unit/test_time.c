/* Durations and points in time, read and written; outcomes and states by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "dueq.h"

#define WRONG INT64_MIN

typedef struct text_case {
    const char *text;
    int64_t ms; /* WRONG: refused */
} text_case;

typedef int parse_fn(const char *text, int64_t *ms);

static void check_all(parse_fn *parse, const text_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t ms = WRONG;
        int rc = parse(cases[i].text, &ms);
        int wanted = cases[i].ms == WRONG ? DUEQ_EINVAL : DUEQ_OK;
        if (rc != wanted || ms != cases[i].ms) {
            fail_msg("\"%s\": outcome %d, %" PRId64 " ms; wanted %d, %" PRId64, cases[i].text, rc,
                     ms, wanted, cases[i].ms);
        }
    }
}

static void durations_are_read(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {"0", 0},
        {"0s", 0},
        {"1500ms", 1500},
        {"2s", 2000},
        {"1m", 60000},
        {"1h30m", 5400000},
        {"7d", 604800000},
        {"2w", 1209600000},
        {"1w1d1h1m1s1ms", 694861001},
        {"1.5s", 1500},
        {"0.5h", 1800000},
        {"1.5h30.5s", 5430500},
        {"4m 12s", 252000},
        {"007s", 7000},
        {"0.0001s", 1}, /* rounded up: never shorter than asked */
        {"1.0000000000001ms", 2},
        {"1.0000000000000ms", 1},
        {"36525d", 3155760000000},
        {"3155760000000ms", 3155760000000},
        {"3155760000001ms", WRONG},
        {"3155760000000.1ms", WRONG},
        {"36525d1ms", WRONG},
        {"99999999999999999999s", WRONG},
        {"9223372036854775808ms", WRONG},
        {"5218w", WRONG},
        {"", WRONG},
        {" ", WRONG},
        {"5", WRONG},
        {"s", WRONG},
        {"-1s", WRONG},
        {"+1s", WRONG},
        {"1 s", WRONG},
        {" 1s", WRONG},
        {"1s ", WRONG},
        {"1m  2s", WRONG},
        {"1,5s", WRONG},
        {".5s", WRONG},
        {"1.s", WRONG},
        {"1..5s", WRONG},
        {"1e3s", WRONG},
        {"1S", WRONG},
        {"1min", WRONG},
        {"1hs", WRONG},
        {"1s1m", WRONG}, /* from large to small */
        {"1s2s", WRONG},
        {"10 parsecs", WRONG},
        {"nan", WRONG},
        {"1s\n", WRONG},
    };
    check_all(dueq_parse_duration, cases, sizeof cases / sizeof cases[0]);
    assert_int_equal(dueq_parse_duration(NULL, NULL), DUEQ_EINVAL);
    assert_int_equal(dueq_parse_duration("1s", NULL), DUEQ_OK);
}

static void durations_are_written(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0ms"},
        {350, "350ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1050, "1s"},
        {1500, "1.5s"},
        {9999, "9.9s"},
        {10500, "10s"},
        {59999, "59s"},
        {60000, "1m"},
        {252000, "4m 12s"},
        {3600000, "1h"},
        {3660000, "1h 1m"},
        {3601000, "1h"},
        {86400000, "1d"},
        {266400000, "3d 2h"},
        {34560000000, "400d"},
        {-252000, "-4m 12s"},
        {-1, "-1ms"},
        {INT64_MAX, "106751991167d 7h"},
        {INT64_MIN, "-106751991167d 7h"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        assert_ptr_equal(dueq_format_duration(cases[i].ms, text, sizeof text), text);
        assert_string_equal(text, cases[i].text);
    }
    char small[5];
    assert_string_equal(dueq_format_duration(252000, small, sizeof small), "4m 1");
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    for (int64_t ms = 1; ms < DUEQ_DELAY_MS_MAX / 3; ms = ms * 3 + 1) {
        char text[64];
        int64_t back;
        dueq_format_duration(ms, text, sizeof text);
        assert_int_equal(dueq_parse_duration(text, &back), DUEQ_OK);
        assert_in_range(back, ms - ms / 10 - 1, ms);
    }
}

static void times_are_read(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2030-01-02T03:04:05Z", 1893553445000},
        {"2030-01-02T03:04:05.5+01:00", 1893549845500},
        {"2030-01-02t03:04:05z", 1893553445000},
        {"2030-01-02 03:04:05Z", 1893553445000},
        {"2030-01-02T03:04:05-00:00", 1893553445000},
        {"2030-01-02T03:04:05-05:30", 1893573245000},
        {"2030-01-02T03:04:05.123Z", 1893553445123},
        {"2030-01-02T03:04:05.1230000001Z", 1893553445124}, /* rounded up: never early */
        {"2024-02-29T12:00:00Z", 1709208000000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"2016-12-31T23:59:60Z", 1483228800000}, /* a leap second */
        {"1969-12-31T23:59:59Z", -1000},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"@0", 0},
        {"@1700000000", 1700000000000},
        {"@1700000000.25", 1700000000250},
        {"@1700000000.0001", 1700000000001},
        {"@253402300799", 253402300799000},
        {"@-1", -1000},
        {"", WRONG},
        {"@", WRONG},
        {"@-", WRONG},
        {"@1.", WRONG},
        {"@.5", WRONG},
        {"@1e9", WRONG},
        {"@+1", WRONG},
        {"@253402300800", WRONG},
        {"@99999999999999999999999", WRONG},
        {"now", WRONG},
        {"2030-01-02", WRONG},
        {"2030-01-02T03:04:05", WRONG}, /* no zone */
        {"2030-01-02T03:04Z", WRONG},
        {"2030-1-2T03:04:05Z", WRONG},
        {"2030-00-02T03:04:05Z", WRONG},
        {"2030-13-02T03:04:05Z", WRONG},
        {"2030-04-31T03:04:05Z", WRONG},
        {"2030-02-29T03:04:05Z", WRONG},
        {"1900-02-29T03:04:05Z", WRONG},
        {"2030-01-02T24:00:00Z", WRONG},
        {"2030-01-02T03:60:05Z", WRONG},
        {"2030-01-02T03:04:61Z", WRONG},
        {"2030-01-02T03:04:05.Z", WRONG},
        {"2030-01-02T03:04:05+1:00", WRONG},
        {"2030-01-02T03:04:05+24:00", WRONG},
        {"2030-01-02T03:04:05+0100", WRONG},
        {"2030-01-02T03:04:05Z ", WRONG},
        {" 2030-01-02T03:04:05Z", WRONG},
        {"2030-01-02T03:04:05ZZ", WRONG},
        {"-030-01-02T03:04:05Z", WRONG},
        {"20300-01-02T03:04:05Z", WRONG},
    };
    check_all(dueq_parse_time, cases, sizeof cases / sizeof cases[0]);
    assert_int_equal(dueq_parse_time(NULL, NULL), DUEQ_EINVAL);
    assert_int_equal(dueq_parse_time("@1", NULL), DUEQ_OK);
}

/* Every day of a calendar that the C library writes. */
static void days_agree_with_the_c_library(void **state)
{
    (void)state;
    for (time_t day = -800 * 366; day < 8000 * 365; day += 13) {
        time_t seconds = day * 86400 + 45296;
        struct tm parts;
        char text[40];
        assert_non_null(gmtime_r(&seconds, &parts));
        assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
        if (strlen(text) != 20) {
            continue; /* strftime pads no year below 1000 */
        }
        int64_t ms = 0;
        int rc = dueq_parse_time(text, &ms);
        if (rc != DUEQ_OK || ms != (int64_t)seconds * 1000) {
            fail_msg("%s: outcome %d, %" PRId64 " ms; wanted %" PRId64, text, rc, ms,
                     (int64_t)seconds * 1000);
        }
    }
}

static void outcomes_have_texts(void **state)
{
    (void)state;
    assert_string_equal(dueq_outcome_text(DUEQ_OK), "done");
    assert_string_equal(dueq_outcome_text(DUEQ_LOST), "the lease has ended");
    assert_string_equal(dueq_outcome_text(DUEQ_ESYSTEM), "the operating system refused");
    assert_string_equal(dueq_outcome_text(99), "unknown outcome");
    assert_string_equal(dueq_outcome_text(-99), "unknown outcome");
    for (int outcome = DUEQ_ESYSTEM; outcome <= DUEQ_DEAD; outcome++) {
        assert_string_not_equal(dueq_outcome_text(outcome), "unknown outcome");
    }
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(dueq_state_name(DUEQ_STATE_NONE), "none");
    assert_string_equal(dueq_state_name(DUEQ_STATE_WAITING), "waiting");
    assert_string_equal(dueq_state_name(DUEQ_STATE_READY), "ready");
    assert_string_equal(dueq_state_name(DUEQ_STATE_LEASED), "leased");
    assert_string_equal(dueq_state_name(DUEQ_STATE_DEAD), "dead");
    assert_string_equal(dueq_state_name((dueq_state)42), "none");
    assert_string_equal(dueq_version(), "0.1.0");
    dueq_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(durations_are_written),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(days_agree_with_the_c_library),
        cmocka_unit_test(outcomes_have_texts),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
