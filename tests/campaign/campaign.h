/* A campaign: actors at work while faults strike as the seed draws them; then all is healed, drained,
 * dumped and checked. On one server that keeps its data, behind a fault proxy; on a cluster; or on a
 * master that sentinels watch.
 *     main.c     options, the course of a campaign
 *     crew.c     the actors' processes
 *     faults.c   the course of the faults; what can be broken of one server, and how
 *     faults_nodes.c   what can be broken of a cluster, or under sentinels
 *     nodes.c    those servers: who is master of what, and whose clock is where
 *     report.c   what is printed
 *     actors.c, producer.c, worker.c   what runs in the actors' processes */
#ifndef TESTS_CAMPAIGN_CAMPAIGN_H
#define TESTS_CAMPAIGN_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "support/checker.h"
#include "support/cluster_fixture.h"
#include "support/history.h"
#include "support/proxy.h"
#include "support/server.h"
#include "support/skew.h"

enum { CREW_MAX = 64, SHARDS_MAX = 3, SHARD_SERVERS_MAX = 3, KINDS_MAX = 32 };

/* A place in the crew; when its process dies another takes it, under another number. */
typedef struct member {
    const char *role;
    pid_t pid;
    int process;
    int64_t stopped_us; /* when it was stopped; 0: it runs */
    int64_t resume_us;  /* and until when */
} member;

/* A master and its replicas. Holds, while no fault is under way: servers[master] is the master, all
 * others follow it, and all are up. */
typedef struct shard {
    test_server *servers[SHARD_SERVERS_MAX];
    int64_t clock_ms[SHARD_SERVERS_MAX]; /* how far each one's clock is off */
    int count, master;
    long long epoch; /* the master's, in a cluster; a later master has a later one */
    int64_t safe_us; /* what was acknowledged before that is on its replicas */
} shard;

typedef enum campaign_shape { ON_ONE_SERVER, ON_CLUSTER, ON_SENTINELS } campaign_shape;

typedef struct campaign campaign;

/* A kind of fault; a lossy one lets a failover forget what was acknowledged. */
typedef struct fault_kind {
    const char *name;
    void (*cause)(campaign *c);
    bool lossy;
} fault_kind;

typedef struct campaign_options {
    campaign_shape shape;
    bool graceful; /* no lossy faults */
    bool durable;  /* changes wait until a replica has them */
    uint64_t seed;
    int64_t seconds; /* of faults; healing and draining come after */
    int producers;
    int workers;              /* 0: as the seed draws */
    const char *history_path; /* NULL: kept only when something is wrong */
} campaign_options;

struct campaign {
    campaign_options options;
    uint64_t random;
    char history_path[4096];
    history_writer *history;
    char url[8300]; /* the actors' */
    test_server *server;
    proxy *proxy;
    cluster *cluster;
    sentinel_set *sentinels;
    shard shards[SHARDS_MAX];
    int shard_count;
    const fault_kind *kinds[KINDS_MAX]; /* that may strike */
    int kind_count;
    skew *clock;
    int64_t clock_ms, clock_max_ms;
    int partitions;
    member crew[CREW_MAX];
    int crew_size;
    int next_process;
    int64_t drain_ms; /* how long it took after healing */
};

/* Evenly from 0 to below; the campaign's own, apart from what actors draw. */
int64_t campaign_draw(campaign *c, int64_t below);

/* ---- crew.c ---------------------------------------------------------------------------------- */

void crew_start(campaign *c);
member *crew_pick(campaign *c, const char *role);
void crew_kill(campaign *c, member *one);                 /* and puts another in its place */
void crew_stop(campaign *c, member *one, int64_t for_ms); /* if it runs */
void crew_resume(campaign *c, bool all);                  /* those whose time has come, or all */
void crew_dismiss(campaign *c, const char *role);         /* in good order; NULL: everybody */

/* ---- faults.c -------------------------------------------------------------------------------- */

void faults_plan(campaign *c); /* notes what will strike */
void faults_rage(campaign *c); /* for the campaign's time */
void faults_heal(campaign *c);

/* For faults_nodes.c and nodes.c: a fault from its beginning to its end, when it is noted. */
history_fault faults_begin(const char *kind);
void faults_end(campaign *c, history_fault fault);
void faults_wait_ms(campaign *c, int64_t ms); /* those who were stopped go on when it is time */
void faults_kill_one(campaign *c);
void faults_stop_one(campaign *c);

/* ---- faults_nodes.c -------------------------------------------------------------------------- */

extern const fault_kind faults_of_cluster[],
    faults_of_sentinels[]; /* ended by one without a name */

/* ---- nodes.c --------------------------------------------------------------------------------- */

void nodes_start(campaign *c);
void nodes_free(campaign *c);
void nodes_dump(campaign *c);
shard *nodes_draw(campaign *c);
/* Before each fault: notes failovers that nobody asked for, and has all shards secured. */
void nodes_look(campaign *c);
/* Waits until the replicas have all that was acknowledged before now. */
void nodes_secure(campaign *c, shard *s);
/* The partitions of its master, as history_fault has them. */
int64_t nodes_partitions(campaign *c, const shard *s);
size_t nodes_index(const campaign *c, const shard *s, int server); /* in the cluster's nodes */
bool nodes_is_master(test_server *server);
/* Waits until one of the others can be known as the master, and returns which. */
int nodes_await_promotion(campaign *c, const shard *s);
/* That one is the master from now on: notes the step of the clock from the fault's beginning. */
void nodes_promote(campaign *c, shard *s, int server, const history_fault *fault);
void nodes_set_clock(campaign *c, shard *s, int server); /* while it is down: to another time */
void nodes_restart(campaign *c, shard *s, int server); /* as a replica, and waits until it is one */
/* Waits until all that are up follow the master and all sentinels have it, and rest. It may be replaced
 * meanwhile, which is noted. */
void nodes_settle(campaign *c, shard *s);

/* ---- report.c -------------------------------------------------------------------------------- */

void report_verdict(FILE *out, const history *h, const checker_verdict *v);
void report_recovery(FILE *out, const history *h);

#endif
