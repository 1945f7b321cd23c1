/* Queues of 1, 3 and 16 partitions: ids are spread, and every operation reaches all of them. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "queue/receipt.h"

enum { AN_HOUR_MS = 3600000, COUNT = 1600 };

static const int64_t partition_counts[] = {1, 3, 16};

static const char *make(dueq *h, int64_t partitions)
{
    static char queue[32];
    snprintf(queue, sizeof queue, "q%lld", (long long)partitions);
    dueq_settings settings = {.partitions = partitions};
    queue_make(h, queue, &settings);
    return queue;
}

/* Each task lies in the partition that its id says, and none has much more than its share. */
static void ids_are_spread(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        int64_t partitions = partition_counts[i];
        const char *queue = make(f->handle, partitions);
        queue_push_many(f->handle, queue, "task-", COUNT, AN_HOUR_MS);
        for (int64_t p = 0; p < partitions; p++) {
            long long have =
                server_int(f->server, "ZCARD dueq:{%s:%lld}:due", queue, (long long)p) - 1;
            long long share = COUNT / partitions;
            if (have < share / 2 || have > share * 2)
                fail_msg("%lld of %d tasks in partition %lld of %lld", have, COUNT, (long long)p,
                         (long long)partitions);
        }
        unsigned where = dq_crc16("task-77", 7) % (unsigned)partitions;
        assert_int_equal(server_int(f->server, "HEXISTS dueq:{%s:%u}:body task-77", queue, where),
                         1);
    }
}

/* Take, done, get, cancel, reschedule and stats with tasks in every partition. */
static void every_operation_reaches_all(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        const char *queue = make(f->handle, partition_counts[i]);
        queue_push_many(f->handle, queue, "t", COUNT, AN_HOUR_MS);
        static char texts[COUNT][16];
        static dueq_name names[COUNT];
        for (int k = 0; k < COUNT; k++) {
            snprintf(texts[k], sizeof texts[k], "t%d", k);
            names[k].id = texts[k];
        }
        ASSERT_RC(f->handle, dueq_reschedule(f->handle, queue, names, COUNT, 0, 0), DUEQ_OK);
        assert_int_equal(queue_stats(f->handle, queue).ready, COUNT);
        dueq_batch *batch = queue_take(f->handle, queue, COUNT, 0);
        assert_int_equal(batch->count, COUNT);
        dueq_lease *leases = calloc(COUNT, sizeof *leases);
        for (int k = 0; k < COUNT; k++) leases[k].receipt = batch->tasks[k].receipt;
        ASSERT_RC(f->handle, dueq_extend(f->handle, queue, leases, COUNT, 50000), DUEQ_OK);
        ASSERT_RC(f->handle, dueq_release(f->handle, queue, leases, COUNT / 2), DUEQ_OK);
        ASSERT_RC(f->handle, dueq_done(f->handle, queue, leases, COUNT), DUEQ_LOST);
        for (int k = 0; k < COUNT; k++)
            assert_int_equal(leases[k].outcome, k < COUNT / 2 ? DUEQ_LOST : DUEQ_OK);
        free(leases);
        dueq_batch_free(batch);
        ASSERT_RC(f->handle, dueq_cancel(f->handle, queue, names, COUNT), DUEQ_MISSING);
        dueq_stats stats = queue_stats(f->handle, queue);
        assert_int_equal(stats.done, COUNT / 2);
        assert_int_equal(stats.cancelled, COUNT / 2);
    }
}

/* One ready task, wherever it is, is found by the next take, whoever takes. */
static void a_single_task_is_found_at_once(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        const char *queue = make(f->handle, partition_counts[i]);
        for (int k = 0; k < 100; k++) {
            char id[16];
            snprintf(id, sizeof id, "t%d", k);
            ASSERT_RC(f->handle, queue_push(f->handle, queue, id, "x", 0), DUEQ_OK);
            queue_finish(f->handle, queue, queue_take_one(f->handle, queue, 0));
        }
    }
}

