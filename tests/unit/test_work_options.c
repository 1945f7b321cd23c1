/* Making a worker: what is refused, with which text, and what the defaults are. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

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

static void accept(const dueq_worker_options *options)
{
    dueq_worker *worker;
    int rc = dueq_worker_make(&worker, options);
    if (rc != DUEQ_OK) fail_msg("refused: %s", dueq_worker_error(worker));
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
    assert_int_equal(own->window, 1);
    assert_int_equal(own->prefetch, 0);
    assert_int_equal(own->tick_ms, 1000);
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
    refuse(&options, "one of a handler, a command");
    char *command[] = {"cat", NULL};
    options = good();
    options.command = command;
    refuse(&options, "not two");
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

/* Numbers of the newer options: their bounds are good, and one beyond is not. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        size_t at; /* of an int64_t or, where `is_int`, an int */
        bool is_int;
        int64_t least, most;
        const char *name;
    } cases[] = {
        {offsetof(dueq_worker_options, prefetch), false, -1, 10000, "prefetch is"},
        {offsetof(dueq_worker_options, tick_ms), false, 0, DUEQ_DELAY_MS_MAX, "tick_ms is"},
        {offsetof(dueq_worker_options, window), true, 0, 1000, "window is"},
        {offsetof(dueq_worker_options, lost_signal), true, 0, NSIG - 1, "lost_signal is"},
        {offsetof(dueq_worker_options, log_most), true, 0, DUEQ_LOG_DEBUG, "log_most is"},
    };
    char *command[] = {"cat", NULL};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t values[] = {cases[i].least, cases[i].most, cases[i].least - 1,
                                  cases[i].most + 1};
        for (size_t v = 0; v < 4; v++) {
            dueq_worker_options options = {
                .queues = mail, .queue_count = 1, .command = command, .stdio = false};
            options.stdio = strcmp(cases[i].name, "window is") == 0;
            int number = (int)values[v];
            void *to = (char *)&options + cases[i].at;
            if (cases[i].is_int) {
                memcpy(to, &number, sizeof number);
            } else {
                memcpy(to, &values[v], sizeof values[v]);
            }
            if (v >= 2) {
                refuse(&options, cases[i].name);
            } else {
                accept(&options);
            }
        }
    }
}

static void test_kinds_of_handler(void **state)
{
    (void)state;
    char *cat[] = {"cat", NULL};
#define BASE .queues = mail, .queue_count = 1
    const struct {
        dueq_worker_options options;
        const char *text; /* NULL: it is good */
    } cases[] = {
        {{BASE, .command = cat}, NULL},
        {{BASE, .command = cat, .lost_signal = SIGUSR1}, NULL},
        {{BASE, .command = cat, .stdio = true}, NULL},
        {{BASE, .command = cat, .stdio = true, .window = 1000}, NULL},
        {{BASE, .http_url = "http://localhost/"}, NULL},
        {{BASE, .http_url = "HTTPS://h/", .http_secret = "s", .http_ca_file = "ca.pem"}, NULL},
        {{BASE, .http_url = "http://h/", .command = cat}, "not two"},
        {{BASE, .http_url = "http://h/", .handler = handle}, "not two"},
        {{BASE, .handler = handle, .stdio = true}, "stdio is for a command"},
        {{BASE, .http_url = "http://h/", .stdio = true}, "stdio is for a command"},
        {{BASE, .command = cat, .window = 2}, "a window is for stdio"},
        {{BASE, .command = cat, .stdio = true, .concurrency = 11, .window = 1000},
         "concurrency times window is more than 10,000"},
        {{BASE, .handler = handle, .lost_signal = 10}, "a lost_signal is for a command"},
        {{BASE, .command = cat, .stdio = true, .lost_signal = 10}, "not for stdio"},
        {{BASE, .http_url = "ftp://h/"}, "begins with neither http:// nor https://"},
        {{BASE, .http_url = ""}, "the URL of the handler is wrong"},
        {{BASE, .command = cat, .http_secret = "s"}, "an http_secret is for an http_url"},
        {{BASE, .http_url = "http://h/", .http_secret = ""}, "http_secret is empty"},
        {{BASE, .http_url = "http://h/", .http_ca_file = "f"}, "an http_ca_file is for"},
        {{BASE, .handler = handle, .http_ca_file = "f"}, "an http_ca_file is for"},
    };
#undef BASE
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].text != NULL) {
            refuse(&cases[i].options, cases[i].text);
        } else {
            accept(&cases[i].options);
        }
    }
}

static void test_http_texts_are_copied(void **state)
{
    (void)state;
    char url[] = "https://h/", secret[] = "secret", ca_file[] = "ca.pem";
    dueq_worker_options options = {.queues = mail,
                                   .queue_count = 1,
                                   .http_url = url,
                                   .http_secret = secret,
                                   .http_ca_file = ca_file};
    dueq_worker *worker;
    assert_int_equal(dueq_worker_make(&worker, &options), DUEQ_OK);
    url[0] = secret[0] = ca_file[0] = '!';
    assert_string_equal(worker->own.options.http_url, "https://h/");
    assert_string_equal(worker->own.options.http_secret, "secret");
    assert_string_equal(worker->own.options.http_ca_file, "ca.pem");
    dueq_worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options_are_copied),
        cmocka_unit_test(test_backoff_defaults_give_way),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_kinds_of_handler),
        cmocka_unit_test(test_http_texts_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
