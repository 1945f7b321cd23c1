/* Whether an endpoint can be reached: while it is not known to, one request at a time tries it, so
 * that an outage costs few attempts, and a name is not looked up a thousand times at once. */
#ifndef DQ_WORK_HTTP_REACH_H
#define DQ_WORK_HTTP_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "work/log.h"

/* Holds: known, or not known yet with no failures, or away. */
typedef struct dq_http_reach {
    const char *url; /* in the form that may be shown; borrowed, as is the log */
    dq_log *log;
    bool known;
    int64_t failures; /* in a row */
    int64_t since_us;
    int64_t retry_at_us;
} dq_http_reach;

/* A connection stands. */
void dq_http_reach_found(dq_http_reach *reach);

/* None could be had. Of those that failed together the first counts. */
void dq_http_reach_missed(dq_http_reach *reach, const char *error);

/* How many requests there may be at work now, when there may be `most` of them. */
size_t dq_http_reach_room(const dq_http_reach *reach, size_t most);

/* When it may be tried again; DQ_NEVER_US unless it is away. */
int64_t dq_http_reach_retry_at(const dq_http_reach *reach);

#endif
