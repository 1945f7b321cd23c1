/* The checker of histories: good ones pass, and each of some fifty, good but for one thing, is
 * caught by the rule it breaks, and by no other unless the plant says so. */
#include "support/checker.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dueq.h>

enum { OPS_MAX = 200, LIMIT = 5, PAYLOAD = 4711 };

/* The server's clock at the callers' 0, ms. */
#define SERVER_MS ((int64_t)1700000000000)

/* A history in the making. Times in ms on the callers' clock; each call takes one. */
typedef struct story {
    history h;
    history_op ops[OPS_MAX];
    history_fault faults[20];
    history_task tasks[20];
    const char *broken[5];
    const char *planned[5];
} story;

static history_op *add(story *s, history_op op, int64_t at_ms)
{
    history_op *place = &s->ops[s->h.op_count++];
    *place = op;
    place->number = (int64_t)s->h.op_count;
    place->called_us = at_ms * 1000;
    place->answered_us = at_ms * 1000 + 1000;
    return place;
}

static history_op *push(story *s, const char *id, int64_t at_ms, int64_t delay_ms)
{
    return add(
        s, (history_op){.verb = HISTORY_PUSH, .id = id, .delay_ms = delay_ms, .payload = PAYLOAD},
        at_ms);
}

/* Tokens are made of the time, as the server's are. */
static history_op *take(story *s, const char *id, int64_t at_ms, int64_t attempt, int64_t lease_ms)
{
    return add(s,
               (history_op){.verb = HISTORY_TAKE,
                            .id = id,
                            .process = 1,
                            .payload = PAYLOAD,
                            .token = at_ms,
                            .attempt = attempt,
                            .due_ms = SERVER_MS,
                            .lease_ms = lease_ms,
                            .deadline_ms = SERVER_MS + at_ms + lease_ms},
               at_ms);
}

static history_op *finish(story *s, history_verb verb, const history_op *held, int64_t at_ms)
{
    return add(s,
               (history_op){.verb = verb,
                            .id = held->id,
                            .process = held->process,
                            .token = held->token,
                            .attempt = held->attempt},
               at_ms);
}

static history_op *extend(story *s, const history_op *held, int64_t at_ms, int64_t lease_ms)
{
    history_op *op = finish(s, HISTORY_EXTEND, held, at_ms);
    op->lease_ms = lease_ms;
    return op;
}

static history_op *retry(story *s, const history_op *held, int64_t at_ms, int64_t delay_ms)
{
    history_op *op = finish(s, HISTORY_RETRY, held, at_ms);
    op->delay_ms = delay_ms;
    return op;
}

static history_op *with(history_op *op, int64_t outcome)
{
    op->outcome = outcome;
    if (outcome == HISTORY_MAYBE) op->answered_us = HISTORY_NEVER;
    return op;
}

static history_fault *fault(story *s, const char *kind, int64_t at_ms, int64_t process)
{
    history_fault *place = &s->faults[s->h.fault_count++];
    *place = (history_fault){
        .kind = kind, .began_us = at_ms * 1000, .ended_us = at_ms * 1000, .process = process};
    return place;
}

static history_task *leave(story *s, const char *id, int64_t places, int64_t failures)
{
    history_task *place = &s->tasks[s->h.task_count++];
    *place = (history_task){.id = id, .places = places, .failures = failures, .payload = PAYLOAD};
    return place;
}

/* The first op of that kind of a task. */
static history_op *op_of(story *s, const char *id, history_verb verb, int nth)
{
    for (size_t i = 0; i < s->h.op_count; i++) {
        history_op *op = &s->ops[i];
        if (op->id != NULL && strcmp(op->id, id) == 0 && op->verb == verb && nth-- == 0) return op;
    }
    fail_msg("the story has no such %s of %s", history_verb_name(verb), id);
    return NULL;
}

static history_task *task_of(story *s, const char *id)
{
    for (size_t i = 0; i < s->h.task_count; i++) {
        if (strcmp(s->tasks[i].id, id) == 0) return &s->tasks[i];
    }
    fail_msg("the story leaves no %s", id);
    return NULL;
}

