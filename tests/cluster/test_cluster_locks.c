/* Locks in a cluster and under sentinels: on every node, while their slot moves, and over failovers.
 * Where replication loses nothing one holder is alone, and tokens grow.
 * test-timeout-s: 180 */
#include "support/cluster_fixture.h"
#include "support/queue_fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "wire/slots.h"

#define NAME "nightly"
#define FENCE "dueq:fence:{nightly}"

enum { LONG_MS = 600000, NAMES = 24, ELECTION_MS = 30000 };

/* ---- The ground ------------------------------------------------------------------------------ */

static int start(void **state)
{
    *state = cluster_start(&(cluster_options){.replicas = true});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    return 0;
}

static int set_up(void **state)
{
    cluster_reset(*state);
    return 0;
}

static int start_sentinels(void **state)
{
    *state = sentinel_start();
    return 0;
}

static int end_sentinels(void **state)
{
    sentinel_free(*state);
    return 0;
}

static dueq *open_at(const char *url)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_OK);
    return handle;
}

/* One that gives up soon. */
static dueq *open_hasty(const char *url)
{
    dueq *handle = NULL;
    dueq_options options = {.timeout_ms = 300};
    ASSERT_RC(handle, dueq_open(&handle, url, &options), DUEQ_OK);
    return handle;
}

static dueq_lock *take(dueq *handle, const char *name, int64_t ttl_ms)
{
    dueq_lock *lock;
    dueq_lock_options options = {.ttl_ms = ttl_ms};
    ASSERT_RC(handle, dueq_lock_acquire(handle, name, &options, &lock), DUEQ_OK);
    return lock;
}

/* Released, and freed; its token. */
static int64_t give_up(dueq *handle, dueq_lock *lock)
{
    int64_t token = dueq_lock_token(lock);
    ASSERT_RC(handle, dueq_lock_release(handle, lock), DUEQ_OK);
    dueq_lock_free(lock);
    return token;
}

static int try_to_take(dueq *handle, const char *name)
{
    dueq_lock *none;
    int rc = dueq_lock_acquire(handle, name, NULL, &none);
    dueq_lock_free(none);
    return rc;
}

/* Whoever takes the lock anew has a larger token. */
static void assert_next_is_larger(dueq *handle, const char *name, int64_t token)
{
    int64_t next = give_up(handle, take(handle, name, LONG_MS));
    if (next <= token) fail_msg("token %lld after %lld", (long long)next, (long long)token);
}

static int slot_of(const char *name)
{
    return dq_slot_of(name, strlen(name));
}

static void move_key(cluster *c, const char *key, size_t from, size_t to)
{
    server_do(c->nodes[from], "MIGRATE 127.0.0.1 %d %s 0 10000 REPLACE", server_port(c->nodes[to]),
              key);
}

/* ---- On every node --------------------------------------------------------------------------- */

static void locks_are_held_on_every_node(void **state)
{
    cluster *c = *state;
    dueq *mine = cluster_open(c), *other = cluster_open(c);
    size_t used[CLUSTER_NODES_MAX] = {0};
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, i % 2 ? "lock-%d" : "a{lock-%d}b", i);
        dueq_lock *lock = take(mine, name, LONG_MS);
        ASSERT_RC(other, try_to_take(other, name), DUEQ_HELD);
        dueq_lock_holder holder;
        ASSERT_RC(other, dueq_lock_look(other, name, &holder), DUEQ_OK);
        assert_int_equal(holder.token, dueq_lock_token(lock));
        assert_in_range(holder.left_ms, LONG_MS - 60000, LONG_MS);
        ASSERT_RC(mine, dueq_lock_extend(mine, lock, 2 * LONG_MS), DUEQ_OK);
        assert_in_range(dueq_lock_left_ms(lock), LONG_MS, 2 * LONG_MS);
        size_t owner = cluster_owner(c, 0, slot_of(name));
        used[owner]++;
        assert_int_equal(server_int(c->nodes[owner], "EXISTS %s", name), 1);
        int64_t token = give_up(mine, lock);
        ASSERT_RC(other, dueq_lock_look(other, name, &holder), DUEQ_MISSING);
        assert_next_is_larger(other, name, token);
    }
    for (size_t i = 0; i < c->masters; i++)
        if (!used[i]) fail_msg("no lock lies on master %zu", i);
    dueq_close(mine);
    dueq_close(other);
}

