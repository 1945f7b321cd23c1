/* A private Redis or Valkey Cluster for one test program: masters, each with a replica if wanted, on
 * free ports of 127.0.0.1, in temporary folders, gone with the test. And a master with two replicas
 * and three sentinels.
 *
 *     static int setup(void **state)
 *     {
 *         *state = cluster_start(3, true);
 *         return 0;
 *     }
 *
 * As in server.h, whatever goes wrong in here fails the running test with a message. */
#ifndef TESTS_SUPPORT_CLUSTER_FIXTURE_H
#define TESTS_SUPPORT_CLUSTER_FIXTURE_H

#include "server.h"

#include <dueq.h>

enum { CLUSTER_NODES_MAX = 10, CLUSTER_SLOTS = 16384, CLUSTER_NODE_TIMEOUT_MS = 1000 };

/* Holds: nodes[0 … masters) began as the masters, in the order of their slots; after them come, in
 * the same order, their replicas, if any; and last those that were added. */
typedef struct cluster {
    test_server *nodes[CLUSTER_NODES_MAX];
    size_t count;
    size_t masters, replicas;
    int64_t elected_ms[CLUSTER_NODES_MAX]; /* when it last took over, as far as known; 0: never */
    bool tls;
    char cert[4200]; /* TLS: the authority's certificate */
    char url[8192];  /* "redis-cluster://127.0.0.1:PORT,…" */
} cluster;

typedef struct cluster_options {
    size_t masters; /* 3 by default */
    bool replicas;
    const char *config; /* more lines for redis.conf, of every node */
    const char *tls; /* the common path of a certificate's files, and of its authority's (".ca") */
} cluster_options;

/* Returns once every node finds the cluster well and every replica follows. */
cluster *cluster_start(const cluster_options *options);
void cluster_free(cluster *c); /* NULL is fine */

dueq *cluster_open(const cluster *c);
/* Nothing on any node, every node up and in its place of the beginning. */
void cluster_reset(cluster *c);

bool cluster_is_master(cluster *c, size_t node);
/* By it the latest of two that take themselves for the master of the same slots is known. */
long long cluster_epoch(cluster *c, size_t node);
/* A node has taken over without being asked here; and the wait until it can be elected again. */
void cluster_note_elected(cluster *c, size_t node);
void cluster_await_votes(cluster *c, size_t node);
/* A replica takes over from its master, in good order. */
void cluster_fail_over(cluster *c, size_t replica);

/* One more master, without slots, known to all. Its index. */
size_t cluster_add(cluster *c);
/* Takes a node that serves nothing out of the cluster, and stops it. It stays in `nodes`. */
void cluster_forget(cluster *c, size_t node);

/* All nodes go by that host name, and all know it of each other; NULL: by their addresses again. */
void cluster_announce(cluster *c, const char *host);

/* Which node serves a slot, as node `seen_by` sees it: waited for, since after a failover it may first
 * hear that the old master is none, and then who is. */
size_t cluster_owner(cluster *c, size_t seen_by, int slot);
/* The slot of a partition of a queue. */
int cluster_slot(const char *queue, int partition);

/* Begins to move a slot: `from` migrates, `to` imports. */
void cluster_migrate_begin(cluster *c, int slot, size_t from, size_t to);
/* Moves up to `count` of the slot's keys; returns how many there were. */
size_t cluster_migrate_keys(cluster *c, int slot, size_t from, size_t to, int count);
/* Ends it: every master that is up is told of the new owner. Returns once all agree, the replicas, too:
 * one that took over from its master before would not get the slot, and nobody would have it. */
void cluster_migrate_end(cluster *c, int slot, size_t to);
/* All three. */
void cluster_move_slot(cluster *c, int slot, size_t from, size_t to);

/* Waits until every node that is up finds every slot served, and all agree who serves which. */
void cluster_await_ok(cluster *c);

/* ---- Sentinels ------------------------------------------------------------------------------- */

enum { SENTINEL_SERVERS = 3, SENTINELS = 3 };

typedef struct sentinel_set {
    test_server *servers[SENTINEL_SERVERS]; /* the first began as the master */
    test_server *sentinels[SENTINELS];
    char url[512]; /* "redis-sentinel://…/mymaster" */
} sentinel_set;

/* Returns once every sentinel knows the others and both replicas. */
sentinel_set *sentinel_start(void);
void sentinel_free(sentinel_set *s); /* NULL is fine */
/* Which server a sentinel names; SENTINEL_SERVERS for none of them. */
size_t sentinel_master(sentinel_set *s, size_t sentinel);
/* Whether a sentinel has that server for the master, in good order, and no failover under way. One that
 * is at its end names the new master already; and if that is killed before it is over, it never is. */
bool sentinel_rests(sentinel_set *s, size_t sentinel, size_t server);
/* Which one they will all name: one that has not heard of a failover yet still names the old master. */
size_t sentinel_newest_master(sentinel_set *s);
/* Another takes over from `old`, as sentinels do it when asked; which. Asked until it is done: while no
 * replica is found in good order a failover is given up. */
size_t sentinel_fail_over(sentinel_set *s, size_t old);

#endif
