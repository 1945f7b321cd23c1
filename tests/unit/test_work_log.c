/* Log lines: what comes from outside cannot forge them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "work/log.h"

static void keep(void *context, dueq_log_level level, const char *line)
{
    snprintf(context, 256, "%d %s", (int)level, line);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t len;
        const char *wanted;
    } cases[] = {
        {"plain", 5, "2 event id=plain"},
        {"", 0, "2 event id=\"\""},
        {"two words", 9, "2 event id=\"two words\""},
        {"x\nlevel=error", 13, "2 event id=\"x\\nlevel=error\""},
        {"say \"hi\"", 8, "2 event id=\"say \\\"hi\\\"\""},
        {"\x1b[2J", 4, "2 event id=\\x1b[2J"},
        {"a\0b", 3, "2 event id=a\\x00b"},
    };
    char kept[256];
    dq_log log;
    dq_log_init(&log, keep, kept);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_buf line = {0};
        dq_buf_add_text(&line, "event");
        dq_log_add(&line, "id", cases[i].value, cases[i].len);
        dq_log_send(&log, DUEQ_LOG_INFO, &line);
        assert_string_equal(kept, cases[i].wanted);
    }
    dq_log_clear(&log);
}

static void test_silent(void **state)
{
    (void)state;
    dq_log log;
    dq_log_init(&log, NULL, NULL);
    dq_buf line = {0};
    dq_buf_add_text(&line, "event");
    dq_log_send(&log, DUEQ_LOG_ERROR, &line);
    assert_int_equal(line.len, 0);
    dq_log_say(&log, DUEQ_LOG_ERROR, "number %d", 1);
    dq_log_clear(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
