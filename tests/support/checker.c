/* The checker: task by task, its deliveries in the order of their tokens, each with what its holder
 * did. A task is small; all is compared with all where that reads better. */
#include "checker_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dueq.h>

const char *checker_rule_name(checker_rule rule)
{
    static const char *const NAMES[CHECKER_RULES] = {
        "lost",   "phantom",  "early",       "finality",  "exclusivity", "fence",
        "ousted", "attempts", "unexplained", "structure", "vacuity"};
    return NAMES[rule];
}

const char *checker_cause_name(checker_cause cause)
{
    static const char *const NAMES[CHECKER_CAUSES] = {"expiry",  "kill",       "stop",    "retry",
                                                      "release", "lost-reply", "failover"};
    return NAMES[cause];
}

__attribute__((format(printf, 4, 5))) static void violate(const judge *j, checker_rule rule,
                                                          const char *id, const char *format, ...)
{
    checker_verdict *v = j->v;
    v->violations[rule]++;
    if (v->text_count == CHECKER_TEXTS_MAX) return;
    char *text = v->texts[v->text_count++];
    int len = snprintf(text, CHECKER_TEXT_SIZE, "%s: %s%s", checker_rule_name(rule), id,
                       *id != '\0' ? ": " : "");
    va_list words;
    va_start(words, format);
    vsnprintf(text + len, CHECKER_TEXT_SIZE - (size_t)len, format, words);
    va_end(words);
}

/* ---- Push, and what became of it ------------------------------------------------------------- */

static const history_op *first_push(const life *l)
{
    return l->count > 0 && l->ops[0].verb == HISTORY_PUSH ? &l->ops[0] : NULL;
}

static bool was_pushed(const life *l, bool (*so)(const history_op *))
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i].verb == HISTORY_PUSH && so(&l->ops[i])) return true;
    }
    return false;
}

static bool was_done(const life *l, bool (*so)(const history_op *))
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i].verb == HISTORY_DONE && so(&l->ops[i])) return true;
    }
    return false;
}

/* In the dump; what is left of its failures alone is no task. */
static bool is_left(const life *l)
{
    return l->task != NULL && (l->task->places & ~(int64_t)HISTORY_TRIES) != 0;
}

static void check_lost(const judge *j, const life *l)
{
    if (!was_pushed(l, op_has_run) || was_done(l, op_may_have_run) || is_left(l)) return;
    if (judge_spares(j, CHECKER_LOST, judge_risks_token(j, l, 0))) return;
    violate(j, CHECKER_LOST, l->id, "pushed, delivered %zu times, and gone", l->take_count);
}

/* True when some push has these bytes. */
static bool has_payload(const life *l, int64_t payload)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i].verb == HISTORY_PUSH && l->ops[i].payload == payload) return true;
    }
    return false;
}

static void check_phantom(const judge *j, const life *l)
{
    const history_op *push = first_push(l);
    bool there = l->take_count > 0 || is_left(l);
    if (push == NULL) {
        if (there) violate(j, CHECKER_PHANTOM, l->id, "there, and never pushed");
        return;
    }
    if (there && !was_pushed(l, op_may_have_run)) {
        violate(j, CHECKER_PHANTOM, l->id, "there, though its push was answered with %" PRId64,
                push->outcome);
    }
    for (size_t i = 0; i < l->take_count; i++) {
        if (!has_payload(l, l->takes[i].payload)) {
            violate(j, CHECKER_PHANTOM, l->id, "delivered with another payload");
        }
        if (l->takes[i].answered_us < push->called_us) {
            violate(j, CHECKER_PHANTOM, l->id, "delivered before it was pushed");
        }
    }
    if (l->task != NULL && l->task->payload != 0 && !has_payload(l, l->task->payload)) {
        violate(j, CHECKER_PHANTOM, l->id, "left behind with another payload");
    }
}

/* ---- Early ----------------------------------------------------------------------------------- */

/* Nothing that was to wait so long from the call on may have come before. */
static void check_waited(const judge *j, const life *l, const history_op *cause,
                         const history_op *take)
{
    int64_t least_us = cause->called_us + cause->delay_ms * 1000;
    int64_t slack_us = judge_stepped_us(j, l->id, cause->called_us, take->answered_us);
    if (take->answered_us >= least_us - slack_us) return;
    bool forgotten = cause->verb == HISTORY_RETRY && judge_at_risk(j, cause);
    if (judge_spares(j, CHECKER_EARLY, forgotten)) return;
    violate(j, CHECKER_EARLY, l->id, "came %" PRId64 " us before the delay of its %s was over",
            least_us - take->answered_us, history_verb_name(cause->verb));
}

