/* A queue that somebody deletes in the moment in which a push makes it: what was not pushed is never
 * said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <dueq.h>

#include "support/fake_server.h"

#define NIL "$-1\r\n"

/* Whenever it is looked for it is not there, and whenever it is to be made it is. */
static void a_queue_that_comes_and_goes_is_told(void **state)
{
    (void)state;
    static fake_rule rules[] = {
        {.words = "INFO", .reply = "$0\r\n\r\n"},
        {.words = "HGET ", .reply = NIL},
        {.words = "HMGET", .reply = "*1\r\n" NIL},
        {.words = "HSETNX", .reply = ":0\r\n"},
        {0},
    };
    static const fake_step script[] = {ACCEPT, SERVE(rules), END};
    fake_server *server = fake_start(script, NULL);
    dueq *handle;
    assert_int_equal(dueq_open(&handle, fake_url(server), NULL), DUEQ_OK);
    dueq_new_task tasks[2] = {{.payload = "a", .payload_len = 1}, {.id = "b"}};
    int rc = dueq_push(handle, "q", tasks, 2, NULL);
    if (rc != DUEQ_ECORRUPT) fail_msg("%d (%s)", rc, dueq_error(handle));
    assert_non_null(strstr(dueq_error(handle), "deleted as soon as it is made"));
    for (int i = 0; i < 2; i++) assert_true(tasks[i].outcome < 0);
    dueq_close(handle);
    fake_end(server);
}

/* And when the other is through with that, all is as ever. */
static void a_queue_that_went_once_is_made(void **state)
{
    (void)state;
    static fake_rule rules[] = {
        {.words = "INFO", .reply = "$0\r\n\r\n"},
        {.words = "HGET ", .reply = NIL, .times = 6}, /* until it is made */
        {.words = "HGET ", .reply = "$12\r\npartitions=1\r\n"},
        {.words = "HMGET", .reply = "*1\r\n" NIL},
        {.words = "HSETNX", .reply = ":0\r\n", .times = 1},
        {.words = "HSETNX", .reply = ":1\r\n"},
        {.words = "EVAL", .reply = "*1\r\n:0\r\n"},
        {0},
    };
    static const fake_step script[] = {ACCEPT, SERVE(rules), END};
    fake_server *server = fake_start(script, NULL);
    dueq *handle;
    assert_int_equal(dueq_open(&handle, fake_url(server), NULL), DUEQ_OK);
    dueq_new_task task = {.payload = "a", .payload_len = 1};
    int rc = dueq_push(handle, "q", &task, 1, NULL);
    if (rc != DUEQ_OK) fail_msg("%d (%s)", rc, dueq_error(handle));
    assert_int_equal(task.outcome, DUEQ_OK);
    assert_true(atomic_load(&rules[5].used) >= 1);
    assert_true(atomic_load(&rules[6].used) >= 2); /* create, push */
    dueq_close(handle);
    fake_end(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_comes_and_goes_is_told),
        cmocka_unit_test(a_queue_that_went_once_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
