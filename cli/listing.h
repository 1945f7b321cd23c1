/* Lists of tasks, a page at a time, as rows or as JSON: ls and dead ls. */
#ifndef DUEQ_CLI_LISTING_H
#define DUEQ_CLI_LISTING_H

#include <dueq.h>

#include "command.h"

typedef struct listing_plan {
    dueq_state state;  /* NONE: waiting and ready */
    int64_t count_max; /* INT64_MAX: all */
} listing_plan;

#define LISTING_COUNT_DEFAULT 100

/* Lists tasks of the queue that is the call's first operand. Returns a status. */
int listing_run(const cli_call *call, const listing_plan *plan);

#endif