/* The failure that ended the lease, surely; else NULL. */
static const history_op *find_retry(const life *l, const history_op *take)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        if (op_is_by(op, HISTORY_RETRY, take->token) && op_has_run(op)) return op;
    }
    return NULL;
}

static void check_early(const judge *j, const life *l)
{
    const history_op *push = first_push(l);
    for (size_t i = 0; i < l->take_count; i++) {
        const history_op *take = &l->takes[i];
        if (op_taken_ms(take) < take->due_ms) {
            violate(j, CHECKER_EARLY, l->id,
                    "taken at %" PRId64 " ms, due at %" PRId64 " ms, by the server's clock",
                    op_taken_ms(take), take->due_ms);
        }
        if (push != NULL && push->due_ms != 0 && op_taken_ms(take) < push->due_ms) {
            violate(j, CHECKER_EARLY, l->id, "taken at %" PRId64 " ms, pushed for %" PRId64 " ms",
                    op_taken_ms(take), push->due_ms);
        }
        if (push != NULL && push->due_ms == 0) check_waited(j, l, push, take);
        const history_op *retry = i > 0 ? find_retry(l, &l->takes[i - 1]) : NULL;
        if (retry != NULL && retry->called_us < take->answered_us) check_waited(j, l, retry, take);
    }
}

/* ---- Finality -------------------------------------------------------------------------------- */

static void check_finality(const judge *j, const life *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *done = &l->ops[i];
        if (done->verb != HISTORY_DONE || !op_has_run(done)) continue;
        for (size_t k = 0; k < l->take_count; k++) {
            if (l->takes[k].called_us <= done->answered_us) continue;
            bool forgotten = judge_at_risk(j, done) || judge_at_risk(j, &l->takes[k]);
            if (judge_spares(j, CHECKER_FINALITY, forgotten)) continue;
            violate(j, CHECKER_FINALITY, l->id, "done under token %" PRId64 ", taken again later",
                    done->token);
        }
        if (is_left(l) && !judge_spares(j, CHECKER_FINALITY, judge_at_risk(j, done))) {
            violate(j, CHECKER_FINALITY, l->id, "done under token %" PRId64 ", and still there",
                    done->token);
        }
    }
}

/* ---- Exclusivity ----------------------------------------------------------------------------- */

/* A lease's end has the token's last digits in place of its microseconds. */
enum { LEASE_GRAIN_US = 1000 };

/* The moments, on the callers' clock, between which a lease ended if nobody gave it back. */
typedef struct span {
    int64_t from_us, to_us;
    bool extended; /* or maybe: the deadline that the take told is not the last word */
} span;

/* As far as it was settled before that moment. */
static span end_of_lease(const judge *j, const life *l, const history_op *take, int64_t before_us)
{
    int64_t lease_us = take->lease_ms * 1000;
    span s = {take->called_us + lease_us - LEASE_GRAIN_US,
              take->answered_us + lease_us + LEASE_GRAIN_US, false};
    for (size_t i = 0; i < l->count; i++) {
        const history_op *extend = &l->ops[i];
        if (!op_is_by(extend, HISTORY_EXTEND, take->token) || extend->called_us >= before_us)
            continue;
        if (!op_may_have_run(extend) && !judge_may_have_run_first(j, extend)) continue;
        int64_t from_us = extend->called_us + extend->lease_ms * 1000 - LEASE_GRAIN_US;
        s.extended = true;
        s.to_us = HISTORY_NEVER; /* a sending of it that was given up may have run later still */
        s.from_us = op_has_run(extend) || from_us < s.from_us ? from_us : s.from_us;
    }
    return s;
}

/* Whether its holder may have given the lease back, so that `next` could take the task. */
static const history_op *find_given_back(const judge *j, const life *l, const history_op *take,
                                         const history_op *next)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        if (op->verb != HISTORY_RETRY && op->verb != HISTORY_RELEASE) continue;
        if (op->token != take->token) continue;
        if (!op_may_have_run(op) && !judge_may_have_run_first(j, op)) continue;
        if (op->called_us < next->answered_us) return op;
    }
    return NULL;
}

