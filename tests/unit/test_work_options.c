/* Making a worker: what is refused, with which text, and what the defaults are. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "work/worker.h"

static dueq_verdict handle(dueq_job *job, void *context)
{
    (void)job;
    (void)context;
    return DUEQ_VERDICT_DONE;
}

static const dueq_worker_queue mail[] = {{.name = "mail"}};

static dueq_worker_options good(void)
{
    return (dueq_worker_options){.queues = mail, .queue_count = 1, .handler = handle};
}

static void refuse(const dueq_worker_options *options, const char *text)
{
    dueq_worker *worker;
    assert_int_equal(dueq_worker_make(&worker, options), DUEQ_EINVAL);
    assert_non_null(worker);
    if (strstr(dueq_worker_error(worker), text) == NULL) {
        fail_msg("the error is \"%s\", wanted one with \"%s\"", dueq_worker_error(worker), text);
    }
    assert_int_equal(dueq_worker_run(worker), DUEQ_EINVAL);
    dueq_worker_stop(worker);
    dueq_worker_free(worker);
}

static void test_defaults(void **state)
{
    (void)state;
    dueq_worker *worker;
    dueq_worker_options options = good();
    assert_int_equal(dueq_worker_make(&worker, &options), DUEQ_OK);
    assert_string_equal(dueq_worker_error(worker), "");
    const dueq_worker_options *own = &worker->own.options;
    assert_int_equal(own->concurrency, 1);
    assert_int_equal(own->backoff_min_ms, 1000);
    assert_int_equal(own->backoff_max_ms, 3600000);
    assert_int_equal(own->grace_ms, 10000);
    assert_int_equal(own->queues[0].weight, 1);
    dueq_worker_free(worker);
}

/* The caller may let go of all it passed in. */
static void test_options_are_copied(void **state)
{
    (void)state;
    char name[] = "mail", url[] = "unix:/nowhere", word[] = "cat", user[] = "me";
    dueq_worker_queue queues[] = {{.name = name, .weight = 3}};
    char *command[] = {word, NULL};
    dueq_options connect = {.user = user};
    dueq_worker_options options = {
        .url = url, .connect = &connect, .queues = queues, .queue_count = 1, .command = command};
    dueq_worker *worker;
    assert_int_equal(dueq_worker_make(&worker, &options), DUEQ_OK);
    name[0] = url[0] = word[0] = user[0] = '!';
    queues[0].weight = 0;
    command[0] = NULL;
    const dueq_worker_options *own = &worker->own.options;
    assert_string_equal(own->queues[0].name, "mail");
    assert_int_equal(own->queues[0].weight, 3);
    assert_string_equal(own->url, "unix:/nowhere");
    assert_string_equal(own->command[0], "cat");
    assert_null(own->command[1]);
    assert_string_equal(own->connect->user, "me");
    dueq_worker_free(worker);
}

static void test_backoff_defaults_give_way(void **state)
{
    (void)state;
    dueq_worker *worker;
    dueq_worker_options options = good();
    options.backoff_max_ms = 50;
    assert_int_equal(dueq_worker_make(&worker, &options), DUEQ_OK);
    assert_int_equal(worker->own.options.backoff_min_ms, 50);
    dueq_worker_free(worker);
}

static void test_refusals(void **state)
{
    (void)state;
    dueq_worker_options options = good();
    refuse(NULL, "no options");
    options.queue_count = 0;
    refuse(&options, "queue_count is 0; it must be 1 to 64");
    options = good();
    options.queues = NULL;
    refuse(&options, "no queues");
    options = good();
    options.concurrency = 1025;
    refuse(&options, "concurrency is 1025; it must be 0 to 1024");
    options = good();
    options.grace_ms = -1;
    refuse(&options, "grace_ms is -1");
    options = good();
    options.handler = NULL;
    refuse(&options, "a handler or a command");
    char *command[] = {"cat", NULL};
    options = good();
    options.command = command;
    refuse(&options, "not both");
    options = good();
    options.backoff_min_ms = 10;
    options.backoff_max_ms = 5;
    refuse(&options, "above backoff_max_ms");
    dueq_worker_queue twice[] = {{.name = "a"}, {.name = "a"}};
    options = good();
    options.queues = twice;
    options.queue_count = 2;
    refuse(&options, "queue a is named twice");
    dueq_worker_queue light[] = {{.name = "a", .weight = -1}};
    options = good();
    options.queues = light;
    refuse(&options, "weight -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options_are_copied),
        cmocka_unit_test(test_backoff_defaults_give_way),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
