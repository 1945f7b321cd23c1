/* What the checker makes of an operation by itself: whether it ran, when, and what a failover may have
 * made of it. */
#include <string.h>

#include <dueq.h>

#include "checker_state.h"

/* ---- What an outcome means ------------------------------------------------------------------- */

/* The server said that it happened. */
bool op_has_run(const history_op *op)
{
    if (op->verb == HISTORY_PUSH) return op->outcome == DUEQ_OK || op->outcome == DUEQ_EXISTS;
    return op->outcome == DUEQ_OK || (op->verb == HISTORY_RETRY && op->outcome == DUEQ_DEAD);
}

bool op_is_unsure(const history_op *op)
{
    return op->outcome == HISTORY_MAYBE || op->outcome == DUEQ_EUNSURE ||
           op->outcome == DUEQ_EPROTO;
}

bool op_may_have_run(const history_op *op)
{
    return op_has_run(op) || op_is_unsure(op);
}

/* Something struck that calls of others feel: not the clock, and not one process alone. */
static bool is_shared(const history_fault *fault)
{
    return strcmp(fault->kind, "clock") != 0 && strcmp(fault->kind, "kill") != 0 &&
           strcmp(fault->kind, "stop") != 0;
}

/* A retry or extend that says "lost" may have run all the same, if it can have been sent twice: its
 * first sending ended the lease or moved its end, the second found another's, or no task at all. */
bool judge_may_have_run_first(const judge *j, const history_op *op)
{
    if (op->outcome != DUEQ_LOST) return false;
    if (op->verb != HISTORY_RETRY && op->verb != HISTORY_EXTEND) return false;
    for (size_t i = 0; i < j->h->fault_count; i++) {
        const history_fault *fault = &j->h->faults[i];
        if (is_shared(fault) && fault->began_us <= op->answered_us &&
            fault->ended_us >= op->called_us) {
            return true;
        }
    }
    return false;
}

/* How far the server's clock was put, in all, between two moments; either way. */
int64_t judge_stepped_us(const judge *j, const char *id, int64_t from_us, int64_t to_us)
{
    int64_t sum_ms = 0;
    for (size_t i = 0; i < j->h->fault_count; i++) {
        const history_fault *fault = &j->h->faults[i];
        if (strcmp(fault->kind, "clock") != 0 || !history_strikes(j->h, fault, id)) continue;
        if (fault->began_us <= to_us && fault->ended_us >= from_us) {
            sum_ms += fault->amount < 0 ? -fault->amount : fault->amount;
        }
    }
    return sum_ms * 1000;
}

bool op_is_by(const history_op *op, history_verb verb, int64_t token)
{
    return op->verb == verb && op->token == token;
}

/* The server's time of a take. */
int64_t op_taken_ms(const history_op *take)
{
    return take->deadline_ms - take->lease_ms;
}

/* ---- What a failover may have undone --------------------------------------------------------- */

bool judge_at_risk(const judge *j, const history_op *op)
{
    for (size_t i = 0; op != NULL && op->id != NULL && !op->durable && i < j->h->fault_count; i++) {
        const history_fault *fault = &j->h->faults[i];
        if (fault->lossy_to_us != 0 && op->called_us <= fault->lossy_to_us &&
            op->answered_us >= fault->lossy_from_us && history_strikes(j->h, fault, op->id)) {
            return true;
        }
    }
    return false;
}

bool judge_risks_token(const judge *j, const life *l, int64_t token)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i].token == token && judge_at_risk(j, &l->ops[i])) return true;
    }
    return false;
}

bool judge_spares(const judge *j, checker_rule rule, bool at_risk)
{
    j->v->by_failover[rule] += at_risk;
    return at_risk;
}