/* ---- Slots that move ------------------------------------------------------------------------- */

/* What holds at each step of a move: nobody else gets the lock, its holder can extend it, and anybody
 * is told who has it; the token perhaps not. */
static void assert_held(dueq *mine, dueq_lock *lock, dueq *other)
{
    dueq_lock_holder holder;
    ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    ASSERT_RC(mine, dueq_lock_extend(mine, lock, LONG_MS), DUEQ_OK);
    ASSERT_RC(other, dueq_lock_look(other, NAME, &holder), DUEQ_OK);
    if (holder.token) assert_int_equal(holder.token, dueq_lock_token(lock));
}

/* The lock and its counter move one after the other, in either order, while it is held. */
static void a_held_lock_moves_with_its_slot(void **state)
{
    cluster *c = *state;
    static const char *const keys[] = {NAME, FENCE};
    dueq *mine = cluster_open(c), *other = cluster_open(c);
    for (size_t first = 0; first < 2; first++) {
        size_t from = cluster_owner(c, 0, slot_of(NAME)), to = (from + 1) % 3;
        dueq_lock *lock = take(mine, NAME, LONG_MS);
        assert_held(mine, lock, other);
        cluster_migrate_begin(c, slot_of(NAME), from, to);
        assert_held(mine, lock, other);
        move_key(c, keys[first], from, to);
        assert_held(mine, lock, other);
        move_key(c, keys[!first], from, to);
        assert_held(mine, lock, other);
        cluster_migrate_end(c, slot_of(NAME), to);
        assert_held(mine, lock, other);
        assert_next_is_larger(other, NAME, give_up(mine, lock));
    }
    dueq_close(mine);
    dueq_close(other);
}

/* A lock that nobody has is no key, and so its keys are never all there: it is taken all the same,
 * wherever the counter is, and tokens grow. */
static void a_free_lock_is_taken_while_its_slot_moves(void **state)
{
    cluster *c = *state;
    dueq *mine = open_hasty(c->url), *other = open_hasty(c->url);
    size_t from = cluster_owner(c, 0, slot_of(NAME)), to = (from + 1) % 3;
    int64_t token = give_up(mine, take(mine, NAME, LONG_MS));
    cluster_migrate_begin(c, slot_of(NAME), from, to);
    for (int moved = 0; moved < 2; moved++) {
        for (int i = 0; i < 3; i++) {
            dueq_lock *lock = take(i % 2 ? mine : other, NAME, LONG_MS);
            ASSERT_RC(mine, try_to_take(mine, NAME), DUEQ_HELD);
            int64_t next = give_up(i % 2 ? mine : other, lock);
            if (next <= token) fail_msg("token %lld after %lld", (long long)next, (long long)token);
            token = next;
        }
        if (!moved) move_key(c, FENCE, from, to);
    }
    cluster_migrate_end(c, slot_of(NAME), to);
    assert_next_is_larger(other, NAME, token);
    dueq_close(mine);
    dueq_close(other);
}

/* Also one of that name that nobody ever had. */
static void a_new_lock_is_taken_while_its_slot_moves(void **state)
{
    cluster *c = *state;
    dueq *mine = open_hasty(c->url);
    size_t from = cluster_owner(c, 0, slot_of(NAME)), to = (from + 1) % 3;
    cluster_migrate_begin(c, slot_of(NAME), from, to);
    int64_t token = give_up(mine, take(mine, NAME, LONG_MS));
    assert_next_is_larger(mine, NAME, token);
    while (cluster_migrate_keys(c, slot_of(NAME), from, to, 10) > 0) {}
    cluster_migrate_end(c, slot_of(NAME), to);
    assert_next_is_larger(mine, NAME, token);
    dueq_close(mine);
}

