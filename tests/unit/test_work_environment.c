/* What a handler's process finds in its environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "work/environment.h"

/* The value of a variable, "(unset)" when there is none; fails when it is there twice. */
static const char *value(char *const *environment, const char *name)
{
    const char *found = NULL;
    size_t len = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) != 0 || (*environment)[len] != '=') continue;
        if (found != NULL) fail_msg("%s is set twice", name);
        found = *environment + len + 1;
    }
    return found == NULL ? "(unset)" : found;
}

static char **made(const dueq_task *task)
{
    char *const host[] = {"PATH=/bin",           "DUEQ_URL=local:",  "DUEQ_ID=outer",
                          "DUEQ_HEADER_X=outer", "DUEQ_QUEUE=outer", NULL};
    char **base = dq_environment_base(host);
    assert_non_null(base);
    char **environment = dq_environment_of(base, "mail", task);
    assert_non_null(environment);
    free(base);
    return environment;
}

static void test_names_the_task(void **state)
{
    (void)state;
    dueq_task task = {.id = "order-17", .id_len = 8, .attempt = 3, .token = 99, .due_ms = 1234};
    char **environment = made(&task);
    assert_string_equal(value(environment, "PATH"), "/bin");
    assert_string_equal(value(environment, "DUEQ_URL"), "local:");
    assert_string_equal(value(environment, "DUEQ_QUEUE"), "mail");
    assert_string_equal(value(environment, "DUEQ_ID"), "order-17");
    assert_string_equal(value(environment, "DUEQ_ATTEMPT"), "3");
    assert_string_equal(value(environment, "DUEQ_TOKEN"), "99");
    assert_string_equal(value(environment, "DUEQ_DUE_MS"), "1234");
    assert_string_equal(value(environment, "DUEQ_ID_BASE64URL"), "(unset)");
    assert_string_equal(value(environment, "DUEQ_HEADER_X"), "(unset)");
    free(environment);
}

static void test_odd_ids_in_base64url(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        size_t len;
        const char *form;
    } cases[] = {{"a\0b", 3, "YQBi"}, {"\x1b", 1, "Gw"}, {"\xff\xfe", 2, "__4"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dueq_task task = {.id = cases[i].id, .id_len = cases[i].len};
        char **environment = made(&task);
        assert_string_equal(value(environment, "DUEQ_ID"), "(unset)");
        assert_string_equal(value(environment, "DUEQ_ID_BASE64URL"), cases[i].form);
        free(environment);
    }
}

/* The longest id there may be, all of it odd. */
static void test_longest_id(void **state)
{
    (void)state;
    char id[DUEQ_ID_MAX] = {0};
    dueq_task task = {.id = id, .id_len = sizeof id};
    char **environment = made(&task);
    assert_int_equal(strlen(value(environment, "DUEQ_ID_BASE64URL")), DUEQ_ID_MAX * 4 / 3);
    free(environment);
}

static void test_headers(void **state)
{
    (void)state;
    const dueq_header headers[] = {
        {"Content-Type", "text/plain", 10},
        {"content_type", "second", 6},
        {"nul", "a\0b", 3},
        {"empty", "", 0},
    };
    dueq_task task = {.id = "1", .id_len = 1, .headers = headers, .header_count = 4};
    char **environment = made(&task);
    assert_string_equal(value(environment, "DUEQ_HEADER_CONTENT_TYPE"), "text/plain");
    assert_string_equal(value(environment, "DUEQ_HEADER_NUL"), "(unset)");
    assert_string_equal(value(environment, "DUEQ_HEADER_EMPTY"), "");
    free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_the_task),
        cmocka_unit_test(test_odd_ids_in_base64url),
        cmocka_unit_test(test_longest_id),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
