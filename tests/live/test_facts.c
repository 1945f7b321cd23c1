/* What a server tells about itself through dueq_server_facts(): true numbers that grow with its work,
 * less where the ACL forbids it, and a clear failure where it tells nothing. */
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static dueq_facts facts_of(dueq *handle)
{
    dueq_facts facts;
    ASSERT_RC(handle, dueq_server_facts(handle, &facts), DUEQ_OK);
    return facts;
}

/* A handle of a user that may not do some commands. */
static dueq *open_as(const fixture *f, const char *user, const char *but)
{
    dueq *handle = NULL;
    server_do(f->server, "ACL SETUSER %s on nopass ~* &* +@all %s", user, but);
    dueq_options options = {.user = user, .password = "any"};
    ASSERT_RC(handle, dueq_open(&handle, server_url(f->server), &options), DUEQ_OK);
    return handle;
}

static void version_is_the_servers(void **state)
{
    fixture *f = *state;
    dueq_facts facts = facts_of(f->handle);
    char *info = server_text(f->server, "INFO server"), line[128];
    snprintf(line, sizeof line, "\n%s_version:%s\r", facts.valkey ? "valkey" : "redis",
             facts.version);
    assert_non_null(strstr(info, line));
    assert_int_equal(facts.valkey, strstr(info, "server_name:valkey") != NULL);
    free(info);
}

static void persistence_is_told(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *save, *aof, *fsync, *wanted;
    } cases[] = {
        {"", "no", "everysec", "none"},
        {"3600 1", "no", "everysec", "rdb"},
        {"", "yes", "everysec", "aof-everysec"},
        {"3600 1", "yes", "always", "aof-always+rdb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        server_do(f->server, "CONFIG SET save %s", cases[i].save);
        server_do(f->server, "CONFIG SET appendonly %s", cases[i].aof);
        server_do(f->server, "CONFIG SET appendfsync %s", cases[i].fsync);
        assert_string_equal(facts_of(f->handle).persistence, cases[i].wanted);
    }
    server_do(f->server, "CONFIG SET save %s", "");
    server_do(f->server, "CONFIG SET appendonly no");
    server_do(f->server, "CONFIG SET appendfsync everysec");
}

static void numbers_grow_with_the_work(void **state)
{
    fixture *f = *state;
    dueq_facts before = facts_of(f->handle);
    queue_push_many(f->handle, "q", "t", 5000, 1000000);
    dueq_facts after = facts_of(f->handle);
    assert_true(after.cpu_us > before.cpu_us);
    assert_true(after.memory_used > before.memory_used + 5000 * 50);
    assert_true(after.commands > before.commands);
    dueq *other = fixture_open(f);
    assert_int_equal(facts_of(f->handle).clients, after.clients + 1);
    dueq_close(other);
}

static void script_times_are_cumulative(void **state)
{
    fixture *f = *state;
    server_do(f->server, "CONFIG RESETSTAT");
    queue_push_many(f->handle, "q", "t", 100, 1000000);
    for (int i = 0; i < 20; i++) queue_drain(f->handle, "q");
    dueq_facts facts = facts_of(f->handle);
    if (!facts.script_time_count) skip(); /* before Redis 7.0 */
    for (size_t i = 1; i < facts.script_time_count; i++) {
        assert_true(facts.script_times[i].us > facts.script_times[i - 1].us);
        assert_true(facts.script_times[i].calls >= facts.script_times[i - 1].calls);
    }
    assert_int_equal(facts.script_times[facts.script_time_count - 1].calls,
                     fixture_calls(f, "evalsha"));
}

static void forbidden_is_told_or_left_out(void **state)
{
    fixture *f = *state;
    dueq *narrow = open_as(f, "narrow", "-config");
    server_do(f->server, "ACL SETUSER narrow -latency");
    dueq_facts facts = facts_of(narrow);
    assert_string_equal(facts.persistence, "unknown");
    assert_int_equal(facts.script_time_count, 0);
    assert_true(facts.cpu_us > 0);
    assert_string_equal(dueq_error(narrow), "");
    dueq_close(narrow);

    dueq *blind = open_as(f, "blind", "-info");
    ASSERT_RC(blind, dueq_server_facts(blind, &facts), DUEQ_EDENIED);
    fixture_assert_error(blind, "info");
    dueq_close(blind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(version_is_the_servers),        FIXTURE_TEST(persistence_is_told),
        FIXTURE_TEST(numbers_grow_with_the_work),    FIXTURE_TEST(script_times_are_cumulative),
        FIXTURE_TEST(forbidden_is_told_or_left_out),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
