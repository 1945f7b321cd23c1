/* One request at a time by libcurl: what is asked of it, and what is kept of the answer. Knows no desk
 * and no other request. */
#ifndef DQ_WORK_HTTP_TRANSFER_H
#define DQ_WORK_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "work/http_answer.h"
#include "work/http_reach.h"

#define DQ_HTTP_ANSWER_LEN_MAX 1048576 /* bytes of an answer's body that are read, at most */

/* What all requests of an engine have in common. Outlives its transfers. */
typedef struct dq_http_plan {
    const char *url, *shown_url;
    const char *secret;  /* NULL: unsigned */
    const char *ca_file; /* NULL: the system's */
    bool tls;
    int64_t timeout_ms, connect_timeout_ms;
    dq_http_reach *reach;
} dq_http_plan;

/* Memory of a body: what is shown of it, and a little more, since white space around it is not. */
#define DQ_HTTP_BODY_KEPT (DQ_HTTP_BODY_SHOWN_MAX + 140)

/* Holds: there is a job exactly while the transfer is one of a multi handle's. */
typedef struct dq_http_transfer {
    const dq_http_plan *plan;
    CURL *easy;
    struct dq_http_transfer *next; /* in the list of the free */
    dueq_job *job;
    struct curl_slist *headers;
    bool connected;
    bool head_is_whole;
    bool overlong; /* more body than is read: only the status counts */
    size_t header_len;
    size_t body_len;
    size_t kept_len;
    char kept[DQ_HTTP_BODY_KEPT];
    char detail[CURL_ERROR_SIZE];
} dq_http_transfer;

/* False when out of memory; to be closed in either case. */
bool dq_http_transfer_open(dq_http_transfer *transfer, const dq_http_plan *plan);
void dq_http_transfer_close(dq_http_transfer *transfer);

/* Begins the request for a job. False when out of memory: it is not begun. */
bool dq_http_transfer_begin(dq_http_transfer *transfer, CURLM *multi, dueq_job *job);

/* What came of it, by libcurl's code; sets the job's error and delay. */
dueq_verdict dq_http_transfer_judge(dq_http_transfer *transfer, CURLcode code);

/* Over, or given up. Returns the job. */
dueq_job *dq_http_transfer_end(dq_http_transfer *transfer, CURLM *multi);

/* The transfer of one of libcurl's handles. */
dq_http_transfer *dq_http_transfer_of(CURL *easy);

#endif
