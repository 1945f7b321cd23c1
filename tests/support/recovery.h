/* How long calls took to get through once a killed master's successor could be known: read from a
 * history, by the calls that were pending on its partitions at that moment; without those that
 * another fault befell before they got through. A pure function. */
#ifndef TESTS_SUPPORT_RECOVERY_H
#define TESTS_SUPPORT_RECOVERY_H

#include "history.h"

typedef struct recovery {
    int64_t *waits_us; /* rising; calls that were answered, from then on */
    size_t count;
    size_t failovers; /* of killed masters, with such calls or without */
    size_t failed;    /* calls that were pending and ended without having got through */
} recovery;

recovery recovery_of(const history *h);
void recovery_clear(recovery *r);
/* The wait that so many of a hundred calls did not exceed; 0 when there are none. */
int64_t recovery_percentile_us(const recovery *r, int percent);

#endif
