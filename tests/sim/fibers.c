/* Who runs when. One at a time, each until it waits; the next is drawn among those that can go on.
 * Time stands while anybody can, but for the little that each turn takes. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK_SIZE = 512 * 1024, TURNS_MAX = 200000, TURN_US = 20, SHOWN_MAX = 60 };

typedef struct fiber {
    ucontext_t context;
    fiber_fn *run;
    void *run_context;
    void *stack;
    bool alive, ended;
    fiber_ready_fn *ready;
    const void *ready_context;
    int64_t until_us, frozen_us, wall_us;
} fiber;

typedef struct event {
    int64_t at_us;
    uint64_t number; /* of those at one time the lower is first */
    event_fn *run;
    void *context;
} event;

/* Holds: events[0 … event_count) are a heap, the next one first. */
static struct {
    fiber fibers[FIBERS_MAX + 1];
    int count, running;
    ucontext_t scheduler;
    int64_t now_us;
    uint64_t random, trace;
    bool shows;
    event *events;
    size_t event_count, event_cap;
    uint64_t event_number;
} sim = {.now_us = 1000000000};

/* ---- Chance and the trace -------------------------------------------------------------------- */

void sim_seed(uint64_t seed)
{
    sim.random = seed;
}

uint64_t sim_random(void)
{
    uint64_t mixed = (sim.random += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

int64_t sim_draw(int64_t below)
{
    return below <= 0 ? 0 : (int64_t)(sim_random() % (uint64_t)below);
}

bool sim_chance(int percent)
{
    return sim_draw(100) < percent;
}

static void mix(const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) sim.trace = (sim.trace ^ in[i]) * 0x100000001b3u;
}

static void show(const char *what, int64_t number, const char *bytes, size_t len)
{
    printf("%12.6f  %-10s %lld  ", (double)sim.now_us / 1e6, what, (long long)number);
    for (size_t i = 0; i < len && i < SHOWN_MAX; i++) {
        bool plain = bytes[i] >= ' ' && bytes[i] <= '~';
        putchar(plain ? bytes[i] : bytes[i] == '\n' ? ' ' : '.');
    }
    printf(len > SHOWN_MAX ? "… (%zu bytes)\n" : "\n", len);
}

void sim_trace(const char *what, int64_t number, const void *bytes, size_t len)
{
    mix(what, strlen(what));
    mix(&number, sizeof number);
    mix(&sim.now_us, sizeof sim.now_us);
    mix(bytes, len);
    if (sim.shows) show(what, number, bytes, len);
}

uint64_t sim_trace_hash(void)
{
    return sim.trace;
}

void sim_show_trace(bool show_it)
{
    sim.shows = show_it;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static bool is_before(const event *a, const event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

void sim_at(int64_t at_us, event_fn *run, void *context)
{
    if (sim.event_count == sim.event_cap) {
        sim.event_cap = sim.event_cap ? 2 * sim.event_cap : 256;
        sim.events = realloc(sim.events, sim.event_cap * sizeof *sim.events);
        if (sim.events == NULL) abort();
    }
    event made = {at_us > sim.now_us ? at_us : sim.now_us, sim.event_number++, run, context};
    size_t at = sim.event_count++;
    for (; at > 0 && is_before(&made, &sim.events[(at - 1) / 2]); at = (at - 1) / 2) {
        sim.events[at] = sim.events[(at - 1) / 2];
    }
    sim.events[at] = made;
}

static event take_event(void)
{
    event first = sim.events[0], last = sim.events[--sim.event_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < sim.event_count) {
        if (child + 1 < sim.event_count && is_before(&sim.events[child + 1], &sim.events[child])) {
            child++;
        }
        if (!is_before(&sim.events[child], &last)) break;
        sim.events[at] = sim.events[child];
        at = child;
    }
    sim.events[at] = last;
    return first;
}

static void happen(void)
{
    while (sim.event_count > 0 && sim.events[0].at_us <= sim.now_us) {
        event next = take_event();
        next.run(next.context);
    }
}

/* ---- Fibers ---------------------------------------------------------------------------------- */

int64_t sim_now_us(void)
{
    return sim.now_us;
}

static void enter(void)
{
    fiber *f = &sim.fibers[sim.running];
    f->run(f->run_context);
    f->ended = true;
    f->alive = false;
    swapcontext(&f->context, &sim.scheduler);
}

int fiber_start(fiber_fn *run, void *context)
{
    if (sim.count == FIBERS_MAX) abort();
    fiber *f = &sim.fibers[++sim.count];
    *f = (fiber){.run = run, .run_context = context, .alive = true, .stack = malloc(STACK_SIZE)};
    if (f->stack == NULL || getcontext(&f->context) != 0) abort();
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_SIZE;
    f->context.uc_link = &sim.scheduler;
    makecontext(&f->context, enter, 0);
    return sim.count;
}

void fiber_kill(int number)
{
    sim.fibers[number].alive = false;
}

bool fiber_is_alive(int number)
{
    return sim.fibers[number].alive;
}

void fiber_freeze(int number, int64_t until_us)
{
    sim.fibers[number].frozen_us = until_us;
}

void fiber_set_wall_us(int number, int64_t offset_us)
{
    sim.fibers[number].wall_us = offset_us;
}

int64_t fiber_wall_us(void)
{
    return sim.fibers[sim.running].wall_us;
}

int fiber_self(void)
{
    return sim.running;
}

void fiber_wait(fiber_ready_fn *ready, const void *context, int64_t until_us)
{
    fiber *f = &sim.fibers[sim.running];
    f->ready = ready;
    f->ready_context = context;
    f->until_us = until_us;
    swapcontext(&f->context, &sim.scheduler);
}

void fiber_sleep_us(int64_t span_us)
{
    fiber_wait(NULL, NULL, sim.now_us + span_us);
}

/* ---- Their turns ----------------------------------------------------------------------------- */

static bool can_run(const fiber *f)
{
    if (!f->alive || f->frozen_us > sim.now_us) return false;
    return f->until_us <= sim.now_us || (f->ready != NULL && f->ready(f->ready_context));
}

static int choose(void)
{
    int able[FIBERS_MAX], count = 0;
    for (int i = 1; i <= sim.count; i++) {
        if (can_run(&sim.fibers[i])) able[count++] = i;
    }
    return count == 0 ? 0 : able[sim_draw(count)];
}

/* When the next thing happens of itself. */
static int64_t next_moment(void)
{
    int64_t next_us = sim.event_count > 0 ? sim.events[0].at_us : INT64_MAX;
    for (int i = 1; i <= sim.count; i++) {
        const fiber *f = &sim.fibers[i];
        int64_t at_us = f->until_us > f->frozen_us ? f->until_us : f->frozen_us;
        if (f->frozen_us > sim.now_us && f->ready != NULL) at_us = f->frozen_us;
        if (f->alive && at_us > sim.now_us && at_us < next_us) next_us = at_us;
    }
    return next_us;
}

bool fibers_run(void)
{
    for (int turns = 0; turns < TURNS_MAX && !sim.fibers[1].ended; turns++) {
        happen();
        sim.running = choose();
        if (sim.running == 0) {
            int64_t next_us = next_moment();
            if (next_us == INT64_MAX) return false;
            sim.now_us = next_us;
            continue;
        }
        swapcontext(&sim.scheduler, &sim.fibers[sim.running].context);
        sim.running = 0;
        sim.now_us += 1 + sim_draw(TURN_US);
    }
    return sim.fibers[1].ended;
}
