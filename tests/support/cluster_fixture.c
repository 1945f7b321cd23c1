/* Clusters and sentinels of the tests' own, formed by plain commands as an operator would. */
#include "cluster_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

enum { FORM_MS = 30000, MIGRATE_MS = 10000, ASK_AGAIN_MS = 5000 };

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool is_up(const test_server *s)
{
    return s != NULL && server_pid(s) != 0;
}

static bool tells(test_server *s, const char *command, const char *part)
{
    char *text = server_text(s, command);
    bool found = text != NULL && strstr(text, part) != NULL;
    free(text);
    return found;
}

static char *id_of(test_server *s)
{
    return server_text(s, "CLUSTER MYID");
}

static int port_of(const cluster *c, size_t node)
{
    return c->tls ? server_tls_port(c->nodes[node]) : server_port(c->nodes[node]);
}

/* ---- Forming --------------------------------------------------------------------------------- */

static void start_node(cluster *c, const cluster_options *options, int *bus_port)
{
    char config[1024], key[4200], cert[4200];
    *bus_port = server_free_port();
    snprintf(config, sizeof config,
             "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout %d\n"
             "cluster-port %d\ncluster-allow-replica-migration no\nrepl-diskless-sync yes\n"
             "repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\nenable-debug-command yes\n"
             "%s%s",
             CLUSTER_NODE_TIMEOUT_MS, *bus_port,
             options->tls ? "tls-replication yes\ntls-cluster yes\n" : "",
             options->config ? options->config : "");
    server_options server = {.tcp = true, .config = config};
    if (options->tls) {
        snprintf(cert, sizeof cert, "%s.crt", options->tls);
        snprintf(key, sizeof key, "%s.key", options->tls);
        server.tls_cert_file = cert;
        server.tls_key_file = key;
        server.tls_ca_file = c->cert;
    }
    c->nodes[c->count++] = server_start(&server);
}

static void meet(cluster *c, size_t from, size_t to, int to_bus_port)
{
    server_do(c->nodes[from], "CLUSTER MEET 127.0.0.1 %d %d", port_of(c, to), to_bus_port);
}

static void give_slots(cluster *c)
{
    size_t count = c->masters;
    for (size_t i = 0; i < count; i++) {
        int first = (int)(CLUSTER_SLOTS * i / count), end = (int)(CLUSTER_SLOTS * (i + 1) / count);
        server_do(c->nodes[i], "CLUSTER SET-CONFIG-EPOCH %d", (int)i + 1);
        server_do(c->nodes[i], "CLUSTER ADDSLOTSRANGE %d %d", first, end - 1);
    }
}

static bool all_know(cluster *c, const char *command, const char *part)
{
    for (size_t i = 0; i < c->count; i++)
        if (is_up(c->nodes[i]) && !tells(c->nodes[i], command, part)) return false;
    return true;
}

static bool all_have_met(cluster *c)
{
    bool met = true;
    for (size_t i = 0; i < c->count && met; i++) {
        char *id = id_of(c->nodes[i]);
        met = all_know(c, "CLUSTER NODES", id) && !tells(c->nodes[i], "CLUSTER NODES", "handshake");
        free(id);
    }
    return met;
}

static void follow_masters(cluster *c)
{
    for (size_t i = 0; i < c->masters; i++) {
        char *id = id_of(c->nodes[i]);
        server_do(c->nodes[c->masters + i], "CLUSTER REPLICATE %s", id);
        free(id);
    }
    for (size_t i = 0; i < c->masters; i++) {
        char *id = id_of(c->nodes[i]), role[64];
        snprintf(role, sizeof role, "slave %s", id);
        UNTIL(FORM_MS, all_know(c, "CLUSTER NODES", role));
        UNTIL(FORM_MS,
              tells(c->nodes[c->masters + i], "INFO replication", "master_link_status:up"));
        free(id);
    }
}

static void write_url(cluster *c, const cluster_options *options)
{
    int len = snprintf(c->url, sizeof c->url, "redis%s-cluster://", options->tls ? "s" : "");
    for (size_t i = 0; i < c->count; i++)
        len += snprintf(c->url + len, sizeof c->url - (size_t)len, "%s127.0.0.1:%d", i ? "," : "",
                        port_of(c, i));
    if (options->tls) snprintf(c->url + len, sizeof c->url - (size_t)len, "?cacert=%s", c->cert);
}

