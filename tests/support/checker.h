/* Judges a history: were dueq's promises kept? A pure function: no clock, no server, no file.
 *
 * An operation that was answered with an outcome that means "not applied" did nothing; one that was
 * not answered, or is unsure, may have run or not, and is held to neither. Times of takes are the
 * server's where two of its own are compared, and the callers' monotonic clock, which no step of the
 * server's clock can move, where what it said is checked.
 *
 * A failover may forget what was acknowledged. An operation is at risk of one if its task's partition
 * was the old master's, and the call was under way at some time between the moment when all was known
 * to be on the replicas and the old master's end; not if the answer said that replicas had it. What
 * breaks a rule only by an operation at risk is counted apart, and is no violation; each rule says
 * which operations those are. */
#ifndef TESTS_SUPPORT_CHECKER_H
#define TESTS_SUPPORT_CHECKER_H

#include "history.h"

typedef enum checker_rule {
    CHECKER_LOST,        /* pushed, and neither done (even maybe), nor dead, nor in the dump */
    CHECKER_PHANTOM,     /* delivered or dumped: never pushed, refused, or with another payload */
    CHECKER_EARLY,       /* taken before it was due */
    CHECKER_FINALITY,    /* delivered, or still there, after an ok done */
    CHECKER_EXCLUSIVITY, /* taken again while a lease stood that nobody gave back */
    CHECKER_FENCE,       /* an ok for a lease that had ended */
    CHECKER_OUSTED,      /* told "lost" while the lease stood */
    CHECKER_ATTEMPTS,    /* not rising, over the limit, or dead before it */
    CHECKER_UNEXPLAINED, /* an attempt nobody saw, and nothing broke that could be why */
    CHECKER_STRUCTURE,   /* not in exactly one state, or an orphan */
    CHECKER_VACUITY,     /* too little happened to prove anything */
    CHECKER_RULES
} checker_rule;

const char *checker_rule_name(checker_rule rule);

/* Why a task was delivered once more. */
typedef enum checker_cause {
    CHECKER_BY_EXPIRY,     /* its lease ran out under a holder that lived */
    CHECKER_BY_KILL,       /* its lease ran out, its holder had been killed */
    CHECKER_BY_STOP,       /* its lease ran out, its holder had been stopped for a while */
    CHECKER_BY_RETRY,      /* its holder reported a failure */
    CHECKER_BY_RELEASE,    /* its holder gave it back */
    CHECKER_BY_LOST_REPLY, /* a take's answer was lost: a lease that nobody knew of ran out */
    CHECKER_BY_FAILOVER,   /* a failover forgot the take before, or that it was done */
    CHECKER_CAUSES
} checker_cause;

const char *checker_cause_name(checker_cause cause);

enum { CHECKER_TEXTS_MAX = 20, CHECKER_TEXT_SIZE = 256 };

typedef struct checker_verdict {
    bool good;
    int64_t violations[CHECKER_RULES];
    char texts[CHECKER_TEXTS_MAX][CHECKER_TEXT_SIZE]; /* the first ones, one line each */
    int text_count;

    int64_t by_failover[CHECKER_RULES]; /* what would be violations but for operations at risk */
    int64_t lossy;                      /* times that a failover may have forgotten something */
    int64_t at_risk;                    /* operations, acknowledged ones */

    int64_t ops, unsure; /* operations, and those of unknown effect */
    int64_t pushed, delivered, done, dead;
    int64_t duplicates[CHECKER_CAUSES]; /* deliveries after a task's first one, by cause */
    int64_t done_by_another; /* ok to a holder whose lease had ended: sent again, and another had
                                finished the task meanwhile */
} checker_verdict;

/* Sorts the history's ops, and changes nothing else in it. */
checker_verdict checker_check(history *h);

#endif
