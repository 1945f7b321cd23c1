/* Log entries: values reach the callback as they are, and what nobody wants is not made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "work/log.h"

typedef struct told {
    size_t count;
    char text[8192];
    size_t nul_count; /* values with the promised NUL behind them */
} told;

static void hear(void *context, const dueq_log_entry *entry)
{
    told *t = context;
    t->count++;
    dq_buf text = {0};
    dq_buf_printf(&text, "%d %s", (int)entry->level, entry->event);
    for (size_t i = 0; i < entry->field_count; i++) {
        const dueq_log_field *field = &entry->fields[i];
        dq_buf_printf(&text, " %s%s", field->name, field->is_number ? "#" : "=");
        dq_buf_add_escaped(&text, field->value, field->value_len);
        if (field->value[field->value_len] == '\0') t->nul_count++;
    }
    snprintf(t->text, sizeof t->text, "%s", text.data);
    dq_buf_clear(&text);
}

static void test_fields(void **state)
{
    (void)state;
    told t = {0};
    dq_log log;
    dq_log_init(&log, hear, &t, 0);
    dq_log_entry entry;
    assert_true(dq_log_begin(&log, &entry, DUEQ_LOG_WARN, "two words"));
    dq_log_add(&entry, "id", "a\0b", 3);
    dq_log_add_text(&entry, "empty", "");
    dq_log_add_int(&entry, "least", INT64_MIN);
    dq_log_add_text(&entry, "forged", "x\nlevel=error");
    dq_log_send(&entry);
    assert_string_equal(t.text, "2 two words id=a\\x00b empty= least#-9223372036854775808 "
                                "forged=x\\nlevel=error");
    assert_int_equal(t.nul_count, 4);
    dq_log_clear(&log);
}

/* The buffer moves as it grows: the first values must be found where they are in the end. */
static void test_long_values(void **state)
{
    (void)state;
    char value[500];
    memset(value, 'v', sizeof value);
    told t = {0};
    dq_log log;
    dq_log_init(&log, hear, &t, 0);
    dq_log_entry entry;
    assert_true(dq_log_begin(&log, &entry, DUEQ_LOG_INFO, "long"));
    dq_log_add_text(&entry, "first", "short");
    for (size_t i = 1; i < DQ_LOG_FIELDS_MAX; i++) {
        dq_log_add(&entry, "more", value, sizeof value);
    }
    dq_log_send(&entry);
    size_t wanted = strlen("3 long first=short") + (DQ_LOG_FIELDS_MAX - 1) * (6 + sizeof value);
    assert_int_equal(strlen(t.text), wanted);
    assert_memory_equal(t.text, "3 long first=short more=vvv", 27);
    assert_int_equal(t.nul_count, DQ_LOG_FIELDS_MAX);
    dq_log_clear(&log);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    told t = {0};
    dq_log log;
    dq_log_init(&log, hear, &t, 0);
    dq_log_entry entry;
    assert_true(dq_log_begin(&log, &entry, DUEQ_LOG_ERROR, "lost"));
    dq_log_add_text(&entry, "id", "one");
    entry.values.failed = true;
    dq_log_add_int(&entry, "attempt", 1);
    dq_log_send(&entry);
    assert_int_equal(t.count, 0);
    dq_log_clear(&log);
}

static void test_levels(void **state)
{
    (void)state;
    static const struct {
        dueq_log_level most, level;
        bool wanted;
    } cases[] = {
        {0, DUEQ_LOG_INFO, true},
        {0, DUEQ_LOG_DEBUG, false},
        {DUEQ_LOG_ERROR, DUEQ_LOG_ERROR, true},
        {DUEQ_LOG_ERROR, DUEQ_LOG_WARN, false},
        {DUEQ_LOG_WARN, DUEQ_LOG_INFO, false},
        {DUEQ_LOG_DEBUG, DUEQ_LOG_DEBUG, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        told t = {0};
        dq_log log;
        dq_log_init(&log, hear, &t, cases[i].most);
        dq_log_entry entry;
        bool begun = dq_log_begin(&log, &entry, cases[i].level, "event");
        if (begun) dq_log_send(&entry);
        assert_int_equal(begun, cases[i].wanted);
        assert_int_equal(dq_log_wants(&log, cases[i].level), cases[i].wanted);
        assert_int_equal(t.count, cases[i].wanted ? 1 : 0);
        dq_log_clear(&log);
    }
}

static void test_silent(void **state)
{
    (void)state;
    dq_log log;
    dq_log_init(&log, NULL, NULL, DUEQ_LOG_DEBUG);
    dq_log_entry entry;
    assert_false(dq_log_begin(&log, &entry, DUEQ_LOG_ERROR, "event"));
    dq_log_clear(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
