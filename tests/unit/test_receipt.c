/* Receipts: written and read, bound to their queue, and refused when cut or altered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "queue/receipt.h"

static dq_receipt make(uint32_t partition, const char *id, size_t id_len, const char *lease)
{
    dq_receipt receipt = {.partition = partition, .id_len = id_len};
    memcpy(receipt.id, id, id_len);
    snprintf(receipt.lease, sizeof receipt.lease, "%s", lease);
    return receipt;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static char longest[DUEQ_ID_MAX], queue[DUEQ_QUEUE_NAME_MAX + 1];
    for (int i = 0; i < DUEQ_ID_MAX; i++) longest[i] = (char)i;
    memset(queue, 'q', DUEQ_QUEUE_NAME_MAX);
    const dq_receipt receipts[] = {
        make(0, "a", 1, "1"),
        make(1023, "id", 2, "1795445427739394"),
        make(65535, "\0", 1, "9007199254740991"),
        make(7, longest, sizeof longest, "0"),
    };
    for (size_t i = 0; i < 4; i++) {
        char text[DUEQ_RECEIPT_MAX + 1];
        dq_receipt_write(text, queue, &receipts[i]);
        assert_true(strlen(text) <= DUEQ_RECEIPT_MAX);
        dq_receipt back;
        assert_true(dq_receipt_read(&back, queue, text));
        assert_int_equal(back.partition, receipts[i].partition);
        assert_int_equal(back.id_len, receipts[i].id_len);
        assert_memory_equal(back.id, receipts[i].id, back.id_len);
        assert_string_equal(back.lease, receipts[i].lease);
    }
}

/* The form does not change by accident: other programs read it (doc/protocol.md). */
static void the_form_is_as_documented(void **state)
{
    (void)state;
    dq_receipt receipt = make(0, "job-7", 5, "1795445427739394");
    char text[DUEQ_RECEIPT_MAX + 1];
    dq_receipt_write(text, "mail", &receipt);
    assert_string_equal(text, "AQAAAAZg8rbvGwJqb2ItN9wA");
}

static void a_receipt_is_of_its_queue(void **state)
{
    (void)state;
    static const char *const others[] = {"mai", "mails", "Mail", "", "mail:1"};
    dq_receipt receipt = make(0, "task", 4, "1795445427739394"), back;
    char text[DUEQ_RECEIPT_MAX + 1];
    dq_receipt_write(text, "mail", &receipt);
    for (size_t i = 0; i < 5; i++)
        if (dq_receipt_read(&back, others[i], text)) fail_msg("read for \"%s\"", others[i]);
}

/* Every cut and every single character changed, of many receipts. */
static void cut_or_altered_ones_are_refused(void **state)
{
    (void)state;
    for (int n = 0; n < 1000; n++) {
        char lease[20], text[DUEQ_RECEIPT_MAX + 1], copy[DUEQ_RECEIPT_MAX + 3];
        snprintf(lease, sizeof lease, "%lld", 1795445427739394 + n * 7919LL);
        dq_receipt receipt = make((uint32_t)n % 16, "task", 4, lease), back;
        dq_receipt_write(text, "mail", &receipt);
        size_t len = strlen(text);
        for (size_t i = 0; i < len; i++) {
            snprintf(copy, sizeof copy, "%.*s", (int)i, text);
            if (dq_receipt_read(&back, "mail", copy)) fail_msg("%s cut to %s", text, copy);
            snprintf(copy, sizeof copy, "%s", text);
            copy[i] = copy[i] == 'A' ? 'B' : 'A';
            if (dq_receipt_read(&back, "mail", copy)) fail_msg("%s altered to %s", text, copy);
        }
        snprintf(copy, sizeof copy, "%sA", text);
        assert_false(dq_receipt_read(&back, "mail", copy));
    }
}

static void what_is_no_receipt_is_refused(void **state)
{
    (void)state;
    static char longest[2000];
    memset(longest, 'A', sizeof longest - 1);
    const char *const bad[] = {"",
                               "A",
                               "AQAAAAZg8rbvGwJqb2ItN9wA=",
                               "AQ AA",
                               "\xff\xff",
                               "é",
                               "AQAAAAZg",
                               longest,
                               longest + sizeof longest - 370,
                               "AQAAAAZg8rbvGwLcAA"}; /* without an id */
    dq_receipt back;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (dq_receipt_read(&back, "mail", bad[i])) fail_msg("\"%.20s\" is read", bad[i]);
    dq_receipt large = make(0, "a", 1, "9007199254740992"); /* 2^53: no score is so large */
    char text[DUEQ_RECEIPT_MAX + 1];
    dq_receipt_write(text, "mail", &large);
    assert_false(dq_receipt_read(&back, "mail", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_form_is_as_documented),
        cmocka_unit_test(a_receipt_is_of_its_queue),
        cmocka_unit_test(cut_or_altered_ones_are_refused),
        cmocka_unit_test(what_is_no_receipt_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
