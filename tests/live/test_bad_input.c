/* What is not allowed is refused before anything is sent: one clear line, and nothing has changed.
 * Every call that takes a queue, an id, a receipt, a time or a number. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "queue/receipt.h"

/* Runs a call that must be refused without a single command sent. */
#define ASSERT_REFUSED(f, call, wanted, part)               \
    do {                                                    \
        long long before_ = commands((f));                  \
        ASSERT_RC((f)->handle, (call), (wanted));           \
        assert_int_equal(commands((f)), before_ + 1);       \
        fixture_assert_error((f)->handle, (part));          \
        assert_null(strchr(dueq_error((f)->handle), '\n')); \
    } while (0)

/* Commands the server has carried out, each look counting itself. */
static long long commands(const fixture *f)
{
    char *info = server_text(f->server, "INFO stats");
    const char *at = strstr(info, "total_commands_processed:");
    long long count = at ? strtoll(at + strlen("total_commands_processed:"), NULL, 10) : 0;
    free(info);
    return count;
}

/* ---- Queue names ----------------------------------------------------------------------------- */

static void queue_names(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    char long_name[DUEQ_QUEUE_NAME_MAX + 2] = "";
    memset(long_name, 'q', DUEQ_QUEUE_NAME_MAX + 1);
    const char *const bad[] = {"",         "a b", "{q}", "q{",  "q}", "q\n",     "q\x1b[2J",
                               "\xc3\xa9", "a/b", "q*",  "q\\", "\"", long_name, NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dueq_new_task task = {0};
        dueq_lease lease = {.receipt = "x"};
        dueq_failure failure = {.receipt = "x"};
        dueq_name name = {.id = "t"};
        dueq_settings settings = {0};
        dueq_batch *batch;
        dueq_stats stats;
        char *cursor;
        const char *queue = bad[i], *part = "queue name \"";
        ASSERT_REFUSED(f, dueq_push(h, queue, &task, 1, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_take(h, queue, NULL, &batch), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_done(h, queue, &lease, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_release(h, queue, &lease, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_extend(h, queue, &lease, 1, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_retry(h, queue, &failure, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_get(h, queue, &name, 1, &batch), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_cancel(h, queue, &name, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_reschedule(h, queue, &name, 1, 0, 0), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_list(h, queue, NULL, &batch, &cursor), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_redrive(h, queue, &name, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_redrive_all(h, queue, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_drop(h, queue, &name, 1), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_drop_all(h, queue, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_create(h, queue, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_config(h, queue, NULL, &settings), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_pause(h, queue), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_resume(h, queue), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_purge(h, queue, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_delete(h, queue, true), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_queue_stats(h, queue, &stats), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_fsck(h, queue, NULL, NULL, NULL, NULL), DUEQ_EINVAL, part);
    }
    long_name[DUEQ_QUEUE_NAME_MAX] = '\0';
    ASSERT_RC(h, queue_push(h, long_name, "t", "x", 0), DUEQ_OK);
    assert_int_equal(server_int(f->server, "HLEN dueq:queues"), 1);
}

/* ---- Ids and counts -------------------------------------------------------------------------- */

static void ids(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    static char long_id[DUEQ_ID_MAX + 2];
    memset(long_id, 'i', DUEQ_ID_MAX + 1);
    const struct {
        const char *id;
        size_t len;
    } bad[] = {{"", 0}, {long_id, 0}, {long_id, DUEQ_ID_MAX + 1}, {long_id, SIZE_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dueq_new_task tasks[] = {{.id = "fine"}, {.id = bad[i].id, .id_len = bad[i].len}};
        dueq_name names[] = {{.id = "fine"}, {.id = bad[i].id, .id_len = bad[i].len}};
        dueq_batch *batch;
        const char *part = "it has 1 to 255";
        ASSERT_REFUSED(f, dueq_push(h, "q", tasks, 2, NULL), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_get(h, "q", names, 2, &batch), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_cancel(h, "q", names, 2), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_reschedule(h, "q", names, 2, 0, 0), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_redrive(h, "q", names, 2), DUEQ_EINVAL, part);
        ASSERT_REFUSED(f, dueq_drop(h, "q", names, 2), DUEQ_EINVAL, part);
    }
    dueq_name none = {0};
    ASSERT_REFUSED(f, dueq_cancel(h, "q", &none, 1), DUEQ_EINVAL, "it has 1 to 255");
}

static void counts(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    enum { TOO_MANY = DUEQ_CALL_TASKS_MAX + 1 };
    dueq_new_task *tasks = calloc(TOO_MANY, sizeof *tasks);
    dueq_lease *leases = calloc(TOO_MANY, sizeof *leases);
    dueq_failure *failures = calloc(TOO_MANY, sizeof *failures);
    dueq_name *names = calloc(TOO_MANY, sizeof *names);
    dueq_batch *batch;
    const struct {
        size_t count;
        int wanted;
        const char *part;
    } bad[] = {{0, DUEQ_EINVAL, "no items"}, {TOO_MANY, DUEQ_ELIMIT, "10001 items in one call"}};
    for (int i = 0; i < 2; i++) {
        size_t n = bad[i].count;
        ASSERT_REFUSED(f, dueq_push(h, "q", tasks, n, NULL), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_done(h, "q", leases, n), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_release(h, "q", leases, n), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_extend(h, "q", leases, n, 1), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_retry(h, "q", failures, n), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_get(h, "q", names, n, &batch), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_cancel(h, "q", names, n), bad[i].wanted, bad[i].part);
        ASSERT_REFUSED(f, dueq_drop(h, "q", names, n), bad[i].wanted, bad[i].part);
    }
    ASSERT_REFUSED(f, dueq_push(h, "q", NULL, 1, NULL), DUEQ_EINVAL, "no items");
    dueq_take_options options = {.tasks_max = TOO_MANY};
    ASSERT_REFUSED(f, dueq_take(h, "q", &options, &batch), DUEQ_ELIMIT, "10001 tasks at once");
    free(tasks);
    free(leases);
    free(failures);
    free(names);
}

/* ---- Times and numbers ----------------------------------------------------------------------- */

static void times(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    dueq_name name = {.id = "t"};
    static const int64_t bad_delays[] = {-1, INT64_MIN, DUEQ_DELAY_MS_MAX + 1, INT64_MAX,
                                         1000000000000000000};
    for (size_t i = 0; i < sizeof bad_delays / sizeof *bad_delays; i++) {
        dueq_new_task task = {.delay_ms = bad_delays[i]};
        ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_EINVAL, "a hundred years");
        ASSERT_REFUSED(f, dueq_reschedule(h, "q", &name, 1, bad_delays[i], 0), DUEQ_EINVAL,
                       "a hundred years");
    }
    static const int64_t bad_dues[] = {-1, INT64_MIN, 9007199254741, INT64_MAX};
    for (size_t i = 0; i < sizeof bad_dues / sizeof *bad_dues; i++) {
        dueq_new_task task = {.due_ms = bad_dues[i]};
        ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_EINVAL, "year 2255");
        ASSERT_REFUSED(f, dueq_reschedule(h, "q", &name, 1, 0, bad_dues[i]), DUEQ_EINVAL,
                       "year 2255");
    }
}

static void numbers(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    static const int64_t bad_attempts[] = {-1, DUEQ_ATTEMPTS_MAX + 1, INT64_MIN, INT64_MAX};
    static const int64_t bad_leases[] = {-1, DUEQ_LEASE_MS_MAX + 1, INT64_MIN, INT64_MAX};
    dueq_batch *batch;
    for (int i = 0; i < 4; i++) {
        dueq_new_task task = {.max_attempts = bad_attempts[i]};
        dueq_take_options attempts = {.max_attempts = bad_attempts[i]};
        dueq_take_options lease = {.lease_ms = bad_leases[i]};
        dueq_lease any = {.receipt = "x"};
        ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_EINVAL, "max_attempts");
        ASSERT_REFUSED(f, dueq_take(h, "q", &attempts, &batch), DUEQ_EINVAL, "max_attempts");
        ASSERT_REFUSED(f, dueq_take(h, "q", &lease, &batch), DUEQ_EINVAL, "a lease of");
        ASSERT_REFUSED(f, dueq_extend(h, "q", &any, 1, bad_leases[i]), DUEQ_EINVAL, "a lease of");
    }
    dueq_take_options wait = {.wait_ms = -2};
    ASSERT_REFUSED(f, dueq_take(h, "q", &wait, &batch), DUEQ_EINVAL, "a wait of -2 ms");
    dueq_lease any = {.receipt = "x"};
    ASSERT_REFUSED(f, dueq_extend(h, "q", &any, 1, 0), DUEQ_EINVAL, "a lease of 0 ms");
    dueq_new_task task = {0};
    dueq_push_options policy = {.if_exists = (dueq_if_exists)5};
    ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, &policy), DUEQ_EINVAL, "policies");
}

/* ---- Payloads and headers -------------------------------------------------------------------- */

static void payloads(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    enum { MIB = 1 << 20 };
    char *payload = calloc(1, MIB + 1);
    dueq_new_task task = {.payload = payload, .payload_len = (size_t)DUEQ_PAYLOAD_MAX + 1};
    ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_ELIMIT, "a payload of 536870001");
    task = (dueq_new_task){.payload_len = 5};
    ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_EINVAL, "without bytes");
    free(payload);
}

/* The queue's own limit: nothing of the call is done, whatever partitions and kinds it has. */
static void payloads_over_the_queues_limit(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle, *other = fixture_open(f);
    enum { MIB = 1 << 20 };
    char *payload = calloc(1, MIB + 1);
    dueq_settings settings = {.partitions = 3};
    queue_make(h, "q", &settings);
    dueq_header header = {"Name", "of ten bytes", 0};
    dueq_new_task tasks[] = {{.id = "named", .payload = "fine", .payload_len = 4},
                             {.payload = "fine", .payload_len = 4},
                             {.payload = payload,
                              .payload_len = MIB,
                              .headers = &header,
                              .header_count = 1,
                              .max_attempts = 3},
                             {.payload = payload, .payload_len = MIB + 1}};
    ASSERT_RC(h, dueq_push(h, "q", tasks, 4, NULL), DUEQ_ELIMIT);
    fixture_assert_error(h, "a payload of 1048577 bytes (task 4 of the call)");
    fixture_assert_error(h, "this queue takes at most 1048576");
    for (int i = 0; i < 4; i++) assert_int_equal(tasks[i].outcome, DUEQ_ELIMIT);
    assert_int_equal(queue_live(h, "q"), 0);
    ASSERT_RC(h, dueq_push(h, "q", tasks, 3, NULL), DUEQ_OK); /* headers do not count */

    /* Raised and lowered by another: the limit is the one that stands. */
    dueq_settings raise = {.payload_max = MIB + 1}, lower = {.payload_max = 10};
    ASSERT_RC(other, dueq_queue_config(other, "q", &raise, NULL), DUEQ_OK);
    ASSERT_RC(h, dueq_push(h, "q", &tasks[3], 1, NULL), DUEQ_OK);
    ASSERT_RC(other, dueq_queue_config(other, "q", &lower, NULL), DUEQ_OK);
    dueq_new_task two[] = {{.id = "a", .payload = payload, .payload_len = 10},
                           {.id = "a", .payload = payload, .payload_len = 11}};
    ASSERT_RC(h, dueq_push(h, "q", two, 2, NULL), DUEQ_ELIMIT);
    fixture_assert_error(h, "takes at most 10");
    assert_int_equal(queue_drain(h, "q"), 4);
    dueq_close(other);
    free(payload);
}

static void headers(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    static char long_name[DUEQ_HEADER_NAME_MAX + 2], long_value[DUEQ_HEADER_VALUE_MAX + 2];
    memset(long_name, 'n', DUEQ_HEADER_NAME_MAX + 1);
    memset(long_value, 'v', DUEQ_HEADER_VALUE_MAX + 1);
    const struct {
        dueq_header header;
        int wanted;
        const char *part;
    } bad[] = {
        {{NULL, "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{"", "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{"a b", "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{"a:b", "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{"\xc3\xa9", "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{long_name, "v", 0}, DUEQ_EINVAL, "a header's name"},
        {{"a", long_value, 0}, DUEQ_ELIMIT, "4097 bytes; at most 4096"},
        {{"a", "v", DUEQ_HEADER_VALUE_MAX + 1}, DUEQ_ELIMIT, "4097 bytes; at most 4096"},
        {{"a", NULL, 7}, DUEQ_EINVAL, "a header's value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dueq_header both[] = {{"fine", "fine", 0}, bad[i].header};
        dueq_new_task task = {.headers = both, .header_count = 2};
        ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), bad[i].wanted, bad[i].part);
    }
    dueq_header many[DUEQ_HEADERS_MAX + 1];
    for (int i = 0; i <= DUEQ_HEADERS_MAX; i++) many[i] = (dueq_header){"a", "v", 0};
    dueq_new_task task = {.headers = many, .header_count = DUEQ_HEADERS_MAX + 1};
    ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_ELIMIT, "65 headers");
    task = (dueq_new_task){.header_count = 2};
    ASSERT_REFUSED(f, dueq_push(h, "q", &task, 1, NULL), DUEQ_EINVAL, "header");
}

static void errors_without_text(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    dueq_failure failure = {.receipt = batch->tasks[0].receipt, .error_len = 100};
    ASSERT_REFUSED(f, dueq_retry(f->handle, "q", &failure, 1), DUEQ_EINVAL, "error");
    failure = (dueq_failure){.receipt = batch->tasks[0].receipt, .delay_ms = -5};
    ASSERT_REFUSED(f, dueq_retry(f->handle, "q", &failure, 1), DUEQ_EINVAL, "a delay of -5 ms");
    failure = (dueq_failure){.receipt = batch->tasks[0].receipt, .max_attempts = -5};
    ASSERT_REFUSED(f, dueq_retry(f->handle, "q", &failure, 1), DUEQ_EINVAL, "max_attempts -5");
    dueq_batch_free(batch);
}

/* ---- Receipts -------------------------------------------------------------------------------- */

static void assert_receipt_refused(fixture *f, const char *receipt)
{
    dueq_lease lease = {.receipt = receipt};
    dueq_failure failure = {.receipt = receipt};
    const char *part = "is no receipt of queue \"q\"";
    ASSERT_REFUSED(f, dueq_done(f->handle, "q", &lease, 1), DUEQ_EINVAL, part);
    ASSERT_REFUSED(f, dueq_release(f->handle, "q", &lease, 1), DUEQ_EINVAL, part);
    ASSERT_REFUSED(f, dueq_extend(f->handle, "q", &lease, 1, 1000), DUEQ_EINVAL, part);
    ASSERT_REFUSED(f, dueq_retry(f->handle, "q", &failure, 1), DUEQ_EINVAL, part);
}

static void receipts_cut_or_altered(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "task", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    char text[DUEQ_RECEIPT_MAX + 10];
    size_t len = strlen(batch->tasks[0].receipt);
    for (size_t i = 0; i < len; i += 3) {
        snprintf(text, sizeof text, "%.*s", (int)i, batch->tasks[0].receipt); /* cut */
        assert_receipt_refused(f, text);
        snprintf(text, sizeof text, "%s", batch->tasks[0].receipt); /* altered */
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_receipt_refused(f, text);
    }
    snprintf(text, sizeof text, "%sA", batch->tasks[0].receipt);
    assert_receipt_refused(f, text);
    memset(text, 'A', DUEQ_RECEIPT_MAX + 1);
    text[DUEQ_RECEIPT_MAX + 1] = '\0';
    assert_receipt_refused(f, text);
    assert_receipt_refused(f, NULL);
    assert_receipt_refused(f, "not a receipt \x1b[2J");
    assert_int_equal(queue_state(f->handle, "q", "task"), DUEQ_STATE_LEASED);
    dueq_batch_free(batch);
}

static void receipts_of_another_queue(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    ASSERT_RC(f->handle, queue_push(f->handle, "other", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "other", 0);
    assert_receipt_refused(f, batch->tasks[0].receipt);
    dueq_batch_free(batch);
}

/* Well made by somebody who knows how, but of no lease: lost, never more. */
static void forged_receipts_hold_nothing(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "task", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    static const struct {
        uint32_t partition;
        const char *id, *lease;
    } forged[] = {{0, "task", "0"}, {0, "task", "1"},     {0, "task", "9007199254740991"},
                  {0, "none", "1"}, {65535, "task", "1"}, {1, "task", "1"}};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        dq_receipt receipt = {.partition = forged[i].partition, .id_len = strlen(forged[i].id)};
        memcpy(receipt.id, forged[i].id, receipt.id_len);
        snprintf(receipt.lease, sizeof receipt.lease, "%s", forged[i].lease);
        char text[DUEQ_RECEIPT_MAX + 1];
        dq_receipt_write(text, "q", &receipt);
        ASSERT_RC(f->handle, queue_done(f->handle, "q", text), DUEQ_LOST);
        ASSERT_RC(f->handle, queue_extend(f->handle, "q", text, 1), DUEQ_LOST);
        ASSERT_RC(f->handle, queue_release(f->handle, "q", text), DUEQ_LOST);
        ASSERT_RC(f->handle, queue_retry(f->handle, "q", text, 0, "forged"), DUEQ_LOST);
    }
    queue_finish(f->handle, "q", batch);
}

/* One bad receipt among good ones: nothing of the call is done. */
static void one_bad_receipt_spoils_the_call(void **state)
{
    fixture *f = *state;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    dueq_batch *batch = queue_take_one(f->handle, "q", 0);
    dueq_lease leases[] = {{.receipt = batch->tasks[0].receipt}, {.receipt = "bad"}};
    ASSERT_REFUSED(f, dueq_done(f->handle, "q", leases, 2), DUEQ_EINVAL, "\"bad\" is no receipt");
    queue_finish(f->handle, "q", batch);
}

/* ---- Handles --------------------------------------------------------------------------------- */

static void handles_that_could_not_be_opened(void **state)
{
    (void)state;
    dueq *h = NULL;
    dueq_batch *batch;
    dueq_queue_list *list;
    dueq_new_task task = {0};
    ASSERT_RC(h, dueq_open(&h, "unix:/nowhere/at/all.sock", NULL), DUEQ_ECONNECT);
    assert_non_null(h);
    fixture_assert_error(h, "/nowhere/at/all.sock");
    ASSERT_RC(h, dueq_push(h, "q", &task, 1, NULL), DUEQ_ECONNECT);
    ASSERT_RC(h, dueq_take(h, "q", NULL, &batch), DUEQ_ECONNECT);
    ASSERT_RC(h, dueq_queues(h, &list), DUEQ_ECONNECT);
    dueq_set_interrupt_fd(h, 0);
    dueq_close(h);
    dueq_close(NULL);
    assert_true(*dueq_error(NULL) != '\0');
}

static void bad_options_of_a_handle(void **state)
{
    fixture *f = *state;
    static char long_prefix[200];
    memset(long_prefix, 'p', sizeof long_prefix - 1);
    const dueq_options bad[] = {{.timeout_ms = -1}, {.connect_timeout_ms = -1},
                                {.prefix = ""},     {.prefix = "a{b"},
                                {.prefix = "}"},    {.prefix = long_prefix}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dueq *h = NULL;
        ASSERT_RC(h, dueq_open(&h, server_url(f->server), &bad[i]), DUEQ_EINVAL);
        assert_true(*dueq_error(h) != '\0');
        dueq_close(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(queue_names),
        FIXTURE_TEST(ids),
        FIXTURE_TEST(counts),
        FIXTURE_TEST(times),
        FIXTURE_TEST(numbers),
        FIXTURE_TEST(payloads),
        FIXTURE_TEST(payloads_over_the_queues_limit),
        FIXTURE_TEST(headers),
        FIXTURE_TEST(errors_without_text),
        FIXTURE_TEST(receipts_cut_or_altered),
        FIXTURE_TEST(receipts_of_another_queue),
        FIXTURE_TEST(forged_receipts_hold_nothing),
        FIXTURE_TEST(one_bad_receipt_spoils_the_call),
        FIXTURE_TEST(handles_that_could_not_be_opened),
        FIXTURE_TEST(bad_options_of_a_handle),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
