/* The engine that handles tasks by POSTs to a URL: one thread, many requests at a time. Knows no
 * server of tasks, and nothing of what an answer means: that is http_answer.h. */
#ifndef DQ_WORK_HTTP_H
#define DQ_WORK_HTTP_H

#include "base/fault.h"
#include "work/desk.h"
#include "work/log.h"

#define DQ_HTTP_TIMEOUT_MS 30000         /* of a request, when the options name none */
#define DQ_HTTP_CONNECT_TIMEOUT_MS 10000 /* of it, for connecting; less when the timeout is */

typedef struct dq_http dq_http;

/* All borrowed, for as long as the engine is open. */
typedef struct dq_http_options {
    const char *url;      /* http:// or https:// */
    const char *secret;   /* signs each request; NULL: unsigned */
    const char *ca_file;  /* PEM; NULL: the system's */
    size_t request_count; /* at a time, at most */
    int64_t timeout_ms;   /* of a request; 0: DQ_HTTP_TIMEOUT_MS */
    dq_desk *desk;
    int nudge_fd; /* the desk's todo_fd and that of each of its jobs, at once */
    dq_log *log;
} dq_http_options;

/* DUEQ_OK; DUEQ_EINVAL, ESYSTEM or ENOMEM with the fault set, and *http NULL. */
int dq_http_open(dq_http **http, const dq_http_options *options, dq_fault *fault);

/* Closes the desk and waits until every job has been returned; NULL is fine. */
void dq_http_close(dq_http *http);

#endif