/* ---- A good story ---------------------------------------------------------------------------- */

static void tell_simple_lives(story *s)
{
    push(s, "plain", 0, 0);
    finish(s, HISTORY_DONE, take(s, "plain", 10, 1, 1000), 20);

    push(s, "delayed", 0, 500);
    finish(s, HISTORY_DONE, take(s, "delayed", 510, 1, 1000), 520);

    push(s, "timed", 0, 0)->due_ms = SERVER_MS + 700;
    history_op *timed = take(s, "timed", 705, 1, 1000);
    timed->due_ms = SERVER_MS + 700;
    finish(s, HISTORY_DONE, timed, 710);

    push(s, "waiting", 0, 3600000);
    leave(s, "waiting", HISTORY_BODY | HISTORY_DUE, 0);
}

static void tell_second_chances(story *s)
{
    push(s, "retried", 0, 0);
    retry(s, take(s, "retried", 10, 1, 1000), 20, 100);
    finish(s, HISTORY_DONE, take(s, "retried", 130, 2, 1000), 140);

    push(s, "released", 0, 0);
    finish(s, HISTORY_RELEASE, take(s, "released", 10, 1, 1000), 20);
    finish(s, HISTORY_DONE, take(s, "released", 30, 1, 1000), 40);

    push(s, "expired", 0, 0);
    history_op *expired = take(s, "expired", 10, 1, 100);
    finish(s, HISTORY_DONE, take(s, "expired", 115, 2, 1000), 130);
    with(finish(s, HISTORY_DONE, expired, 200), DUEQ_LOST);

    push(s, "extended", 0, 0);
    history_op *extended = take(s, "extended", 10, 1, 100);
    extend(s, extended, 50, 300);
    finish(s, HISTORY_DONE, extended, 300);

    push(s, "outrun", 0, 0);
    extend(s, take(s, "outrun", 10, 1, 100), 50, 300);
    finish(s, HISTORY_DONE, take(s, "outrun", 360, 2, 1000), 370);
}

static void tell_deaths(story *s)
{
    push(s, "dead", 0, 0)->attempts_max = 2;
    retry(s, take(s, "dead", 10, 1, 1000), 20, 0);
    with(retry(s, take(s, "dead", 30, 2, 1000), 40, 0), DUEQ_DEAD);
    leave(s, "dead", HISTORY_BODY | HISTORY_DEAD | HISTORY_TRIES, 2);

    push(s, "hopeless", 0, 0);
    history_op *hopeless = retry(s, take(s, "hopeless", 10, 1, 1000), 20, 0);
    with(hopeless, DUEQ_DEAD)->hopeless = 1;
    leave(s, "hopeless", HISTORY_BODY | HISTORY_DEAD | HISTORY_TRIES, 1);
}

static void tell_accidents(story *s)
{
    push(s, "killed", 0, 0);
    take(s, "killed", 10, 1, 100)->process = 7;
    fault(s, "kill", 50, 7);
    finish(s, HISTORY_DONE, take(s, "killed", 120, 2, 1000), 130);

    push(s, "stopped", 0, 0);
    take(s, "stopped", 10, 1, 100)->process = 8;
    fault(s, "stop", 50, 8);
    finish(s, HISTORY_DONE, take(s, "stopped", 120, 2, 1000), 130);

    push(s, "missed", 2000, 0);
    fault(s, "lose-reply", 2010, 0);
    finish(s, HISTORY_DONE, take(s, "missed", 2200, 2, 1000), 2210);

    /* Sent before the lease was over, found gone when sent again: another had done it. */
    push(s, "done twice", 0, 0);
    history_op *early = take(s, "done twice", 10, 1, 100);
    finish(s, HISTORY_DONE, early, 105)->answered_us = 300000;
    finish(s, HISTORY_DONE, take(s, "done twice", 120, 2, 1000), 130);
}

