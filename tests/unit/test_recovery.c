/* How long calls took to get through after a failover: which of them count, and how they are ranked. */
#include "support/recovery.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dueq.h>

enum { KNOWN_US = 1000000, OPS = 8 };

static history_op call(history_verb verb, int process, int64_t called_us, int64_t answered_us)
{
    return (history_op){.verb = verb,
                        .process = process,
                        .id = "t",
                        .called_us = called_us,
                        .answered_us = answered_us};
}

/* Of these, two were pending and got through: after 0.25 s, and after 0.5 s, as one call of two. */
static void tell(history_op ops[OPS])
{
    ops[0] = call(HISTORY_DONE, 1, 500000, 1500000);
    ops[1] = call(HISTORY_DONE, 1, 500010, 1500020); /* of the same call */
    ops[2] = call(HISTORY_PUSH, 2, 500000, 1250000);
    ops[3] = call(HISTORY_DONE, 3, 500000, 900000);   /* answered before */
    ops[4] = call(HISTORY_DONE, 4, 1100000, 1200000); /* made later */
    ops[5] = call(HISTORY_TAKE, 5, 500000, 1400000);  /* waits for nobody */
    ops[6] = call(HISTORY_DONE, 6, 500000, HISTORY_NEVER);
    ops[7] = call(HISTORY_DONE, 7, 500000, 1700000); /* given up */
    ops[7].outcome = DUEQ_ETIMEOUT;
}

static recovery measure(history_fault *faults, size_t fault_count)
{
    history_op ops[OPS];
    tell(ops);
    history h = {.ops = ops, .op_count = OPS, .faults = faults, .fault_count = fault_count};
    h.plan.partitions = 1;
    return recovery_of(&h);
}

static history_fault killed_master(void)
{
    return (history_fault){
        .kind = "master-kill", .began_us = 400000, .ended_us = KNOWN_US, .known_us = KNOWN_US};
}

static void pending_calls_are_measured_once_each(void **state)
{
    (void)state;
    history_fault fault = killed_master();
    recovery r = measure(&fault, 1);
    assert_int_equal(r.failovers, 1);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.failed, 1);
    assert_int_equal(r.waits_us[0], 250000);
    assert_int_equal(r.waits_us[1] / 100, 500000 / 100);
    assert_int_equal(recovery_percentile_us(&r, 50), 250000);
    assert_int_equal(recovery_percentile_us(&r, 99) / 100, 500000 / 100);
    recovery_clear(&r);
    assert_int_equal(recovery_percentile_us(&r, 99), 0);
}

static void other_partitions_do_not_count(void **state)
{
    (void)state;
    history_fault fault = killed_master();
    fault.partitions = 2;
    recovery r = measure(&fault, 1);
    assert_int_equal(r.count, 0);
    recovery_clear(&r);
}

/* What struck a call on its way is that fault's matter: all but a step of the clock. */
static void what_another_fault_befell_does_not_count(void **state)
{
    (void)state;
    history_fault faults[2] = {killed_master(), {.kind = "stop", .process = 2}};
    faults[1].began_us = faults[1].ended_us = 1100000;
    recovery r = measure(faults, 2);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.waits_us[0] / 100, 500000 / 100);
    recovery_clear(&r);
    faults[1].kind = "clock";
    faults[1].process = 0;
    r = measure(faults, 2);
    assert_int_equal(r.count, 2);
    recovery_clear(&r);
    faults[1].kind = "cut";
    r = measure(faults, 2);
    assert_int_equal(r.count, 0);
    recovery_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending_calls_are_measured_once_each),
        cmocka_unit_test(other_partitions_do_not_count),
        cmocka_unit_test(what_another_fault_befell_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