/* A field of CLUSTER INFO; -1: it is not there. */
static long long told(test_server *s, const char *field)
{
    char *info = server_text(s, "CLUSTER INFO");
    const char *at = info ? strstr(info, field) : NULL;
    long long value = at ? strtoll(at + strlen(field), NULL, 10) : -1;
    free(info);
    return value;
}

static long long epoch_of(test_server *s)
{
    return told(s, "cluster_current_epoch:");
}

long long cluster_epoch(cluster *c, size_t node)
{
    return told(c->nodes[node], "cluster_my_epoch:");
}

/* A move raises the epoch without asking the others. A replica that takes over before it has heard of
 * that may get the same one, and then nobody believes it the slots. */
static bool agree_on_epoch(cluster *c)
{
    long long epoch = -1;
    for (size_t i = 0; i < c->count; i++) {
        if (!is_up(c->nodes[i])) continue;
        if (epoch < 0) epoch = epoch_of(c->nodes[i]);
        if (epoch_of(c->nodes[i]) != epoch) return false;
    }
    return true;
}

/* What a node knows of another, by its id: its role, its master, its epoch, its slots; or NULL. Yours
 * to free. Not which slots are on their way: that it knows only of its own. */
static char *known_of(test_server *seen_by, const char *id)
{
    char *nodes = server_text(seen_by, "CLUSTER NODES"), *known = NULL, *rest = NULL;
    for (char *line = strtok_r(nodes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char role[64], master[64], epoch[32], *moving = strstr(line, " [");
        int slots = 0;
        bool is_its_own = strncmp(line, id, strlen(id)) == 0; /* its replica's names it, too */
        if (!is_its_own) continue;
        if (moving) *moving = '\0';
        sscanf(line, "%*s %*s %63s %63s %*s %*s %31s %*s%n", role, master, epoch, &slots);
        const char *bare = strncmp(role, "myself,", 7) == 0 ? role + 7 : role;
        if (asprintf(&known, "%s %s %s%s", bare, master, epoch, line + slots) < 0) known = NULL;
    }
    free(nodes);
    return known;
}

/* Whether all others know of a node what it knows of itself. */
static bool agree_on_node(cluster *c, size_t node)
{
    char *id = id_of(c->nodes[node]), *own = known_of(c->nodes[node], id);
    bool agree = own != NULL;
    for (size_t i = 0; i < c->count && agree; i++) {
        if (!is_up(c->nodes[i])) continue;
        char *known = known_of(c->nodes[i], id);
        agree = known != NULL && strcmp(known, own) == 0;
        free(known);
    }
    free(own);
    free(id);
    return agree;
}

/* A node hears late that another has become a master, or has more slots; until then it finds all
 * slots served, by who no longer does. It refuses to move one to the new master, and, if it is a
 * replica, would take over with fewer slots than its master had, or be refused the votes. */
static bool all_agree(cluster *c)
{
    bool agree = agree_on_epoch(c);
    for (size_t i = 0; i < c->count && agree; i++)
        if (is_up(c->nodes[i])) agree = agree_on_node(c, i);
    return agree;
}

void cluster_await_ok(cluster *c)
{
    UNTIL(FORM_MS, all_know(c, "CLUSTER INFO", "cluster_state:ok") &&
                       all_know(c, "CLUSTER INFO", "cluster_slots_ok:16384") && all_agree(c));
}

cluster *cluster_start(const cluster_options *options)
{
    cluster *c = calloc(1, sizeof *c);
    int bus_ports[CLUSTER_NODES_MAX];
    c->masters = options->masters ? options->masters : 3;
    c->tls = options->tls != NULL;
    if (c->tls) snprintf(c->cert, sizeof c->cert, "%s.ca.crt", options->tls);
    c->replicas = options->replicas ? c->masters : 0;
    size_t count = c->masters + c->replicas;
    for (size_t i = 0; i < count; i++) start_node(c, options, &bus_ports[i]);
    give_slots(c);
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++) meet(c, i, k, bus_ports[k]);
    UNTIL(FORM_MS, all_have_met(c));
    if (options->replicas) follow_masters(c);
    cluster_await_ok(c);
    write_url(c, options);
    return c;
}

void cluster_free(cluster *c)
{
    if (c == NULL) return;
    for (size_t i = 0; i < c->count; i++) server_free(c->nodes[i]);
    free(c);
}