static void tell_unsure(story *s)
{
    with(push(s, "never came", 0, 0), HISTORY_MAYBE);
    with(push(s, "came", 0, 0), DUEQ_EUNSURE);
    finish(s, HISTORY_DONE, take(s, "came", 10, 1, 1000), 20);
    with(push(s, "refused", 0, 0), DUEQ_ETIMEOUT);
    push(s, "maybe done", 0, 0);
    with(finish(s, HISTORY_DONE, take(s, "maybe done", 10, 1, 1000), 20), HISTORY_MAYBE);
    add(s, (history_op){.verb = HISTORY_TAKE, .outcome = DUEQ_EMPTY}, 900);
}

static story *tell(void)
{
    story *s = calloc(1, sizeof *s);
    s->h = (history){.ops = s->ops,
                     .faults = s->faults,
                     .tasks = s->tasks,
                     .broken = s->broken,
                     .planned = s->planned,
                     .dumped = true,
                     .plan = {.attempts_max = LIMIT, .ops_min = 20}};
    tell_simple_lives(s);
    tell_second_chances(s);
    tell_deaths(s);
    tell_accidents(s);
    tell_unsure(s);
    s->planned[s->h.planned_count++] = "kill";
    return s;
}

static void print_verdict(const checker_verdict *v)
{
    for (int i = 0; i < v->text_count; i++) print_error("    %s\n", v->texts[i]);
}

static void a_good_history_passes(void **state)
{
    (void)state;
    story *s = tell();
    checker_verdict v = checker_check(&s->h);
    print_verdict(&v);
    assert_true(v.good);
    assert_int_equal(v.unsure, 3);
    assert_int_equal(v.dead, 2);
    assert_int_equal(v.duplicates[CHECKER_BY_EXPIRY], 3);
    assert_int_equal(v.duplicates[CHECKER_BY_KILL], 1);
    assert_int_equal(v.duplicates[CHECKER_BY_STOP], 1);
    assert_int_equal(v.duplicates[CHECKER_BY_RETRY], 2);
    assert_int_equal(v.duplicates[CHECKER_BY_RELEASE], 1);
    assert_int_equal(v.duplicates[CHECKER_BY_LOST_REPLY], 1);
    free(s);
}

/* ---- Bugs, one each -------------------------------------------------------------------------- */

static void forget(story *s, history_op *op)
{
    *op = s->ops[--s->h.op_count];
}

static void forget_task(story *s, const char *id)
{
    *task_of(s, id) = s->tasks[--s->h.task_count];
}

/* lost */
static void vanished_untouched(story *s)
{
    forget_task(s, "waiting");
}
static void vanished_after_delivery(story *s)
{
    forget(s, op_of(s, "plain", HISTORY_DONE, 0));
}
static void vanished_though_done_was_lost(story *s)
{
    with(op_of(s, "plain", HISTORY_DONE, 0), DUEQ_LOST);
}
static void vanished_though_done_was_refused(story *s)
{
    with(op_of(s, "plain", HISTORY_DONE, 0), DUEQ_ETIMEOUT);
}
static void vanished_when_dead(story *s)
{
    forget_task(s, "dead");
}
static void vanished_though_it_existed(story *s)
{
    with(push(s, "stood before", 0, 0), DUEQ_EXISTS);
}

static void only_failures_are_left(story *s)
{
    task_of(s, "waiting")->places = HISTORY_TRIES;
}

/* phantom */
static void never_pushed(story *s)
{
    finish(s, HISTORY_DONE, take(s, "ghost", 10, 1, 1000), 20);
}
static void left_and_never_pushed(story *s)
{
    leave(s, "ghost", HISTORY_BODY | HISTORY_DUE, 0);
}
static void there_though_refused(story *s)
{
    finish(s, HISTORY_DONE, take(s, "refused", 10, 1, 1000), 20);
}
static void left_though_refused(story *s)
{
    leave(s, "refused", HISTORY_BODY | HISTORY_DUE, 0);
}
static void another_payload(story *s)
{
    op_of(s, "plain", HISTORY_TAKE, 0)->payload++;
}
static void another_payload_left(story *s)
{
    task_of(s, "waiting")->payload++;
}
static void before_its_push(story *s)
{
    op_of(s, "plain", HISTORY_PUSH, 0)->called_us = 15000;
}

