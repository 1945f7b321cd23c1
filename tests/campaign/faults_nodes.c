/* What can be broken of a cluster, or under sentinels: see faults.c. A lossy fault says between which
 * moments a failover may have forgotten what was acknowledged: from the last one when all of it was
 * known to be on the replicas, by the offsets of both sides, to the old master's end. */
#include <stdlib.h>

#include "actors.h"
#include "campaign.h"

enum {
    CUT_OFF_MS = 400, /* less than it takes to be found dead */
    SHORT_MS = 300,
    TWO_MASTERS_MS = 1500, /* how long, at most, sentinels' old master is left as one */
    PAUSE_MS = 60000,      /* ends before by CLIENT UNPAUSE */
    HANDOVER_MS = 90000
};

/* ---- Masters --------------------------------------------------------------------------------- */

static history_fault begin_lossy(campaign *c, shard *s, const char *kind)
{
    history_fault fault = faults_begin(kind);
    fault.partitions = nodes_partitions(c, s);
    nodes_secure(c, s);
    fault.began_us = fault.lossy_from_us = s->safe_us;
    return fault;
}

/* What the master does from now on, its replicas do not hear; they are thawed when it is gone. */
static void cut_off(campaign *c, shard *s)
{
    for (int i = 0; i < s->count; i++) {
        if (i != s->master) server_freeze(s->servers[i]);
    }
    server_do(s->servers[s->master], "CLIENT KILL TYPE replica");
    faults_wait_ms(c, campaign_draw(c, CUT_OFF_MS));
}

static void replace_dead(campaign *c, const char *kind, bool is_cut_off)
{
    shard *s = nodes_draw(c);
    int old = s->master;
    history_fault fault = begin_lossy(c, s, kind);
    if (is_cut_off) cut_off(c, s);
    server_kill(s->servers[old]);
    fault.lossy_to_us = history_now_us();
    for (int i = 0; is_cut_off && i < s->count; i++) {
        if (i != old) server_thaw(s->servers[i]);
    }
    int promoted = nodes_await_promotion(c, s);
    fault.known_us = history_now_us();
    nodes_promote(c, s, promoted, &fault);
    faults_end(c, fault);
    nodes_set_clock(c, s, old);
    nodes_restart(c, s, old);
}

static void kill_master(campaign *c)
{
    replace_dead(c, "master-kill", false);
}

static void cut_off_and_kill_master(campaign *c)
{
    replace_dead(c, "cut-off-kill", true);
}

/* A master that slept while another took its place: when it wakes it is one still, for a while. */
static void freeze_master(campaign *c)
{
    shard *s = nodes_draw(c);
    int old = s->master;
    history_fault fault = begin_lossy(c, s, "master-stop");
    server_freeze(s->servers[old]);
    fault.lossy_to_us = history_now_us();
    int promoted = nodes_await_promotion(c, s);
    history_fault two = faults_begin("two-masters");
    two.partitions = fault.partitions;
    two.lossy_from_us = two.began_us;
    server_thaw(s->servers[old]);
    if (c->sentinels != NULL) {
        faults_wait_ms(c, campaign_draw(c, TWO_MASTERS_MS));
        server_do(s->servers[old], "REPLICAOF 127.0.0.1 %d", server_port(s->servers[promoted]));
    }
    UNTIL(HANDOVER_MS, !nodes_is_master(s->servers[old]));
    two.lossy_to_us = history_now_us();
    nodes_promote(c, s, promoted, &fault);
    faults_end(c, fault);
    faults_end(c, two);
    nodes_settle(c, s);
}

/* As sentinels do it when asked: the old master goes on until it is told, and forgets what it did. */
static void hand_over_rashly(campaign *c)
{
    shard *s = nodes_draw(c);
    int old = s->master;
    history_fault fault = begin_lossy(c, s, "asked-failover");
    int promoted = (int)sentinel_fail_over(c->sentinels, (size_t)old);
    UNTIL(HANDOVER_MS, !nodes_is_master(s->servers[old]));
    fault.lossy_to_us = history_now_us();
    nodes_promote(c, s, promoted, &fault);
    faults_end(c, fault);
    nodes_settle(c, s);
}

/* As an operator does it who wants nothing forgotten: no writes until the old master is a replica. */
static int hand_over_paused(campaign *c, shard *s)
{
    test_server *old = s->servers[s->master];
    server_do(old, "CLIENT PAUSE %d WRITE", PAUSE_MS);
    int promoted = (int)sentinel_fail_over(c->sentinels, (size_t)s->master);
    server_do(old, "REPLICAOF 127.0.0.1 %d", server_port(s->servers[promoted]));
    server_do(old, "CLIENT UNPAUSE");
    return promoted;
}

static void hand_over_shard(campaign *c, shard *s)
{
    history_fault fault = faults_begin("handover");
    int promoted = s->master == 0 ? 1 : 0;
    test_server *old = s->servers[s->master];
    fault.partitions = nodes_partitions(c, s);
    nodes_secure(c, s);
    if (c->sentinels != NULL) {
        promoted = hand_over_paused(c, s);
    } else {
        cluster_fail_over(c->cluster, nodes_index(c, s, promoted));
    }
    UNTIL(HANDOVER_MS, !nodes_is_master(old));
    nodes_promote(c, s, promoted, &fault);
    faults_end(c, fault);
    nodes_settle(c, s);
}

static void hand_over(campaign *c)
{
    hand_over_shard(c, nodes_draw(c));
}

/* Replicas come back with other clocks, and one of them takes over: a step of the clock, noted with
 * the handover. */
