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
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/queue_fixture.h"

enum { WORKERS = 6, TTL_MS = 150, PLENTY_MS = 60000, SERVERS_MAX = 3 };

/* A store with and one without a guard, both a number that holders add one to. */
typedef struct stores {
    pthread_mutex_t lock; /* of the guarded store: what a database does for its own sake */
    int64_t newest;       /* token that the guarded store has seen */
    int64_t guarded;
    int64_t accepted;
    int64_t refused;
    _Atomic int64_t plain;
    _Atomic int64_t written; /* times that `plain` was */
} stores;

typedef struct hold {
    int64_t token;
    int64_t from_us, to_us;
    bool sure; /* at its end the lock was still surely held */
} hold;

/* Shared by all processes. Holds: holds[0 … hold_count) are whole, or will be soon. */
typedef struct shared {
    size_t holds_max, pauses_max;
    _Atomic size_t hold_count, pause_count;
    _Atomic int64_t highest; /* token of a hold that somebody has got */
    atomic_int wants_pause;  /* the next holder is to stop itself between reading and writing */
    atomic_int paused;       /* the process that has, 0: none */
    _Atomic int64_t paused_token;
    atomic_int disordered; /* tokens that were not larger than one known before */
    stores stores;
    char failure[600]; /* of the first worker that failed */
    hold holds[];
} shared;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- The stores ------------------------------------------------------------------------------ */

static bool guarded_read(stores *s, int64_t token, int64_t *value)
{
    pthread_mutex_lock(&s->lock);
    bool fine = token >= s->newest;
    if (fine) s->newest = token;
    s->refused += !fine;
    *value = s->guarded;
    pthread_mutex_unlock(&s->lock);
    return fine;
}

static void guarded_write(stores *s, int64_t token, int64_t value)
{
    pthread_mutex_lock(&s->lock);
    if (token >= s->newest) {
        s->newest = token;
        s->guarded = value;
        s->accepted++;
    } else {
        s->refused++;
    }
    pthread_mutex_unlock(&s->lock);
}

static int64_t guarded_newest(stores *s)
{
    pthread_mutex_lock(&s->lock);
    int64_t newest = s->newest;
    pthread_mutex_unlock(&s->lock);
    return newest;
}

/* ---- A worker -------------------------------------------------------------------------------- */

static void stop_if_wanted(shared *all, int64_t token)
{
    int wanted = 1;
    if (!atomic_compare_exchange_strong(&all->wants_pause, &wanted, 0)) return;
    atomic_store(&all->paused_token, token);
    atomic_store(&all->paused, getpid());
    raise(SIGSTOP);
}

static void use_stores(shared *all, int64_t token)
{
    int64_t guarded, plain = atomic_load(&all->stores.plain);
    bool may = guarded_read(&all->stores, token, &guarded);
    stop_if_wanted(all, token);
    if (may) guarded_write(&all->stores, token, guarded + 1);
    atomic_store(&all->stores.plain, plain + 1);
    atomic_fetch_add(&all->stores.written, 1);
}

static void raise_highest(shared *all, int64_t token)
{
    int64_t highest = atomic_load(&all->highest);
    while (token > highest && !atomic_compare_exchange_weak(&all->highest, &highest, token)) {}
}

/* What may come of a release: a server has only a few milliseconds to answer, and a busy machine may
 * not give it that much; the lock runs out then. */
static bool is_fine(int rc)
{
    return rc == DUEQ_OK || rc == DUEQ_LOST || rc == DUEQ_ETIMEOUT || rc == DUEQ_EUNSURE ||
           rc == DUEQ_ECONNECT;
}

/* One hold, from asking to giving up. */
static int hold_once(shared *all, dueq *handle)
{
    dueq_lock_options options = {.ttl_ms = TTL_MS, .wait_ms = PLENTY_MS, .retry_max_ms = 4};
    dueq_lock *lock;
    int64_t known = atomic_load(&all->highest);
    int rc = dueq_lock_acquire(handle, "contested", &options, &lock);
    if (rc != DUEQ_OK) return rc;
    hold h = {.token = dueq_lock_token(lock), .from_us = now_us()};
    if (h.token <= known) atomic_fetch_add(&all->disordered, 1);
    raise_highest(all, h.token);
    use_stores(all, h.token);
    h.to_us = now_us();
    h.sure = dueq_lock_left_ms(lock) > 0;
    size_t at = atomic_fetch_add(&all->hold_count, 1);
    if (at < all->holds_max) all->holds[at] = h;
    rc = dueq_lock_release(handle, lock);
    dueq_lock_free(lock);
    return is_fine(rc) ? DUEQ_OK : rc;
}

