/* The history of a run: what was called, what was answered, what was broken, and what was left at
 * the end. Several processes write one file, a line a record, each by one append, so that what was
 * written stands when its writer is killed. It is read back whole, for checker.h to judge.
 *
 *     history_writer *w = history_open(path, process);
 *     history_op op = {.verb = HISTORY_DONE, .id = id, .token = token};
 *     int64_t number = history_call(w, &op, 1);
 *     ... dueq_done() ...
 *     op.outcome = outcome;
 *     history_answer(w, number, &op, 1);
 *
 * Ids and receipts here are words: no blanks, no line feeds, not empty. */
#ifndef TESTS_SUPPORT_HISTORY_H
#define TESTS_SUPPORT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum history_verb {
    HISTORY_PUSH,
    HISTORY_TAKE,
    HISTORY_DONE,
    HISTORY_RETRY,
    HISTORY_RELEASE,
    HISTORY_EXTEND,
    HISTORY_VERBS
} history_verb;

const char *history_verb_name(history_verb verb);

/* No dueq_outcome: the answer never came. */
enum { HISTORY_MAYBE = 1000 };
/* When an answer came that never came. */
#define HISTORY_NEVER INT64_MAX

/* One task in one call. A take that gives several is as many of these, with one number; one that
 * gives none is one without an id. What a verb has no use for is zero. */
typedef struct history_op {
    history_verb verb;
    int process;
    int64_t number;                 /* of the call within its process */
    int64_t called_us, answered_us; /* on the machine's monotonic clock */
    int64_t outcome;                /* a dueq_outcome, or HISTORY_MAYBE */
    const char *id;
    const char *receipt;  /* take */
    int64_t payload;      /* push, take: its fingerprint */
    int64_t delay_ms;     /* push, retry: as asked for */
    int64_t due_ms;       /* push: as asked for, 0: by the delay; take: as told */
    int64_t attempts_max; /* push: its own limit, 0: the queue's */
    int64_t token;        /* take; of the others: whose lease */
    int64_t attempt;      /* take; retry: whose lease */
    int64_t deadline_ms;  /* take: when the lease ends, by the server's clock */
    int64_t lease_ms;     /* take, extend: as asked for */
    int64_t hopeless;     /* retry: 1 for dead at once */
    int64_t durable;      /* 1: by the answer, replicas had it as was asked for */
} history_op;

/* What was broken, and when: from the moment before to the moment after. */
typedef struct history_fault {
    const char *kind; /* a word: kill, stop, clock … */
    int64_t began_us, ended_us;
    int64_t process; /* whose, 0: nobody's */
    int64_t amount;  /* clock: how far it was put, ms */

    int64_t partitions; /* whom it struck: bit p for partition p; 0: all */
    /* A failover that may lose writes: what the old master did between these moments may be
     * forgotten. Before, all was known to be on its replicas; after, it did nothing more. */
    int64_t lossy_from_us, lossy_to_us; /* 0: none */
    int64_t known_us; /* a master was killed: when the new one could be known; 0: none */
} history_fault;

/* One id found in the queue's keys at the end. */
enum {
    HISTORY_BODY = 1,
    HISTORY_DUE = 2,
    HISTORY_LEASED = 4,
    HISTORY_DEAD = 8,
    HISTORY_TRIES = 16
};
typedef struct history_task {
    const char *id;
    int64_t places;  /* of the above */
    int64_t payload; /* its fingerprint, where there is a body */
    int64_t failures;
} history_task;

/* What the run was to be. */
typedef struct history_plan {
    int64_t attempts_max; /* the queue's limit */
    int64_t ops_min;      /* fewer answered operations prove nothing */
    int64_t partitions;   /* of the queue, which say where a task is; 0: one */
} history_plan;

typedef struct history {
    history_op *ops;
    size_t op_count;
    history_fault *faults;
    size_t fault_count;
    history_task *tasks; /* the dump */
    size_t task_count;
    const char **broken; /* what else the dump found */
    size_t broken_count;
    const char **planned; /* kinds of faults that were to strike */
    size_t planned_count;
    size_t torn_count; /* lines that were cut short */
    bool dumped;
    history_plan plan;
    char *text; /* what the strings above point into */
} history;

/* ---- Writing --------------------------------------------------------------------------------- */

typedef struct history_writer history_writer;

/* Appends to the file, which is made if there is none. No two writers have the same `process`. Ends
 * the program with a message when that cannot be done, here and below. */
history_writer *history_open(const char *path, int process);
void history_close(history_writer *w); /* NULL is fine */

/* Before the call: notes the ops as called now, under numbers from the one returned on. Of a take:
 * one op, without an id. */
int64_t history_call(history_writer *w, const history_op *ops, size_t count);
/* After it. Of a take: as many ops as it gave, all under `number`; or one without an id. */
void history_answer(history_writer *w, int64_t number, const history_op *ops, size_t count);

void history_note_fault(history_writer *w, const history_fault *fault);
void history_note_plan(history_writer *w, const history_plan *plan);
void history_note_planned(history_writer *w, const char *kind);
void history_note_task(history_writer *w, const history_task *task);
void history_note_broken(history_writer *w, const char *what);
void history_note_dumped(history_writer *w); /* the dump is complete */

int64_t history_now_us(void);
int64_t history_fingerprint(const void *bytes, size_t len); /* 52 bits, never 0 */

/* ---- Reading --------------------------------------------------------------------------------- */

/* The whole file, ops in no particular order. NULL: it is no history; *why says what is wrong, in
 * text to free(). Lines that were cut short are left out: their writers were killed. */
history *history_read(const char *path, char **why);
void history_free(history *h); /* NULL is fine */

/* Whether a fault strikes a task, by the task's partition. */
bool history_strikes(const history *h, const history_fault *fault, const char *id);

#endif
