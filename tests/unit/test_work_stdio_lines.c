/* Lines to and from long-lived processes: every key of a task, bytes that are no text, every key of
 * an answer, and what is wrong with one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "work/stdio_lines.h"

/* ---- Tasks ---- */

static dueq_task plain_task(void)
{
    return (dueq_task){.id = "t1",
                       .id_len = 2,
                       .receipt = "0.5.t1",
                       .attempt = 3,
                       .token = 1700000000000001,
                       .due_ms = 1700000000000,
                       .pushed_ms = 1699999999999,
                       .payload = "hello",
                       .payload_len = 5};
}

static void assert_line(const dueq_task *task, const char *wanted)
{
    dq_buf out = {0};
    assert_true(dq_stdio_add_task(&out, "mail", task));
    assert_string_equal(out.data, wanted);
    dq_buf_clear(&out);
}

static void test_every_key(void **state)
{
    (void)state;
    const dueq_header headers[] = {{"trace-id", "a\"b", 3}, {"raw", "\xff", 1}};
    dueq_task task = plain_task();
    task.headers = headers;
    task.header_count = 2;
    assert_line(&task, "{\"queue\":\"mail\",\"id\":\"t1\",\"receipt\":\"0.5.t1\",\"attempt\":3,"
                       "\"token\":1700000000000001,\"due_ms\":1700000000000,"
                       "\"pushed_ms\":1699999999999,\"payload\":\"hello\","
                       "\"headers\":{\"trace-id\":\"a\\\"b\",\"raw\":{\"base64\":\"/w==\"}}}\n");
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    dueq_task task = plain_task();
    task.id = "\xfe\xff";
    task.payload = "\xff\x00\x10";
    task.payload_len = 3;
    dq_buf out = {0};
    assert_true(dq_stdio_add_task(&out, "q", &task));
    assert_non_null(strstr(out.data, "\"id_base64\":\"/v8=\""));
    assert_non_null(strstr(out.data, "\"payload_base64\":\"/wAQ\""));
    assert_null(strstr(out.data, "\"id\":"));
    assert_null(strstr(out.data, "\"payload\":"));
    dq_buf_clear(&out);
}

/* Whatever the text, one line, and any reader of JSON has it back as it was. */
static void test_text_comes_back(void **state)
{
    (void)state;
    char payload[256];
    size_t len = 0;
    for (int byte = 0; byte < 0x80; byte++) {
        payload[len++] = (char)byte;
    }
    len += (size_t)snprintf(payload + len, 64, "grüße \xe2\x80\xa8 \xf0\x9f\x90\x98");
    dueq_task task = plain_task();
    task.payload = payload;
    task.payload_len = len;
    dq_buf out = {0};
    assert_true(dq_stdio_add_task(&out, "q", &task));
    assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
    json_t *read = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
    json_t *value = json_object_get(read, "payload");
    assert_int_equal(json_string_length(value), len);
    assert_memory_equal(json_string_value(value), payload, len);
    json_decref(read);
    dq_buf_clear(&out);
}

static void test_lost_line(void **state)
{
    (void)state;
    dueq_task task = plain_task();
    dq_buf out = {0};
    assert_true(dq_stdio_add_lost(&out, &task));
    task.id = "\xff";
    task.id_len = 1;
    assert_true(dq_stdio_add_lost(&out, &task)); /* appends */
    assert_string_equal(out.data, "{\"lost\":\"0.5.t1\",\"id\":\"t1\"}\n"
                                  "{\"lost\":\"0.5.t1\",\"id_base64\":\"/w==\"}\n");
    dq_buf_clear(&out);
}

/* A line that does not fit leaves the buffer as it was. */
static void test_out_of_memory(void **state)
{
    (void)state;
    dueq_task task = plain_task();
    dq_buf out = {0};
    dq_buf_add_text(&out, "before");
    out.failed = true; /* as after a failed allocation */
    assert_false(dq_stdio_add_task(&out, "q", &task));
    assert_string_equal(out.data, "before");
    assert_int_equal(out.len, 6);
    assert_true(dq_stdio_add_lost(&out, &task));
    assert_memory_equal(out.data, "before{\"lost\":", 14);
    dq_buf_clear(&out);
}

