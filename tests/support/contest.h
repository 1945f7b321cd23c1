/* Many processes that want one lock: each takes it, uses two stores under it, gives it up, and takes
 * it again. What they saw is judged together: whether two were ever sure to hold the lock at once,
 * and whether tokens follow the order of holds.
 *
 *     contest *all = contest_make(3000, 150);
 *     contest_start(all, urls, 1);
 *     … whatever is to happen meanwhile, until contest_is_over(all) …
 *     contest_end(all, true);
 *     assert_int_equal(contest_overlaps(all), 0);
 *     contest_free(all); */
#ifndef TESTS_SUPPORT_CONTEST_H
#define TESTS_SUPPORT_CONTEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "until.h"

enum { CONTEST_WORKERS = 6, CONTEST_PLENTY_MS = 60000 };

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
typedef struct contest {
    size_t holds_max, pauses_max;
    int64_t ttl_ms;
    int stay_us;       /* how long a holder keeps the lock, beyond what it does; 0 by default */
    atomic_bool stops; /* no more holds are begun */
    pid_t pids[CONTEST_WORKERS];
    _Atomic size_t hold_count, pause_count;
    _Atomic int64_t highest; /* token of a hold that somebody has got */
    atomic_int wants_pause;  /* the next holder is to stop itself between reading and writing */
    atomic_int paused;       /* the process that has, 0: none */
    _Atomic int64_t paused_token;
    atomic_int disordered; /* tokens that were not larger than one known before */
    stores stores;
    char failure[600]; /* of the first worker that failed */
    hold holds[];
} contest;

/* How many holds $DUEQ_LOCK_STRESS asks for; so many as usual, if it does not. */
size_t contest_wanted(size_t usual);

/* Room for so many holds, each of a lock that lasts ttl_ms. */
contest *contest_make(size_t holds_max, int64_t ttl_ms);
void contest_free(contest *all); /* after its end */

/* The workers begin, each a process that takes the lock on the servers of all urls. */
void contest_start(contest *all, const char *const *urls, size_t url_count);
/* Ends it before there is no more room. */
void contest_stop(contest *all);
/* All holds are made, or a worker has failed. */
bool contest_is_over(const contest *all);
/* How many holds are made. */
size_t contest_holds(const contest *all);
/* The newest token that the guarded store has seen. */
int64_t contest_newest(contest *all);
/* Waits for the workers, or, if not `fine`, kills them; fails the test if one has failed. */
void contest_end(contest *all, bool fine);

/* How often one was sure to hold the lock while another was, too. */
size_t contest_overlaps(contest *all);
size_t contest_sure_holds(const contest *all);

#endif
