/* libcurl's side of a request: its options, its callbacks, and what it tells of the end. */
#include "work/http_transfer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "work/http_request.h"

#define HEADERS_LEN_MAX 262144 /* bytes of an answer's headers */

/* ---- What libcurl calls ---- */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The connection stands; the request is sent next. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the signature is libcurl's */
static int before_request(void *context, char *to, char *from, int to_port, int from_port)
{
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    dq_http_transfer *t = context;
    t->connected = true;
    dq_http_reach_found(t->plan->reach);
    return CURL_PREREQFUNC_OK;
}

/* Line by line. libcurl takes a connection that is closed among the headers for their end. */
static size_t read_header(char *bytes, size_t size, size_t count, void *context)
{
    dq_http_transfer *t = context;
    size_t len = size * count;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) t->head_is_whole = false;
    if (len > 0 && (bytes[0] == '\r' || bytes[0] == '\n')) t->head_is_whole = true;
    t->header_len += len;
    return t->header_len <= HEADERS_LEN_MAX ? len : 0;
}

static size_t read_body(char *bytes, size_t size, size_t count, void *context)
{
    dq_http_transfer *t = context;
    size_t len = size * count, room = sizeof t->kept - t->kept_len;
    size_t kept_len = len < room ? len : room;
    memcpy(t->kept + t->kept_len, bytes, kept_len);
    t->kept_len += kept_len;
    t->body_len += len;
    t->overlong = t->body_len > DQ_HTTP_ANSWER_LEN_MAX;
    return t->overlong ? 0 : len;
}

/* ---- Opening ---- */

#define SET(option, value) (curl_easy_setopt(easy, (option), (value)) == CURLE_OK)

/* Over TLS a request waits for a connection that is being made to say whether it takes several at a
 * time, and shares it then. Without TLS only the first answer could tell. */
static bool set_protocol(CURL *easy, const dq_http_plan *plan)
{
    char agent[64];
    snprintf(agent, sizeof agent, "dueq/%s", dueq_version());
    long version = plan->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    return SET(CURLOPT_URL, plan->url) && SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
           SET(CURLOPT_POST, 1L) && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_HTTP_VERSION, version) && SET(CURLOPT_PIPEWAIT, plan->tls ? 1L : 0L) &&
           SET(CURLOPT_USERAGENT, agent) && SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static bool set_tls(CURL *easy, const dq_http_plan *plan)
{
    return SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (plan->ca_file == NULL || SET(CURLOPT_CAINFO, plan->ca_file));
}

static long bounded_ms(int64_t ms)
{
    return ms < INT_MAX ? (long)ms : INT_MAX;
}

/* QUICK_EXIT: a request that is given up while its name is looked up does not wait for that. */
static bool set_times(CURL *easy, const dq_http_plan *plan)
{
    return SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_QUICK_EXIT, 1L) &&
           SET(CURLOPT_TIMEOUT_MS, bounded_ms(plan->timeout_ms)) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, bounded_ms(plan->connect_timeout_ms));
}

static bool set_callbacks(CURL *easy, dq_http_transfer *t)
{
    return SET(CURLOPT_PRIVATE, t) && SET(CURLOPT_ERRORBUFFER, t->detail) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) &&
           SET(CURLOPT_PREREQFUNCTION, before_request) && SET(CURLOPT_PREREQDATA, t) &&
           SET(CURLOPT_HEADERFUNCTION, read_header) && SET(CURLOPT_HEADERDATA, t) &&
           SET(CURLOPT_WRITEFUNCTION, read_body) && SET(CURLOPT_WRITEDATA, t);
}

bool dq_http_transfer_open(dq_http_transfer *transfer, const dq_http_plan *plan)
{
    *transfer = (dq_http_transfer){.plan = plan};
    CURL *easy = curl_easy_init();
    transfer->easy = easy;
    return easy != NULL && set_protocol(easy, plan) && set_tls(easy, plan) &&
           set_times(easy, plan) && set_callbacks(easy, transfer);
}

void dq_http_transfer_close(dq_http_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}

/* ---- From its beginning to its end ---- */

static bool set_request(dq_http_transfer *t)
{
    const dueq_task *task = t->job->task;
    CURL *easy = t->easy;
    return t->headers != NULL && SET(CURLOPT_HTTPHEADER, t->headers) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)task->payload_len) &&
           SET(CURLOPT_POSTFIELDS, task->payload);
}

static void forget_request(dq_http_transfer *t)
{
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->job = NULL;
}

bool dq_http_transfer_begin(dq_http_transfer *transfer, CURLM *multi, dueq_job *job)
{
    transfer->job = job;
    transfer->headers = dq_http_headers(job, transfer->plan->secret, dq_wall_us() / 1000000);
    transfer->connected = transfer->head_is_whole = transfer->overlong = false;
    transfer->header_len = transfer->body_len = transfer->kept_len = 0;
    transfer->detail[0] = '\0';
    if (set_request(transfer) && curl_multi_add_handle(multi, transfer->easy) == CURLM_OK) {
        return true;
    }
    forget_request(transfer);
    return false;
}

/* NULL when the answer has no such header, or has it twice, which could mean anything. */
static const char *header_of(CURL *easy, const char *name)
{
    struct curl_header *header;
    CURLHcode code = curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header);
    return code == CURLHE_OK && header->amount == 1 ? header->value : NULL;
}

static dueq_verdict judge_answer(dq_http_transfer *t, long status)
{
    dq_http_answer answer = {.status = status,
                             .retry_after = header_of(t->easy, "Retry-After"),
                             .date = header_of(t->easy, "Date"),
                             .location = header_of(t->easy, "Location"),
                             .body = t->kept,
                             .body_len = t->kept_len,
                             .now_ms = dq_wall_us() / 1000};
    return dq_http_judge(t->job, &answer);
}

static dueq_verdict judge_failure(dq_http_transfer *t, CURLcode code, long status)
{
    const dq_http_plan *plan = t->plan;
    long os_error = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
    dq_http_failure failure = {
        .code = code,
        .detail = t->header_len > HEADERS_LEN_MAX ? "its headers have no end" : t->detail,
        .os_error = (int)os_error,
        .url = plan->shown_url,
        .connected = t->connected,
        .status = status,
        .timeout_ms = t->connected ? plan->timeout_ms : plan->connect_timeout_ms,
    };
    dueq_verdict verdict = dq_http_judge_failure(t->job, &failure);
    if (!t->connected) dq_http_reach_missed(plan->reach, t->job->answer.error.bytes);
    return verdict;
}

dueq_verdict dq_http_transfer_judge(dq_http_transfer *transfer, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && !transfer->head_is_whole) code = CURLE_PARTIAL_FILE;
    if (code == CURLE_OK || transfer->overlong) return judge_answer(transfer, status);
    return judge_failure(transfer, code, status);
}

dueq_job *dq_http_transfer_end(dq_http_transfer *transfer, CURLM *multi)
{
    dueq_job *job = transfer->job;
    curl_multi_remove_handle(multi, transfer->easy);
    forget_request(transfer);
    return job;
}

dq_http_transfer *dq_http_transfer_of(CURL *easy)
{
    dq_http_transfer *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return transfer;
}
