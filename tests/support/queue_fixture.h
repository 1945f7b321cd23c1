/* What the live tests of the queue layer share: one private server for a program, a clean slate and
 * a handle for each test, short forms of the common calls, and at each test's end the two things
 * that always hold: every task is accounted for, and fsck finds nothing.
 *
 *     static void test_push(void **state)
 *     {
 *         fixture *f = *state;
 *         ASSERT_RC(f->handle, queue_push(f->handle, "q", "id", "payload", 0), DUEQ_OK);
 *     }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {FIXTURE_TEST(test_push)};
 *         return cmocka_run_group_tests(tests, fixture_start, fixture_end);
 *     }
 *
 * Everything here but the handles is for the main thread: a failure jumps out of the test. */
#ifndef TESTS_SUPPORT_QUEUE_FIXTURE_H
#define TESTS_SUPPORT_QUEUE_FIXTURE_H

#include "server.h"

#include <dueq.h>

typedef struct fixture {
    test_server *server;
    dueq *handle;
    bool damaged; /* set by a test that damages a queue for good: its end is not checked */
} fixture;

int fixture_start(void **state); /* group: a server */
int fixture_end(void **state);
int fixture_setup(void **state);    /* test: nothing on the server, a new handle */
int fixture_teardown(void **state); /* test: checks every queue, closes the handle */

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

/* A handle of its own on the fixture's server; close it with dueq_close(). */
dueq *fixture_open(const fixture *f);
/* The server's clock. */
int64_t fixture_now_us(const fixture *f);
/* How often a command was called since CONFIG RESETSTAT: fixture_calls(f, "evalsha"). */
long long fixture_calls(const fixture *f, const char *command);

/* Fails the test, naming the call, both outcomes and the handle's error, unless they agree. */
#define ASSERT_RC(handle, call, wanted) \
    fixture_assert_rc((handle), (call), (wanted), #call, __FILE__, __LINE__)
void fixture_assert_rc(const dueq *handle, int have, int wanted, const char *call, const char *file,
                       int line);

/* Fails unless the handle's error contains the text. */
void fixture_assert_error(const dueq *handle, const char *part);

/* ---- Short forms ---------------------------------------------------------------------------- */

/* Ids and payloads are C strings; each must succeed unless it returns a code. */

int queue_push(dueq *handle, const char *queue, const char *id, const char *payload,
               int64_t delay_ms);
/* Pushes count tasks "PREFIX0", "PREFIX1" … with the id as payload; any number. */
void queue_push_many(dueq *handle, const char *queue, const char *prefix, size_t count,
                     int64_t delay_ms);
/* Takes up to count tasks under a lease (0: the queue's) without waiting; NULL: there are none. */
dueq_batch *queue_take(dueq *handle, const char *queue, size_t count, int64_t lease_ms);
/* Takes one task, which must be there. */
dueq_batch *queue_take_one(dueq *handle, const char *queue, int64_t lease_ms);
/* Waits until a task can be taken. */
dueq_batch *queue_await(dueq *handle, const char *queue, size_t count, int64_t lease_ms);
/* Finishes every task of a batch, each of which must still be held; the batch is freed. */
void queue_finish(dueq *handle, const char *queue, dueq_batch *batch);
int queue_done(dueq *handle, const char *queue, const char *receipt);
int queue_release(dueq *handle, const char *queue, const char *receipt);
int queue_extend(dueq *handle, const char *queue, const char *receipt, int64_t lease_ms);
/* Returns the failure's own outcome. */
int queue_retry(dueq *handle, const char *queue, const char *receipt, int64_t delay_ms,
                const char *error);
/* Makes a task dead that is or will be ready at once. */
void queue_kill_one(dueq *handle, const char *queue);
int queue_cancel(dueq *handle, const char *queue, const char *id);
/* The task, or NULL when it is missing; free the batch. */
dueq_batch *queue_get(dueq *handle, const char *queue, const char *id);
dueq_state queue_state(dueq *handle, const char *queue, const char *id);
dueq_stats queue_stats(dueq *handle, const char *queue);
/* waiting + ready + leased + dead */
int64_t queue_live(dueq *handle, const char *queue);
/* Takes and finishes all that is ready; returns how many. */
size_t queue_drain(dueq *handle, const char *queue);
void queue_make(dueq *handle, const char *queue, const dueq_settings *settings);

/* pushed = waiting + ready + leased + dead + done + cancelled + dropped, and fsck finds nothing. */
void queue_assert_sound(dueq *handle, const char *queue);

#endif
