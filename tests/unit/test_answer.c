/* What error replies mean, in the forms of old servers and new; words of a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "wire/answer.h"
#include "wire/args.h"

typedef struct answer_case {
    const char *text;
    int outcome;
    dq_remedy remedy;
} answer_case;

static void errors_are_understood(void **state)
{
    (void)state;
    static const answer_case cases[] = {
        {"NOSCRIPT No matching script. Please use EVAL.", DUEQ_ESERVER, DQ_REMEDY_SOURCE},
        {"LOADING Redis is loading the dataset in memory", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"BUSY Redis is busy running a script.", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"MASTERDOWN Link with MASTER is down", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"NOREPLICAS Not enough good replicas to write.", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"MISCONF Errors writing to the AOF file: No space left on device", DUEQ_EUNREADY,
         DQ_REMEDY_AGAIN},
        {"TRYAGAIN Multiple keys request during rehashing of slot", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"CLUSTERDOWN The cluster is down", DUEQ_EUNREADY, DQ_REMEDY_AGAIN},
        {"ERR max number of clients reached", DUEQ_EUNREADY, DQ_REMEDY_RECONNECT},
        {"READONLY You can't write against a read only replica.", DUEQ_EREADONLY,
         DQ_REMEDY_RECONNECT},
        {"UNBLOCKED force unblock from blocking operation", DUEQ_EREADONLY, DQ_REMEDY_RECONNECT},
        {"MOVED 866 127.0.0.1:7001", DUEQ_ESERVER, DQ_REMEDY_MOVED},
        {"ASK 866 127.0.0.1:7001", DUEQ_ESERVER, DQ_REMEDY_ASK},
        {"OOM command not allowed when used memory > 'maxmemory'.", DUEQ_EFULL, DQ_REMEDY_NONE},
        {"NOAUTH Authentication required.", DUEQ_EAUTH, DQ_REMEDY_NONE},
        {"WRONGPASS invalid username-password pair", DUEQ_EAUTH, DQ_REMEDY_NONE},
        {"ERR invalid password", DUEQ_EAUTH, DQ_REMEDY_NONE},
        {"ERR Client sent AUTH, but no password is set", DUEQ_EAUTH, DQ_REMEDY_NONE},
        {"ERR AUTH <password> called without any password configured", DUEQ_EAUTH, DQ_REMEDY_NONE},
        {"NOPERM this user has no permissions to run the 'evalsha' command", DUEQ_EDENIED,
         DQ_REMEDY_NONE},
        {"ERR The user executing the script can't run this command", DUEQ_EDENIED, DQ_REMEDY_NONE},
        {"DENIED Redis is running in protected mode", DUEQ_EDENIED, DQ_REMEDY_NONE},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", DUEQ_ECORRUPT,
         DQ_REMEDY_NONE},
        {"ERR unknown command 'FOO'", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"ERR user_script:1: boom script: 0123, on @user_script:1.", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"OOMPH", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"oom", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"ASKED", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"BUSYKEY Target key name already exists.", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"BUSYGROUP Consumer Group name already exists", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"OOM", DUEQ_EFULL, DQ_REMEDY_NONE},

        /* raised by redis.call in a script: Redis 7 */
        {"OOM command not allowed when used memory > 'maxmemory'. script: 12ab, on "
         "@user_script:12.",
         DUEQ_EFULL, DQ_REMEDY_NONE},
        {"READONLY You can't write against a read only replica. script: 12ab, on @user_script:3.",
         DUEQ_EREADONLY, DQ_REMEDY_RECONNECT},
        {"ERR ACL failure in script: User u has no permissions to run the 'zadd' command",
         DUEQ_EDENIED, DQ_REMEDY_NONE},
        {"NOPERM ACL failure in script: User u has no permissions to run the 'zadd' command",
         DUEQ_EDENIED, DQ_REMEDY_NONE},

        /* before Redis 7 */
        {"ERR Error running script (call to f_12ab): @user_script:3: @user_script: 3: -OOM command "
         "not allowed when used memory > 'maxmemory'.",
         DUEQ_EFULL, DQ_REMEDY_NONE},
        {"ERR Error running script (call to f_12ab): @user_script:1: WRONGTYPE Operation against a "
         "key holding the wrong kind of value",
         DUEQ_ECORRUPT, DQ_REMEDY_NONE},
        {"ERR Error running script (call to f_12ab): @user_script:1: @user_script: 1: -READONLY You "
         "can't write against a read only replica.",
         DUEQ_EREADONLY, DQ_REMEDY_RECONNECT},
        {"ERR Error running script (call to f_12ab): @user_script:9: user_script:9: attempt to index "
         "a nil value",
         DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"ERR Error running script (call to f_12ab)", DUEQ_ESERVER, DQ_REMEDY_NONE},
        {"ERR Error running script @user_script:", DUEQ_ESERVER, DQ_REMEDY_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_answer answer = dq_answer_of(cases[i].text, strlen(cases[i].text));
        if (answer.outcome != cases[i].outcome || answer.remedy != cases[i].remedy) {
            fail_msg("\"%s\": outcome %d, remedy %d; wanted %d, %d", cases[i].text, answer.outcome,
                     (int)answer.remedy, cases[i].outcome, (int)cases[i].remedy);
        }
    }
}

