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

/* How many requests there may be at work at a moment, when there may be `most` of them. */
size_t dq_http_reach_room(const dq_http_reach *reach, size_t most, int64_t now_us);

/* From when on there is room for one; DQ_NEVER_US when there is now. */
int64_t dq_http_reach_retry_at(const dq_http_reach *reach, int64_t now_us);

/* How many requests there is use for: one while it is away. */
size_t dq_http_reach_able(const dq_http_reach *reach, size_t most);

#endif