static void run_worker(shared *all, const char *const *urls, size_t url_count)
{
    dueq *handle;
    int rc = dueq_open_quorum(&handle, urls, url_count, NULL);
    while (rc == DUEQ_OK && atomic_load(&all->hold_count) < all->holds_max)
        rc = hold_once(all, handle);
    if (rc != DUEQ_OK)
        snprintf(all->failure, sizeof all->failure, "%d: %s", rc, dueq_error(handle));
    dueq_close(handle);
    _exit(rc == DUEQ_OK ? 0 : 1);
}

/* ---- The rig --------------------------------------------------------------------------------- */

static size_t wanted_holds(size_t usual)
{
    const char *text = getenv("DUEQ_LOCK_STRESS");
    size_t wanted = text ? (size_t)strtoull(text, NULL, 10) : 0;
    return wanted ? wanted : usual;
}

static shared *make_shared(size_t holds_max)
{
    shared *all = mmap(NULL, sizeof *all + holds_max * sizeof(hold), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&all->stores.lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    all->holds_max = holds_max;
    all->pauses_max = 3 + holds_max / 300;
    return all;
}

/* Waits, with an end as soon as a worker has failed: true when all is well. */
#define UNTIL_OR_FAILED(condition)                      \
    do {                                                \
        UNTIL(PLENTY_MS, *all->failure || (condition)); \
        if (*all->failure) return false;                \
    } while (0)

/* Stops one holder until another has the lock, and lets it go on. */
static bool pause_one(shared *all)
{
    atomic_store(&all->wants_pause, 1);
    UNTIL_OR_FAILED(atomic_load(&all->paused) != 0);
    pid_t pid = atomic_exchange(&all->paused, 0);
    int64_t token = atomic_load(&all->paused_token);
    UNTIL_OR_FAILED(guarded_newest(&all->stores) > token);
    kill(pid, SIGCONT);
    atomic_fetch_add(&all->pause_count, 1);
    return true;
}

/* Spread over the run, and none near its end: another must be there to take over. */
static bool pause_some(shared *all)
{
    for (size_t i = 0; i < all->pauses_max; i++) {
        size_t from = all->holds_max / 2 * i / all->pauses_max;
        UNTIL_OR_FAILED(atomic_load(&all->hold_count) >= from);
        if (!pause_one(all)) return false;
    }
    return true;
}

static void run_all(shared *all, const char *const *urls, size_t url_count)
{
    pid_t pids[WORKERS], parent = getpid();
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) run_worker(all, urls, url_count);
        _exit(2);
    }
    bool fine = pause_some(all);
    for (int i = 0; i < WORKERS; i++) {
        if (!fine) kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    if (*all->failure) fail_msg("a worker failed: %s", all->failure);
}

static int by_start(const void *a, const void *b)
{
    const hold *one = a, *other = b;
    return (one->from_us > other->from_us) - (one->from_us < other->from_us);
}

/* How often one was sure to hold the lock while another was, too. */
static size_t count_overlaps(shared *all)
{
    size_t overlaps = 0;
    int64_t end_us = 0;
    qsort(all->holds, all->holds_max, sizeof *all->holds, by_start);
    for (size_t i = 0; i < all->holds_max; i++) {
        if (!all->holds[i].sure) continue;
        overlaps += all->holds[i].from_us < end_us;
        if (all->holds[i].to_us > end_us) end_us = all->holds[i].to_us;
    }
    return overlaps;
}

static void stress(size_t server_count, size_t holds_max)
{
    test_server *servers[SERVERS_MAX];
    const char *urls[SERVERS_MAX];
    for (size_t i = 0; i < server_count; i++) {
        servers[i] = server_start(NULL);
        urls[i] = server_url(servers[i]);
    }
    shared *all = make_shared(holds_max);
    run_all(all, urls, server_count);

    const stores *s = &all->stores;
    size_t overlaps = count_overlaps(all), pauses = atomic_load(&all->pause_count);
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

    munmap(all, sizeof *all + holds_max * sizeof(hold));
    for (size_t i = 0; i < server_count; i++) server_free(servers[i]);
}

static void on_one_server(void **state)
{
    (void)state;
    stress(1, wanted_holds(3000));
}

static void on_three_servers(void **state)
{
    (void)state;
    stress(3, wanted_holds(4000) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_one_server),
        cmocka_unit_test(on_three_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
