/* A campaign: actors at work through a fault proxy on a server that keeps its data, while faults
 * strike as the seed draws them; then all is healed, drained, dumped and checked.
 *     main.c     options, the course of a campaign
 *     crew.c     the actors' processes
 *     faults.c   what can be broken, and how
 *     report.c   what is printed
 *     actors.c, producer.c, worker.c   what runs in the actors' processes */
#ifndef TESTS_CAMPAIGN_CAMPAIGN_H
#define TESTS_CAMPAIGN_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "support/checker.h"
#include "support/history.h"
#include "support/proxy.h"
#include "support/server.h"
#include "support/skew.h"

enum { CREW_MAX = 64 };

/* A place in the crew; when its process dies another takes it, under another number. */
typedef struct member {
    const char *role;
    pid_t pid;
    int process;
    int64_t stopped_us; /* when it was stopped; 0: it runs */
    int64_t resume_us;  /* and until when */
} member;

typedef struct campaign_options {
    uint64_t seed;
    int64_t seconds; /* of faults; healing and draining come after */
    int producers;
    int workers;              /* 0: as the seed draws */
    const char *history_path; /* NULL: kept only when something is wrong */
} campaign_options;

typedef struct campaign {
    campaign_options options;
    uint64_t random;
    char history_path[4096];
    history_writer *history;
    test_server *server;
    proxy *proxy;
    skew *clock;
    int64_t clock_ms, clock_max_ms;
    int partitions;
    member crew[CREW_MAX];
    int crew_size;
    int next_process;
    int64_t drain_ms; /* how long it took after healing */
} campaign;

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

/* ---- report.c -------------------------------------------------------------------------------- */

void report_verdict(FILE *out, const history *h, const checker_verdict *v);

#endif
