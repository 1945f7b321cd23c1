/* The servers of a cluster, or under sentinels: who is master of what, and whose clock is where. */
#include <stdlib.h>
#include <string.h>

#include "actors.h"
#include "campaign.h"
#include "support/dump.h"

enum {
    FAILOVER_MS = 90000,
    SECURE_MS = 300, /* without replicas that keep up, the moment stays where it was */
    CLOCK_MS = 2000, /* either way: more than leases and delays, less than anybody waits */
};

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool tells(test_server *server, const char *part)
{
    char *text = server_text(server, "INFO replication");
    bool found = text != NULL && strstr(text, part) != NULL;
    free(text);
    return found;
}

bool nodes_is_master(test_server *server)
{
    return tells(server, "role:master");
}

static int64_t offset_of(test_server *server, const char *name)
{
    char *text = server_text(server, "INFO replication");
    const char *at = text != NULL ? strstr(text, name) : NULL;
    int64_t offset = at != NULL ? strtoll(at + strlen(name), NULL, 10) : -1;
    free(text);
    return offset;
}

size_t nodes_index(const campaign *c, const shard *s, int server)
{
    return (size_t)(s - c->shards) + (size_t)server * c->cluster->masters;
}

shard *nodes_draw(campaign *c)
{
    return &c->shards[campaign_draw(c, c->shard_count)];
}

/* ---- Who has which partition ----------------------------------------------------------------- */

static const shard *shard_of(campaign *c, int partition)
{
    if (c->sentinels != NULL) return c->shards;
    size_t seen_by = nodes_index(c, c->shards, c->shards[0].master);
    size_t owner = cluster_owner(c->cluster, seen_by, cluster_slot(CAMPAIGN_QUEUE, partition));
    return &c->shards[owner % c->cluster->masters];
}

int64_t nodes_partitions(campaign *c, const shard *s)
{
    int64_t partitions = 0;
    for (int p = 0; p < c->partitions; p++) {
        if (shard_of(c, p) == s) partitions |= (int64_t)1 << p;
    }
    return partitions;
}

void nodes_dump(campaign *c)
{
    for (int p = 0; p < c->partitions; p++) {
        const shard *s = shard_of(c, p);
        dump_partition(s->servers[s->master], CAMPAIGN_QUEUE, p, c->history);
    }
    history_note_dumped(c->history);
}

/* ---- Who is master --------------------------------------------------------------------------- */

static bool is_up(const test_server *server)
{
    return server_pid(server) != 0;
}

/* Of two in a cluster that take themselves for the master, the one of the later epoch is. */
static int find_new_master(const campaign *c, const shard *s)
{
    int newest = -1;
    long long newest_epoch = s->epoch;
    for (int i = 0; i < s->count; i++) {
        if (i == s->master || !is_up(s->servers[i]) || !nodes_is_master(s->servers[i])) continue;
        long long epoch = cluster_epoch(c->cluster, nodes_index(c, s, i));
        if (epoch <= newest_epoch) continue;
        newest = i;
        newest_epoch = epoch;
    }
    return newest;
}

/* Clients of sentinels know by them alone; a cluster's nodes tell of themselves. */
static int find_promoted(const campaign *c, const shard *s)
{
    if (c->cluster != NULL) return find_new_master(c, s);
    int named = (int)sentinel_newest_master(c->sentinels);
    return named < s->count && named != s->master ? named : -1;
}

static void note_epoch(const campaign *c, shard *s)
{
    if (c->cluster != NULL) s->epoch = cluster_epoch(c->cluster, nodes_index(c, s, s->master));
}

int nodes_await_promotion(campaign *c, const shard *s)
{
    int promoted = -1;
    int64_t deadline_ms = until_now_ms() + FAILOVER_MS;
    while ((promoted = find_promoted(c, s)) < 0) {
        crew_resume(c, false);
        if (!until_again(deadline_ms)) fail_msg("nobody is promoted within %d ms", FAILOVER_MS);
    }
    return promoted;
}

void nodes_promote(campaign *c, shard *s, int server, const history_fault *fault)
{
    int64_t step_ms = s->clock_ms[server] - s->clock_ms[s->master];
    s->master = server;
    note_epoch(c, s);
    if (c->cluster != NULL) cluster_note_elected(c->cluster, nodes_index(c, s, server));
    if (step_ms == 0) return;
    history_fault clock = *fault;
    clock.kind = "clock";
    clock.amount = step_ms;
    clock.lossy_from_us = clock.lossy_to_us = clock.known_us = 0;
    faults_end(c, clock);
}

static bool follows(const shard *s, int server)
{
    char port[32];
    snprintf(port, sizeof port, "master_port:%d\r", server_port(s->servers[s->master]));
    return tells(s->servers[server], port) && tells(s->servers[server], "master_link_status:up");
}

static bool is_settled(const campaign *c, const shard *s)
{
    for (size_t i = 0; c->sentinels != NULL && i < SENTINELS; i++) {
        if (!sentinel_rests(c->sentinels, i, (size_t)s->master)) return false;
    }
    for (int i = 0; i < s->count; i++) {
        if (i != s->master && is_up(s->servers[i]) && !follows(s, i)) return false;
    }
    return true;
}

