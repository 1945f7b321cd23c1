/* A queue's settings: defaults, bounds, "none", and the registry's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "queue/settings.h"

static void assert_same(const dueq_settings *have, const dueq_settings *wanted)
{
    for (int i = 0; i < DQ_SETTING_COUNT; i++) {
        const dq_setting *setting = &dq_setting_list[i];
        int64_t a = dq_setting_get(have, setting), b = dq_setting_get(wanted, setting);
        if (a != b) fail_msg("%s: %" PRId64 ", wanted %" PRId64, setting->name, a, b);
    }
}

/* The header tells users these numbers. */
static void defaults_are_as_documented(void **state)
{
    (void)state;
    const dueq_settings wanted = {.partitions = 1,
                                  .max_attempts = 20,
                                  .lease_ms = 30000,
                                  .payload_max = 1 << 20,
                                  .dead_max = 10000,
                                  .dead_age_ms = INT64_C(2592000000),
                                  .retention_ms = -1};
    dq_settings stored = dq_settings_default();
    dueq_settings shown = dq_settings_shown(&stored);
    assert_same(&shown, &wanted);
    assert_string_equal(dq_setting_list[0].name, "partitions"); /* others rely on it */
    assert_int_equal(sizeof(dueq_settings), DQ_SETTING_COUNT * sizeof(int64_t));
}

static void each_setting_has_its_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < DQ_SETTING_COUNT; i++) {
        const dq_setting *setting = &dq_setting_list[i];
        const struct {
            int64_t value;
            bool fine;
            int64_t stored;
        } cases[] = {
            {setting->min, true, setting->min},
            {setting->max, true, setting->max},
            {setting->max + 1, false, 0},
            {0, true, setting->otherwise}, /* left as it is */
            {-1, setting->none, 0},
            {-2, false, 0},
            {INT64_MIN, false, 0},
            {INT64_MAX, false, 0},
        };
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            dq_settings stored = dq_settings_default();
            dueq_settings wanted = {0};
            dq_fault fault = {0};
            dq_setting_set(&wanted, setting, cases[k].value);
            int rc = dq_settings_apply(&stored, &wanted, &fault);
            if ((rc == DUEQ_OK) != cases[k].fine)
                fail_msg("%s %" PRId64 ": %d", setting->name, cases[k].value, rc);
            if (rc == DUEQ_OK)
                assert_int_equal(dq_setting_get(&stored, setting), cases[k].stored);
            else
                assert_non_null(strstr(fault.text, setting->name));
        }
    }
}

static void the_text_comes_back(void **state)
{
    (void)state;
    dq_settings stored = {5, 3, 100, 2000, 0, 0, 7}, back;
    dq_buf text = {0};
    assert_true(dq_settings_write(&text, &stored));
    assert_string_equal(text.data, "partitions=5 max_attempts=3 lease_ms=100 payload_max=2000 "
                                   "dead_max=0 dead_age_ms=0 retention_ms=7");
    assert_true(dq_settings_read(&back, text.data, text.len));
    assert_same(&back, &stored);
    dueq_settings shown = dq_settings_shown(&back);
    assert_int_equal(shown.dead_max, -1);
    assert_int_equal(shown.dead_age_ms, -1);
    dq_buf_clear(&text);
}

static void texts_of_other_versions_are_read(void **state)
{
    (void)state;
    dq_settings wanted = dq_settings_default(), back;
    static const char *const texts[] = {"partitions=3", "partitions=3 colour=7",
                                        "later=1 partitions=3 sooner=-5"};
    wanted.partitions = 3;
    for (size_t i = 0; i < 3; i++) {
        assert_true(dq_settings_read(&back, texts[i], strlen(texts[i])));
        assert_same(&back, &wanted);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "partitions",
                                        "partitions=",
                                        "partitions=x",
                                        "partitions=1x",
                                        "partitions=0",
                                        "partitions=1025",
                                        "partitions=-1",
                                        "=",
                                        "partitions=1 ",
                                        " partitions=1",
                                        "partitions=1  lease_ms=1",
                                        "lease_ms=0",
                                        "dead_max=-1",
                                        "partitions=1\nlease_ms=1",
                                        "partitions=18446744073709551617"};
    dq_settings back;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (dq_settings_read(&back, texts[i], strlen(texts[i]))) fail_msg("\"%s\"", texts[i]);
    assert_false(dq_settings_read(&back, "partitions=1\0=x", 12 + 3)); /* with a NUL within */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),
        cmocka_unit_test(each_setting_has_its_bounds),
        cmocka_unit_test(the_text_comes_back),
        cmocka_unit_test(texts_of_other_versions_are_read),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