dueq *cluster_open(const cluster *c)
{
    dueq *handle = NULL;
    int rc = dueq_open(&handle, c->url, NULL);
    if (rc != DUEQ_OK) fail_msg("%s: %d, %s", c->url, rc, dueq_error(handle));
    return handle;
}

size_t cluster_add(cluster *c)
{
    int bus_port;
    size_t added = c->count;
    start_node(c, &(cluster_options){0}, &bus_port);
    char *id = id_of(c->nodes[added]);
    for (size_t i = 0; i < added; i++)
        if (is_up(c->nodes[i])) meet(c, i, added, bus_port);
    UNTIL(FORM_MS, all_know(c, "CLUSTER NODES", id));
    cluster_await_ok(c);
    free(id);
    return added;
}

void cluster_forget(cluster *c, size_t node)
{
    char *id = id_of(c->nodes[node]);
    server_kill(c->nodes[node]);
    for (size_t i = 0; i < c->count; i++)
        if (is_up(c->nodes[i])) server_do(c->nodes[i], "CLUSTER FORGET %s", id);
    free(id);
}

bool cluster_is_master(cluster *c, size_t node)
{
    return tells(c->nodes[node], "INFO replication", "role:master");
}

/* A server that is asked for votes again too soon after it was elected (seen with redis 7.0; valkey has
 * mended it) takes the old votes for new ones, and itself for the master, in an epoch that is over:
 * nobody believes it, and a master that is dead is not replaced. Restarted, it has forgotten them. */
static bool has_old_votes(const cluster *c, size_t node)
{
    return c->elected_ms[node] &&
           until_now_ms() - c->elected_ms[node] <= 4 * CLUSTER_NODE_TIMEOUT_MS;
}

static void restart_node(cluster *c, size_t node)
{
    server_restart(c->nodes[node]);
    c->elected_ms[node] = 0;
}

void cluster_note_elected(cluster *c, size_t node)
{
    c->elected_ms[node] = until_now_ms();
}

void cluster_await_votes(cluster *c, size_t node)
{
    UNTIL(FORM_MS, !has_old_votes(c, node));
}

/* Masters vote for one failover of a shard in a while: it is asked for until it is granted. */
void cluster_fail_over(cluster *c, size_t replica)
{
    cluster_await_votes(c, replica);
    UNTIL(FORM_MS, tells(c->nodes[replica], "INFO replication", "master_link_status:up"));
    int64_t deadline_ms = until_now_ms() + FORM_MS;
    while (!cluster_is_master(c, replica)) {
        int64_t again_ms = until_now_ms() + 2 * CLUSTER_NODE_TIMEOUT_MS;
        freeReplyObject(server_command(c->nodes[replica], "CLUSTER FAILOVER"));
        while (!cluster_is_master(c, replica) && until_again(again_ms)) {}
        if (until_now_ms() > deadline_ms) fail_msg("node %zu is not made a master", replica);
    }
    cluster_note_elected(c, replica);
}

/* A master that was replaced takes over again. */
static void put_back(cluster *c, size_t master)
{
    if (cluster_is_master(c, master)) return;
    cluster_note_elected(c, master + c->masters); /* or before */
    if (has_old_votes(c, master)) restart_node(c, master);
    cluster_fail_over(c, master);
}

void cluster_reset(cluster *c)
{
    size_t formed = c->masters + c->replicas; /* what was added since has left again */
    for (size_t i = 0; i < formed; i++)
        if (!is_up(c->nodes[i])) restart_node(c, i);
    cluster_await_ok(c);
    for (size_t i = 0; i < c->masters; i++) put_back(c, i);
    for (size_t i = c->masters; i < formed; i++)
        if (has_old_votes(c, i)) restart_node(c, i);
    for (size_t i = c->masters; i < formed; i++)
        UNTIL(FORM_MS, tells(c->nodes[i], "INFO replication", "master_link_status:up"));
    cluster_await_ok(c);
    for (size_t i = 0; i < c->masters; i++) server_do(c->nodes[i], "FLUSHALL SYNC");
}

/* ---- Names ----------------------------------------------------------------------------------- */