/* early */
static void early_by_the_server(story *s)
{
    op_of(s, "plain", HISTORY_TAKE, 0)->due_ms = SERVER_MS + 11;
}
static void early_for_its_time(story *s) /* the server tells a wrong due time, too */
{
    history_op *timed = op_of(s, "timed", HISTORY_TAKE, 0);
    timed->due_ms -= 10;
    op_of(s, "timed", HISTORY_PUSH, 0)->due_ms += 10;
}
static void early_for_its_delay(story *s)
{
    op_of(s, "delayed", HISTORY_PUSH, 0)->delay_ms = 520;
}
static void early_after_a_retry(story *s)
{
    op_of(s, "retried", HISTORY_RETRY, 0)->delay_ms = 120;
}

/* finality */
static void taken_after_done(story *s)
{
    take(s, "released", 60, 2, 1000);
}
static void there_after_done(story *s)
{
    leave(s, "plain", HISTORY_BODY | HISTORY_DUE, 0);
}
static void dead_after_done(story *s)
{
    leave(s, "plain", HISTORY_BODY | HISTORY_DEAD, LIMIT);
}

/* exclusivity */
static void taken_while_held(story *s)
{
    take(s, "plain", 15, 2, 1000);
}
static void taken_just_before_the_deadline(story *s)
{
    history_op *next = op_of(s, "expired", HISTORY_TAKE, 1);
    next->deadline_ms = SERVER_MS + 109 + next->lease_ms;
}
static void one_token_for_two(story *s)
{
    history_op *twin = take(s, "plain", 11, 2, 1000);
    twin->token = op_of(s, "plain", HISTORY_TAKE, 0)->token;
}
static void taken_over_an_extension(story *s)
{
    op_of(s, "outrun", HISTORY_EXTEND, 0)->lease_ms = 330;
}
static void the_server_lies_about_its_clock(story *s) /* only the callers' clock sees it */
{
    history_op *next = op_of(s, "expired", HISTORY_TAKE, 1);
    next->called_us = 100000;
    next->answered_us = 101000;
}
static void taken_though_the_retry_was_lost(story *s)
{
    with(op_of(s, "retried", HISTORY_RETRY, 0), DUEQ_LOST);
}

/* fence */
static void stale_done(story *s) /* and no other's explains it */
{
    with(op_of(s, "expired", HISTORY_DONE, 1), DUEQ_OK);
    forget(s, op_of(s, "expired", HISTORY_DONE, 0));
}
static void stale_extend(story *s)
{
    extend(s, op_of(s, "expired", HISTORY_TAKE, 0), 125, 50);
}
static void stale_retry(story *s)
{
    retry(s, op_of(s, "expired", HISTORY_TAKE, 0), 125, 0);
}
static void late_retry(story *s) /* nobody has taken it again yet, but the lease is over */
{
    retry(s, op_of(s, "expired", HISTORY_TAKE, 0), 113, 0);
}

/* ousted */
static void lost_while_held(story *s)
{
    with(op_of(s, "extended", HISTORY_DONE, 0), DUEQ_LOST);
    leave(s, "extended", HISTORY_BODY | HISTORY_DUE, 0);
}
static void lost_just_before_the_end(story *s)
{
    with(finish(s, HISTORY_RETRY, op_of(s, "expired", HISTORY_TAKE, 0), 107), DUEQ_LOST);
}

/* attempts */
static void attempts_stand_still(story *s)
{
    op_of(s, "expired", HISTORY_TAKE, 1)->attempt = 1;
}
static void attempts_fall(story *s)
{
    op_of(s, "released", HISTORY_TAKE, 0)->attempt = 2;
    fault(s, "lose-reply", 5, 0);
}
static void attempts_over_the_limit(story *s)
{
    op_of(s, "missed", HISTORY_TAKE, 0)->attempt = LIMIT + 1;
}
static void no_attempt(story *s)
{
    op_of(s, "plain", HISTORY_TAKE, 0)->attempt = 0;
}
static void dead_too_soon(story *s)
{
    with(op_of(s, "retried", HISTORY_RETRY, 0), DUEQ_DEAD);
}
static void alive_too_long(story *s)
{
    with(op_of(s, "dead", HISTORY_RETRY, 1), DUEQ_OK);
}
static void left_dead_too_soon(story *s)
{
    task_of(s, "dead")->failures = 1;
}
static void dead_though_not_hopeless(story *s)
{
    op_of(s, "hopeless", HISTORY_RETRY, 0)->hopeless = 0;
}

