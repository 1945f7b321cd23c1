/* The simulation: the library itself, unchanged, in one process with a model of its server that runs
 * the real scripts, under a clock and over a network of our own. All that chance decides is drawn
 * from a seed, so that a run can be had again to the byte.
 *     fibers.c   who runs when, and what time it is
 *     net.c      sockets, and what becomes of the bytes on their way
 *     node.c     the server: commands in, answers out; front.lua on tests/model/redis.lua
 *     libc.c     what the library calls of the system, led here by the linker (--wrap)
 *     nemesis.c  what goes wrong
 *     main.c     one seed, many seeds, planted bugs
 * Producers and workers are those of tests/campaign/, the judge is tests/support/checker.h. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/history.h"

/* ---- fibers.c -------------------------------------------------------------------------------- */

enum { FIBERS_MAX = 96 };

typedef void fiber_fn(void *context);

/* Runs beside the others from now on. Its number, from 1 on. */
int fiber_start(fiber_fn *run, void *context);
/* It never runs again, wherever it was; what it held stays as it is. */
void fiber_kill(int number);
bool fiber_is_alive(int number);
/* It does not run before that time. */
void fiber_freeze(int number, int64_t until_us);
/* How far its wall clock is from everybody's. */
void fiber_set_wall_us(int number, int64_t offset_us);
int64_t fiber_wall_us(void); /* of the one that runs */
int fiber_self(void);        /* 0: none runs */

/* In a fiber: others run until `ready(context)`, or until that time. */
typedef bool fiber_ready_fn(const void *context);
void fiber_wait(fiber_ready_fn *ready, const void *context, int64_t until_us);
void fiber_sleep_us(int64_t span_us);

/* Runs all fibers until the first of them has ended. False: they ran too long. */
bool fibers_run(void);

int64_t sim_now_us(void);
uint64_t sim_random(void);
int64_t sim_draw(int64_t below); /* evenly from 0 */
bool sim_chance(int percent);
void sim_seed(uint64_t seed);

/* Something to happen at a time; what is due at the same time happens in the order of the calls. */
typedef void event_fn(void *context);
void sim_at(int64_t at_us, event_fn *run, void *context);

/* Everything that happens leaves its trace here. */
void sim_trace(const char *what, int64_t number, const void *bytes, size_t len);
uint64_t sim_trace_hash(void);
void sim_show_trace(bool show_it);

/* ---- net.c ----------------------------------------------------------------------------------- */

/* What is done to the next requests that come to the server, or to their answers. */
typedef enum trick_kind {
    TRICK_NONE,
    TRICK_LOSE_REQUEST, /* it never comes there; the connection is gone */
    TRICK_LOSE_REPLY,   /* it runs, and its answer never comes; the connection is gone */
    TRICK_CUT_REPLY,    /* the answer ends within */
    TRICK_HOLD_REPLY,   /* it comes late, very late now and then */
    TRICK_SILENCE,      /* from now on nothing comes through, and nobody is told */
    TRICK_KINDS
} trick_kind;

const char *trick_name(trick_kind kind);
/* For so many script calls from now on. */
void net_arm(trick_kind kind, int times);
int net_struck(void); /* how often, since it was armed */

/* All connections break now: what is on its way is lost. */
void net_reset_all(void);
/* A fiber was killed: its connections end, or nobody is told of it. */
void net_orphan(int fiber, bool silently);
void net_set_slow(bool slow); /* tens of milliseconds each way, and in small pieces */

/* Sockets, as the system has them; numbers from NET_FD_BASE on. */
enum { NET_FD_BASE = 1 << 20 };
int net_socket(void);
int net_connect(int fd);                                   /* 0, or an errno */
int net_connect_error(int fd);                             /* SO_ERROR */
ptrdiff_t net_send(int fd, const void *bytes, size_t len); /* or -errno */
ptrdiff_t net_recv(int fd, void *bytes, size_t len);
void net_close(int fd);
short net_events(int fd);

/* For node.c: an answer on its way to a client. */
void net_answer(int client, const char *bytes, size_t len, bool is_script);

/* ---- node.c ---------------------------------------------------------------------------------- */

/* A planted bug: `this`, which must stand in that script exactly once, becomes `that`. */
typedef struct planted_bug {
    const char *name, *script, *this, *that;
} planted_bug;

void node_start(const char *source_dir, const planted_bug *bug);
bool node_accepts(void);        /* whether it is there for a new connection */
int64_t node_hears_at_us(void); /* when it works on what comes: it may be stopped */
void node_receive(int client, const char *bytes, size_t len);
void node_disconnect(int client);

void node_crash(int64_t down_us, int64_t loading_us); /* all it has stays, but scripts */
void node_stop(int64_t for_us);
void node_flush_scripts(void);
void node_refuse(const char *error, int64_t for_us); /* scripts are answered with it */
void node_fill(int64_t for_us);                      /* memory is full */
void node_step_clock(int64_t ms);
int64_t node_alive_tasks(const char *queue, int partitions); /* waiting, ready, leased */

/* ---- nemesis.c ------------------------------------------------------------------------------- */

typedef struct sim_actor {
    int fiber, process;
    bool is_producer;
} sim_actor;

typedef struct sim_world {
    uint64_t seed;
    int64_t rage_us; /* how long things go wrong */
    int partitions;
    sim_actor actors[FIBERS_MAX];
    int actor_count, process_count;
    char history_path[64];
    history_writer *history;
    int64_t clock_ms,
        clock_max_ms; /* how far the server's clock was put, and the most it ever was */
} sim_world;

void actor_begin(sim_world *w, bool is_producer);
void actor_end(sim_world *w, int at, bool silently); /* it is killed, at whatever it is */

/* In a fiber: until its time is over, and all is healed. */
void nemesis_run(sim_world *w);

#endif
