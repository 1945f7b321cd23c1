/* Names, keys and values of locks: the counter's key is in the lock's slot whatever the name, and a
 * value tells others who holds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/id.h"
#include "queue/lock_value.h"

/* The cluster slot of a key, by the specification: CRC16 of what stands between the first "{" and
 * the next "}" if that is not empty, else of the whole key; mod 16384. */
static unsigned slot_of(const char *key)
{
    const char *open = strchr(key, '{');
    const char *close = open ? strchr(open + 1, '}') : NULL;
    if (!close || close == open + 1) return dq_crc16(key, strlen(key)) % 16384u;
    return dq_crc16(open + 1, (size_t)(close - open - 1)) % 16384u;
}

static void the_counter_is_in_the_slot_of_the_lock(void **state)
{
    (void)state;
    static const struct {
        const char *name, *fence;
    } rows[] = {
        {"nightly", "dueq:fence:{nightly}"},
        {"a:b c\t\xff", "dueq:fence:{a:b c\t\xff}"},
        {"{user:7}:mail", "dueq:fence:{user:7}:mail"},
        {"x{t}y{u}", "dueq:fence:x{t}y{u}"},
        {"{", "dueq:fence:{{}"},
        {"a{b", "dueq:fence:{a{b}"},
        {"{{a}", "dueq:fence:{{a}"},
        {"}a{b}", "dueq:fence:}a{b}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        dq_buf key = {0};
        assert_true(dq_lock_name_valid(rows[i].name));
        assert_true(dq_lock_fence_key(&key, rows[i].name));
        assert_string_equal(key.data, rows[i].fence);
        assert_int_equal(slot_of(key.data), slot_of(rows[i].name));
        dq_buf_clear(&key);
    }
}

static void names_without_such_a_counter_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "}", "{}", "a{}b", "a}b", "{}{a}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (dq_lock_name_valid(bad[i])) fail_msg("\"%s\" passed", bad[i]);
    assert_false(dq_lock_name_valid(NULL));
    char longest[DUEQ_LOCK_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[DUEQ_LOCK_NAME_MAX + 1] = '\0';
    assert_false(dq_lock_name_valid(longest));
    longest[DUEQ_LOCK_NAME_MAX] = '\0';
    assert_true(dq_lock_name_valid(longest));
}

static void a_value_tells_its_holder(void **state)
{
    (void)state;
    dq_buf value = {0};
    dueq_lock_holder holder = {0};
    assert_true(dq_lock_value_write(&value, "web 1", 4711, "nightly report"));
    dq_lock_value_renew(value.data, 1, 2);
    dq_lock_value_number(value.data, 14);
    assert_int_equal(value.data[DQ_LOCK_SECRET_LEN - 1], 'O');
    assert_string_equal(value.data + DQ_LOCK_SECRET_LEN, " dueq web_1 4711 nightly report");
    assert_true(dq_lock_value_read(&holder, value.data, value.len));
    assert_string_equal(holder.host, "web_1");
    assert_int_equal(holder.pid, 4711);
    assert_string_equal(holder.owner, "nightly report");
    dq_buf_clear(&value);
}

static void the_longest_of_everything_fits(void **state)
{
    (void)state;
    char host[300], owner[DUEQ_LOCK_OWNER_MAX + 1];
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    memset(owner, 'o', sizeof owner - 1);
    owner[sizeof owner - 1] = '\0';
    dq_buf value = {0};
    dueq_lock_holder holder;
    assert_true(dq_lock_value_write(&value, host, 1, owner));
    assert_true(dq_lock_value_read(&holder, value.data, value.len));
    assert_int_equal(strlen(holder.host), DUEQ_LOCK_HOST_MAX);
    assert_string_equal(holder.owner, owner);
    dq_buf_clear(&value);
    assert_true(dq_lock_value_write(&value, "", 1, NULL));
    assert_true(dq_lock_value_read(&holder, value.data, value.len));
    assert_string_equal(holder.host, "?");
    assert_string_equal(holder.owner, "");
    dq_buf_clear(&value);
}

static void others_values_are_shown_as_they_are(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "",
        "x",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAmy-service",
        "AAAAAAAAAAAAAAAAAAAAAA dueq ",
        "AAAAAAAAAAAAAAAAAAAAAA dueq host",
        "AAAAAAAAAAAAAAAAAAAAAA dueq host 12",
        "AAAAAAAAAAAAAAAAAAAAAA dueq host x12 text",
        "AAAAAAAAAAAAAAAAAAAAAA dueq  12 text",
        "AAAAAAAAAAAAAAAAAAAAAA dueq host 99999999999999999999 text",
    };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        dueq_lock_holder holder;
        if (dq_lock_value_read(&holder, foreign[i], strlen(foreign[i])))
            fail_msg("\"%s\" was read as ours", foreign[i]);
        assert_string_equal(holder.owner, foreign[i]);
        assert_string_equal(holder.host, "");
        assert_int_equal(holder.pid, 0);
    }
    char long_value[1000];
    dueq_lock_holder holder;
    memset(long_value, 'v', sizeof long_value);
    assert_false(dq_lock_value_read(&holder, long_value, sizeof long_value));
    assert_int_equal(strlen(holder.owner), DUEQ_LOCK_OWNER_MAX);
}

static void one_holder_has_a_value_on_each_server(void **state)
{
    (void)state;
    dq_buf a = {0}, b = {0};
    dq_lock_value_write(&a, "host", 1, "x");
    dq_lock_value_write(&b, "host", 1, "x");
    dq_lock_value_renew(a.data, 1, 2);
    dq_lock_value_renew(b.data, 1, 2);
    dq_lock_value_number(a.data, 0);
    dq_lock_value_number(b.data, 3);
    assert_string_not_equal(a.data, b.data);
    assert_true(dq_lock_value_same(a.data, a.len, b.data, b.len));
    dq_lock_value_renew(b.data, 1, 3);
    dq_lock_value_number(b.data, 0);
    assert_false(dq_lock_value_same(a.data, a.len, b.data, b.len));
    assert_false(dq_lock_value_same(a.data, a.len, a.data, a.len - 1));
    assert_true(dq_lock_value_same("x", 1, "x", 1));
    assert_false(dq_lock_value_same("x", 1, "y", 1));
    dq_buf_clear(&a);
    dq_buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_is_in_the_slot_of_the_lock),
        cmocka_unit_test(names_without_such_a_counter_are_refused),
        cmocka_unit_test(a_value_tells_its_holder),
        cmocka_unit_test(the_longest_of_everything_fits),
        cmocka_unit_test(others_values_are_shown_as_they_are),
        cmocka_unit_test(one_holder_has_a_value_on_each_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
