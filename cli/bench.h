/* The benchmark: what one measurement is, and the parts that measurements are made of. Each kind
 * of measurement is one function that makes one run; what is done with several runs of it, and how
 * they are shown, no kind knows. */
#ifndef DUEQ_CLI_BENCH_H
#define DUEQ_CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <dueq.h>

#include "command.h"

/* ---- bench_numbers.c: pure */

/* The figures of a measurement, in the order in which they are shown. */
typedef enum bench_figure {
    BENCH_WAITING = 0,
    BENCH_TASKS_PER_S,
    BENCH_SERVER_US,      /* CPU time of the server a task; of a cluster's masters together */
    BENCH_BUSIEST_US,     /* the part of it that the busiest of several is */
    BENCH_PUSH_SERVER_US, /* the part of it that pushing is */
    BENCH_WORK_SERVER_US, /* … and that take and done are */
    BENCH_EARLY,
    BENCH_AGAIN, /* deliveries after a first one */
    BENCH_P50,
    BENCH_P90,
    BENCH_P99,
    BENCH_P999,
    BENCH_MAX,
    BENCH_BYTES,
    BENCH_COMMANDS_PER_S,
    BENCH_CPU_PERCENT,
    BENCH_SCRIPT_P99,
    BENCH_DRAIN_S,
    BENCH_FIGURE_COUNT
} bench_figure;

typedef struct bench_times {
    int64_t *us;
    size_t count, cap;
} bench_times;

void bench_times_add(bench_times *times, int64_t us);
void bench_times_join(bench_times *to, const bench_times *more);
void bench_times_free(bench_times *times);
void bench_times_sort(bench_times *times);
/* Of sorted times the one that `percent` of them are no longer than; 0 of none. */
int64_t bench_times_percentile(const bench_times *sorted, double percent);

/* A histogram's rows: times up to 1, 2, 5, 10, 20, 50 … µs; the last row has no bound. */
#define BENCH_ROW_COUNT 23
int64_t bench_row_bound_us(size_t row); /* INT64_MAX: none */
void bench_count_rows(const bench_times *sorted, int64_t counts[BENCH_ROW_COUNT]);

/* What one run found, or what several came to. A figure that does not apply is NAN. */
typedef struct bench_sample {
    double figures[BENCH_FIGURE_COUNT];
    bench_times times; /* of calls, or how late tasks were; sorted once the run is over */
} bench_sample;

void bench_sample_clear(bench_sample *sample); /* also makes a new one */
/* Fills the percentiles from the times, which it sorts. */
void bench_sample_finish(bench_sample *sample);
/* The median of each figure; of counts the sum, of the longest time the longest. */
void bench_combine(const bench_sample *runs, size_t run_count, bench_sample *all);

/* The next number of a sequence that is the same for the same seed. */
uint64_t bench_random(uint64_t *state);

/* Of script times before and after, the time that 99 % of the calls between took at most; NAN when
 * the server does not tell, or there were none. */
double bench_script_p99(const dueq_facts *before, const dueq_facts *after);

/* ---- What is to be measured */

typedef struct bench_plan {
    const char *kind;
    int64_t tasks, batch, payload_len;
    int64_t partitions;           /* of the queue; 0: what suits the server */
    int64_t workers, concurrency; /* processes, and tasks at a time in each */
    bool by_worker;               /* work: by the library's worker, not by single calls */
    int64_t seconds, rate;
    int64_t waiting; /* scale: so many tasks are there beforehand */
    int64_t seed, runs;
} bench_plan;

/* ---- bench_session.c: the server, and a queue on it */

#define BENCH_FAR_MS 3600000 /* due times that will not come while anything is measured */

typedef struct bench {
    const cli_call *call;
    dueq *handle;
    const char *url;
    dueq_facts server;       /* as it was at the start */
    int64_t look_cpu_us;     /* what looking at the server costs it */
    int64_t look_commands;   /* … and counts for */
    char queue[64];          /* "": there is none */
    uint64_t random;         /* state */
    struct bench_crew *crew; /* the worker processes; NULL: none */
    char label[96];          /* of the progress line */
    bool shows_progress;     /* stderr is a terminal */
    int64_t progress_at_us;  /* when it was last shown */
} bench;