/* unexplained */
static void an_attempt_nobody_saw(story *s)
{
    s->faults[2].began_us = s->faults[2].ended_us = 9000000;
}
static void a_first_attempt_nobody_saw(story *s)
{
    push(s, "skipped", 5000, 0);
    finish(s, HISTORY_DONE, take(s, "skipped", 5100, 2, 1000), 5110);
}

/* structure */
static void in_two_states(story *s)
{
    task_of(s, "waiting")->places |= HISTORY_LEASED;
}
static void in_no_state(story *s)
{
    task_of(s, "waiting")->places = HISTORY_BODY;
}
static void without_a_record(story *s)
{
    history_task *task = task_of(s, "waiting");
    task->places = HISTORY_DUE;
    task->payload = 0;
}
static void failures_of_nobody(story *s)
{
    leave(s, "ghost", HISTORY_TRIES, 1)->payload = 0;
}
static void something_else_is_broken(story *s)
{
    s->broken[s->h.broken_count++] = "due has no sentinel";
}

/* vacuity */
static void too_few_operations(story *s)
{
    s->h.plan.ops_min = (int64_t)s->h.op_count - 2;
}
static void a_fault_that_never_struck(story *s)
{
    s->planned[s->h.planned_count++] = "reset";
}
static void no_dump(story *s)
{
    s->h.dumped = false;
}

typedef struct plant {
    const char *name;
    void (*plant)(story *s);
    checker_rule rule;
    checker_rule also; /* breaks this one inevitably, too */
} plant;

#define PLANT(name, rule)       \
    {                           \
#name, name, rule, rule \
    }
#define PLANT_ALSO(name, rule, also) \
    {                                \
#name, name, rule, also      \
    }

