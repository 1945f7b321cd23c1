/* The processes of a campaign: producers and workers, programs of their own on the public face of
 * the library, each of which writes what it calls and is answered into the shared history. */
#ifndef TESTS_CAMPAIGN_ACTORS_H
#define TESTS_CAMPAIGN_ACTORS_H

#include <stdint.h>

#include <dueq.h>

#include "support/history.h"

#define CAMPAIGN_QUEUE "campaign"

/* Of the queue. Leases are short, so that many run out in a short campaign. */
enum { CAMPAIGN_ATTEMPTS_MAX = 10, CAMPAIGN_LEASE_MS = 400 };

/* What an actor is told by whoever starts it. */
typedef struct actor_orders {
    const char *role; /* "producer" or "worker" */
    const char *url;
    const char *history_path;
    int process; /* its number in the history; no two actors ever have the same */
    uint64_t seed;
} actor_orders;

/* Works until SIGTERM, and returns the exit status. */
int actor_run(const actor_orders *orders);

/* ---- Between actors.c and the roles ---------------------------------------------------------- */

typedef struct actor {
    const actor_orders *orders;
    dueq *handle; /* NULL: none could be opened yet */
    history_writer *history;
    uint64_t random;
} actor;

/* Evenly from 0 to below. */
int64_t actor_draw(actor *a, int64_t below);
/* True in so many of a hundred cases. */
bool actor_chance(actor *a, int percent);
bool actor_stopping(void);
/* The last call waited for replicas, and they have what it changed. */
bool actor_reached(const actor *a);
void actor_sleep_ms(int64_t ms); /* less when it is to stop */

void producer_step(actor *a);
void worker_step(actor *a);

#endif
