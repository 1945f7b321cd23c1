/* The demo: real tasks pushed, worked on by real processes, one of them killed, and a verdict from
 * what those processes wrote down. */
#ifndef DUEQ_CLI_DEMO_H
#define DUEQ_CLI_DEMO_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <dueq.h>

#define DEMO_LEASE_MS 2000 /* short, so that a killed worker's tasks are seen to come back */

typedef struct demo_plan {
    const char *url;
    int64_t task_count;
    int64_t program_every; /* every so manyth task is worked on by a program, not a callback */
    int64_t spread_ms;     /* due times lie within so long */
    int threads;           /* of each worker process */
    char queue[64];
    char program_queue[64];
    char folder[PATH_MAX];  /* temporary */
    char records[PATH_MAX]; /* the file in it that workers append to */
} demo_plan;

static inline bool demo_is_for_program(const demo_plan *plan, int64_t task)
{
    return task % plan->program_every == plan->program_every - 1;
}

/* ---- demo_worker.c: the worker processes */

typedef enum demo_role {
    DEMO_DOOMED = 0, /* callbacks; killed half way */
    DEMO_SURVIVOR,   /* callbacks */
    DEMO_PROGRAM,    /* a program a task */
    DEMO_ROLE_COUNT
} demo_role;

/* A child that works until SIGTERM; -1 when there could be none (errno says why). */
pid_t demo_worker_start(const demo_plan *plan, demo_role role);

/* ---- demo_records.c: what the workers write down */

typedef struct demo_record {
    bool is_end;  /* the handler has finished; else it has begun */
    int64_t task; /* 0 to task_count - 1; -1: none of ours */
    int64_t attempt;
    int64_t due_ms;
    int64_t at_us; /* this machine's clock */
    demo_role role;
    bool intact; /* the payload was the one that was pushed */
} demo_record;

typedef struct demo_records {
    demo_record *list;
    size_t count, cap;
    int64_t garbled; /* lines that could not be read */
} demo_records;

#define DEMO_ID_LEN 11 /* "task-00017" */
void demo_task_id(int64_t task, char id[DEMO_ID_LEN + 10]);
/* The payload of a task; the caller frees. */
char *demo_task_payload(const demo_plan *plan, int64_t task);

int64_t demo_now_us(void);
/* One write a record, so that a killed writer leaves a whole one or none. */
bool demo_record_write(int fd, const demo_record *record);
/* What a shell has to print in place of that; reads $1 as the file. */
extern const char demo_record_script[];
/* Reads what has been written so far; a status. Free it. */
bool demo_records_read(const demo_plan *plan, demo_records *records);
void demo_records_free(demo_records *records);

/* ---- demo_verdict.c: what the records prove. Pure. */

typedef struct demo_lateness {
    int64_t *us; /* sorted */
    size_t count;
} demo_lateness;

typedef struct demo_facts {
    int64_t pushed;
    int64_t done;         /* counted by the server */
    int64_t left;         /* still on the server at the end */
    int64_t killed_at_us; /* 0: nobody was killed */
} demo_facts;

typedef struct demo_verdict {
    int64_t delivered; /* different tasks that a handler was given */
    int64_t early;     /* deliveries before their due time */
    int64_t lost;      /* pushed, never delivered */
    int64_t damaged;   /* payloads that were not those pushed */
    int64_t again;     /* deliveries after a first one */
    int64_t explained; /* of these: the killed worker held the lease before */
    int64_t held;      /* tasks that the killed worker was working on */
    demo_lateness first, by_program, repeated;
    bool good;
} demo_verdict;

void demo_judge(const demo_plan *plan, const demo_records *records, const demo_facts *facts,
                demo_verdict *verdict);
void demo_verdict_free(demo_verdict *verdict);
/* The tasks that the doomed worker has begun and not finished. */
int64_t demo_open_count(const demo_plan *plan, const demo_records *records);
/* The value below which `percent` of the values lie; 0 of none. */
int64_t demo_percentile(const demo_lateness *of, double percent);

/* ---- demo_report.c: what people, or programs, are told */

void demo_show_progress(const demo_plan *plan, const dueq_stats *sum, int64_t spent_ms);
void demo_end_progress(void);
void demo_print(const demo_plan *plan, const demo_facts *facts, const demo_verdict *verdict);
void demo_print_json(const demo_plan *plan, const demo_facts *facts, const demo_verdict *verdict);

#endif