/* ---- Failovers ------------------------------------------------------------------------------- */

static void on_loss(void *context, const char *why)
{
    (void)why;
    atomic_fetch_add((atomic_int *)context, 1);
}

/* The master of a name's slot, among nodes that are up. */
static size_t master_of(cluster *c, const char *name)
{
    size_t owner;
    UNTIL(ELECTION_MS, cluster_is_master(c, owner = cluster_owner(c, 0, slot_of(name))));
    return owner;
}

/* Its keeper renews it over failovers that are longer, together, than its time. */
static void a_kept_lock_outlasts_graceful_failovers(void **state)
{
    cluster *c = *state;
    dueq *mine = cluster_open(c), *other = cluster_open(c);
    atomic_int losses = 0;
    dueq_lock *lock = take(mine, NAME, 15000);
    ASSERT_RC(mine, dueq_lock_keep(mine, lock, on_loss, &losses), DUEQ_OK);
    int64_t token = dueq_lock_token(lock);
    size_t master = master_of(c, NAME);
    for (int i = 0; i < 2; i++) {
        cluster_fail_over(c, i == 0 ? master + c->masters : master);
        ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    }
    assert_int_equal(losses, 0);
    ASSERT_RC(mine, dueq_lock_release(mine, lock), DUEQ_OK);
    dueq_lock_free(lock);
    assert_next_is_larger(other, NAME, token);
    dueq_close(mine);
    dueq_close(other);
}

/* ---- Several servers, clusters among them ---------------------------------------------------- */

/* A cluster is one vote, as a server is. */
static void a_cluster_may_be_one_of_several(void **state)
{
    cluster *c = *state;
    test_server *one = server_start(NULL), *two = server_start(NULL);
    const char *urls[] = {c->url, server_url(one), server_url(two)};
    dueq *mine = NULL, *other = NULL;
    ASSERT_RC(mine, dueq_open_quorum(&mine, urls, 3, NULL), DUEQ_OK);
    ASSERT_RC(other, dueq_open_quorum(&other, urls, 3, NULL), DUEQ_OK);
    dueq_lock *lock = take(mine, NAME, LONG_MS);
    size_t owner = cluster_owner(c, 0, slot_of(NAME));
    assert_int_equal(server_int(c->nodes[owner], "EXISTS " NAME), 1);
    dueq_lock_holder holder;
    ASSERT_RC(other, dueq_lock_look(other, NAME, &holder), DUEQ_OK);
    assert_int_equal(holder.server_count, 3);
    server_kill(one); /* the cluster and one server are more than half */
    ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    ASSERT_RC(mine, dueq_lock_extend(mine, lock, LONG_MS), DUEQ_OK);
    int64_t token = give_up(mine, lock);

    size_t to = (owner + 1) % c->masters;
    cluster_migrate_begin(c, slot_of(NAME), owner,
                          to); /* asked apart, and yet in its share of time */
    UNTIL(20000, try_to_take(other, NAME) == DUEQ_OK);
    cluster_move_slot(c, slot_of(NAME), owner, to);
    UNTIL(20000, try_to_take(mine, "another") == DUEQ_OK);
    lock = take(mine, NAME "-2", LONG_MS);
    assert_true(dueq_lock_token(lock) > token);
    give_up(mine, lock);
    dueq_close(mine);
    dueq_close(other);
    server_free(one);
    server_free(two);
}

/* ---- The command ----------------------------------------------------------------------------- */

/* Runs the program under a lock; its status, and what it printed as a number. */
static int run_locked(const char *url, const char *command, long long *number)
{
    const char *program = getenv("DUEQ");
    if (!program) skip(); /* CTest says where it is */
    char line[9000], text[64] = "";
    snprintf(line, sizeof line, "%s lock --url '%s' --wait 20s " NAME " -- %s", program, url,
             command);
    FILE *pipe = popen(line, "re");
    assert_non_null(pipe);
    if (fgets(text, sizeof text, pipe)) *number = strtoll(text, NULL, 10);
    return WEXITSTATUS(pclose(pipe));
}