/* True when it was spared: a take or an extension that was forgotten. */
static bool check_exclusive(const judge *j, const life *l, const history_op *take,
                            const history_op *next)
{
    bool at_risk = judge_risks_token(j, l, take->token) || judge_at_risk(j, next);
    if (next->token == take->token) {
        if (judge_spares(j, CHECKER_EXCLUSIVITY, at_risk)) return true;
        violate(j, CHECKER_EXCLUSIVITY, l->id, "token %" PRId64 " was given twice", take->token);
        return false;
    }
    if (find_given_back(j, l, take, next) != NULL) return false;
    span end = end_of_lease(j, l, take, next->answered_us);
    int64_t slack_us = judge_stepped_us(j, l->id, take->called_us, next->answered_us);
    bool by_server = !end.extended && op_taken_ms(next) < take->deadline_ms;
    if (!by_server && next->answered_us >= end.from_us - slack_us) return false;
    if (judge_spares(j, CHECKER_EXCLUSIVITY, at_risk)) return true;
    if (by_server) {
        violate(j, CHECKER_EXCLUSIVITY, l->id,
                "held until %" PRId64 " ms, taken at %" PRId64 " ms, by the server's clock",
                take->deadline_ms, op_taken_ms(next));
    } else {
        violate(j, CHECKER_EXCLUSIVITY, l->id, "taken %" PRId64 " us before a lease could end",
                end.from_us - next->answered_us);
    }
    return false;
}

/* ---- Fence ----------------------------------------------------------------------------------- */

/* Finished by somebody who took it later: a done that is sent again finds nothing, and says done. */
static bool is_done_by_another(const life *l, const history_op *done)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *other = &l->ops[i];
        if (other->verb != HISTORY_DONE || other->token <= done->token) continue;
        if (op_may_have_run(other) && other->called_us < done->answered_us) return true;
    }
    return false;
}

/* The take that ended the lease before the call was made; NULL: none did. */
static const history_op *find_successor(const life *l, const history_op *op)
{
    for (size_t i = 0; i < l->take_count; i++) {
        if (l->takes[i].token > op->token && l->takes[i].answered_us < op->called_us) {
            return &l->takes[i];
        }
    }
    return NULL;
}

static const history_op *find_take(const life *l, int64_t token)
{
    for (size_t i = 0; i < l->take_count; i++) {
        if (l->takes[i].token == token) return &l->takes[i];
    }
    return NULL;
}

/* How long the lease had ended, surely, when the call was made; 0: it may have stood. */
static int64_t over_us(const judge *j, const life *l, const history_op *op)
{
    const history_op *take = find_take(l, op->token);
    if (take == NULL) return 0;
    span end = end_of_lease(j, l, take, op->called_us);
    if (end.extended) return 0;
    int64_t over =
        op->called_us - end.to_us - judge_stepped_us(j, l->id, take->called_us, op->answered_us);
    return over > 0 ? over : 0;
}

static void check_fence(const judge *j, const life *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        bool fenced =
            op->verb == HISTORY_DONE || op->verb == HISTORY_RETRY || op->verb == HISTORY_EXTEND;
        if (!fenced || !op_has_run(op)) continue;
        const history_op *successor = find_successor(l, op);
        int64_t late_us = over_us(j, l, op);
        if (successor == NULL && late_us == 0) continue;
        if (op->verb == HISTORY_DONE && is_done_by_another(l, op)) {
            j->v->done_by_another++;
        } else if (judge_spares(j, CHECKER_FENCE,
                                judge_at_risk(j, successor) || judge_at_risk(j, op) ||
                                    judge_risks_token(j, l, 0))) {
            continue;
        } else if (successor != NULL) {
            violate(j, CHECKER_FENCE, l->id,
                    "%s under token %" PRId64 " said ok after token %" PRId64 " was given",
                    history_verb_name(op->verb), op->token, successor->token);
        } else {
            violate(j, CHECKER_FENCE, l->id, "%s said ok %" PRId64 " us after the lease's end",
                    history_verb_name(op->verb), late_us);
        }
    }
}

/* Whether its holder may have ended the lease itself before the call was answered. */
static bool may_have_ended(const life *l, const history_op *op)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *other = &l->ops[i];
        bool ends = other->verb == HISTORY_DONE || other->verb == HISTORY_RETRY ||
                    other->verb == HISTORY_RELEASE;
        if (other != op && ends && other->token == op->token && op_may_have_run(other) &&
            other->called_us < op->answered_us) {
            return true;
        }
    }
    return false;
}

