/* A slot's states, and what a handler may say about its task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "work/job.h"

static void test_moves(void **state)
{
    (void)state;
    static const bool wanted[DQ_JOB_STATES][DQ_JOB_STATES] = {
        [DQ_JOB_FREE] = {[DQ_JOB_HANDED] = true},
        [DQ_JOB_HANDED] =
            {[DQ_JOB_ANSWERED] = true, [DQ_JOB_GIVEN_UP] = true, [DQ_JOB_LEFT] = true},
        [DQ_JOB_ANSWERED] = {[DQ_JOB_FREE] = true},
        [DQ_JOB_GIVEN_UP] = {[DQ_JOB_ANSWERED] = true, [DQ_JOB_LEFT] = true},
        [DQ_JOB_LEFT] = {[DQ_JOB_FREE] = true},
    };
    for (dq_job_state from = 0; from < DQ_JOB_STATES; from++) {
        for (dq_job_state to = 0; to < DQ_JOB_STATES; to++) {
            if (dq_job_may(from, to) == wanted[from][to]) continue;
            fail_msg("from %d to %d: may is %d, wanted %d", (int)from, (int)to,
                     dq_job_may(from, to), wanted[from][to]);
        }
    }
}

/* Every state can be reached, and every state leads back to free. */
static void test_no_dead_end(void **state)
{
    (void)state;
    for (dq_job_state at = 0; at < DQ_JOB_STATES; at++) {
        int ways_in = 0, ways_out = 0;
        for (dq_job_state other = 0; other < DQ_JOB_STATES; other++) {
            ways_in += dq_job_may(other, at);
            ways_out += dq_job_may(at, other);
        }
        assert_true(ways_in > 0);
        assert_true(ways_out > 0);
    }
}

static void test_error_is_copied_and_bounded(void **state)
{
    (void)state;
    dueq_job *job = calloc(1, sizeof *job);
    dueq_job_set_error(job, "disk full");
    assert_string_equal(job->answer.error.bytes, "disk full");
    assert_int_equal(job->answer.error.len, 9);
    dueq_job_set_error(job, NULL);
    assert_int_equal(job->answer.error.len, 0);

    char text[DUEQ_ERROR_TEXT_MAX + 100];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    memcpy(text + DUEQ_ERROR_TEXT_MAX - 1, "\xc3\xa4", 2); /* a character across the bound */
    dueq_job_set_error(job, text);
    assert_int_equal(job->answer.error.len, DUEQ_ERROR_TEXT_MAX - 1);
    free(job);
}

static void test_delay_is_bounded(void **state)
{
    (void)state;
    dueq_job *job = calloc(1, sizeof *job);
    dueq_job_set_delay(job, 1500);
    assert_int_equal(job->answer.delay_ms, 1500);
    dueq_job_set_delay(job, -1);
    assert_int_equal(job->answer.delay_ms, 0);
    dueq_job_set_delay(job, INT64_MAX);
    assert_int_equal(job->answer.delay_ms, DUEQ_DELAY_MS_MAX);
    free(job);
}

/* Orders only get worse, and each new one is announced once. */
static void test_orders_escalate(void **state)
{
    (void)state;
    dueq_job *job = calloc(1, sizeof *job);
    job->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dq_job_order(job, DQ_ORDER_END);
    dq_job_order(job, DQ_ORDER_LEAVE);
    assert_int_equal(atomic_load(&job->order), DQ_ORDER_END);
    dq_job_order(job, DQ_ORDER_KILL);
    assert_int_equal(atomic_load(&job->order), DQ_ORDER_KILL);
    eventfd_t nudges = 0;
    eventfd_read(job->nudge_fd, &nudges);
    assert_int_equal(nudges, 2);
    close(job->nudge_fd);
    free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_no_dead_end),
        cmocka_unit_test(test_error_is_copied_and_bounded),
        cmocka_unit_test(test_delay_is_bounded),
        cmocka_unit_test(test_orders_escalate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