static void step_clock(campaign *c)
{
    shard *s = nodes_draw(c);
    for (int i = 0; i < s->count; i++) {
        if (i == s->master) continue;
        server_shut_down(s->servers[i]);
        nodes_set_clock(c, s, i);
        nodes_restart(c, s, i);
    }
    hand_over_shard(c, s);
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static bool all_see(const campaign *c, int slot, size_t owner)
{
    for (size_t i = 0; i < c->cluster->count; i++) {
        if (cluster_owner(c->cluster, i, slot) != owner) return false;
    }
    return true;
}

/* One key at a time, with pauses: for a while the keys of a partition are on two nodes. */
static void move_slot(campaign *c)
{
    int partition = (int)campaign_draw(c, c->partitions);
    int slot = cluster_slot(CAMPAIGN_QUEUE, partition);
    size_t masters = c->cluster->masters, step = 1 + (size_t)campaign_draw(c, (int64_t)masters - 1);
    size_t seen_by = nodes_index(c, c->shards, c->shards[0].master);
    size_t owner = cluster_owner(c->cluster, seen_by, slot);
    const shard *from = &c->shards[owner % masters], *to = &c->shards[(owner + step) % masters];
    size_t target = nodes_index(c, to, to->master);
    history_fault fault = faults_begin("move-slot");
    fault.partitions = (int64_t)1 << partition;
    cluster_migrate_begin(c->cluster, slot, owner, target);
    while (cluster_migrate_keys(c->cluster, slot, owner, target, 1) > 0) {
        faults_wait_ms(c, campaign_draw(c, 100));
    }
    cluster_migrate_end(c->cluster, slot, target);
    history_fault clock = fault;
    clock.kind = "clock";
    clock.amount = to->clock_ms[to->master] - from->clock_ms[from->master];
    UNTIL(HANDOVER_MS, all_see(c, slot, target));
    faults_end(c, fault);
    if (clock.amount != 0) faults_end(c, clock);
}

/* ---- One server, or all of them -------------------------------------------------------------- */

static test_server *draw_server(campaign *c)
{
    shard *s = nodes_draw(c);
    return s->servers[campaign_draw(c, s->count)];
}

static void kick(campaign *c, test_server *server)
{
    (void)c;
    server_do(server, "CLIENT KILL TYPE normal SKIPME yes");
}

static void kick_clients(campaign *c)
{
    history_fault fault = faults_begin("client-kill");
    kick(c, draw_server(c));
    faults_end(c, fault);
}

static void cut_all(campaign *c)
{
    history_fault fault = faults_begin("cut");
    for (int i = 0; i < c->shard_count; i++) {
        for (int k = 0; k < c->shards[i].count; k++) kick(c, c->shards[i].servers[k]);
    }
    faults_end(c, fault);
}

/* Requests that are held by the server, and whose connections are cut before it works on them. */
static void lose_requests(campaign *c)
{
    const shard *s = nodes_draw(c);
    test_server *server = s->servers[s->master];
    history_fault fault = faults_begin("lose-request");
    server_do(server, "CLIENT PAUSE %d WRITE", PAUSE_MS);
    faults_wait_ms(c, campaign_draw(c, SHORT_MS));
    kick(c, server);
    server_do(server, "CLIENT UNPAUSE");
    faults_end(c, fault);
}

static void forget_scripts(campaign *c)
{
    history_fault fault = faults_begin("script-flush");
    server_do(draw_server(c), "SCRIPT FLUSH");
    faults_end(c, fault);
}

/* Not so long that it is replaced. */
static void stop_server(campaign *c)
{
    history_fault fault = faults_begin("server-stop");
    test_server *server = draw_server(c);
    server_freeze(server);
    faults_wait_ms(c, campaign_draw(c, SHORT_MS));
    server_thaw(server);
    faults_end(c, fault);
}

static void restart_sentinel(campaign *c)
{
    history_fault fault = faults_begin("sentinel-restart");
    test_server *sentinel = c->sentinels->sentinels[campaign_draw(c, SENTINELS)];
    server_kill(sentinel);
    faults_wait_ms(c, campaign_draw(c, SHORT_MS));
    server_restart(sentinel);
    faults_end(c, fault);
}

/* ---- The tables ------------------------------------------------------------------------------ */

const fault_kind faults_of_cluster[] = {
    {"kill", faults_kill_one, false},
    {"stop", faults_stop_one, false},
    {"handover", hand_over, false},
    {"clock", step_clock, false},
    {"move-slot", move_slot, false},
    {"client-kill", kick_clients, false},
    {"cut", cut_all, false},
    {"lose-request", lose_requests, false},
    {"script-flush", forget_scripts, false},
    {"server-stop", stop_server, false},
    {"master-kill", kill_master, true},
    {"cut-off-kill", cut_off_and_kill_master, true},
    {"master-stop", freeze_master, true},
    {NULL, NULL, false},
};

const fault_kind faults_of_sentinels[] = {
    {"kill", faults_kill_one, false},
    {"stop", faults_stop_one, false},
    {"handover", hand_over, false},
    {"clock", step_clock, false},
    {"client-kill", kick_clients, false},
    {"cut", cut_all, false},
    {"lose-request", lose_requests, false},
    {"script-flush", forget_scripts, false},
    {"server-stop", stop_server, false},
    {"sentinel-restart", restart_sentinel, false},
    {"master-kill", kill_master, true},
    {"cut-off-kill", cut_off_and_kill_master, true},
    {"master-stop", freeze_master, true},
    {"asked-failover", hand_over_rashly, true},
    {NULL, NULL, false},
};
