/* Task records: what is written is read back, and what is no whole record is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "queue/record.h"

/* The whole record of a task; yours to free. */
static char *write_whole(const dueq_new_task *task, int64_t pushed_ms, size_t *len)
{
    size_t head_len = dq_record_head_len(task);
    *len = head_len + task->payload_len;
    char *bytes = malloc(*len + 1);
    memset(bytes, 0x5a, *len + 1);
    dq_record_write_head(bytes, task, pushed_ms);
    assert_int_equal(bytes[head_len], 0x5a); /* not a byte too many */
    if (task->payload_len) memcpy(bytes + head_len, task->payload, task->payload_len);
    return bytes;
}

static void a_plain_task_takes_eight_bytes(void **state)
{
    (void)state;
    dueq_new_task task = {.payload = "payload", .payload_len = 7};
    assert_int_equal(dq_record_head_len(&task), 8);
    size_t len;
    char *bytes = write_whole(&task, 1700000000123, &len);
    static const char wanted[] = "\x01\x01\x01\x8b\xcf\xe5\x68\x7bpayload";
    assert_int_equal(len, sizeof wanted - 1);
    assert_memory_equal(bytes, wanted, len);
    free(bytes);
}

static void every_field_comes_back(void **state)
{
    (void)state;
    static char longest_value[DUEQ_HEADER_VALUE_MAX], longest_name[DUEQ_HEADER_NAME_MAX + 1];
    memset(longest_value, 'v', sizeof longest_value);
    memset(longest_name, 'n', DUEQ_HEADER_NAME_MAX);
    dueq_header headers[] = {{"Color", "red", 0},
                             {"empty", "", 0},
                             {"none", NULL, 0},
                             {"binary", "\0\xff\n", 3},
                             {longest_name, longest_value, sizeof longest_value}};
    static const size_t value_lens[] = {3, 0, 0, 3, DUEQ_HEADER_VALUE_MAX};
    static const int64_t limits[] = {0, 1, 255, 65536, DUEQ_ATTEMPTS_MAX};
    for (size_t i = 0; i < 5; i++) {
        dueq_new_task task = {.payload = "p\0q",
                              .payload_len = 3,
                              .headers = headers,
                              .header_count = i + 1,
                              .max_attempts = limits[i]};
        size_t len;
        char *bytes = write_whole(&task, 281474976710655, &len);
        dq_record record;
        assert_true(dq_record_read(&record, bytes, len));
        assert_int_equal(record.pushed_ms, 281474976710655);
        assert_int_equal(record.max_attempts, limits[i]);
        assert_int_equal(record.payload_len, 3);
        assert_memory_equal(record.payload, "p\0q", 3);
        assert_int_equal(record.header_count, i + 1);
        dq_record_header header;
        size_t at = 0;
        for (size_t k = 0; k <= i; k++) {
            assert_true(dq_record_next_header(&record, &at, &header));
            assert_int_equal(header.name_len, strlen(headers[k].name));
            assert_memory_equal(header.name, headers[k].name, header.name_len);
            assert_int_equal(header.value_len, value_lens[k]);
            if (header.value_len)
                assert_memory_equal(header.value, headers[k].value, header.value_len);
        }
        assert_false(dq_record_next_header(&record, &at, &header));
        free(bytes);
    }
}

/* The most that a task may have of headers fits the three bytes that tell their length. */
static void the_most_headers_fit(void **state)
{
    (void)state;
    static char value[DUEQ_HEADER_VALUE_MAX], name[DUEQ_HEADER_NAME_MAX + 1];
    dueq_header headers[DUEQ_HEADERS_MAX];
    memset(value, 'v', sizeof value);
    memset(name, 'n', DUEQ_HEADER_NAME_MAX);
    for (int i = 0; i < DUEQ_HEADERS_MAX; i++)
        headers[i] = (dueq_header){name, value, sizeof value};
    dueq_new_task task = {.headers = headers, .header_count = DUEQ_HEADERS_MAX};
    size_t len;
    char *bytes = write_whole(&task, 0, &len);
    dq_record record;
    assert_true(dq_record_read(&record, bytes, len));
    assert_int_equal(record.header_count, DUEQ_HEADERS_MAX);
    assert_int_equal(record.payload_len, 0);
    free(bytes);
}

/* Cut within its head, a record is none; cut within its payload it cannot know. */
static void cut_records_are_refused(void **state)
{
    (void)state;
    dueq_header headers[] = {{"Color", "red", 0}, {"Size", "12", 0}};
    dueq_new_task task = {.payload = "payload",
                          .payload_len = 7,
                          .headers = headers,
                          .header_count = 2,
                          .max_attempts = 5};
    size_t len, head_len = dq_record_head_len(&task);
    char *bytes = write_whole(&task, 1, &len);
    for (size_t cut = 0; cut <= len; cut++) {
        char *copy = malloc(cut ? cut : 1); /* of the very length: a sanitizer sees more */
        memcpy(copy, bytes, cut);
        dq_record record;
        bool fine = dq_record_read(&record, copy, cut);
        if (fine != (cut >= head_len)) fail_msg("cut at %zu of %zu: %d", cut, len, fine);
        free(copy);
    }
    free(bytes);
}

typedef struct broken {
    const char *bytes;
    size_t len;
} broken;

#define BYTES(text)            \
    {                          \
        text, sizeof(text) - 1 \
    }

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const broken cases[] = {
        BYTES(""),
        BYTES("\x00\x00payload"), /* version 0 */
        BYTES("\x02\x00payload"), /* of a later version */
        BYTES("\x01\x08payload"), /* a flag that is not known */
        BYTES("\x01\x80payload"),
        BYTES("\x01\x04\x00\x00\x04\x01"
              "a\x00"), /* headers longer than the record */
        BYTES("\x01\x04\x00\x00\x03\x01"
              "a\x00\x00"), /* a header cut by its space */
        BYTES("\x01\x04\x00\x00\x05\x01"
              "a\x00\x00\x01"), /* something after the last one */
        BYTES("\x01\x04\x00\x00\x04\x01"
              "a\x00\x01x"), /* a value longer than its space */
        BYTES("\x01\x04\xff\xff\xff"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dq_record record;
        if (dq_record_read(&record, cases[i].bytes, cases[i].len)) fail_msg("case %zu is read", i);
    }
    dq_record record;
    assert_true(dq_record_read(&record, "\x01\x00payload", 9)); /* nothing but a payload */
    assert_int_equal(record.payload_len, 7);
    assert_int_equal(record.pushed_ms, 0);
    assert_true(dq_record_read(&record, "\x01\x04\x00\x00\x00p", 6)); /* room for no headers */
    assert_int_equal(record.header_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_task_takes_eight_bytes), cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(the_most_headers_fit),           cmocka_unit_test(cut_records_are_refused),
        cmocka_unit_test(what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