static bool names_all(test_server *s, const char *host)
{
    valkeyReply *runs = server_command(s, "CLUSTER SLOTS");
    bool all = runs->elements > 0;
    for (size_t i = 0; i < runs->elements; i++) {
        const valkeyReply *name = runs->element[i]->element[2]->element[0];
        all = all && name->str && strcmp(name->str, host) == 0;
    }
    freeReplyObject(runs);
    return all;
}

void cluster_announce(cluster *c, const char *host)
{
    for (size_t i = 0; i < c->count; i++)
        server_do(c->nodes[i],
                  "CONFIG SET cluster-announce-hostname %s cluster-preferred-endpoint-type %s",
                  host ? host : "", host ? "hostname" : "ip");
    for (size_t i = 0; i < c->count && host; i++) UNTIL(FORM_MS, names_all(c->nodes[i], host));
}

/* ---- Slots ----------------------------------------------------------------------------------- */

int cluster_slot(const char *queue, int partition)
{
    char tag[256];
    int len = snprintf(tag, sizeof tag, "%s:%d", queue, partition);
    return dq_crc16(tag, (size_t)len) % CLUSTER_SLOTS;
}

/* c->count: nobody does. */
static size_t find_owner(cluster *c, size_t seen_by, int slot)
{
    size_t owner = c->count;
    valkeyReply *runs = server_command(c->nodes[seen_by], "CLUSTER SLOTS");
    for (size_t r = 0; r < runs->elements; r++) {
        const valkeyReply *run = runs->element[r];
        if (slot < run->element[0]->integer || slot > run->element[1]->integer) continue;
        long long port = run->element[2]->element[1]->integer;
        for (size_t i = 0; i < c->count; i++)
            if (server_port(c->nodes[i]) == port || server_tls_port(c->nodes[i]) == port) owner = i;
    }
    freeReplyObject(runs);
    return owner;
}

size_t cluster_owner(cluster *c, size_t seen_by, int slot)
{
    size_t owner;
    UNTIL(FORM_MS, (owner = find_owner(c, seen_by, slot)) < c->count);
    return owner;
}

void cluster_migrate_begin(cluster *c, int slot, size_t from, size_t to)
{
    char *from_id = id_of(c->nodes[from]), *to_id = id_of(c->nodes[to]);
    server_do(c->nodes[to], "CLUSTER SETSLOT %d IMPORTING %s", slot, from_id);
    server_do(c->nodes[from], "CLUSTER SETSLOT %d MIGRATING %s", slot, to_id);
    free(from_id);
    free(to_id);
}

size_t cluster_migrate_keys(cluster *c, int slot, size_t from, size_t to, int count)
{
    valkeyReply *keys = server_command(c->nodes[from], "CLUSTER GETKEYSINSLOT %d %d", slot, count);
    size_t moved = keys->elements;
    for (size_t i = 0; i < moved; i++)
        server_do(c->nodes[from], "MIGRATE 127.0.0.1 %d %s 0 %d REPLACE", port_of(c, to),
                  keys->element[i]->str, MIGRATE_MS);
    freeReplyObject(keys);
    return moved;
}

void cluster_migrate_end(cluster *c, int slot, size_t to)
{
    char *id = id_of(c->nodes[to]);
    server_do(c->nodes[to], "CLUSTER SETSLOT %d NODE %s", slot, id);
    for (size_t i = 0; i < c->count; i++)
        if (i != to && is_up(c->nodes[i]) && cluster_is_master(c, i))
            server_do(c->nodes[i], "CLUSTER SETSLOT %d NODE %s", slot, id);
    free(id);
    UNTIL(FORM_MS, all_agree(c));
}

void cluster_move_slot(cluster *c, int slot, size_t from, size_t to)
{
    cluster_migrate_begin(c, slot, from, to);
    while (cluster_migrate_keys(c, slot, from, to, 100) > 0) {}
    cluster_migrate_end(c, slot, to);
}

/* ---- Sentinels ------------------------------------------------------------------------------- */

static void start_sentinel(sentinel_set *s, size_t i)
{
    char config[512];
    snprintf(config, sizeof config,
             "sentinel monitor mymaster 127.0.0.1 %d 2\nsentinel down-after-milliseconds mymaster "
             "500\nsentinel failover-timeout mymaster 3000\nsentinel parallel-syncs mymaster 2\n",
             server_port(s->servers[0]));
    s->sentinels[i] =
        server_start(&(server_options){.tcp = true, .sentinel = true, .config = config});
}

