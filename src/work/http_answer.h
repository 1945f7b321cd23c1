/* What an endpoint's answer, or its absence, means for the task. Pure but for what it sets in the
 * job: the error, and the delay of a retry. */
#ifndef DQ_WORK_HTTP_ANSWER_H
#define DQ_WORK_HTTP_ANSWER_H

#include <curl/curl.h>

#include "work/job.h"

#define DQ_HTTP_BODY_SHOWN_MAX 500          /* bytes of a body that become the error's text */
#define DQ_HTTP_RETRY_AFTER_MS_MAX 86400000 /* a day: what an endpoint may put off a task by */

/* A whole answer. Texts are NULL where it has no such header. */
typedef struct dq_http_answer {
    long status;
    const char *retry_after;
    const char *date;
    const char *location;
    const char *body; /* its beginning */
    size_t body_len;  /* of that */
    int64_t now_ms;   /* the wall clock's, for an answer without a date */
} dq_http_answer;

/*  2xx       done
 *  410       dead
 *  429, 503  retry, after what Retry-After says
 *  others    retry */
dueq_verdict dq_http_judge(dueq_job *job, const dq_http_answer *answer);

/* Why there is no whole answer. */
typedef struct dq_http_failure {
    CURLcode code;
    const char *detail; /* libcurl's text; "": none */
    int os_error;       /* an errno; 0: none */
    const char *url;    /* in the form that may be shown */
    bool connected;     /* the request was on its way */
    long status;        /* the answer had begun with; 0: it had not */
    int64_t timeout_ms; /* that ran out, if one did */
} dq_http_failure;

dueq_verdict dq_http_judge_failure(dueq_job *job, const dq_http_failure *failure);

/* The same in words, appended. */
void dq_http_describe_failure(dq_buf *out, const dq_http_failure *failure);

#endif