static void errors_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"MISCONF Errors writing to the AOF file: No space left on device",
         "the server cannot write to its disk and refuses changes; see its log: MISCONF Errors "
         "writing to the AOF file: No space left on device"},
        {"READONLY You can't write against a read only replica. script: ab, on @user_script:3.",
         "the server is a read-only replica; use its master's address: READONLY You can't write "
         "against a read only replica."},
        {"NOPERM this user has no permissions to run the 'evalsha' command",
         "the server's ACL does not permit it; dueq doctor names what it must allow: NOPERM this user "
         "has no permissions to run the 'evalsha' command"},
        {"NOPERM No permissions to access a key",
         "the server's ACL does not permit it; dueq doctor names what it must allow: NOPERM No "
         "permissions to access a key"},
        {"ERR ACL failure in script: User u has no permissions to run the 'zadd' command script: ab, "
         "on @user_script:21.",
         "the server's ACL does not permit it; dueq doctor names what it must allow: ERR ACL failure "
         "in script: User u has no permissions to run the 'zadd' command"},
        {"ERR a\r\nb", "the server answered: ERR a\\r\\nb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_fault fault;
        size_t len = strlen(cases[i].text);
        int code = dq_answer_tell(&fault, cases[i].text, len);
        assert_int_equal(code, dq_answer_of(cases[i].text, len).outcome);
        assert_string_equal(fault.text, cases[i].told);
    }
}

static void words_keep_their_place(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    dq_args args = {0};
    for (int64_t i = 0; i < MANY; i++) {
        assert_true(dq_args_add_int(&args, i - MANY / 2));
    }
    assert_int_equal(args.count, MANY);
    assert_int_equal(args.lens[0], 5);
    assert_memory_equal(args.words[0], "-2500", 5);
    assert_memory_equal(args.words[MANY / 2], "0", 1);
    assert_memory_equal(args.words[MANY - 1], "2499", 4);
    dq_args_clear(&args);
    assert_int_equal(args.count, 0);
}

static void words_of_every_kind(void **state)
{
    (void)state;
    dq_args args = {0};
    static const char bytes[] = "a\0b";
    dq_args_add_text(&args, "PING");
    dq_args_add(&args, bytes, 3);
    dq_args_add_int(&args, INT64_MIN);
    dq_args_add_int(&args, INT64_MAX);
    char *room = dq_args_add_room(&args, 100000);
    assert_non_null(room);
    memset(room, 'x', 100000);
    char *small = dq_args_add_room(&args, 0);
    assert_non_null(small);
    assert_false(args.failed);
    assert_int_equal(args.count, 6);
    assert_ptr_equal(args.words[1], bytes);
    assert_memory_equal(args.words[2], "-9223372036854775808", args.lens[2]);
    assert_memory_equal(args.words[3], "9223372036854775807", args.lens[3]);
    assert_int_equal(args.lens[4], 100000);
    assert_ptr_equal(args.words[4], room);
    dq_args_clear(&args);
}

static void memory_that_is_not_there_is_remembered(void **state)
{
    (void)state;
    dq_args args = {0};
    dq_args_add_text(&args, "PING");
    assert_null(dq_args_add_room(&args, SIZE_MAX));
    assert_true(args.failed);
    assert_false(dq_args_add_text(&args, "more"));
    assert_false(dq_args_add_int(&args, 1));
    assert_int_equal(args.count, 1);
    dq_args_clear(&args);
    assert_true(dq_args_add_text(&args, "again"));
    dq_args_clear(&args);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_understood),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(words_keep_their_place),
        cmocka_unit_test(words_of_every_kind),
        cmocka_unit_test(memory_that_is_not_there_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
