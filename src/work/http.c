/* The engine: libcurl's multi interface in one thread. Jobs come from the desk as there is room for
 * them, each becomes a transfer, and goes back to the desk when its transfer is through. */
#include "work/http.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "work/http_check.h"
#include "work/http_transfer.h"
#include "work/thread.h"

/* Holds: each transfer is either free, and in that list, or active, and has a job. */
struct dq_http {
    dq_desk *desk;
    int nudge_fd;
    dq_http_url url;
    dq_http_plan plan;
    dq_http_reach reach;
    CURLM *multi;
    dq_http_transfer *transfers;
    size_t transfer_count;
    dq_http_transfer *free_transfers;
    size_t active_count;
    size_t able_count;   /* as the desk was told last */
    int64_t retry_at_us; /* nothing can be begun before; DQ_NEVER_US: something can now */
    bool closing;
    pthread_t thread;
};

/* ---- Beginning and ending ---- */

static void give_back(dq_http *http, dueq_job *job, dueq_verdict verdict)
{
    job->answer.verdict = verdict;
    dq_desk_return(http->desk, job);
}

static void begin(dq_http *http, dueq_job *job)
{
    dq_http_transfer *transfer = http->free_transfers;
    if (dq_http_transfer_begin(transfer, http->multi, job)) {
        http->free_transfers = transfer->next;
        http->active_count++;
    } else {
        dueq_job_set_error(job, "out of memory");
        give_back(http, job, DUEQ_VERDICT_RETRY);
    }
}

static void end(dq_http *http, dq_http_transfer *transfer, dueq_verdict verdict)
{
    dueq_job *job = dq_http_transfer_end(transfer, http->multi);
    transfer->next = http->free_transfers;
    http->free_transfers = transfer;
    http->active_count--;
    give_back(http, job, verdict);
}

/* ---- The loop ---- */

/* What is left on a desk that closes is begun whatever is known of the endpoint: it is to be
 * cleared. */
static size_t room(const dq_http *http, int64_t now_us)
{
    size_t most = http->transfer_count;
    if (!http->closing) most = dq_http_reach_room(&http->reach, most, now_us);
    return most > http->active_count ? most - http->active_count : 0;
}

/* The desk nudges when it has something new; only for the endpoint's sake there is a time to look
 * again: by the same reading of the clock, or an empty desk would be looked at without end. */
static void begin_what_there_is_room_for(dq_http *http)
{
    int64_t now_us = dq_mono_us();
    while (room(http, now_us) > 0) {
        dueq_job *job = dq_desk_next(http->desk);
        if (job == NULL) break;
        begin(http, job);
    }
    bool idle = http->active_count == 0;
    http->retry_at_us = idle ? dq_http_reach_retry_at(&http->reach, now_us) : DQ_NEVER_US;
}

static void tell_what_there_is_use_for(dq_http *http)
{
    size_t able_count = dq_http_reach_able(&http->reach, http->transfer_count);
    if (able_count == http->able_count) return;
    http->able_count = able_count;
    dq_desk_set_able(http->desk, able_count);
}

static void move_bytes(dq_http *http)
{
    int running;
    curl_multi_perform(http->multi, &running);
    tell_what_there_is_use_for(http);
}

static void finish_what_is_through(dq_http *http)
{
    int left;
    CURLMsg *said;
    while ((said = curl_multi_info_read(http->multi, &left)) != NULL) {
        CURLcode code = said->data.result; /* `said` goes with the transfer */
        dq_http_transfer *transfer = dq_http_transfer_of(said->easy_handle);
        dueq_verdict verdict = dq_http_transfer_judge(transfer, code);
        tell_what_there_is_use_for(http); /* first: a job that is back makes room for another */
        end(http, transfer, verdict);
    }
}

/* Whatever the order is, the request is given up: an endpoint cannot be asked to hurry. */
static void obey_orders(dq_http *http)
{
    for (size_t i = 0; i < http->transfer_count && http->active_count > 0; i++) {
        dq_http_transfer *transfer = &http->transfers[i];
        if (transfer->job == NULL || atomic_load(&transfer->job->order) == DQ_ORDER_NONE) continue;
        end(http, transfer, DUEQ_VERDICT_RELEASE);
    }
}