static void assert_runs_locked(const char *url)
{
    long long first = 0, second = 0, rest;
    dueq *handle = open_at(url);
    assert_int_equal(run_locked(url, "printenv DUEQ_LOCK_TOKEN", &first), 0);
    assert_int_equal(run_locked(url, "printenv DUEQ_LOCK_TOKEN", &second), 0);
    if (first <= 0 || second <= first) fail_msg("token %lld after %lld", second, first);
    assert_int_equal(run_locked(url, "false", &rest), 1);
    dueq_lock *lock = take(handle, NAME, 1000);
    assert_int_equal(run_locked(url, "true", &rest), 0); /* when its time is over */
    dueq_lock_free(lock);
    dueq_close(handle);
}

static void the_command_runs_on_a_cluster(void **state)
{
    assert_runs_locked(((cluster *)*state)->url);
}

/* ---- Sentinels ------------------------------------------------------------------------------- */

/* Waits until every sentinel names another server than the first; which one. */
static size_t await_other(sentinel_set *s)
{
    size_t now = 0;
    for (size_t i = 0; i < SENTINELS; i++)
        UNTIL(ELECTION_MS, (now = sentinel_master(s, i)) != 0 && now < SENTINEL_SERVERS);
    return now;
}

static void assert_stands_over(sentinel_set *s, bool killed)
{
    dueq *mine = open_at(s->url), *other = open_at(s->url);
    dueq_lock *lock = take(mine, NAME, LONG_MS);
    ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    assert_int_equal(server_int(s->servers[0], "WAIT 2 20000"), 2);
    if (killed)
        server_kill(s->servers[0]);
    else
        server_do(s->sentinels[0], "SENTINEL FAILOVER mymaster");
    await_other(s);
    UNTIL_EQ(ELECTION_MS, try_to_take(other, NAME), DUEQ_HELD);
    UNTIL_EQ(ELECTION_MS, dueq_lock_extend(mine, lock, LONG_MS), DUEQ_OK);
    dueq_lock_holder holder;
    ASSERT_RC(other, dueq_lock_look(other, NAME, &holder), DUEQ_OK);
    assert_int_equal(holder.token, dueq_lock_token(lock));
    assert_next_is_larger(other, NAME, give_up(mine, lock));
    dueq_close(mine);
    dueq_close(other);
}

static void a_lock_stands_over_a_handover(void **state)
{
    assert_stands_over(*state, false);
    assert_runs_locked(((sentinel_set *)*state)->url);
}

static void a_lock_stands_over_a_dead_master(void **state)
{
    assert_stands_over(*state, true);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)
#define SENTINEL_TEST(test) cmocka_unit_test_setup_teardown(test, start_sentinels, end_sentinels)

int main(void)
{
    const struct CMUnitTest on_a_cluster[] = {
        TEST(locks_are_held_on_every_node),
        TEST(a_held_lock_moves_with_its_slot),
        TEST(a_free_lock_is_taken_while_its_slot_moves),
        TEST(a_new_lock_is_taken_while_its_slot_moves),
        TEST(a_cluster_may_be_one_of_several),
        TEST(the_command_runs_on_a_cluster),
    };
    /* On a cluster of their own, whose slots have never moved. */
    const struct CMUnitTest over_failovers[] = {
        TEST(a_kept_lock_outlasts_graceful_failovers),
    };
    const struct CMUnitTest under_sentinels[] = {
        SENTINEL_TEST(a_lock_stands_over_a_handover),
        SENTINEL_TEST(a_lock_stands_over_a_dead_master),
    };
    int failed = cmocka_run_group_tests(on_a_cluster, start, end);
    failed += cmocka_run_group_tests(over_failovers, start, end);
    return failed + cmocka_run_group_tests(under_sentinels, NULL, NULL);
}