/* ---- Answers ---- */

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        dueq_verdict verdict;
        int64_t delay_ms;
        const char *receipt, *id, *id_base64, *error;
    } cases[] = {
        {"{\"result\":\"done\"}", DUEQ_VERDICT_DONE, -1, 0, 0, 0, 0},
        {" {\"result\" : \"dead\" , \"id\":\"t1\"} \r", DUEQ_VERDICT_DEAD, -1, 0, "t1", 0, 0},
        {"{\"receipt\":\"0.5.t1\",\"result\":\"release\"}", DUEQ_VERDICT_RELEASE, -1, "0.5.t1", 0,
         0, 0},
        {"{\"id_base64\":\"/v8=\",\"result\":\"done\"}", DUEQ_VERDICT_DONE, -1, 0, 0, "/v8=", 0},
        {"{\"result\":\"retry\",\"delay\":\"1m30s\",\"error\":\"no\"}", DUEQ_VERDICT_RETRY, 90000,
         0, 0, 0, "no"},
        {"{\"result\":\"retry\",\"delay\":1500}", DUEQ_VERDICT_RETRY, 1500, 0, 0, 0, 0},
        {"{\"result\":\"retry\",\"delay\":1500.9}", DUEQ_VERDICT_RETRY, 1500, 0, 0, 0, 0},
        {"{\"result\":\"retry\",\"delay\":0}", DUEQ_VERDICT_RETRY, 0, 0, 0, 0, 0},
        {"{\"result\":\"retry\",\"delay\":3155760000000}", DUEQ_VERDICT_RETRY, DUEQ_DELAY_MS_MAX, 0,
         0, 0, 0},
        {"{\"result\":\"done\",\"id\":null,\"receipt\":null,\"delay\":null,\"error\":null}",
         DUEQ_VERDICT_DONE, -1, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_stdio_answer answer;
        dq_fault fault = {0};
        int rc = dq_stdio_read_answer(&answer, cases[i].line, strlen(cases[i].line), &fault);
        if (rc != DUEQ_OK) fail_msg("%s: %s", cases[i].line, fault.text);
        assert_int_equal(answer.verdict, cases[i].verdict);
        assert_int_equal(answer.delay_ms, cases[i].delay_ms);
        const struct {
            const char *wanted;
            dq_stdio_text have;
        } texts[] = {{cases[i].receipt, answer.receipt},
                     {cases[i].id, answer.id},
                     {cases[i].id_base64, answer.id_base64},
                     {cases[i].error, answer.error}};
        for (size_t k = 0; k < 4; k++) {
            if (texts[k].wanted == NULL) {
                assert_null(texts[k].have.bytes);
            } else {
                assert_string_equal(texts[k].have.bytes, texts[k].wanted);
            }
        }
        bool names = cases[i].receipt || cases[i].id || cases[i].id_base64;
        assert_int_equal(dq_stdio_names_a_task(&answer), names);
        dq_stdio_clear_answer(&answer);
    }
}