static void check_ousted(const judge *j, const life *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        const history_op *take = find_take(l, op->token);
        if (op->verb < HISTORY_DONE || op->outcome != DUEQ_LOST || take == NULL) continue;
        span end = end_of_lease(j, l, take, op->answered_us);
        int64_t left_us = end.from_us - op->answered_us -
                          judge_stepped_us(j, l->id, take->called_us, op->answered_us);
        if (left_us <= 0 || may_have_ended(l, op) || judge_may_have_run_first(j, op)) continue;
        bool forgotten = judge_risks_token(j, l, op->token) || judge_risks_token(j, l, 0);
        if (judge_spares(j, CHECKER_OUSTED, forgotten)) continue;
        violate(j, CHECKER_OUSTED, l->id, "%s said lost %" PRId64 " us before the lease could end",
                history_verb_name(op->verb), left_us);
    }
}

/* ---- Attempts -------------------------------------------------------------------------------- */

static int64_t limit_of(const judge *j, const life *l)
{
    const history_op *push = first_push(l);
    return push != NULL && push->attempts_max != 0 ? push->attempts_max : j->h->plan.attempts_max;
}

static bool is_hopeless(const life *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        if (op->verb == HISTORY_RETRY && op->hopeless && op_may_have_run(op)) return true;
    }
    return false;
}

static void check_rising(const judge *j, const life *l, const history_op *take,
                         const history_op *next)
{
    const history_op *given_back = find_given_back(j, l, take, next);
    bool uncounted = given_back != NULL && given_back->verb == HISTORY_RELEASE;
    if (next->attempt >= take->attempt + (uncounted ? 0 : 1)) return;
    if (judge_spares(j, CHECKER_ATTEMPTS, judge_at_risk(j, take) || judge_at_risk(j, next))) return;
    violate(j, CHECKER_ATTEMPTS, l->id, "attempt %" PRId64 " follows attempt %" PRId64,
            next->attempt, take->attempt);
}

static void check_deaths(const judge *j, const life *l)
{
    int64_t limit = limit_of(j, l);
    for (size_t i = 0; i < l->count; i++) {
        const history_op *retry = &l->ops[i];
        if (retry->verb != HISTORY_RETRY || retry->hopeless || !op_has_run(retry)) continue;
        if (retry->outcome == DUEQ_DEAD && retry->attempt < limit) {
            violate(j, CHECKER_ATTEMPTS, l->id, "dead after attempt %" PRId64 " of %" PRId64,
                    retry->attempt, limit);
        } else if (retry->outcome == DUEQ_OK && retry->attempt >= limit) {
            violate(j, CHECKER_ATTEMPTS, l->id, "alive after attempt %" PRId64 " of %" PRId64,
                    retry->attempt, limit);
        }
    }
    bool is_dead = l->task != NULL && (l->task->places & HISTORY_DEAD) != 0;
    if (is_dead && l->task->failures < limit && !is_hopeless(l)) {
        violate(j, CHECKER_ATTEMPTS, l->id, "dead with %" PRId64 " failures of %" PRId64,
                l->task->failures, limit);
    }
}

static void check_attempts(const judge *j, const life *l)
{
    int64_t limit = limit_of(j, l);
    for (size_t i = 0; i < l->take_count; i++) {
        const history_op *take = &l->takes[i];
        if (take->attempt < 1 || take->attempt > limit) {
            violate(j, CHECKER_ATTEMPTS, l->id, "attempt %" PRId64 " of %" PRId64, take->attempt,
                    limit);
        }
        if (i > 0) check_rising(j, l, take - 1, take);
    }
    check_deaths(j, l);
}

/* ---- Duplicates ------------------------------------------------------------------------------ */

/* Something struck its holder while it had the lease, or between then and the next take. */
static bool befell(const judge *j, const char *kind, const history_op *take, const history_op *next)
{
    for (size_t i = 0; i < j->h->fault_count; i++) {
        const history_fault *fault = &j->h->faults[i];
        if (strcmp(fault->kind, kind) == 0 && fault->process == take->process &&
            fault->ended_us >= take->called_us && fault->began_us <= next->answered_us) {
            return true;
        }
    }
    return false;
}

/* A lease of which no holder is known can come of a take whose answer did not arrive: one that was
 * not answered, or something broke that the library may have sent it again for. */
static bool may_have_missed(const judge *j, int64_t from_us, int64_t to_us)
{
    for (size_t i = 0; i < j->h->fault_count; i++) {
        const history_fault *fault = &j->h->faults[i];
        if (strcmp(fault->kind, "clock") == 0) continue;
        if (fault->began_us <= to_us && fault->ended_us >= from_us) return true;
    }
    for (size_t i = 0; i < j->h->op_count; i++) {
        const history_op *op = &j->h->ops[i];
        if (op->verb == HISTORY_TAKE && op_is_unsure(op) && op->called_us <= to_us &&
            op->answered_us >= from_us) {
            return true;
        }
    }
    return false;
}

