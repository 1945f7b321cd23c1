/* What goes wrong, drawn from the seed. Each fault is noted in the history from the moment before to
 * the moment when the last of it is over, so that the checker knows what may be its doing. */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

enum {
    PAUSE_US = 60000,   /* between two faults, at most */
    STRIKE_US = 400000, /* a trick that has found nothing by then is put away */
    HEAL_US = 400000,   /* the longest that anything stays of itself */
    LINGER_US = 3500000 /* how long what a trick did to a connection may be felt */
};

static history_fault begin(const char *kind)
{
    return (history_fault){.kind = kind, .began_us = history_now_us()};
}

static void end(const sim_world *w, history_fault fault, int64_t lingers_us)
{
    fault.ended_us = history_now_us() + lingers_us;
    history_note_fault(w->history, &fault);
}

/* ---- Processes ------------------------------------------------------------------------------- */

static int pick(const sim_world *w, bool producer)
{
    int able[FIBERS_MAX], count = 0;
    for (int i = 0; i < w->actor_count; i++) {
        bool fits = w->actors[i].is_producer == producer;
        if (fits && fiber_is_alive(w->actors[i].fiber)) able[count++] = i;
    }
    return count == 0 ? -1 : able[sim_draw(count)];
}

/* Killed, and another in its place; now and then with its machine, so that the server is not told. */
static void kill_one(sim_world *w)
{
    bool producer = sim_chance(25);
    int at = pick(w, producer);
    if (at < 0 || w->actor_count + 1 == FIBERS_MAX) return;
    history_fault fault = begin("kill");
    fault.process = w->actors[at].process;
    actor_end(w, at, sim_chance(30));
    end(w, fault, 0);
    actor_begin(w, producer);
}

static void stop_one(sim_world *w)
{
    int at = pick(w, false);
    int64_t for_us = 100000 + sim_draw(1500000);
    if (at < 0) return;
    history_fault fault = begin("stop");
    fault.process = w->actors[at].process;
    fiber_freeze(w->actors[at].fiber, sim_now_us() + for_us);
    end(w, fault, for_us);
}

/* ---- The network ----------------------------------------------------------------------------- */

static void play_trick(sim_world *w)
{
    trick_kind kind = (trick_kind)(1 + sim_draw(TRICK_KINDS - 1));
    history_fault fault = begin(trick_name(kind));
    int64_t until_us = sim_now_us() + STRIKE_US;
    int times = (int)(1 + sim_draw(3));
    net_arm(kind, times);
    while (net_struck() < times && sim_now_us() < until_us) fiber_sleep_us(2000);
    bool struck = net_struck() > 0;
    net_arm(TRICK_NONE, 0);
    if (struck) end(w, fault, LINGER_US);
}

static void reset_all(sim_world *w)
{
    history_fault fault = begin("reset");
    net_reset_all();
    end(w, fault, 0);
}

static void slow_down(sim_world *w)
{
    history_fault fault = begin("slow");
    net_set_slow(true);
    fiber_sleep_us(100000 + sim_draw(500000));
    net_set_slow(false);
    end(w, fault, 100000);
}

/* ---- The server ------------------------------------------------------------------------------ */

static void crash(sim_world *w)
{
    history_fault fault = begin("crash");
    int64_t down_us = sim_draw(400000), loading_us = sim_chance(50) ? sim_draw(300000) : 0;
    node_crash(down_us, loading_us);
    fiber_sleep_us(down_us + loading_us);
    end(w, fault, 0);
}

static void stop_server(sim_world *w)
{
    history_fault fault = begin("server-stop");
    int64_t for_us = sim_draw(sim_chance(20) ? 2500000 : 400000);
    node_stop(for_us);
    fiber_sleep_us(for_us);
    end(w, fault, 20000);
}

static void flush(sim_world *w)
{
    history_fault fault = begin("flush");
    node_flush_scripts();
    end(w, fault, 0);
}

/* Others may strike meanwhile: what was sent again is refused then, and may have run before. */
static void stay(int64_t for_us)
{
    if (sim_chance(50)) fiber_sleep_us(for_us);
}

static void refuse(sim_world *w)
{
    static const struct {
        const char *kind, *error;
    } refusals[] = {
        {"busy", "BUSY Redis is busy running a script."},
        {"readonly", "READONLY You can't write against a read only replica."},
        {"misconf",
         "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist"},
        {"noreplicas", "NOREPLICAS Not enough good replicas to write."},
        {"forbidden", "NOPERM this user has no permissions to run the 'evalsha' command"},
    };
    int64_t which = sim_draw((int64_t)(sizeof refusals / sizeof refusals[0]));
    int64_t for_us = sim_draw(300000);
    history_fault fault = begin(refusals[which].kind);
    node_refuse(refusals[which].error, for_us);
    end(w, fault, for_us);
    stay(for_us);
}

static void fill_up(sim_world *w)
{
    history_fault fault = begin("full");
    int64_t for_us = sim_draw(400000);
    node_fill(for_us);
    end(w, fault, for_us);
    stay(for_us);
}

static void step_clock_to(sim_world *w, int64_t ms)
{
    history_fault fault = begin("clock");
    fault.amount = ms - w->clock_ms;
    node_step_clock(fault.amount);
    w->clock_ms = ms;
    if (ms > w->clock_max_ms) w->clock_max_ms = ms;
    end(w, fault, 0);
}

static void step_clock(sim_world *w)
{
    int64_t most_ms = sim_chance(50) ? 500 : 7200000;
    step_clock_to(w, sim_draw(2 * most_ms) - most_ms);
}

/* ---- All of them ----------------------------------------------------------------------------- */

typedef struct fault_kind {
    void (*strike)(sim_world *w);
    int weight;
} fault_kind;

static const fault_kind kinds[] = {
    {play_trick, 10}, {kill_one, 3}, {stop_one, 3}, {reset_all, 2}, {slow_down, 2},  {crash, 2},
    {stop_server, 2}, {flush, 1},    {refuse, 2},   {fill_up, 1},   {step_clock, 1},
};

static void strike_one(sim_world *w)
{
    int64_t sum = 0, drawn;
    size_t count = sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < count; i++) sum += kinds[i].weight;
    drawn = sim_draw(sum);
    for (size_t i = 0; i < count; i++) {
        drawn -= kinds[i].weight;
        if (drawn < 0) {
            kinds[i].strike(w);
            return;
        }
    }
}

/* What is due an hour on by a clock that was put back since would not be drained: it is put to the
 * latest it ever was. */
static void heal(sim_world *w)
{
    fiber_sleep_us(HEAL_US);
    for (int i = 0; i < w->actor_count; i++) fiber_freeze(w->actors[i].fiber, 0);
    if (w->clock_ms != w->clock_max_ms) step_clock_to(w, w->clock_max_ms);
}

void nemesis_run(sim_world *w)
{
    int64_t end_us = sim_now_us() + w->rage_us;
    while (sim_now_us() < end_us) {
        fiber_sleep_us(sim_draw(PAUSE_US));
        strike_one(w);
    }
    heal(w);
}
