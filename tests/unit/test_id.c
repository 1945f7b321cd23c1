/* Made ids, CRC16, random numbers, backoff and the clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"

enum { MANY = 20000 };

static void ids_sort_in_the_order_made(void **state)
{
    (void)state;
    char last[DUEQ_MADE_ID_LEN + 1], id[DUEQ_MADE_ID_LEN + 1];
    dq_id_make(last, 1700000000000);
    for (int i = 0; i < MANY; i++) { /* many in one millisecond */
        dq_id_make(id, 1700000000000);
        assert_int_equal(strlen(id), DUEQ_MADE_ID_LEN);
        if (strcmp(last, id) >= 0) {
            fail_msg("the %dth, %s, does not sort after %s", i, id, last);
        }
        memcpy(last, id, sizeof last);
    }
}

static void ids_sort_by_time(void **state)
{
    (void)state;
    static const int64_t times[] = {1577836800000, 1577836800001, 1577837800000,
                                    1700000000000, 1700000010000, 5975883311103};
    char last[DUEQ_MADE_ID_LEN + 1] = "", id[DUEQ_MADE_ID_LEN + 1];
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        dq_id_make(id, times[i]);
        if (strcmp(last, id) >= 0) {
            fail_msg("%s does not sort after %s", id, last);
        }
        memcpy(last, id, sizeof last);
    }
    dq_id_make(id, 1577836805000); /* a clock set back counts again */
    assert_true(strcmp(id, last) < 0);
}

static void ids_are_plain_text(void **state)
{
    (void)state;
    char id[DUEQ_MADE_ID_LEN + 1];
    for (int i = 0; i < 1000; i++) {
        dq_id_make(id, 1700000000000 + i);
        size_t plain =
            strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");
        assert_int_equal(plain, DUEQ_MADE_ID_LEN);
    }
}

/* The bits of an id: milliseconds since 2020, then a count that begins at random. */
static void ids_have_time_and_count(void **state)
{
    (void)state;
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    char id[DUEQ_MADE_ID_LEN + 1];
    uint64_t counts[2];
    for (int k = 0; k < 2; k++) {
        uint64_t time = 0;
        counts[k] = 0;
        dq_id_make(id, 1800000000123 + k * 10000); /* far from the times above */
        for (int i = 0; i < 7; i++) time = time << 6 | (uint64_t)(strchr(digits, id[i]) - digits);
        for (int i = 7; i < DUEQ_MADE_ID_LEN; i++)
            counts[k] = counts[k] << 6 | (uint64_t)(strchr(digits, id[i]) - digits);
        assert_int_equal(time, 1800000000123 + k * 10000 - 1577836800000);
        assert_in_range(counts[k], 0, (UINT64_C(1) << 41) - 1); /* as many are left above it */
    }
    assert_true(counts[0] != counts[1]);
}

static void a_child_makes_other_numbers(void **state)
{
    (void)state;
    int ends[2];
    dq_random_u64(); /* so that there is a block to inherit */
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t number = dq_random_u64();
        _exit(write(ends[1], &number, sizeof number) == sizeof number ? 0 : 1);
    }
    uint64_t mine = dq_random_u64(), theirs = mine;
    assert_int_equal(read(ends[0], &theirs, sizeof theirs), sizeof theirs);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
    assert_true(mine != theirs);
}

static void below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    int seen[7] = {0};
    for (int i = 0; i < MANY; i++) {
        uint64_t number = dq_random_below(7);
        assert_in_range(number, 0, 6);
        seen[number]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], MANY / 7 - 600, MANY / 7 + 600); /* twelve deviations */
    }
    assert_int_equal(dq_random_below(0), 0);
    assert_int_equal(dq_random_below(1), 0);
    assert_true(dq_random_below(UINT64_MAX) < UINT64_MAX);
}

static void backoff_doubles_up_to_its_bound(void **state)
{
    (void)state;
    static const struct {
        int64_t attempt, base_ms, max_ms, longest_ms;
    } cases[] = {
        {1, 10, 1000, 10},     {2, 10, 1000, 20},
        {3, 10, 1000, 40},     {7, 10, 1000, 640},
        {8, 10, 1000, 1000},   {1000000000000, 10, 1000, 1000},
        {0, 10, 1000, 10},     {-5, 10, 1000, 10},
        {1, 5000, 1000, 1000}, {64, 1, INT64_MAX, INT64_MAX},
        {5, 0, 1000, 0},       {5, 10, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bound = cases[i].longest_ms;
        int64_t longest =
            dq_backoff_ms(cases[i].attempt, cases[i].base_ms, cases[i].max_ms, (uint64_t)bound);
        assert_int_equal(longest, bound);
        int64_t wrapped =
            dq_backoff_ms(cases[i].attempt, cases[i].base_ms, cases[i].max_ms, (uint64_t)bound + 1);
        assert_int_equal(wrapped, 0);
    }
}

static void crc16_is_redis_clusters(void **state)
{
    (void)state;
    assert_int_equal(dq_crc16("", 0), 0);
    assert_int_equal(dq_crc16("123456789", 9), 0x31c3);  /* the check value of XMODEM */
    assert_int_equal(dq_crc16("foo", 3) % 16384, 12182); /* CLUSTER KEYSLOT foo */
    assert_int_equal(dq_crc16("\0\xff\x80", 3), dq_crc16("\0\xff\x80", 3));
    assert_int_not_equal(dq_crc16("\0", 1), dq_crc16("\x01", 1));
}

static void deadlines_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(dq_deadline_us(-1), DQ_NEVER_US);
    assert_int_equal(dq_deadline_us(INT64_MAX), DQ_NEVER_US);
    assert_int_equal(dq_deadline_us(INT64_MAX / 1000), DQ_NEVER_US);
    int64_t before = dq_mono_us(), deadline = dq_deadline_us(1000), after = dq_mono_us();
    assert_in_range(deadline, before + 1000000, after + 1000000);
}

static void polls_are_bounded_and_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(dq_poll_ms(DQ_NEVER_US), 60000);
    assert_int_equal(dq_poll_ms(0), 0);
    assert_int_equal(dq_poll_ms(dq_mono_us()), 0);
    assert_in_range(dq_poll_ms(dq_mono_us() + 3600000000 / 2), 60000, 60000);
    assert_in_range(dq_poll_ms(dq_mono_us() + 30000000), 1, 30000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_sort_in_the_order_made),
        cmocka_unit_test(ids_sort_by_time),
        cmocka_unit_test(ids_are_plain_text),
        cmocka_unit_test(ids_have_time_and_count),
        cmocka_unit_test(a_child_makes_other_numbers),
        cmocka_unit_test(below_stays_below_and_reaches_all),
        cmocka_unit_test(backoff_doubles_up_to_its_bound),
        cmocka_unit_test(crc16_is_redis_clusters),
        cmocka_unit_test(deadlines_do_not_overflow),
        cmocka_unit_test(polls_are_bounded_and_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