static checker_cause cause_of(const judge *j, const life *l, const history_op *take,
                              const history_op *next)
{
    const history_op *given_back = find_given_back(j, l, take, next);
    if (given_back != NULL) {
        return given_back->verb == HISTORY_RETRY ? CHECKER_BY_RETRY : CHECKER_BY_RELEASE;
    }
    if (befell(j, "kill", take, next)) return CHECKER_BY_KILL;
    return befell(j, "stop", take, next) ? CHECKER_BY_STOP : CHECKER_BY_EXPIRY;
}

/* Attempts between two deliveries, or before the first, that were delivered to nobody. */
static void check_missed(const judge *j, const life *l, const history_op *take,
                         const history_op *next)
{
    int64_t missed = next->attempt - (take != NULL ? take->attempt : 0) - 1;
    if (missed <= 0) return;
    int64_t from_us = take != NULL ? take->called_us : first_push(l) ? l->ops[0].called_us : 0;
    if (may_have_missed(j, from_us, next->answered_us)) {
        j->v->duplicates[CHECKER_BY_LOST_REPLY] += missed;
    } else {
        violate(j, CHECKER_UNEXPLAINED, l->id,
                "%" PRId64 " attempts before attempt %" PRId64 " that nobody saw", missed,
                next->attempt);
    }
}

/* A task's tokens grow with its deliveries, whatever the clock does: `next` has the greater one. */
static void check_growth(const judge *j, const life *l, const history_op *take,
                         const history_op *next)
{
    if (next->answered_us >= take->called_us) return;
    if (judge_spares(j, CHECKER_FENCE, judge_at_risk(j, take) || judge_at_risk(j, next))) return;
    violate(j, CHECKER_FENCE, l->id, "token %" PRId64 " was given after token %" PRId64,
            take->token, next->token);
}

/* Done, and yet delivered again. */
static bool is_undone(const judge *j, const life *l, const history_op *take)
{
    for (size_t i = 0; i < l->count; i++) {
        const history_op *op = &l->ops[i];
        if (op_is_by(op, HISTORY_DONE, take->token) && op_has_run(op) && judge_at_risk(j, op)) {
            return true;
        }
    }
    return false;
}

static void check_pairs(const judge *j, const life *l)
{
    for (size_t i = 0; i < l->take_count; i++) {
        const history_op *next = &l->takes[i], *take = i > 0 ? next - 1 : NULL;
        check_missed(j, l, take, next);
        if (take == NULL) continue;
        check_growth(j, l, take, next);
        bool forgotten = check_exclusive(j, l, take, next) || is_undone(j, l, take);
        j->v->duplicates[forgotten ? CHECKER_BY_FAILOVER : cause_of(j, l, take, next)]++;
    }
}

/* ---- The dump -------------------------------------------------------------------------------- */

static void check_structure(const judge *j, const history_task *task)
{
    int states = ((task->places & HISTORY_DUE) != 0) + ((task->places & HISTORY_LEASED) != 0) +
                 ((task->places & HISTORY_DEAD) != 0);
    bool has_body = (task->places & HISTORY_BODY) != 0;
    if (has_body && states == 1) return;
    violate(j, CHECKER_STRUCTURE, task->id, "%s record, %d states%s", has_body ? "a" : "no", states,
            (task->places & HISTORY_TRIES) != 0 ? ", failures" : "");
}

static void check_dump(const judge *j)
{
    for (size_t i = 0; i < j->h->task_count; i++) {
        check_structure(j, &j->h->tasks[i]);
        j->v->dead += (j->h->tasks[i].places & HISTORY_DEAD) != 0;
    }
    for (size_t i = 0; i < j->h->broken_count; i++) {
        violate(j, CHECKER_STRUCTURE, "", "%s", j->h->broken[i]);
    }
}

/* ---- Vacuity --------------------------------------------------------------------------------- */

static bool has_struck(const history *h, const char *kind)
{
    for (size_t i = 0; i < h->fault_count; i++) {
        if (strcmp(h->faults[i].kind, kind) == 0) return true;
    }
    return false;
}

