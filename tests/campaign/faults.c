/* What can be broken. Each fault is noted in the history from the moment before to the moment after,
 * so that the checker knows what may be its doing. Every kind strikes once, in an order that the
 * seed draws, before any strikes twice. */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "campaign.h"

enum {
    PAUSE_MS = 250,   /* between two faults, at most */
    STRIKE_MS = 2000, /* a trick that has found no request by then is put away */
    STOP_MS = 1500,   /* more than any lease */
    NET_MS = 700,     /* how long the network is bad */
    DOWN_MS = 400     /* how long the server is */
};

static void wait_ms(int64_t ms)
{
    poll(NULL, 0, (int)ms);
}

static history_fault begin(const char *kind)
{
    return (history_fault){.kind = kind, .began_us = history_now_us()};
}

static void end(campaign *c, history_fault fault)
{
    fault.ended_us = history_now_us();
    history_note_fault(c->history, &fault);
}

/* ---- Processes ------------------------------------------------------------------------------- */

static void kill_one(campaign *c)
{
    crew_kill(c, crew_pick(c, campaign_draw(c, 5) == 0 ? "producer" : "worker"));
}

static void stop_one(campaign *c)
{
    crew_stop(c, crew_pick(c, "worker"), 200 + campaign_draw(c, STOP_MS));
}

/* ---- The network ----------------------------------------------------------------------------- */

static void cut_all(campaign *c)
{
    history_fault fault = begin("cut");
    proxy_cut(c->proxy, false);
    end(c, fault);
}

static void reset_all(campaign *c)
{
    history_fault fault = begin("reset");
    proxy_cut(c->proxy, true);
    end(c, fault);
}

/* Noted only if it struck. */
static void play_trick(campaign *c, proxy_kind kind)
{
    proxy_trick trick = {.kind = kind,
                         .when = campaign_draw(c, 4) == 0 ? NULL : "EVALSHA",
                         .times = (int)(1 + campaign_draw(c, 3)),
                         .reset = campaign_draw(c, 2) == 0,
                         .bytes = (int)campaign_draw(c, 60)};
    history_fault fault = begin(proxy_kind_name(kind));
    int before = proxy_struck(c->proxy, kind);
    int64_t deadline_us = fault.began_us + STRIKE_MS * 1000;
    proxy_arm(c->proxy, &trick);
    while (proxy_struck(c->proxy, kind) < before + trick.times && history_now_us() < deadline_us) {
        wait_ms(5);
    }
    proxy_arm(c->proxy, NULL);
    if (proxy_struck(c->proxy, kind) > before) end(c, fault);
}

static void lose_requests(campaign *c)
{
    play_trick(c, PROXY_LOSE_REQUEST);
}

static void lose_replies(campaign *c)
{
    play_trick(c, PROXY_LOSE_REPLY);
}

static void cut_replies(campaign *c)
{
    play_trick(c, PROXY_CUT_REPLY);
}

/* Answers that are held until their tasks have lived on, and then lost: what is sent again meets a
 * changed world. */
static void hold_replies(campaign *c)
{
    history_fault fault = begin("cut");
    play_trick(c, PROXY_HOLD_REPLY); /* notes itself */
    wait_ms(campaign_draw(c, NET_MS));
    proxy_cut(c->proxy, campaign_draw(c, 2) == 0);
    proxy_set_mode(c->proxy, PROXY_PASS);
    end(c, fault);
}

static void be_in_mode(campaign *c, const char *kind, proxy_mode mode, bool then_cut)
{
    history_fault fault = begin(kind);
    proxy_set_mode(c->proxy, mode);
    wait_ms(campaign_draw(c, NET_MS));
    if (then_cut) proxy_cut(c->proxy, campaign_draw(c, 2) == 0);
    proxy_set_mode(c->proxy, PROXY_PASS);
    end(c, fault);
}

static void freeze_network(campaign *c)
{
    be_in_mode(c, "freeze", PROXY_FREEZE, campaign_draw(c, 2) == 0);
}

static void swallow_requests(campaign *c)
{
    be_in_mode(c, "swallow", PROXY_SWALLOW, true);
}

static void refuse_connections(campaign *c)
{
    proxy_cut(c->proxy, false);
    be_in_mode(c, "refuse", PROXY_REFUSE, true);
}

