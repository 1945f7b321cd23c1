/* What producers and workers have in common: their handle, their history, their end. */
#include "actors.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { AGAIN_MS = 50 };

static volatile sig_atomic_t stopping;

static void hear_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

bool actor_stopping(void)
{
    return stopping != 0;
}

void actor_sleep_ms(int64_t ms)
{
    if (!actor_stopping()) poll(NULL, 0, (int)ms);
}

/* splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

int64_t actor_draw(actor *a, int64_t below)
{
    return (int64_t)(next_random(&a->random) % (uint64_t)below);
}

bool actor_chance(actor *a, int percent)
{
    return actor_draw(a, 100) < percent;
}

static void open_handle(actor *a)
{
    if (dueq_open(&a->handle, a->orders->url, NULL) == DUEQ_OK) return;
    dueq_close(a->handle);
    a->handle = NULL;
    actor_sleep_ms(AGAIN_MS);
}

bool actor_reached(const actor *a)
{
    dueq_reach reach;
    dueq_reached(a->handle, &reach);
    return reach.waited && reach.met;
}

int actor_run(const actor_orders *orders)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction stop = {.sa_handler = hear_stop};
    sigaction(SIGTERM, &stop, NULL);
    void (*step)(actor *) = strcmp(orders->role, "producer") == 0 ? producer_step : worker_step;
    actor a = {.orders = orders,
               .history = history_open(orders->history_path, orders->process),
               .random = orders->seed};
    while (!actor_stopping()) {
        if (a.handle == NULL) {
            open_handle(&a);
        } else {
            step(&a);
        }
    }
    dueq_close(a.handle);
    history_close(a.history);
    return 0;
}
