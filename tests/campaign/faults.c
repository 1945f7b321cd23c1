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

void faults_wait_ms(campaign *c, int64_t ms)
{
    poll(NULL, 0, (int)ms);
    crew_resume(c, false);
}

history_fault faults_begin(const char *kind)
{
    return (history_fault){.kind = kind, .began_us = history_now_us()};
}

void faults_end(campaign *c, history_fault fault)
{
    fault.ended_us = history_now_us();
    history_note_fault(c->history, &fault);
}

/* ---- Processes ------------------------------------------------------------------------------- */

void faults_kill_one(campaign *c)
{
    crew_kill(c, crew_pick(c, campaign_draw(c, 5) == 0 ? "producer" : "worker"));
}

void faults_stop_one(campaign *c)
{
    crew_stop(c, crew_pick(c, "worker"), 200 + campaign_draw(c, STOP_MS));
}

/* ---- The network ----------------------------------------------------------------------------- */

static void cut_all(campaign *c)
{
    history_fault fault = faults_begin("cut");
    proxy_cut(c->proxy, false);
    faults_end(c, fault);
}

static void reset_all(campaign *c)
{
    history_fault fault = faults_begin("reset");
    proxy_cut(c->proxy, true);
    faults_end(c, fault);
}

/* Noted only if it struck. */
static void play_trick(campaign *c, proxy_kind kind)
{
    proxy_trick trick = {.kind = kind,
                         .when = campaign_draw(c, 4) == 0 ? NULL : "EVALSHA",
                         .times = (int)(1 + campaign_draw(c, 3)),
                         .reset = campaign_draw(c, 2) == 0,
                         .bytes = (int)campaign_draw(c, 60)};
    history_fault fault = faults_begin(proxy_kind_name(kind));
    int before = proxy_struck(c->proxy, kind);
    int64_t deadline_us = fault.began_us + STRIKE_MS * 1000;
    proxy_arm(c->proxy, &trick);
    while (proxy_struck(c->proxy, kind) < before + trick.times && history_now_us() < deadline_us) {
        faults_wait_ms(c, 5);
    }
    proxy_arm(c->proxy, NULL);
    if (proxy_struck(c->proxy, kind) > before) faults_end(c, fault);
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
    history_fault fault = faults_begin("cut");
    play_trick(c, PROXY_HOLD_REPLY); /* notes itself */
    faults_wait_ms(c, campaign_draw(c, NET_MS));
    proxy_cut(c->proxy, campaign_draw(c, 2) == 0);
    proxy_set_mode(c->proxy, PROXY_PASS);
    faults_end(c, fault);
}

static void be_in_mode(campaign *c, const char *kind, proxy_mode mode, bool then_cut)
{
    history_fault fault = faults_begin(kind);
    proxy_set_mode(c->proxy, mode);
    faults_wait_ms(c, campaign_draw(c, NET_MS));
    if (then_cut) proxy_cut(c->proxy, campaign_draw(c, 2) == 0);
    proxy_set_mode(c->proxy, PROXY_PASS);
    faults_end(c, fault);
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
    history_fault fault = faults_begin("delay");
    proxy_set_delay(c->proxy, (int)(5 + campaign_draw(c, 60)));
    faults_wait_ms(c, campaign_draw(c, NET_MS));
    proxy_set_delay(c->proxy, 0);
    faults_end(c, fault);
}

static void trickle(campaign *c)
{
    history_fault fault = faults_begin("trickle");
    proxy_set_trickle(c->proxy, true);
    faults_wait_ms(c, campaign_draw(c, NET_MS));
    proxy_set_trickle(c->proxy, false);
    faults_end(c, fault);
}

/* ---- The server ------------------------------------------------------------------------------ */

static void kill_server(campaign *c)
{
    history_fault fault = faults_begin("restart");
    server_kill(c->server);
    faults_wait_ms(c, campaign_draw(c, DOWN_MS));
    server_restart(c->server);
    faults_end(c, fault);
}