static const plant plants[] = {
    PLANT(vanished_untouched, CHECKER_LOST),
    PLANT(vanished_after_delivery, CHECKER_LOST),
    PLANT_ALSO(vanished_though_done_was_lost, CHECKER_LOST, CHECKER_OUSTED),
    PLANT(vanished_though_done_was_refused, CHECKER_LOST),
    PLANT(vanished_when_dead, CHECKER_LOST),
    PLANT(vanished_though_it_existed, CHECKER_LOST),
    PLANT_ALSO(only_failures_are_left, CHECKER_LOST, CHECKER_STRUCTURE),
    PLANT(never_pushed, CHECKER_PHANTOM),
    PLANT(left_and_never_pushed, CHECKER_PHANTOM),
    PLANT(there_though_refused, CHECKER_PHANTOM),
    PLANT(left_though_refused, CHECKER_PHANTOM),
    PLANT(another_payload, CHECKER_PHANTOM),
    PLANT(another_payload_left, CHECKER_PHANTOM),
    PLANT_ALSO(before_its_push, CHECKER_PHANTOM, CHECKER_EARLY),
    PLANT(early_by_the_server, CHECKER_EARLY),
    PLANT(early_for_its_time, CHECKER_EARLY),
    PLANT(early_for_its_delay, CHECKER_EARLY),
    PLANT(early_after_a_retry, CHECKER_EARLY),
    PLANT_ALSO(taken_after_done, CHECKER_FINALITY, CHECKER_EXCLUSIVITY),
    PLANT(there_after_done, CHECKER_FINALITY),
    PLANT(dead_after_done, CHECKER_FINALITY),
    PLANT_ALSO(taken_while_held, CHECKER_EXCLUSIVITY, CHECKER_FENCE),
    PLANT(taken_just_before_the_deadline, CHECKER_EXCLUSIVITY),
    PLANT(one_token_for_two, CHECKER_EXCLUSIVITY),
    PLANT(taken_over_an_extension, CHECKER_EXCLUSIVITY),
    PLANT(the_server_lies_about_its_clock, CHECKER_EXCLUSIVITY),
    PLANT_ALSO(taken_though_the_retry_was_lost, CHECKER_EXCLUSIVITY, CHECKER_OUSTED),
    PLANT(stale_done, CHECKER_FENCE),
    PLANT(stale_extend, CHECKER_FENCE),
    PLANT(stale_retry, CHECKER_FENCE),
    PLANT(late_retry, CHECKER_FENCE),
    PLANT(lost_while_held, CHECKER_OUSTED),
    PLANT(lost_just_before_the_end, CHECKER_OUSTED),
    PLANT(attempts_stand_still, CHECKER_ATTEMPTS),
    PLANT(attempts_fall, CHECKER_ATTEMPTS),
    PLANT(attempts_over_the_limit, CHECKER_ATTEMPTS),
    PLANT(no_attempt, CHECKER_ATTEMPTS),
    PLANT(dead_too_soon, CHECKER_ATTEMPTS),
    PLANT(alive_too_long, CHECKER_ATTEMPTS),
    PLANT(left_dead_too_soon, CHECKER_ATTEMPTS),
    PLANT(dead_though_not_hopeless, CHECKER_ATTEMPTS),
    PLANT(an_attempt_nobody_saw, CHECKER_UNEXPLAINED),
    PLANT(a_first_attempt_nobody_saw, CHECKER_UNEXPLAINED),
    PLANT(in_two_states, CHECKER_STRUCTURE),
    PLANT(in_no_state, CHECKER_STRUCTURE),
    PLANT(without_a_record, CHECKER_STRUCTURE),
    PLANT(failures_of_nobody, CHECKER_STRUCTURE),
    PLANT(something_else_is_broken, CHECKER_STRUCTURE),
    PLANT(too_few_operations, CHECKER_VACUITY),
    PLANT(a_fault_that_never_struck, CHECKER_VACUITY),
    PLANT(no_dump, CHECKER_VACUITY),
};
enum { PLANT_COUNT = sizeof plants / sizeof plants[0] };

static bool is_caught(const plant *one, const checker_verdict *v)
{
    for (int rule = 0; rule < CHECKER_RULES; rule++) {
        bool wanted = rule == (int)one->rule || rule == (int)one->also;
        if ((v->violations[rule] > 0) != wanted) {
            print_error("%s: %lld violations of \"%s\", wanted %s\n", one->name,
                        (long long)v->violations[rule], checker_rule_name((checker_rule)rule),
                        wanted ? "some" : "none");
            print_verdict(v);
            return false;
        }
    }
    return !v->good;
}

static void every_planted_bug_is_caught_and_named(void **state)
{
    (void)state;
    int caught = 0;
    for (int i = 0; i < PLANT_COUNT; i++) {
        story *s = tell();
        plants[i].plant(s);
        checker_verdict v = checker_check(&s->h);
        caught += is_caught(&plants[i], &v);
        free(s);
    }
    print_message("%d of %d planted bugs caught\n", caught, PLANT_COUNT);
    assert_int_equal(caught, PLANT_COUNT);
}

/* ---- What is no bug -------------------------------------------------------------------------- */

static void assert_good(story *s)
{
    checker_verdict v = checker_check(&s->h);
    print_verdict(&v);
    assert_true(v.good);
    free(s);
}

/* While the server's clock steps, what the callers' clock says of its doings counts only beyond the
 * step; its own times still count. */
static void steps_of_the_servers_clock_are_allowed_for(void **state)
{
    (void)state;
    story *s = tell();
    op_of(s, "delayed", HISTORY_PUSH, 0)->delay_ms = 3600000;
    fault(s, "clock", 400, 0)->amount = 3600000;
    assert_good(s);
    s = tell();
    fault(s, "clock", 12, 0)->amount = -3600000;
    early_by_the_server(s);
    checker_verdict v = checker_check(&s->h);
    assert_int_equal(v.violations[CHECKER_EARLY], 1);
    free(s);
}