/* On a busy machine a master is found dead that was only slow. */
static void note_unasked(campaign *c, shard *s, int promoted)
{
    history_fault fault = faults_begin("failover");
    test_server *old = s->servers[s->master];
    fault.began_us = fault.lossy_from_us = s->safe_us;
    fault.partitions = nodes_partitions(c, s);
    if (c->sentinels != NULL && is_up(old)) {
        server_do(old, "REPLICAOF 127.0.0.1 %d", server_port(s->servers[promoted]));
    }
    UNTIL(FAILOVER_MS, !is_up(old) || !nodes_is_master(old));
    fault.lossy_to_us = history_now_us();
    nodes_promote(c, s, promoted, &fault);
    faults_end(c, fault);
}

static void tell_unsettled(const campaign *c, const shard *s)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "server %d is the master; sentinels name", s->master);
    for (size_t i = 0; c->sentinels != NULL && i < SENTINELS; i++) {
        len += snprintf(text + len, sizeof text - (size_t)len, " %zu%s",
                        sentinel_master(c->sentinels, i),
                        sentinel_rests(c->sentinels, i, (size_t)s->master) ? "" : " (busy)");
    }
    for (int i = 0; i < s->count; i++) {
        const char *what = !is_up(s->servers[i])            ? "is down"
                           : nodes_is_master(s->servers[i]) ? "is a master"
                           : follows(s, i)                  ? "follows"
                                                            : "does not follow";
        len += snprintf(text + len, sizeof text - (size_t)len, "; server %d %s", i, what);
    }
    fail_msg("not settled within %d ms: %s", FAILOVER_MS, text);
}

void nodes_settle(campaign *c, shard *s)
{
    int64_t deadline_ms = until_now_ms() + FAILOVER_MS;
    while (!is_settled(c, s)) {
        int promoted = find_promoted(c, s);
        if (promoted >= 0) note_unasked(c, s, promoted);
        crew_resume(c, false);
        if (!until_again(deadline_ms)) tell_unsettled(c, s);
    }
    for (int i = 0; c->cluster != NULL && i < s->count; i++) {
        if (i != s->master) cluster_await_votes(c->cluster, nodes_index(c, s, i));
    }
    if (c->cluster != NULL) cluster_await_ok(c->cluster);
}

void nodes_secure(campaign *c, shard *s)
{
    int64_t now_us = history_now_us();
    int64_t offset = offset_of(s->servers[s->master], "master_repl_offset:");
    int64_t deadline_ms = until_now_ms() + SECURE_MS;
    bool reached = true;
    for (int i = 0; i < s->count && reached; i++) {
        while (i != s->master && offset_of(s->servers[i], "slave_repl_offset:") < offset) {
            if ((reached = until_again(deadline_ms)) == false) break;
        }
    }
    if (reached) s->safe_us = now_us;
    note_epoch(c, s);
    crew_resume(c, false);
}

void nodes_look(campaign *c)
{
    for (int i = 0; i < c->shard_count; i++) {
        shard *s = &c->shards[i];
        int promoted = find_promoted(c, s);
        if (promoted >= 0) {
            note_unasked(c, s, promoted);
            nodes_settle(c, s);
        }
        nodes_secure(c, s);
    }
}

/* ---- Up and down ----------------------------------------------------------------------------- */

void nodes_set_clock(campaign *c, shard *s, int server)
{
    s->clock_ms[server] = campaign_draw(c, 2 * CLOCK_MS) - CLOCK_MS;
    skew_set_one_ms(s->servers[server], s->clock_ms[server]);
}

/* While a sentinel still names a master that was replaced, that one must not come back, empty: a
 * client that asks there would write to it. So all is settled without it first.
 * Under sentinels it believes to be the master at first; they put it right after ten seconds, and
 * an operator, as a rule, before. */
void nodes_restart(campaign *c, shard *s, int server)
{
    nodes_settle(c, s);
    server_restart(s->servers[server]);
    if (c->sentinels != NULL && campaign_draw(c, 4) != 0) {
        server_do(s->servers[server], "REPLICAOF 127.0.0.1 %d", server_port(s->servers[s->master]));
    }
    nodes_settle(c, s);
}

static void start_cluster(campaign *c)
{
    c->cluster = cluster_start(&(cluster_options){.replicas = true});
    c->shard_count = (int)c->cluster->masters;
    for (int i = 0; i < c->shard_count; i++) {
        shard *s = &c->shards[i];
        s->count = 2;
        for (int k = 0; k < 2; k++) s->servers[k] = c->cluster->nodes[nodes_index(c, s, k)];
    }
}

/* So quick that a campaign sees many failovers, and not so quick that a busy machine causes some. */
static void start_sentinels(campaign *c)
{
    c->sentinels = sentinel_start();
    c->shard_count = 1;
    c->shards[0].count = SENTINEL_SERVERS;
    for (int k = 0; k < SENTINEL_SERVERS; k++) c->shards[0].servers[k] = c->sentinels->servers[k];
    for (size_t i = 0; i < SENTINELS; i++) {
        server_do(c->sentinels->sentinels[i],
                  "SENTINEL SET mymaster down-after-milliseconds 1000 failover-timeout 2000");
    }
}

void nodes_start(campaign *c)
{
    if (c->options.shape == ON_CLUSTER) start_cluster(c);
    if (c->options.shape == ON_SENTINELS) start_sentinels(c);
    for (int i = 0; i < c->shard_count; i++) {
        shard *s = &c->shards[i];
        for (int k = 1; k < s->count; k++) {
            server_shut_down(s->servers[k]);
            nodes_set_clock(c, s, k);
            nodes_restart(c, s, k);
        }
        s->safe_us = history_now_us();
    }
}

void nodes_free(campaign *c)
{
    cluster_free(c->cluster);
    sentinel_free(c->sentinels);
}
