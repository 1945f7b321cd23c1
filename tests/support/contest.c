/* Processes that contend for one lock, and what they saw. */
#include "contest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dueq.h>

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

int64_t contest_newest(contest *all)
{
    stores *s = &all->stores;
    pthread_mutex_lock(&s->lock);
    int64_t newest = s->newest;
    pthread_mutex_unlock(&s->lock);
    return newest;
}

/* ---- A worker -------------------------------------------------------------------------------- */

static void stop_if_wanted(contest *all, int64_t token)
{
    int wanted = 1;
    if (!atomic_compare_exchange_strong(&all->wants_pause, &wanted, 0)) return;
    atomic_store(&all->paused_token, token);
    atomic_store(&all->paused, getpid());
    raise(SIGSTOP);
}

static void use_stores(contest *all, int64_t token)
{
    int64_t guarded, plain = atomic_load(&all->stores.plain);
    bool may = guarded_read(&all->stores, token, &guarded);
    stop_if_wanted(all, token);
    if (may) guarded_write(&all->stores, token, guarded + 1);
    atomic_store(&all->stores.plain, plain + 1);
    atomic_fetch_add(&all->stores.written, 1);
}

static void raise_highest(contest *all, int64_t token)
{
    int64_t highest = atomic_load(&all->highest);
    while (token > highest && !atomic_compare_exchange_weak(&all->highest, &highest, token)) {}
}

/* What may come of a release: a server has only a few milliseconds to answer, and a busy machine may
 * not give it that much, or it is being replaced; the lock runs out then. */
static bool is_fine(int rc)
{
    return rc == DUEQ_OK || rc == DUEQ_LOST || rc == DUEQ_ETIMEOUT || rc == DUEQ_EUNSURE ||
           rc == DUEQ_ECONNECT || rc == DUEQ_EUNREADY || rc == DUEQ_EREADONLY;
}

/* One hold, from asking to giving up. */
static int hold_once(contest *all, dueq *handle)
{
    dueq_lock_options options = {
        .ttl_ms = all->ttl_ms, .wait_ms = CONTEST_PLENTY_MS, .retry_max_ms = 4};
    dueq_lock *lock;
    int64_t known = atomic_load(&all->highest);
    int rc = dueq_lock_acquire(handle, "contested", &options, &lock);
    if (rc != DUEQ_OK) return rc;
    hold h = {.token = dueq_lock_token(lock), .from_us = now_us()};
    if (h.token <= known) atomic_fetch_add(&all->disordered, 1);
    raise_highest(all, h.token);
    use_stores(all, h.token);
    if (all->stay_us) usleep((useconds_t)all->stay_us);
    h.to_us = now_us();
    h.sure = dueq_lock_left_ms(lock) > 0;
    size_t at = atomic_fetch_add(&all->hold_count, 1);
    if (at < all->holds_max) all->holds[at] = h;
    rc = dueq_lock_release(handle, lock);
    dueq_lock_free(lock);
    return is_fine(rc) ? DUEQ_OK : rc;
}

static void run_worker(contest *all, const char *const *urls, size_t url_count)
{
    dueq *handle;
    int rc = dueq_open_quorum(&handle, urls, url_count, NULL);
    while (rc == DUEQ_OK && !atomic_load(&all->stops) && contest_holds(all) < all->holds_max)
        rc = hold_once(all, handle);
    if (rc != DUEQ_OK)
        snprintf(all->failure, sizeof all->failure, "%d: %s", rc, dueq_error(handle));
    dueq_close(handle);
    _exit(rc == DUEQ_OK ? 0 : 1);
}

/* ---- All of them ----------------------------------------------------------------------------- */

size_t contest_wanted(size_t usual)
{
    const char *text = getenv("DUEQ_LOCK_STRESS");
    size_t wanted = text ? (size_t)strtoull(text, NULL, 10) : 0;
    return wanted ? wanted : usual;
}

contest *contest_make(size_t holds_max, int64_t ttl_ms)
{
    contest *all = mmap(NULL, sizeof *all + holds_max * sizeof(hold), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&all->stores.lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    all->holds_max = holds_max;
    all->ttl_ms = ttl_ms;
    all->pauses_max = 3 + holds_max / 300;
    return all;
}

void contest_free(contest *all)
{
    munmap(all, sizeof *all + all->holds_max * sizeof(hold));
}

void contest_start(contest *all, const char *const *urls, size_t url_count)
{
    pid_t parent = getpid();
    for (int i = 0; i < CONTEST_WORKERS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0) {
            all->pids[i] = pid; /* by the parent alone: the worker shares it */
            continue;
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent) run_worker(all, urls, url_count);
        _exit(2);
    }
}

void contest_stop(contest *all)
{
    atomic_store(&all->stops, true);
}

bool contest_is_over(const contest *all)
{
    return *all->failure || contest_holds(all) >= all->holds_max;
}

size_t contest_holds(const contest *all)
{
    size_t holds = atomic_load(&all->hold_count);
    return holds < all->holds_max ? holds : all->holds_max;
}

void contest_end(contest *all, bool fine)
{
    for (int i = 0; i < CONTEST_WORKERS; i++) {
        if (!fine) kill(all->pids[i], SIGKILL);
        assert_int_equal(waitpid(all->pids[i], NULL, 0), all->pids[i]);
    }
    if (*all->failure) fail_msg("a worker failed: %s", all->failure);
}

/* ---- The verdict ----------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const hold *one = a, *other = b;
    return (one->from_us > other->from_us) - (one->from_us < other->from_us);
}

size_t contest_overlaps(contest *all)
{
    size_t overlaps = 0, count = contest_holds(all);
    int64_t end_us = 0;
    qsort(all->holds, count, sizeof *all->holds, by_start);
    for (size_t i = 0; i < count; i++) {
        if (!all->holds[i].sure) continue;
        overlaps += all->holds[i].from_us < end_us;
        if (all->holds[i].to_us > end_us) end_us = all->holds[i].to_us;
    }
    return overlaps;
}

size_t contest_sure_holds(const contest *all)
{
    size_t sure = 0, count = contest_holds(all);
    for (size_t i = 0; i < count; i++) sure += all->holds[i].sure;
    return sure;
}