static void test_bad_answers(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"", "not a JSON object"},
        {"Listening on port 3000", "near 'Listening'"},
        {"\"done\"", "not a JSON object"},
        {"[{\"result\":\"done\"}]", "not a JSON object"},
        {"{\"result\":\"done\"", "not a JSON object"},
        {"{\"result\":\"done\"} {}", "not a JSON object"},
        {"{\"error\":\"\xff\",\"result\":\"done\"}", "not a JSON object"},
        {"{}", "\"result\" is missing"},
        {"{\"result\":null}", "\"result\" is missing"},
        {"{\"result\":\"ok\"}", "\"result\" has to be \"done\", \"retry\", \"dead\" or"},
        {"{\"result\":true}", "\"result\" has to be"},
        {"{\"result\":\"done\",\"result\":\"dead\"}", "duplicate"},
        {"{\"result\":\"done\",\"dealy\":1}", "\"dealy\" is no key of an answer; those are"},
        {"{\"result\":\"done\",\"a\\nb\":1}", "\"a\\nb\" is no key"},
        {"{\"result\":\"done\",\"id\":7}", "\"id\" has to be a string"},
        {"{\"result\":\"done\",\"receipt\":[]}", "\"receipt\" has to be a string"},
        {"{\"result\":\"retry\",\"error\":{}}", "\"error\" has to be a string"},
        {"{\"result\":\"retry\",\"delay\":-1}", "\"delay\" has to be a duration"},
        {"{\"result\":\"retry\",\"delay\":\"soon\"}", "\"delay\" has to be a duration"},
        {"{\"result\":\"retry\",\"delay\":\"5s\\u0000\"}", "\"delay\" has to be a duration"},
        {"{\"result\":\"retry\",\"delay\":1e300}", "\"delay\" has to be a duration"},
        {"{\"result\":\"retry\",\"delay\":3155760000001}", "\"delay\" has to be a duration"},
        {"{\"result\":\"retry\",\"delay\":[5]}", "\"delay\" has to be a duration"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_stdio_answer answer;
        dq_fault fault = {0};
        int rc = dq_stdio_read_answer(&answer, cases[i].line, strlen(cases[i].line), &fault);
        dq_stdio_clear_answer(&answer);
        if (rc != DUEQ_EINVAL || strstr(fault.text, cases[i].says) == NULL) {
            fail_msg("%s: %d \"%s\", wanted \"%s\"", cases[i].line, rc, fault.text, cases[i].says);
        }
    }
}

/* Nesting without end is refused, not followed. */
static void test_deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    char *line = malloc(DEPTH);
    memset(line, '[', DEPTH);
    dq_stdio_answer answer;
    dq_fault fault = {0};
    assert_int_equal(dq_stdio_read_answer(&answer, line, DEPTH, &fault), DUEQ_EINVAL);
    dq_stdio_clear_answer(&answer);
    free(line);
}

static bool is_about(const char *line, const dueq_task *task)
{
    dq_stdio_answer answer;
    dq_fault fault = {0};
    int rc = dq_stdio_read_answer(&answer, line, strlen(line), &fault);
    if (rc != DUEQ_OK) fail_msg("%s: %s", line, fault.text);
    bool about = dq_stdio_is_about(&answer, task);
    dq_stdio_clear_answer(&answer);
    return about;
}

static void test_whose_an_answer_is(void **state)
{
    (void)state;
    dueq_task task = plain_task();
    assert_true(is_about("{\"result\":\"done\",\"id\":\"t1\"}", &task));
    assert_false(is_about("{\"result\":\"done\",\"id\":\"t2\"}", &task));
    assert_false(is_about("{\"result\":\"done\",\"id\":\"t1\\u0000\"}", &task));
    assert_true(is_about("{\"result\":\"done\",\"receipt\":\"0.5.t1\"}", &task));
    assert_false(is_about("{\"result\":\"done\",\"receipt\":\"0.6.t1\",\"id\":\"t1\"}", &task));
    assert_true(is_about("{\"result\":\"done\",\"receipt\":\"0.5.t1\",\"id\":\"t2\"}", &task));
    assert_true(is_about("{\"result\":\"done\",\"id_base64\":\"dDE=\"}", &task));
    assert_false(is_about("{\"result\":\"done\"}", &task));
    task.id = "a\0b";
    task.id_len = 3;
    assert_true(is_about("{\"result\":\"done\",\"id\":\"a\\u0000b\"}", &task));
    task.id = "\xfe\xff";
    task.id_len = 2;
    assert_true(is_about("{\"result\":\"done\",\"id_base64\":\"/v8=\"}", &task));
    assert_false(is_about("{\"result\":\"done\",\"id_base64\":\"/v8\"}", &task));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),          cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_text_comes_back),    cmocka_unit_test(test_lost_line),
        cmocka_unit_test(test_out_of_memory),      cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bad_answers),        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_whose_an_answer_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