static bool is_over(const dq_http *http)
{
    return http->closing && http->active_count == 0;
}

static void sleep_until_something(dq_http *http)
{
    if (is_over(http)) return;
    struct curl_waitfd nudge = {.fd = http->nudge_fd, .events = CURL_WAIT_POLLIN};
    curl_multi_poll(http->multi, &nudge, 1, dq_poll_ms(http->retry_at_us), NULL);
    eventfd_t nudges;
    eventfd_read(http->nudge_fd, &nudges);
}

static void *run(void *context)
{
    dq_http *http = context;
    do {
        http->closing = dq_desk_is_closed(http->desk);
        move_bytes(http);
        finish_what_is_through(http);
        obey_orders(http);
        begin_what_there_is_room_for(http);
        sleep_until_something(http);
    } while (!is_over(http));
    return NULL;
}

/* ---- Opening ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

/* Once a process and never undone: libcurl may be the host's too. */
static void start_curl(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void set_up(dq_http *http, const dq_http_options *options)
{
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DQ_HTTP_TIMEOUT_MS;
    int64_t connect_ms = DQ_HTTP_CONNECT_TIMEOUT_MS;
    http->desk = options->desk;
    http->nudge_fd = options->nudge_fd;
    http->transfer_count = http->able_count = options->request_count;
    http->reach = (dq_http_reach){.url = http->url.shown, .log = options->log};
    http->plan = (dq_http_plan){
        .url = options->url,
        .shown_url = http->url.shown,
        .secret = options->secret,
        .ca_file = options->ca_file,
        .tls = http->url.tls,
        .timeout_ms = timeout_ms,
        .connect_timeout_ms = timeout_ms < connect_ms ? timeout_ms : connect_ms,
        .reach = &http->reach,
    };
}

/* False when out of memory. As many connections stay open as there are requests at a time. Of all
 * descriptors only the pair by which libcurl's multi handle may be woken is not close-on-exec. */
static bool open_transfers(dq_http *http)
{
    http->multi = curl_multi_init();
    http->transfers = calloc(http->transfer_count, sizeof *http->transfers);
    if (http->multi == NULL || http->transfers == NULL) return false;
    long connection_count = (long)http->transfer_count;
    if (curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connection_count) != CURLM_OK) {
        return false;
    }
    for (size_t i = http->transfer_count; i-- > 0;) {
        dq_http_transfer *transfer = &http->transfers[i];
        if (!dq_http_transfer_open(transfer, &http->plan)) return false;
        transfer->next = http->free_transfers;
        http->free_transfers = transfer;
    }
    return true;
}

static void drop(dq_http *http)
{
    for (size_t i = 0; http->transfers != NULL && i < http->transfer_count; i++) {
        dq_http_transfer_close(&http->transfers[i]);
    }
    curl_multi_cleanup(http->multi);
    free(http->transfers);
    free(http);
}

static int start(dq_http *http, dq_fault *fault)
{
    pthread_once(&curl_once, start_curl);
    if (curl_started != CURLE_OK || !open_transfers(http)) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    int error = dq_thread_start(&http->thread, run, http);
    if (error == 0) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot start a thread: %s", strerror(error));
}

int dq_http_open(dq_http **http, const dq_http_options *options, dq_fault *fault)
{
    *http = NULL;
    dq_http *made = calloc(1, sizeof *made);
    if (made == NULL) return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    int rc = dq_http_check(&made->url, options, fault);
    if (rc == DUEQ_OK) {
        set_up(made, options);
        rc = start(made, fault);
    }
    if (rc == DUEQ_OK) {
        *http = made;
    } else {
        drop(made);
    }
    return rc;
}

void dq_http_close(dq_http *http)
{
    if (http == NULL) return;
    dq_desk_close(http->desk);
    pthread_join(http->thread, NULL);
    drop(http);
}
