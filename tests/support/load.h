/* Load on one queue while something happens to its servers: threads that push tasks and threads that
 * take and finish them, each with a handle of its own, and what became of each task.
 *
 *     load *l = load_start(url, "q");
 *     ... move, kill, fail over ...
 *     load_stop(l);         (waits until all that was pushed has been worked off)
 *     load_assert_none_lost(l);
 *     load_free(l);
 */
#ifndef TESTS_SUPPORT_LOAD_H
#define TESTS_SUPPORT_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "until.h"

typedef struct load load;

load *load_start(const char *url, const char *queue);
void load_stop(load *l);
void load_free(load *l); /* NULL is fine */

/* Tasks finished so far. */
long load_done(const load *l);
/* Waits until so many more have been finished. */
void load_await_more(load *l, long more);

/* Once stopped. Pushed with success and never given; finished and given again; given twice with
 * both finished; calls that failed. */
typedef struct load_result {
    long pushed, done, lost, after_done, failures;
    char failure[600]; /* the last one's text */
} load_result;
load_result load_results(load *l);
/* Nothing lost, nothing given after it was finished, no call failed. */
void load_assert_clean(load *l);

#endif
