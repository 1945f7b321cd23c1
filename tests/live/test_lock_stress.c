/* Many processes want one lock, and holders are stopped in the middle of what they do for longer
 * than they have it. Whoever is sure to hold it is alone; tokens follow the order of holds; a store
 * that heeds tokens loses nothing, where one that does not does.
 *
 *     DUEQ_LOCK_STRESS=100000 tests/test_lock_stress      so many holds instead of a few thousand
 *
 * test-timeout-s: 120 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>

#include "support/contest.h"
#include "support/server.h"

enum { TTL_MS = 150, SERVERS_MAX = 3 };

/* Waits, with an end as soon as a worker has failed: true when all is well. */
#define UNTIL_OR_FAILED(condition)                              \
    do {                                                        \
        UNTIL(CONTEST_PLENTY_MS, *all->failure || (condition)); \
        if (*all->failure) return false;                        \
    } while (0)

/* Stops one holder until another has the lock, and lets it go on. */
static bool pause_one(contest *all)
{
    atomic_store(&all->wants_pause, 1);
    UNTIL_OR_FAILED(atomic_load(&all->paused) != 0);
    pid_t pid = atomic_exchange(&all->paused, 0);
    int64_t token = atomic_load(&all->paused_token);
    UNTIL_OR_FAILED(contest_newest(all) > token);
    kill(pid, SIGCONT);
    atomic_fetch_add(&all->pause_count, 1);
    return true;
}

/* Spread over the run, and none near its end: another must be there to take over. */
static bool pause_some(contest *all)
{
    for (size_t i = 0; i < all->pauses_max; i++) {
        size_t from = all->holds_max / 2 * i / all->pauses_max;
        UNTIL_OR_FAILED(atomic_load(&all->hold_count) >= from);
        if (!pause_one(all)) return false;
    }
    return true;
}

static void stress(size_t server_count, size_t holds_max)
{
    test_server *servers[SERVERS_MAX];
    const char *urls[SERVERS_MAX];
    for (size_t i = 0; i < server_count; i++) {
        servers[i] = server_start(NULL);
        urls[i] = server_url(servers[i]);
    }
    contest *all = contest_make(holds_max, TTL_MS);
    contest_start(all, urls, server_count);
    contest_end(all, pause_some(all));

    const stores *s = &all->stores;
    size_t overlaps = contest_overlaps(all), pauses = atomic_load(&all->pause_count);
    int64_t lost = atomic_load(&s->written) - atomic_load(&s->plain);
    print_message("%zu holds on %zu server(s), %zu holders stopped: %zu overlaps of sure holders, "
                  "%d tokens out of order; guarded store: %" PRId64 " stale uses refused, %" PRId64
                  " updates lost; plain store: %" PRId64 " updates lost\n",
                  holds_max, server_count, pauses, overlaps, atomic_load(&all->disordered),
                  s->refused, s->accepted - s->guarded, lost);
    assert_int_equal(overlaps, 0);
    assert_int_equal(atomic_load(&all->disordered), 0);
    assert_int_equal(s->accepted, s->guarded);
    /* the pauses did what they are for */
    assert_int_equal(pauses, all->pauses_max);
    assert_true(s->refused >= (int64_t)pauses);
    assert_true(lost > 0);

    contest_free(all);
    for (size_t i = 0; i < server_count; i++) server_free(servers[i]);
}

static void on_one_server(void **state)
{
    (void)state;
    stress(1, contest_wanted(3000));
}

static void on_three_servers(void **state)
{
    (void)state;
    stress(3, contest_wanted(4000) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_one_server),
        cmocka_unit_test(on_three_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
