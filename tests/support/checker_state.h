/* What checker.c and checker_meaning.c share. */
#ifndef TESTS_SUPPORT_CHECKER_STATE_H
#define TESTS_SUPPORT_CHECKER_STATE_H

#include "checker.h"

/* All of one task: ops sorted by verb, then token, then call. */
typedef struct life {
    const char *id;
    const history_op *ops;
    size_t count;
    const history_op *takes; /* its deliveries, by token */
    size_t take_count;
    const history_task *task; /* what the dump has of it, or NULL */
} life;

typedef struct judge {
    const history *h;
    checker_verdict *v;
} judge;

/* ---- checker_meaning.c ----------------------------------------------------------------------- */

bool op_has_run(const history_op *op);
bool op_is_unsure(const history_op *op);
bool op_may_have_run(const history_op *op);
bool op_is_by(const history_op *op, history_verb verb, int64_t token);
int64_t op_taken_ms(const history_op *take);

/* Told "lost", but sent twice, maybe: then it may have run the first time. */
bool judge_may_have_run_first(const judge *j, const history_op *op);
/* How far the clock over that task was put between two moments, in all. */
int64_t judge_stepped_us(const judge *j, const char *id, int64_t from_us, int64_t to_us);

/* A failover may have forgotten what it did. NULL is fine. */
bool judge_at_risk(const judge *j, const history_op *op);
/* The push (0), or the take of that token or what was done under it. */
bool judge_risks_token(const judge *j, const life *l, int64_t token);
/* Counts what broke the rule by operations at risk apart; false: it counts in full. */
bool judge_spares(const judge *j, checker_rule rule, bool at_risk);

#endif