/* It may have been put while the call was under way: before it ran. */
static void a_step_may_overtake_a_call(void **state)
{
    (void)state;
    story *s = tell();
    history_op *done = op_of(s, "plain", HISTORY_DONE, 0);
    done->called_us = 1100000;
    done->answered_us = 1300000;
    fault(s, "clock", 1200, 0)->amount = -3600000;
    assert_good(s);
}

/* An extension that may have run: neither end of the lease is held against anybody. */
static void an_unsure_extension_is_held_to_neither(void **state)
{
    (void)state;
    story *s = tell();
    with(extend(s, op_of(s, "expired", HISTORY_TAKE, 0), 60, 20), HISTORY_MAYBE);
    history_op *next = op_of(s, "expired", HISTORY_TAKE, 1);
    next->called_us = 85000;
    next->answered_us = 86000;
    next->deadline_ms = SERVER_MS + 85 + next->lease_ms;
    assert_good(s);
}

/* Sent twice, it may have run the first time, and found the task another's the second. */
static void a_retry_that_was_cut_off_may_have_run(void **state)
{
    (void)state;
    story *s = tell();
    taken_though_the_retry_was_lost(s);
    fault(s, "cut", 20, 0);
    assert_good(s);
    s = tell();
    taken_though_the_retry_was_lost(s);
    fault(s, "clock", 20, 0)->amount = 1; /* is no reason to send it twice */
    checker_verdict v = checker_check(&s->h);
    assert_int_equal(v.violations[CHECKER_OUSTED], 1);
    free(s);
}

/* A failover that may have forgotten what was done between those moments. */
static history_fault *fail_over(story *s, int64_t from_ms, int64_t to_ms)
{
    history_fault *f = fault(s, "master-kill", from_ms, 0);
    f->ended_us = f->lossy_to_us = to_ms * 1000;
    f->lossy_from_us = from_ms * 1000;
    return f;
}

/* What one operation at risk explains. */
typedef struct forgotten {
    const char *name;
    void (*plant)(story *s);
    int64_t from_ms, to_ms; /* when the operation was under way that was forgotten */
    checker_rule rule;
} forgotten;

static void an_extension_forgotten(story *s)
{
    push(s, "shortened", 0, 0);
    history_op *held = take(s, "shortened", 10, 1, 100);
    extend(s, held, 50, 900);
    finish(s, HISTORY_DONE, take(s, "shortened", 200, 2, 1000), 210);
}

#define FORGOTTEN(plant, from_ms, to_ms, rule)        \
    {                                                 \
#plant, plant, from_ms, to_ms, CHECKER_##rule \
    }

static const forgotten forgotten_ops[] = {
    FORGOTTEN(vanished_untouched, 0, 0, LOST),
    FORGOTTEN(taken_just_before_the_deadline, 10, 10, EXCLUSIVITY),
    FORGOTTEN(an_extension_forgotten, 50, 50, EXCLUSIVITY),
    FORGOTTEN(there_after_done, 20, 20, FINALITY),
    FORGOTTEN(stale_extend, 115, 115, FENCE),
    FORGOTTEN(lost_while_held, 10, 10, OUSTED),
    FORGOTTEN(attempts_stand_still, 115, 115, ATTEMPTS),
    FORGOTTEN(early_after_a_retry, 20, 20, EARLY),
};
enum { FORGOTTEN_COUNT = sizeof forgotten_ops / sizeof forgotten_ops[0] };

static void expect_class(const forgotten *f, story *s, bool apart)
{
    checker_verdict v = checker_check(&s->h);
    if (v.by_failover[f->rule] > 0 && apart && v.good) return;
    if (v.by_failover[f->rule] == 0 && !apart && v.violations[f->rule] > 0) return;
    print_verdict(&v);
    fail_msg("%s: wanted %s, have %lld of the failover and %lld plain ones", f->name,
             apart ? "the failover's" : "a plain one", (long long)v.by_failover[f->rule],
             (long long)v.violations[f->rule]);
}

/* Each is the failover's when the operation was under way then; a plain one when it was over before,
 * or made later, or was on replicas, or on another master's partition. */
