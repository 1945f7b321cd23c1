/* Locks in a cluster and under sentinels: on every node, while their slot moves, and over failovers.
 * Where replication loses nothing one holder is alone, and tokens grow; where it does, that is shown.
 *
 *     DUEQ_LOCK_STRESS=100000 tests/test_cluster_locks    so many contested holds, and not a few thousand
 *
 * test-timeout-s: 180 */
#include "support/cluster_fixture.h"
#include "support/contest.h"
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
/* At least so many holds and failovers, with so many moves before each failover, and holds at each
 * stage of a move. */
enum { CONTESTED_HOLDS = 4000, CONTESTED_FAILOVERS = 6, CONTESTED_MOVES = 4, CONTESTED_STAGE = 20 };
enum { CONTESTED_TTL_MS = 1500, CONTESTED_STAY_US = 300, CONTESTED_ROOM = 50 };

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

/* The master of a name's slot; all nodes agree on it at a test's beginning. */
static size_t master_of(cluster *c, const char *name)
{
    return cluster_owner(c, 0, slot_of(name));
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

/* What the replica has been sent stands: the lock, its time, and the counter. */
static void a_lock_that_was_replicated_outlasts_its_master(void **state)
{
    cluster *c = *state;
    dueq *mine = open_at(c->url), *other = open_at(c->url);
    size_t master = master_of(c, NAME);
    dueq_lock *lock = take(mine, NAME, LONG_MS);
    assert_int_equal(server_int(c->nodes[master], "WAIT 1 20000"), 1);
    server_kill(c->nodes[master]);
    UNTIL(ELECTION_MS, cluster_is_master(c, master + c->masters));
    cluster_await_ok(c);
    ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    ASSERT_RC(mine, dueq_lock_extend(mine, lock, LONG_MS), DUEQ_OK);
    assert_next_is_larger(other, NAME, give_up(mine, lock));
    dueq_close(mine);
    dueq_close(other);
}

/* The replica follows no more, since the master does not let it; and may take over all the same. */
static void cut_off(cluster *c, size_t replica, size_t master)
{
    server_do(c->nodes[replica], "CONFIG SET cluster-replica-validity-factor 0");
    server_do(c->nodes[master], "ACL SETUSER default -psync -sync");
    server_do(c->nodes[master], "CLIENT KILL TYPE replica");
    UNTIL_EQ(20000, server_int(c->nodes[master], "WAIT 1 100"), 0);
}

/* What it has not been sent is not there: another gets the lock, of which its holder is still sure.
 * This is what asynchronous replication means. The token is larger, though the counter is gone,
 * since the servers' clocks have gone on: a store that heeds tokens refuses the first holder. */
static void a_lock_that_was_not_replicated_is_given_twice(void **state)
{
    cluster *c = *state;
    dueq *mine = open_at(c->url), *other = open_at(c->url);
    size_t master = master_of(c, NAME), replica = master + c->masters;
    cut_off(c, replica, master);
    dueq_lock *lock = take(mine, NAME, LONG_MS);
    server_kill(c->nodes[master]);
    UNTIL(ELECTION_MS, cluster_is_master(c, replica));
    cluster_await_ok(c);
    dueq_lock *second = take(other, NAME, LONG_MS);
    assert_true(dueq_lock_left_ms(lock) > 0);
    if (dueq_lock_token(second) <= dueq_lock_token(lock))
        fail_msg("token %lld after %lld", (long long)dueq_lock_token(second),
                 (long long)dueq_lock_token(lock));
    ASSERT_RC(mine, dueq_lock_extend(mine, lock, LONG_MS), DUEQ_LOST);
    assert_int_equal(dueq_lock_left_ms(lock), 0);
    ASSERT_RC(mine, dueq_lock_release(mine, lock), DUEQ_LOST);
    ASSERT_RC(other, try_to_take(other, NAME), DUEQ_HELD);
    give_up(other, second);
    dueq_lock_free(lock);
    dueq_close(mine);
    dueq_close(other);
}

/* ---- Contention ------------------------------------------------------------------------------ */

/* A slot on its way round the masters. */
typedef struct journey {
    int slot;
    size_t serving[3]; /* of each shard the master */
    size_t shard;      /* that has the slot */
    int moves, failovers;
} journey;

static void await_more_holds(contest *all, size_t more)
{
    size_t wanted = contest_holds(all) + more;
    UNTIL(CONTEST_PLENTY_MS, contest_is_over(all) || contest_holds(all) >= wanted);
}

/* Key by key; the lock is taken and given up at every stage. */
static void move_on(cluster *c, contest *all, journey *j)
{
    size_t from = j->serving[j->shard];
    j->shard = (j->shard + 1) % c->masters;
    size_t to = j->serving[j->shard];
    cluster_migrate_begin(c, j->slot, from, to);
    do {
        await_more_holds(all, CONTESTED_STAGE);
    } while (cluster_migrate_keys(c, j->slot, from, to, 1) > 0);
    cluster_migrate_end(c, j->slot, to);
    j->moves++;
}

static void hand_over(cluster *c, journey *j)
{
    size_t *serving = &j->serving[j->shard];
    *serving = (*serving + c->masters) % c->count;
    cluster_fail_over(c, *serving);
    cluster_await_ok(c);
    j->failovers++;
}

/* Six processes want one lock, whose slot goes round the masters; after every fourth step the master
 * that has it then is replaced. */
static void one_holder_at_a_time_whatever_moves(void **state)
{
    cluster *c = *state;
    const char *url = c->url;
    size_t wanted = contest_wanted(CONTESTED_HOLDS);
    journey j = {.slot = slot_of("contested"), .serving = {0, 1, 2}};
    j.shard = master_of(c, "contested");
    contest *all = contest_make(wanted * CONTESTED_ROOM, CONTESTED_TTL_MS);
    all->stay_us = CONTESTED_STAY_US;
    contest_start(all, &url, 1);
    while (!contest_is_over(all) &&
           (contest_holds(all) < wanted || j.failovers < CONTESTED_FAILOVERS)) {
        for (int i = 0; i < CONTESTED_MOVES; i++) move_on(c, all, &j);
        hand_over(c, &j);
    }
    contest_stop(all);
    contest_end(all, true);

    size_t holds = contest_holds(all), overlaps = contest_overlaps(all);
    size_t sure = contest_sure_holds(all);
    print_message("%zu holds, %zu of them sure to the end, %d moves of the slot, %d failovers: %zu "
                  "overlaps of sure holders, %d tokens out of order\n",
                  holds, sure, j.moves, j.failovers, overlaps, atomic_load(&all->disordered));
    assert_int_equal(overlaps, 0);
    assert_int_equal(atomic_load(&all->disordered), 0);
    assert_int_equal(all->stores.accepted, all->stores.guarded);
    assert_true(sure > holds / 2);
    assert_true(j.failovers >= CONTESTED_FAILOVERS);
    contest_free(all);
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
        sentinel_fail_over(s, 0);
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
        TEST(a_kept_lock_outlasts_graceful_failovers),
        TEST(a_lock_that_was_replicated_outlasts_its_master),
        TEST(a_lock_that_was_not_replicated_is_given_twice),
        TEST(one_holder_at_a_time_whatever_moves),
        TEST(a_cluster_may_be_one_of_several),
        TEST(the_command_runs_on_a_cluster),
    };
    const struct CMUnitTest under_sentinels[] = {
        SENTINEL_TEST(a_lock_stands_over_a_handover),
        SENTINEL_TEST(a_lock_stands_over_a_dead_master),
    };
    int failed = cmocka_run_group_tests(on_a_cluster, start, end);
    return failed + cmocka_run_group_tests(under_sentinels, NULL, NULL);
}
