/* Lines of the worker's log: what comes from outside cannot end them, forge a field or steer a
 * terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../cli/log.h"

#define NOW_MS 1700000000123
#define NOW "2023-11-14T22:13:20.123Z"

static const log_form logfmt = {0}, json = {.json = true};

static void check(const log_form *form, const dueq_log_entry *entry, const char *wanted)
{
    char *line = log_line(form, entry, NOW_MS);
    assert_string_equal(line, wanted);
    free(line);
}

static void test_an_entry(void **state)
{
    (void)state;
    const dueq_log_field fields[] = {
        {.name = "queue", .value = "mail", .value_len = 4},
        {.name = "delay_ms", .value = "-9007199254740993", .value_len = 17, .is_number = true},
        {.name = "error", .value = "disk full", .value_len = 9},
    };
    const dueq_log_entry entry = {
        .level = DUEQ_LOG_WARN, .event = "server away", .fields = fields, .field_count = 3};
    check(&logfmt, &entry,
          "time=" NOW " level=warn event=\"server away\" queue=mail delay_ms=-9007199254740993 "
          "error=\"disk full\"\n");
    check(&json, &entry,
          "{\"time\":\"" NOW "\",\"level\":\"warn\",\"event\":\"server away\",\"queue\":\"mail\","
          "\"delay_ms\":-9007199254740993,\"error\":\"disk full\"}\n");
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t len;
        const char *in_logfmt, *in_json;
    } cases[] = {
        {"plain", 5, "id=plain", "\"id\":\"plain\""},
        {"", 0, "id=\"\"", "\"id\":\"\""},
        {"x\nlevel=error", 13, "id=\"x\\nlevel=error\"", "\"id\":\"x\\nlevel=error\""},
        {"say \"hi\"", 8, "id=\"say \\\"hi\\\"\"", "\"id\":\"say \\\"hi\\\"\""},
        {"back\\n", 6, "id=\"back\\\\n\"", "\"id\":\"back\\\\n\""},
        {"\x1b[2J", 4, "id=\"\\x1b[2J\"", "\"id\":\"\\u001B[2J\""},
        {"a\0b", 3, "id=\"a\\x00b\"", "\"id\":\"a\\u0000b\""},
        {"\xc2\x9b", 2, "id=\"\\x9b\"", "\"id\":\"\\u009B\""},
        {"\xc3\xbc", 2, "id=\"\xc3\xbc\"", "\"id\":\"\\u00FC\""},
        {"a\xff", 2, "id=\"a\\xff\"", "\"id_base64\":\"Yf8=\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dueq_log_field field = {.name = "id", .value = cases[i].value, .value_len = cases[i].len};
        dueq_log_entry entry = {
            .level = DUEQ_LOG_INFO, .event = "done", .fields = &field, .field_count = 1};
        char wanted[256];
        snprintf(wanted, sizeof wanted, "time=" NOW " level=info event=done %s\n",
                 cases[i].in_logfmt);
        check(&logfmt, &entry, wanted);
        snprintf(wanted, sizeof wanted,
                 "{\"time\":\"" NOW "\",\"level\":\"info\",\"event\":\"done\",%s}\n",
                 cases[i].in_json);
        check(&json, &entry, wanted);
    }
}

static void test_levels(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        [DUEQ_LOG_ERROR] = "<3>time=" NOW " level=error event=e\n",
        [DUEQ_LOG_WARN] = "<4>time=" NOW " level=warn event=e\n",
        [DUEQ_LOG_INFO] = "<6>time=" NOW " level=info event=e\n",
        [DUEQ_LOG_DEBUG] = "<7>time=" NOW " level=debug event=e\n",
    };
    const log_form form = {.priority = true};
    for (dueq_log_level level = DUEQ_LOG_ERROR; level <= DUEQ_LOG_DEBUG; level++) {
        dueq_log_entry entry = {.level = level, .event = "e"};
        check(&form, &entry, wanted[level]);
    }
}

/* Only when stderr is still the stream that systemd opened for it. */
static void test_journal(void **state)
{
    (void)state;
    struct stat file;
    assert_int_equal(fstat(STDERR_FILENO, &file), 0);
    char stream[64];
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)file.st_dev, (uintmax_t)file.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(log_goes_to_journal());
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)file.st_dev, (uintmax_t)file.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_false(log_goes_to_journal());
    setenv("JOURNAL_STREAM", "nonsense", 1);
    assert_false(log_goes_to_journal());
    unsetenv("JOURNAL_STREAM");
    assert_false(log_goes_to_journal());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