static void check_vacuity(const judge *j)
{
    const history *h = j->h;
    const checker_verdict *v = j->v;
    if (!h->dumped) violate(j, CHECKER_VACUITY, "", "the queue was not dumped at the end");
    if (v->ops - v->unsure < h->plan.ops_min) {
        violate(j, CHECKER_VACUITY, "", "%" PRId64 " operations were answered, wanted %" PRId64,
                v->ops - v->unsure, h->plan.ops_min);
    }
    if (v->pushed == 0 || v->delivered == 0 || v->done == 0) {
        violate(j, CHECKER_VACUITY, "",
                "pushed %" PRId64 ", delivered %" PRId64 ", done %" PRId64 ": of each some",
                v->pushed, v->delivered, v->done);
    }
    for (size_t i = 0; i < h->planned_count; i++) {
        if (has_struck(h, h->planned[i])) continue;
        violate(j, CHECKER_VACUITY, "", "the fault \"%s\" never struck", h->planned[i]);
    }
}

/* ---- All together ---------------------------------------------------------------------------- */

static int compare_numbers(int64_t left, int64_t right)
{
    return left < right ? -1 : left > right;
}

/* Ops without an id last; of a task: pushes, takes by token, the rest. */
static int compare_ops(const void *a, const void *b)
{
    const history_op *left = a, *right = b;
    if (left->id == NULL || right->id == NULL) return (left->id == NULL) - (right->id == NULL);
    int order = strcmp(left->id, right->id);
    if (order == 0) order = compare_numbers(left->verb, right->verb);
    if (order == 0) order = compare_numbers(left->token, right->token);
    return order != 0 ? order : compare_numbers(left->called_us, right->called_us);
}

static int compare_tasks(const void *a, const void *b)
{
    const history_task *left = a, *right = b;
    return strcmp(left->id, right->id);
}

static void find_takes(life *l)
{
    l->takes = l->ops;
    l->take_count = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i].verb != HISTORY_TAKE) continue;
        if (l->take_count++ == 0) l->takes = &l->ops[i];
    }
}

static void check_life(const judge *j, life *l)
{
    find_takes(l);
    check_lost(j, l);
    check_phantom(j, l);
    check_early(j, l);
    check_finality(j, l);
    check_fence(j, l);
    check_ousted(j, l);
    check_attempts(j, l);
    check_pairs(j, l);
}

static void count_ops(const judge *j)
{
    checker_verdict *v = j->v;
    for (size_t i = 0; i < j->h->fault_count; i++) v->lossy += j->h->faults[i].lossy_to_us != 0;
    for (size_t i = 0; i < j->h->op_count; i++) {
        const history_op *op = &j->h->ops[i];
        v->ops++;
        v->unsure += op_is_unsure(op);
        v->pushed += op->verb == HISTORY_PUSH && op_has_run(op);
        v->done += op->verb == HISTORY_DONE && op_has_run(op);
        v->at_risk += op_has_run(op) && judge_at_risk(j, op);
        v->delivered += op->verb == HISTORY_TAKE && op->id != NULL;
    }
}

/* Every id that ops or dump name, once each: two sorted lists, side by side. */
static void check_lives(const judge *j)
{
    const history *h = j->h;
    size_t op = 0, task = 0;
    for (;;) {
        const char *of_op = op < h->op_count ? h->ops[op].id : NULL;
        const char *of_task = task < h->task_count ? h->tasks[task].id : NULL;
        if (of_op == NULL && of_task == NULL) return;
        int order = of_op == NULL ? 1 : of_task == NULL ? -1 : strcmp(of_op, of_task);
        life l = {.id = order <= 0 ? of_op : of_task, .ops = &h->ops[op]};
        while (op < h->op_count && h->ops[op].id != NULL && strcmp(h->ops[op].id, l.id) == 0) {
            l.count++;
            op++;
        }
        if (order >= 0) l.task = &h->tasks[task];
        while (task < h->task_count && strcmp(h->tasks[task].id, l.id) == 0) task++;
        check_life(j, &l);
    }
}

checker_verdict checker_check(history *h)
{
    checker_verdict v = {0};
    judge j = {h, &v};
    if (h->op_count > 0) qsort(h->ops, h->op_count, sizeof *h->ops, compare_ops);
    if (h->task_count > 0) qsort(h->tasks, h->task_count, sizeof *h->tasks, compare_tasks);
    count_ops(&j);
    check_lives(&j);
    check_dump(&j);
    check_vacuity(&j);
    v.good = true;
    for (int i = 0; i < CHECKER_RULES; i++) v.good = v.good && v.violations[i] == 0;
    return v;
}