/* A take gives as many as are wanted if there are as many, and never more. */
static void takes_are_neither_short_nor_long(void **state)
{
    fixture *f = *state;
    static const size_t wanted[] = {1, 2, 5, 16, 17, 100, 333, 1001};
    for (size_t i = 0; i < 3; i++) {
        const char *queue = make(f->handle, partition_counts[i]);
        for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
            queue_push_many(f->handle, queue, "t", COUNT, 0);
            size_t left = COUNT;
            while (left) {
                size_t count = left < wanted[w] ? left : wanted[w];
                dueq_batch *batch = queue_take(f->handle, queue, wanted[w], 0);
                if (!batch || batch->count != count)
                    fail_msg("%lld partitions: %zu of %zu wanted, %zu were there",
                             (long long)partition_counts[i], batch ? batch->count : 0, wanted[w],
                             left);
                left -= count;
                queue_finish(f->handle, queue, batch);
                if (w == 0 && left == COUNT - 200) left -= queue_drain(f->handle, queue);
            }
        }
    }
}

/* No partition starves: takes of one go round. */
static void takes_go_round(void **state)
{
    fixture *f = *state;
    const char *queue = make(f->handle, 16);
    queue_push_many(f->handle, queue, "t", COUNT, 0);
    bool seen[16] = {false};
    for (int k = 0; k < 16; k++) {
        dueq_batch *batch = queue_take_one(f->handle, queue, 0);
        dq_receipt receipt;
        assert_true(dq_receipt_read(&receipt, queue, batch->tasks[0].receipt));
        seen[receipt.partition] = true;
        dueq_batch_free(batch);
    }
    for (int p = 0; p < 16; p++)
        if (!seen[p]) fail_msg("16 takes passed partition %d by", p);
}

/* Receipts outlive the queue that gave them: one of a partition that is no more is lost. */
static void receipts_of_partitions_that_are_gone(void **state)
{
    fixture *f = *state;
    dueq_settings many = {.partitions = 16}, few = {.partitions = 2};
    queue_make(f->handle, "q", &many);
    queue_push_many(f->handle, "q", "t", 200, 0);
    dueq_batch *batch = queue_take(f->handle, "q", 200, 0);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, "q", true), DUEQ_OK);
    queue_make(f->handle, "q", &few);
    queue_push_many(f->handle, "q", "t", 200, 0); /* the same ids */
    dueq_lease leases[200];
    for (int i = 0; i < 200; i++) leases[i].receipt = batch->tasks[i].receipt;
    ASSERT_RC(f->handle, dueq_done(f->handle, "q", leases, 200), DUEQ_LOST);
    ASSERT_RC(f->handle, dueq_extend(f->handle, "q", leases, 200, 1000), DUEQ_LOST);
    for (int i = 0; i < 200; i++) assert_int_equal(leases[i].outcome, DUEQ_LOST);
    assert_int_equal(queue_stats(f->handle, "q").ready, 200);
    dueq_batch_free(batch);
}

static void as_many_partitions_as_are_allowed(void **state)
{
    fixture *f = *state;
    const char *queue = make(f->handle, DUEQ_PARTITIONS_MAX);
    queue_push_many(f->handle, queue, "t", COUNT, 0);
    assert_int_equal(queue_drain(f->handle, queue), COUNT);
    ASSERT_RC(f->handle, dueq_queue_delete(f->handle, queue, false), DUEQ_OK);
    assert_int_equal(server_int(f->server, "DBSIZE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(ids_are_spread),
        FIXTURE_TEST(every_operation_reaches_all),
        FIXTURE_TEST(a_single_task_is_found_at_once),
        FIXTURE_TEST(takes_are_neither_short_nor_long),
        FIXTURE_TEST(takes_go_round),
        FIXTURE_TEST(receipts_of_partitions_that_are_gone),
        FIXTURE_TEST(as_many_partitions_as_are_allowed),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