static bool sentinels_know_all(sentinel_set *s)
{
    for (size_t i = 0; i < SENTINELS; i++)
        if (!tells(s->sentinels[i], "INFO sentinel", "status=ok") ||
            !tells(s->sentinels[i], "INFO sentinel", "slaves=2,sentinels=3"))
            return false;
    return true;
}

sentinel_set *sentinel_start(void)
{
    sentinel_set *s = calloc(1, sizeof *s);
    for (size_t i = 0; i < SENTINEL_SERVERS; i++) {
        char config[256] = "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n"
                           "repl-ping-replica-period 1\n";
        size_t len = strlen(config);
        if (i > 0)
            snprintf(config + len, sizeof config - len, "replicaof 127.0.0.1 %d\n",
                     server_port(s->servers[0]));
        s->servers[i] = server_start(&(server_options){.tcp = true, .config = config});
    }
    for (size_t i = 1; i < SENTINEL_SERVERS; i++)
        UNTIL(FORM_MS, tells(s->servers[i], "INFO replication", "master_link_status:up"));
    for (size_t i = 0; i < SENTINELS; i++) start_sentinel(s, i);
    UNTIL(FORM_MS, sentinels_know_all(s));
    snprintf(
        s->url, sizeof s->url, "redis-sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/mymaster",
        server_port(s->sentinels[0]), server_port(s->sentinels[1]), server_port(s->sentinels[2]));
    return s;
}

void sentinel_free(sentinel_set *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < SENTINELS; i++) server_free(s->sentinels[i]);
    for (size_t i = 0; i < SENTINEL_SERVERS; i++) server_free(s->servers[i]);
    free(s);
}

size_t sentinel_master(sentinel_set *s, size_t sentinel)
{
    size_t found = SENTINEL_SERVERS;
    valkeyReply *reply =
        server_command(s->sentinels[sentinel], "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster");
    for (size_t i = 0; reply->elements == 2 && i < SENTINEL_SERVERS; i++)
        if (server_port(s->servers[i]) == atoi(reply->element[1]->str)) found = i;
    freeReplyObject(reply);
    return found;
}

/* A field of what a sentinel keeps of the master; yours to free. */
static char *kept(test_server *sentinel, const char *field)
{
    char *value = NULL;
    valkeyReply *reply = server_command(sentinel, "SENTINEL MASTER mymaster");
    for (size_t i = 0; i + 1 < reply->elements && !value; i += 2)
        if (strcmp(reply->element[i]->str, field) == 0) value = strdup(reply->element[i + 1]->str);
    freeReplyObject(reply);
    if (!value) fail_msg("a sentinel does not tell the master's %s", field);
    return value;
}

static long long config_epoch(test_server *sentinel)
{
    char *text = kept(sentinel, "config-epoch");
    long long epoch = atoll(text);
    free(text);
    return epoch;
}

bool sentinel_rests(sentinel_set *s, size_t sentinel, size_t server)
{
    char *port = kept(s->sentinels[sentinel], "port"),
         *flags = kept(s->sentinels[sentinel], "flags");
    bool rests = atoi(port) == server_port(s->servers[server]) && strcmp(flags, "master") == 0;
    free(port);
    free(flags);
    return rests;
}

size_t sentinel_newest_master(sentinel_set *s)
{
    size_t newest = SENTINEL_SERVERS;
    long long newest_epoch = -1;
    for (size_t i = 0; i < SENTINELS; i++) {
        if (!is_up(s->sentinels[i])) continue;
        long long epoch = config_epoch(s->sentinels[i]);
        if (epoch <= newest_epoch) continue;
        newest = sentinel_master(s, i);
        newest_epoch = epoch;
    }
    return newest;
}

size_t sentinel_fail_over(sentinel_set *s, size_t old)
{
    size_t now = old;
    int64_t deadline_ms = until_now_ms() + 2 * FORM_MS;
    while (now == old || now >= SENTINEL_SERVERS) {
        int64_t again_ms = until_now_ms() + ASK_AGAIN_MS;
        freeReplyObject(server_command(s->sentinels[0], "SENTINEL FAILOVER mymaster"));
        do now = sentinel_newest_master(s);
        while ((now == old || now >= SENTINEL_SERVERS) && until_again(again_ms));
        if (until_now_ms() > deadline_ms) fail_msg("server %zu is not replaced", old);
    }
    return now;
}
