/* Judging answers. An answer that broke off decides nothing, whatever its status was: the task is
 * tried again. */
#include "work/http_answer.h"

#include <string.h>

#include "base/buf.h"
#include "base/encode.h"

#define LOCATION_SHOWN_MAX 300

enum {
    STATUS_GONE = 410,
    STATUS_TOO_MANY_REQUESTS = 429,
    STATUS_UNAVAILABLE = 503,
};

/* ---- Retry-After ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whole seconds in milliseconds, or the most there may be; -1 when it is no number. */
static int64_t read_seconds(const char *text)
{
    int64_t ms = 0;
    if (!is_digit(*text)) return -1;
    for (; is_digit(*text); text++) {
        if (ms < DQ_HTTP_RETRY_AFTER_MS_MAX) ms = ms * 10 + (int64_t)(*text - '0') * 1000;
    }
    return *text == '\0' ? ms : -1;
}

/* -1 when it is no date. */
static int64_t read_date_ms(const char *text)
{
    if (text == NULL || is_digit(*text)) return -1;
    int64_t s = (int64_t)curl_getdate(text, NULL);
    return s < 0 ? -1 : s * 1000;
}

/* A date counts from the endpoint's own clock where it tells it. -1, the worker's backoff, without a
 * delay that can be read, and also when it is none at all: an endpoint that is over its limit is not
 * to be asked at full speed. */
static int64_t retry_delay_ms(const dq_http_answer *answer)
{
    if (answer->status != STATUS_TOO_MANY_REQUESTS && answer->status != STATUS_UNAVAILABLE) {
        return -1;
    }
    if (answer->retry_after == NULL) return -1;
    int64_t delay_ms = read_seconds(answer->retry_after);
    int64_t then_ms = read_date_ms(answer->retry_after);
    if (delay_ms < 0 && then_ms >= 0) {
        int64_t date_ms = read_date_ms(answer->date);
        delay_ms = then_ms - (date_ms >= 0 ? date_ms : answer->now_ms);
    }
    if (delay_ms <= 0) return -1;
    return delay_ms < DQ_HTTP_RETRY_AFTER_MS_MAX ? delay_ms : DQ_HTTP_RETRY_AFTER_MS_MAX;
}

/* ---- Words ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without white space around it; cut between characters. */
static void add_shown(dq_buf *out, const char *text, size_t len, size_t len_max)
{
    while (len > 0 && is_space(*text)) {
        text++;
        len--;
    }
    while (len > 0 && is_space(text[len - 1])) {
        len--;
    }
    size_t end = 0;
    while (end < len) {
        size_t step = dq_utf8_next(text + end, len - end);
        if (step == 0) step = 1;
        if (end + step > len_max) break;
        end += step;
    }
    dq_buf_add_escaped(out, text, end);
    if (end < len) dq_buf_add_text(out, "...");
}

static void describe_answer(dq_buf *out, const dq_http_answer *answer)
{
    dq_buf_printf(out, "HTTP %ld", answer->status);
    if (answer->status >= 300 && answer->status < 400 && answer->location != NULL) {
        dq_buf_add_text(out, ": redirects are not followed; it points to ");
        add_shown(out, answer->location, strlen(answer->location), LOCATION_SHOWN_MAX);
        return;
    }
    dq_buf body = {0};
    add_shown(&body, answer->body, answer->body_len, DQ_HTTP_BODY_SHOWN_MAX);
    if (body.len > 0) dq_buf_printf(out, ": %s", body.data);
    dq_buf_clear(&body);
}

static void add_timeout(dq_buf *out, const dq_http_failure *failure)
{
    char bound[32];
    dueq_format_duration(failure->timeout_ms, bound, sizeof bound);
    if (!failure->connected) {
        dq_buf_printf(out, "cannot reach %s: no connection within %s", failure->url, bound);
    } else if (failure->status == 0) {
        dq_buf_printf(out, "no answer within %s", bound);
    } else {
        dq_buf_printf(out, "HTTP %ld, but the answer was not complete within %s", failure->status,
                      bound);
    }
}

/* The system's own word is plainer than libcurl's, where there is one. */
static void add_reason(dq_buf *out, const dq_http_failure *failure)
{
    char text[128];
    bool network = failure->code == CURLE_COULDNT_CONNECT || failure->code == CURLE_SEND_ERROR ||
                   failure->code == CURLE_RECV_ERROR;
    if (network && failure->os_error != 0) {
        dq_buf_add_text(out, strerror_r(failure->os_error, text, sizeof text));
    } else {
        const char *said =
            failure->detail[0] != '\0' ? failure->detail : curl_easy_strerror(failure->code);
        add_shown(out, said, strlen(said), DQ_HTTP_BODY_SHOWN_MAX);
    }
}

void dq_http_describe_failure(dq_buf *out, const dq_http_failure *failure)
{
    if (failure->code == CURLE_OPERATION_TIMEDOUT) {
        add_timeout(out, failure);
        return;
    }
    if (!failure->connected) {
        dq_buf_printf(out, "cannot reach %s: ", failure->url);
    } else if (failure->status == 0) {
        dq_buf_add_text(out, "no answer: ");
    } else {
        dq_buf_printf(out, "HTTP %ld, but the answer broke off: ", failure->status);
    }
    add_reason(out, failure);
}

/* ---- Verdicts ---- */

static dueq_verdict verdict_of(long status)
{
    if (status >= 200 && status < 300) return DUEQ_VERDICT_DONE;
    return status == STATUS_GONE ? DUEQ_VERDICT_DEAD : DUEQ_VERDICT_RETRY;
}

/* Takes the text. */
static void set_error(dueq_job *job, dq_buf *text)
{
    dueq_job_set_error(job, text->failed ? "out of memory" : text->data);
    dq_buf_clear(text);
}

dueq_verdict dq_http_judge(dueq_job *job, const dq_http_answer *answer)
{
    dueq_verdict verdict = verdict_of(answer->status);
    if (verdict == DUEQ_VERDICT_DONE) return verdict;
    dq_buf text = {0};
    describe_answer(&text, answer);
    set_error(job, &text);
    int64_t delay_ms = retry_delay_ms(answer);
    if (delay_ms >= 0) dueq_job_set_delay(job, delay_ms);
    return verdict;
}

dueq_verdict dq_http_judge_failure(dueq_job *job, const dq_http_failure *failure)
{
    dq_buf text = {0};
    dq_http_describe_failure(&text, failure);
    set_error(job, &text);
    return DUEQ_VERDICT_RETRY;
}