static void stop_server(campaign *c)
{
    history_fault fault = faults_begin("server-stop");
    server_freeze(c->server);
    faults_wait_ms(c, campaign_draw(c, DOWN_MS));
    server_thaw(c->server);
    faults_end(c, fault);
}

static void forget_scripts(campaign *c)
{
    history_fault fault = faults_begin("script-flush");
    server_do(c->server, "SCRIPT FLUSH");
    faults_end(c, fault);
}

static void kick_clients(campaign *c)
{
    history_fault fault = faults_begin("client-kill");
    server_do(c->server, "CLIENT KILL TYPE normal SKIPME yes");
    faults_end(c, fault);
}

static void put_clock(campaign *c, int64_t offset_ms)
{
    history_fault fault = faults_begin("clock");
    fault.amount = offset_ms - c->clock_ms;
    skew_set_ms(c->clock, offset_ms);
    c->clock_ms = offset_ms;
    if (offset_ms > c->clock_max_ms) c->clock_max_ms = offset_ms;
    faults_end(c, fault);
}

/* By up to a second, or by hours; never so far that a finished id is forgotten. */
static void step_clock(campaign *c)
{
    enum { HOURS_MS = 2 * 3600 * 1000 };
    int64_t most_ms = campaign_draw(c, 3) == 0 ? HOURS_MS : 1000;
    put_clock(c, campaign_draw(c, 2 * most_ms) - most_ms);
}

/* ---- The course of it ------------------------------------------------------------------------ */

static const fault_kind of_one_server[] = {
    {"kill", faults_kill_one, false},
    {"stop", faults_stop_one, false},
    {"cut", cut_all, false},
    {"reset", reset_all, false},
    {"lose-request", lose_requests, false},
    {"lose-reply", lose_replies, false},
    {"cut-reply", cut_replies, false},
    {"hold-reply", hold_replies, false},
    {"freeze", freeze_network, false},
    {"swallow", swallow_requests, false},
    {"refuse", refuse_connections, false},
    {"delay", slow_down, false},
    {"trickle", trickle, false},
    {"restart", kill_server, false},
    {"server-stop", stop_server, false},
    {"script-flush", forget_scripts, false},
    {"client-kill", kick_clients, false},
    {"clock", step_clock, false},
    {NULL, NULL, false},
};

void faults_plan(campaign *c)
{
    static const fault_kind *const TABLES[] = {
        [ON_ONE_SERVER] = of_one_server,
        [ON_CLUSTER] = faults_of_cluster,
        [ON_SENTINELS] = faults_of_sentinels,
    };
    for (const fault_kind *kind = TABLES[c->options.shape]; kind->name != NULL; kind++) {
        if (kind->lossy && c->options.graceful) continue;
        history_note_planned(c->history, kind->name);
        c->kinds[c->kind_count++] = kind;
    }
}

/* In an order that the campaign draws. */
static void shuffle(campaign *c)
{
    for (int i = 0; i < c->kind_count; i++) {
        int at = (int)campaign_draw(c, i + 1);
        const fault_kind *kind = c->kinds[i];
        c->kinds[i] = c->kinds[at];
        c->kinds[at] = kind;
    }
}

void faults_rage(campaign *c)
{
    int64_t end_us = history_now_us() + c->options.seconds * 1000000;
    shuffle(c);
    for (int turn = 0; turn < c->kind_count || history_now_us() < end_us; turn++) {
        int next = turn < c->kind_count ? turn : (int)campaign_draw(c, c->kind_count);
        faults_wait_ms(c, campaign_draw(c, PAUSE_MS));
        if (c->shard_count > 0) nodes_look(c);
        c->kinds[next]->cause(c);
    }
}

/* The clock ends where it was furthest ahead: nothing waits for an hour that was passed before. */
void faults_heal(campaign *c)
{
    if (c->proxy != NULL) {
        proxy_arm(c->proxy, NULL);
        proxy_set_mode(c->proxy, PROXY_PASS);
    }
    crew_resume(c, true);
    if (c->clock_ms < c->clock_max_ms) put_clock(c, c->clock_max_ms);
    if (c->shard_count > 0) nodes_look(c);
}
