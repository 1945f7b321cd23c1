/* Import on a cluster is refused before anything is sent: no step reaches the ZSET's slot and the
 * queue's together, and one after the other could lose or double a member. */
#include "support/cluster_fixture.h"
#include "support/queue_fixture.h"

#include "base/id.h"

static int start(void **state)
{
    *state = cluster_start(&(cluster_options){.masters = 3});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    return 0;
}

static void it_is_refused_and_changes_nothing(void **state)
{
    cluster *c = *state;
    dueq *handle = cluster_open(c);
    test_server *owner = c->nodes[cluster_owner(c, 0, dq_crc16("old", 3) % CLUSTER_SLOTS)];
    server_do(owner, "ZADD old 1 a-member");
    for (int dry = 0; dry < 2; dry++) {
        dueq_import_options options = {.dry_run = dry == 1};
        ASSERT_RC(handle, dueq_import(handle, "old", "q", &options, NULL), DUEQ_EINVAL);
        fixture_assert_error(handle, "import into a queue on one server");
    }
    long long keys = 0;
    for (size_t i = 0; i < c->count; i++) keys += server_int(c->nodes[i], "DBSIZE");
    assert_int_equal(keys, 1); /* and no queue was made */
    assert_int_equal(server_int(owner, "ZCARD old"), 1);
    dueq_close(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_refused_and_changes_nothing)};
    return cmocka_run_group_tests(tests, start, end);
}