/* Each returns a status; the reason of a failure has been said. */
int bench_open(bench *b, const cli_call *call);
void bench_close(bench *b); /* ends the crew, deletes the queue */
int bench_reopen(bench *b); /* after the handle was closed for a fork */
/* A new queue, in place of the one before. */
int bench_new_queue(bench *b, const bench_plan *plan);
/* How many partitions a plan's queue has. */
int64_t bench_partitions(const bench *b, const bench_plan *plan);
bool bench_has_many_servers(const bench *b);
void bench_drop_queue(bench *b);

/* True once the user has had enough. */
bool bench_interrupted(void);
/* Sleeps, but not through an interruption. Returns a status. */
int bench_pause_us(int64_t span_us);
int64_t bench_wall_us(void); /* the clock that due times are compared with */
int64_t bench_mono_us(void);

void bench_progress(bench *b, int64_t done, int64_t whole);
void bench_clear_progress(bench *b);

/* The server at one moment. */
typedef struct bench_mark {
    dueq_facts facts;
    int64_t asked_us, answered_us;
} bench_mark;

int bench_look(bench *b, bench_mark *mark);
/* What happened between two marks; the looking itself is taken off. */
double bench_server_us(const bench *b, const bench_mark *from, const bench_mark *to);
int64_t bench_commands(const bench *b, const bench_mark *from, const bench_mark *to);
double bench_seconds(const bench_mark *from, const bench_mark *to);
/* Sets the two figures that nearly every kind has. */
void bench_set_rates(const bench *b, bench_sample *sample, int64_t tasks, const bench_mark *from,
                     const bench_mark *to);

/* ---- bench_load.c: single calls, one after the other */

typedef char bench_id[DUEQ_MADE_ID_LEN + 1];

typedef struct bench_load {
    int64_t tasks, batch, payload_len;
    int64_t due_from_ms, due_span_ms; /* due at random from `from` on; 0: now */
    bench_times *times;               /* of each call; NULL: not wanted */
    bench_id *ids;                    /* of each task; NULL: not wanted */
} bench_load;

int bench_push(bench *b, const bench_load *load);
/* Tasks an hour or two away, in large batches. */
int bench_push_far(bench *b, int64_t tasks, int64_t payload_len);
/* Takes so many ready tasks and says done, a batch at a time. */
int bench_work(bench *b, const bench_load *load);
int bench_cancel(bench *b, const bench_id *ids, int64_t count);

/* ---- bench_crew.c: worker processes */

/* Starts them; they work on the queue until they are stopped. With `times_max`, how late each of so
 * many tasks came to its handler is kept. */
int bench_crew_start(bench *b, const bench_plan *plan, int64_t times_max);
/* Until all are connected. */
int bench_crew_ready(bench *b);
/* Until `tasks` have been through a handler and the server has been told that they are done. */
int bench_crew_await(bench *b, int64_t tasks);
/* Adds what has been noted so far: times, early, again. */
void bench_crew_collect(const bench *b, bench_sample *sample);
void bench_crew_stop(bench *b);

/* ---- The kinds: one run of each. bench_calls.c, bench_crews.c */

typedef int bench_run_fn(bench *b, const bench_plan *plan, bench_sample *sample);
bench_run_fn bench_run_push, bench_run_work, bench_run_memory, bench_run_scale;
bench_run_fn bench_run_lateness, bench_run_mix, bench_run_burst, bench_run_idle;

/* ---- bench_report.c: what people, or programs, are told */

typedef struct bench_view {
    const char *title;
    const char *times_title; /* of the histogram; NULL: it is for programs only */
    bool has_batch, has_workers;
    bench_figure figures[BENCH_FIGURE_COUNT + 1]; /* columns, ended by BENCH_FIGURE_COUNT */
} bench_view;

void bench_print_server(const bench *b);
struct bench_report *bench_report_begin(const bench *b, const bench_view *view);
void bench_report_add(struct bench_report *report, const bench_plan *plan,
                      const bench_sample *sample);
void bench_report_end(struct bench_report *report);

#endif
