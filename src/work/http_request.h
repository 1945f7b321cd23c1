/* A task as the head of a request. Pure. */
#ifndef DQ_WORK_HTTP_REQUEST_H
#define DQ_WORK_HTTP_REQUEST_H

#include <curl/curl.h>

#include "base/buf.h"
#include "work/job.h"

/* Appends bytes so that they can stand in a header whatever they are: all but visible ASCII, and
 * spaces within, is written as %XX, and so is %. */
bool dq_http_encode(dq_buf *out, const void *bytes, size_t len);

/* The headers of the request for a task, signed as of `time_s` unless the secret is NULL. The list
 * is the caller's to free with curl_slist_free_all(); NULL when out of memory. */
struct curl_slist *dq_http_headers(const dueq_job *job, const char *secret, int64_t time_s);

#endif