static void slow_down(campaign *c)
{
    history_fault fault = begin("delay");
    proxy_set_delay(c->proxy, (int)(5 + campaign_draw(c, 60)));
    wait_ms(campaign_draw(c, NET_MS));
    proxy_set_delay(c->proxy, 0);
    end(c, fault);
}

static void trickle(campaign *c)
{
    history_fault fault = begin("trickle");
    proxy_set_trickle(c->proxy, true);
    wait_ms(campaign_draw(c, NET_MS));
    proxy_set_trickle(c->proxy, false);
    end(c, fault);
}

/* ---- The server ------------------------------------------------------------------------------ */

static void kill_server(campaign *c)
{
    history_fault fault = begin("restart");
    server_kill(c->server);
    wait_ms(campaign_draw(c, DOWN_MS));
    server_restart(c->server);
    end(c, fault);
}

static void stop_server(campaign *c)
{
    history_fault fault = begin("server-stop");
    server_freeze(c->server);
    wait_ms(campaign_draw(c, DOWN_MS));
    server_thaw(c->server);
    end(c, fault);
}

static void forget_scripts(campaign *c)
{
    history_fault fault = begin("script-flush");
    server_do(c->server, "SCRIPT FLUSH");
    end(c, fault);
}

static void kick_clients(campaign *c)
{
    history_fault fault = begin("client-kill");
    server_do(c->server, "CLIENT KILL TYPE normal SKIPME yes");
    end(c, fault);
}

static void put_clock(campaign *c, int64_t offset_ms)
{
    history_fault fault = begin("clock");
    fault.amount = offset_ms - c->clock_ms;
    skew_set_ms(c->clock, offset_ms);
    c->clock_ms = offset_ms;
    if (offset_ms > c->clock_max_ms) c->clock_max_ms = offset_ms;
    end(c, fault);
}

/* By up to a second, or by hours; never so far that a finished id is forgotten. */
static void step_clock(campaign *c)
{
    enum { HOURS_MS = 2 * 3600 * 1000 };
    int64_t most_ms = campaign_draw(c, 3) == 0 ? HOURS_MS : 1000;
    put_clock(c, campaign_draw(c, 2 * most_ms) - most_ms);
}

/* ---- The course of it ------------------------------------------------------------------------ */

typedef struct fault_kind {
    const char *name;
    void (*cause)(campaign *c);
} fault_kind;

static const fault_kind kinds[] = {
    {"kill", kill_one},
    {"stop", stop_one},
    {"cut", cut_all},
    {"reset", reset_all},
    {"lose-request", lose_requests},
    {"lose-reply", lose_replies},
    {"cut-reply", cut_replies},
    {"hold-reply", hold_replies},
    {"freeze", freeze_network},
    {"swallow", swallow_requests},
    {"refuse", refuse_connections},
    {"delay", slow_down},
    {"trickle", trickle},
    {"restart", kill_server},
    {"server-stop", stop_server},
    {"script-flush", forget_scripts},
    {"client-kill", kick_clients},
    {"clock", step_clock},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

void faults_plan(campaign *c)
{
    for (int i = 0; i < KIND_COUNT; i++) history_note_planned(c->history, kinds[i].name);
}

/* All kinds once, in an order that the campaign draws. */
static void shuffle(campaign *c, const fault_kind *order[KIND_COUNT])
{
    for (int i = 0; i < KIND_COUNT; i++) {
        int at = (int)campaign_draw(c, i + 1);
        order[i] = order[at];
        order[at] = &kinds[i];
    }
}

void faults_rage(campaign *c)
{
    const fault_kind *order[KIND_COUNT] = {0};
    int64_t end_us = history_now_us() + c->options.seconds * 1000000;
    shuffle(c, order);
    for (int turn = 0; turn < KIND_COUNT || history_now_us() < end_us; turn++) {
        const fault_kind *kind =
            turn < KIND_COUNT ? order[turn] : &kinds[campaign_draw(c, KIND_COUNT)];
        wait_ms(campaign_draw(c, PAUSE_MS));
        crew_resume(c, false);
        kind->cause(c);
    }
}

/* The clock ends where it was furthest ahead: nothing waits for an hour that was passed before. */
void faults_heal(campaign *c)
{
    proxy_arm(c->proxy, NULL);
    proxy_set_mode(c->proxy, PROXY_PASS);
    crew_resume(c, true);
    if (c->clock_ms < c->clock_max_ms) put_clock(c, c->clock_max_ms);
}