static void a_failover_explains_what_it_may_have_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < FORGOTTEN_COUNT; i++) {
        const forgotten *f = &forgotten_ops[i];
        for (int way = 0; way < 4; way++) {
            story *s = tell();
            f->plant(s);
            s->h.plan.partitions = 1;
            history_fault *over = fail_over(s, f->from_ms, f->to_ms + (way == 0));
            over->partitions = way == 1 ? 2 : 1;
            if (way == 2) over->lossy_from_us = over->lossy_to_us = 7000000;
            for (size_t k = 0; way == 3 && k < s->h.op_count; k++) s->ops[k].durable = 1;
            expect_class(f, s, way == 0);
            free(s);
        }
    }
}

/* No failover gives a task another payload, or leaves it in two states. */
static void a_failover_explains_nothing_else(void **state)
{
    (void)state;
    void (*const bugs[])(story *) = {another_payload, in_two_states, never_pushed,
                                     early_by_the_server};
    for (size_t i = 0; i < sizeof bugs / sizeof bugs[0]; i++) {
        story *s = tell();
        bugs[i](s);
        fail_over(s, 0, 10000);
        checker_verdict v = checker_check(&s->h);
        if (v.good) fail_msg("planted bug %zu was not caught", i);
        free(s);
    }
}

/* A clock that steps over other partitions explains nothing of this one's. */
static void a_step_elsewhere_explains_nothing(void **state)
{
    (void)state;
    story *s = tell();
    op_of(s, "delayed", HISTORY_PUSH, 0)->delay_ms = 3600000;
    s->h.plan.partitions = 1;
    history_fault *step = fault(s, "clock", 400, 0);
    step->amount = 3600000;
    step->partitions = 2;
    checker_verdict v = checker_check(&s->h);
    assert_int_equal(v.violations[CHECKER_EARLY], 1);
    step->partitions = 1;
    assert_good(s);
}

/* As after a step back of the clock, if tokens were no more than the time. */
static void tokens_that_fall_are_caught(void **state)
{
    (void)state;
    story *s = tell();
    push(s, "fallen", 0, 0);
    history_op *first = take(s, "fallen", 10, 1, 100);
    history_op *second = take(s, "fallen", 200, 2, 100);
    first->token = 900;
    second->token = 800;
    leave(s, "fallen", HISTORY_BODY | HISTORY_LEASED, 0); /* nothing done under the lower one */
    fault(s, "clock", 150, 0)->amount = -3600000;
    checker_verdict v = checker_check(&s->h);
    assert_true(v.violations[CHECKER_FENCE] > 0);
    free(s);
}

static void texts_name_rule_and_task(void **state)
{
    (void)state;
    story *s = tell();
    vanished_untouched(s);
    checker_verdict v = checker_check(&s->h);
    assert_int_equal(v.text_count, 1);
    assert_string_equal(v.texts[0], "lost: waiting: pushed, delivered 0 times, and gone");
    free(s);
}

static void done_by_another_is_counted(void **state)
{
    (void)state;
    story *s = tell();
    op_of(s, "done twice", HISTORY_DONE, 0)->called_us = 122000;
    op_of(s, "done twice", HISTORY_DONE, 1)->called_us = 150000;
    checker_verdict v = checker_check(&s->h);
    assert_true(v.good);
    assert_int_equal(v.done_by_another, 1);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_history_passes),
        cmocka_unit_test(every_planted_bug_is_caught_and_named),
        cmocka_unit_test(steps_of_the_servers_clock_are_allowed_for),
        cmocka_unit_test(a_step_may_overtake_a_call),
        cmocka_unit_test(an_unsure_extension_is_held_to_neither),
        cmocka_unit_test(a_retry_that_was_cut_off_may_have_run),
        cmocka_unit_test(a_failover_explains_what_it_may_have_forgotten),
        cmocka_unit_test(a_failover_explains_nothing_else),
        cmocka_unit_test(a_step_elsewhere_explains_nothing),
        cmocka_unit_test(tokens_that_fall_are_caught),
        cmocka_unit_test(texts_name_rule_and_task),
        cmocka_unit_test(done_by_another_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
