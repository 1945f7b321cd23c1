/* Handling by HTTP where it is pure: the URL, the head of a request and its signature, the meaning of
 * answers, an endpoint that is away, and what is refused before the first request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/hmac.h>

#include "base/clock.h"
#include "support/folder.h"
#include "work/http_answer.h"
#include "work/http_check.h"
#include "work/http_reach.h"
#include "work/http_request.h"
#include "work/http_sign.h"

static void wrong(const char *what, const char *have, const char *wanted)
{
    fail_msg("%s: \"%s\", wanted \"%s\"", what, have == NULL ? "(none)" : have,
             wanted == NULL ? "(none)" : wanted);
}

static void same_text(const char *what, const char *have, const char *wanted)
{
    bool same = have == NULL || wanted == NULL ? have == wanted : strcmp(have, wanted) == 0;
    if (!same) wrong(what, have, wanted);
}

static void has_text(const char *what, const char *have, const char *wanted)
{
    if (strstr(have, wanted) == NULL) wrong(what, have, wanted);
}

/* ---- The URL ---- */

static void test_urls_and_what_is_shown_of_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
        bool tls;
    } cases[] = {
        {"http://localhost", "http://localhost/", false},
        {"https://a.example:8443/hook", "https://a.example:8443/hook", true},
        {"HTTPS://a.example/hook", "https://a.example/hook", true},
        {"http://user:secret@a.example/x?token=secret#secret", "http://a.example/x", false},
        {"http://secret@[::1]:80/x", "http://[::1]:80/x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_http_url url;
        dq_fault fault = {0};
        int rc = dq_http_url_read(&url, cases[i].text, &fault);
        if (rc != DUEQ_OK) fail_msg("%s: %d (%s)", cases[i].text, rc, fault.text);
        same_text(cases[i].text, url.shown, cases[i].shown);
        assert_int_equal(url.tls, cases[i].tls);
    }
}

static void test_refused_urls_are_not_repeated(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "secret",
        "//secret/x",
        "secret:80/x",
        "/secret",
        "ftp://secret/x",
        "redis://secret",
        "http://",
        "http://secret:99999/",
        "http://sec ret/",
        "http://a/secret\r\nX: y",
        "http://[secret/",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_http_url url;
        dq_fault fault = {0};
        int rc = dq_http_url_read(&url, cases[i], &fault);
        if (rc != DUEQ_EINVAL) fail_msg("\"%s\": %d, wanted %d", cases[i], rc, DUEQ_EINVAL);
        has_text(cases[i], fault.text, "it is http://HOST[:PORT]/PATH or https://");
        if (strstr(fault.text, "secret") != NULL) wrong("fault", fault.text, "no part of the URL");
    }
}

static void test_a_long_url_is_cut_where_it_is_shown(void **state)
{
    (void)state;
    char text[1000] = "http://a.example/";
    memset(text + strlen(text), 'x', sizeof text - strlen(text) - 1);
    text[sizeof text - 1] = '\0';
    dq_http_url url;
    dq_fault fault = {0};
    assert_int_equal(dq_http_url_read(&url, text, &fault), DUEQ_OK);
    assert_in_range(strlen(url.shown), DQ_HTTP_SHOWN_SIZE - 8, DQ_HTTP_SHOWN_SIZE - 1);
    same_text("end", url.shown + strlen(url.shown) - 4, "x...");
}

/* ---- The signature ---- */

/* The same by OpenSSL's other door, over the text as a receiver would put it together. */
static void sign_by_hand(char out[DQ_HTTP_SIGNATURE_SIZE], const char *secret, const char *text)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, strlen(text),
         bytes, &len);
    assert_int_equal(len, 32);
    for (unsigned i = 0; i < len; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void test_signature(void **state)
{
    (void)state;
    char have[DQ_HTTP_SIGNATURE_SIZE], wanted[DQ_HTTP_SIGNATURE_SIZE];
    dq_http_signed request = {.time_s = 1790000000,
                              .queue = "mail",
                              .id = "a%20",
                              .attempt = 3,
                              .token = 1790000000123456,
                              .body = "hello\nworld",
                              .body_len = 11};
    assert_true(dq_http_sign(have, "key", &request));
    sign_by_hand(wanted, "key", "1790000000\nmail\na%20\n3\n1790000000123456\nhello\nworld");
    same_text("signature", have, wanted);
    /* What any other implementation says: printf '…' | openssl dgst -sha256 -hmac key */
    same_text("signature", have,
              "8e92c98e06e080a707459a5e6054007b55e7f6b36a3629cef657d65553dba8c0");
}

/* Nothing can be moved between the parts, and each of them counts. */
static void test_every_part_is_signed(void **state)
{
    (void)state;
    const dq_http_signed cases[] = {
        {1, "a.b", "c", 1, 2, "x", 1},  {1, "a", "b.c", 1, 2, "x", 1},
        {2, "a.b", "c", 1, 2, "x", 1},  {1, "a.b", "d", 1, 2, "x", 1},
        {1, "a.b", "c", 2, 2, "x", 1},  {1, "a.b", "c", 1, 3, "x", 1},
        {1, "a.b", "c", 1, 2, "xy", 2}, {1, "a.b", "c", 1, 2, "", 0},
        {1, "a.b", "c", 12, 2, "x", 1},
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    char signatures[COUNT][DQ_HTTP_SIGNATURE_SIZE];
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(dq_http_sign(signatures[i], "key", &cases[i]));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(signatures[i], signatures[j]) == 0) fail_msg("%zu and %zu are alike", i, j);
        }
    }
}

/* ---- The head of a request ---- */

static void test_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *form;
    } cases[] = {
        {"plain-1.2_3", 11, "plain-1.2_3"},
        {"a b", 3, "a b"},
        {" a ", 3, "%20a%20"},
        {" ", 1, "%20"},
        {"100%", 4, "100%25"},
        {"a\r\nX: y", 7, "a%0D%0AX: y"},
        {"\0\x7f\t", 3, "%00%7F%09"},
        {"\xc3\xa4", 2, "%C3%A4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_buf out = {0};
        assert_true(dq_http_encode(&out, cases[i].bytes, cases[i].len));
        same_text(cases[i].form, out.data, cases[i].form);
        dq_buf_clear(&out);
    }
}

/* The line of a header, or NULL. */
static const char *line_of(const struct curl_slist *list, const char *name)
{
    for (; list != NULL; list = list->next) {
        size_t len = strlen(name);
        if (strncasecmp(list->data, name, len) == 0 && strchr(":;", list->data[len]) != NULL) {
            return list->data;
        }
    }
    return NULL;
}

static const dueq_task task = {.id = "id 1",
                               .id_len = 4,
                               .payload = "body",
                               .payload_len = 4,
                               .attempt = 2,
                               .token = 77,
                               .due_ms = 1790000000123};

static struct curl_slist *headers_of(const dueq_header *headers, size_t count, const char *secret)
{
    dueq_task with = task;
    with.headers = headers;
    with.header_count = count;
    dueq_job job = {.task = &with, .queue = "mail"};
    struct curl_slist *list = dq_http_headers(&job, secret, 1790000000);
    assert_non_null(list);
    return list;
}

static void test_headers_of_a_task(void **state)
{
    (void)state;
    struct curl_slist *list = headers_of(NULL, 0, NULL);
    same_text("queue", line_of(list, "Dueq-Queue"), "Dueq-Queue: mail");
    same_text("id", line_of(list, "Dueq-Id"), "Dueq-Id: id 1");
    same_text("attempt", line_of(list, "Dueq-Attempt"), "Dueq-Attempt: 2");
    same_text("token", line_of(list, "Dueq-Token"), "Dueq-Token: 77");
    same_text("due", line_of(list, "Dueq-Due-Ms"), "Dueq-Due-Ms: 1790000000123");
    same_text("type", line_of(list, "Content-Type"), "Content-Type: application/octet-stream");
    same_text("no Expect", line_of(list, "Expect"), "Expect: ");
    same_text("no signature", line_of(list, "Dueq-Signature"), NULL);
    curl_slist_free_all(list);
}

static void test_headers_are_signed(void **state)
{
    (void)state;
    char wanted[200] = "Dueq-Signature: t=1790000000,v1=";
    sign_by_hand(wanted + strlen(wanted), "key", "1790000000\nmail\nid 1\n2\n77\nbody");
    struct curl_slist *list = headers_of(NULL, 0, "key");
    same_text("signature", line_of(list, "Dueq-Signature"), wanted);
    curl_slist_free_all(list);
}

static void test_a_task_s_own_headers(void **state)
{
    (void)state;
    const dueq_header own[] = {
        {"content-TYPE", "text/plain; charset=utf-8", 25},
        {"Kind", "a\r\nEvil: 1", 10},
        {"Empty", "", 0},
    };
    struct curl_slist *list = headers_of(own, 3, NULL);
    same_text("type", line_of(list, "Content-Type"), "Content-Type: text/plain; charset=utf-8");
    same_text("type, too", line_of(list, "Dueq-Header-content-TYPE"),
              "Dueq-Header-content-TYPE: text/plain; charset=utf-8");
    same_text("kind", line_of(list, "Dueq-Header-Kind"), "Dueq-Header-Kind: a%0D%0AEvil: 1");
    same_text("empty", line_of(list, "Dueq-Header-Empty"), "Dueq-Header-Empty;");
    for (const struct curl_slist *at = list; at != NULL; at = at->next) {
        if (strpbrk(at->data, "\r\n") != NULL) wrong("line", at->data, "one line");
    }
    curl_slist_free_all(list);
}

static void test_a_content_type_that_is_none(void **state)
{
    (void)state;
    const dueq_header own[] = {{"content-type", "text/plain\r\nEvil: 1", 19},
                               {"content-type", "", 0},
                               {"content-type", "text/\xc3\xa4", 7}};
    struct curl_slist *list = headers_of(own, 3, NULL);
    same_text("type", line_of(list, "Content-Type"), "Content-Type: application/octet-stream");
    curl_slist_free_all(list);
}

/* ---- Answers ---- */

typedef struct answer_case {
    long status;
    const char *retry_after, *date, *location, *body;
    dueq_verdict verdict;
    int64_t delay_ms;
    const char *error;
} answer_case;

static dueq_job fresh_job(void)
{
    return (dueq_job){.answer = {.delay_ms = -1}};
}

static void check_answer(const answer_case *c)
{
    dueq_job job = fresh_job();
    dq_http_answer answer = {.status = c->status,
                             .retry_after = c->retry_after,
                             .date = c->date,
                             .location = c->location,
                             .body = c->body == NULL ? "" : c->body,
                             .body_len = c->body == NULL ? 0 : strlen(c->body),
                             .now_ms = 784111777000}; /* 1994-11-06T08:49:37Z */
    dueq_verdict verdict = dq_http_judge(&job, &answer);
    if (verdict != c->verdict || job.answer.delay_ms != c->delay_ms ||
        strcmp(job.answer.error.bytes, c->error) != 0) {
        fail_msg("HTTP %ld, Retry-After %s: verdict %d, %lld ms, \"%s\"; wanted %d, %lld, \"%s\"",
                 c->status, c->retry_after == NULL ? "none" : c->retry_after, (int)verdict,
                 (long long)job.answer.delay_ms, job.answer.error.bytes, (int)c->verdict,
                 (long long)c->delay_ms, c->error);
    }
}

#define DONE DUEQ_VERDICT_DONE
#define RETRY DUEQ_VERDICT_RETRY
#define DEAD DUEQ_VERDICT_DEAD

static void test_answers(void **state)
{
    (void)state;
    static const answer_case cases[] = {
        {200, NULL, NULL, NULL, "ignored", DONE, -1, ""},
        {204, NULL, NULL, NULL, NULL, DONE, -1, ""},
        {299, "10", NULL, NULL, NULL, DONE, -1, ""},
        {410, NULL, NULL, NULL, "no such person\n", DEAD, -1, "HTTP 410: no such person"},
        {410, "10", NULL, NULL, NULL, DEAD, -1, "HTTP 410"},
        {500, NULL, NULL, NULL, " \r\n oops\x1b[31m\n", RETRY, -1, "HTTP 500: oops\\x1b[31m"},
        {500, "10", NULL, NULL, " \n", RETRY, -1, "HTTP 500"},
        {404, NULL, NULL, NULL, "\xff", RETRY, -1, "HTTP 404: \\xff"},
        {302, NULL, NULL, "https://b.example/\n", "moved", RETRY, -1,
         "HTTP 302: redirects are not followed; it points to https://b.example/"},
        {304, NULL, NULL, NULL, NULL, RETRY, -1, "HTTP 304"},
        {400, NULL, NULL, "/x", "bad", RETRY, -1, "HTTP 400: bad"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_answer(&cases[i]);
    }
}

static void test_retry_after(void **state)
{
    (void)state;
    static const char a_minute_on[] = "Sun, 06 Nov 1994 08:50:37 GMT";
    static const char clock_is_slow[] = "Sun, 06 Nov 1994 08:50:07 GMT";
    static const answer_case cases[] = {
        {429, "7", NULL, NULL, NULL, RETRY, 7000, "HTTP 429"},
        {503, "7", NULL, NULL, "later", RETRY, 7000, "HTTP 503: later"},
        {502, "7", NULL, NULL, NULL, RETRY, -1, "HTTP 502"},
        {429, a_minute_on, NULL, NULL, NULL, RETRY, 60000, "HTTP 429"},
        {429, a_minute_on, clock_is_slow, NULL, NULL, RETRY, 30000, "HTTP 429"},
        {429, a_minute_on, "nonsense", NULL, NULL, RETRY, 60000, "HTTP 429"},
        {429, "Sunday, 06-Nov-94 08:50:37 GMT", NULL, NULL, NULL, RETRY, 60000, "HTTP 429"},
        {429, "Sun Nov  6 08:50:37 1994", NULL, NULL, NULL, RETRY, 60000, "HTTP 429"},
        {429, "Sun, 06 Nov 1994 08:00:00 GMT", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "0", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "-5", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "1.5", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "soon", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "", NULL, NULL, NULL, RETRY, -1, "HTTP 429"},
        {429, "86401", NULL, NULL, NULL, RETRY, 86400000, "HTTP 429"},
        {429, "99999999999999999999999999", NULL, NULL, NULL, RETRY, 86400000, "HTTP 429"},
        {429, "Wed, 01 Jan 2200 00:00:00 GMT", NULL, NULL, NULL, RETRY, 86400000, "HTTP 429"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_answer(&cases[i]);
    }
}

static void test_a_long_body_is_cut_between_characters(void **state)
{
    (void)state;
    char body[DQ_HTTP_BODY_SHOWN_MAX + 100];
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = "\xe2\x82\xac"[i % 3];
    }
    dueq_job job = fresh_job();
    dq_http_answer answer = {.status = 500, .body = body, .body_len = sizeof body};
    assert_int_equal(dq_http_judge(&job, &answer), RETRY);
    const dq_answer_text *error = &job.answer.error;
    assert_int_equal(error->len, strlen("HTTP 500: ...") + DQ_HTTP_BODY_SHOWN_MAX / 3 * 3);
    same_text("end", error->bytes + error->len - 6, "\xe2\x82\xac...");
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        dq_http_failure failure;
        const char *text;
    } cases[] = {
        {{CURLE_COULDNT_CONNECT, "Failed to connect", ECONNREFUSED, "http://a/", false, 0, 5},
         "cannot reach http://a/: Connection refused"},
        {{CURLE_COULDNT_RESOLVE_HOST, "Could not resolve host: a\n", 2, "http://a/", false, 0, 5},
         "cannot reach http://a/: Could not resolve host: a"},
        {{CURLE_PEER_FAILED_VERIFICATION, "", 0, "https://a/", false, 0, 5},
         "cannot reach https://a/: SSL peer certificate or SSH remote key was not OK"},
        {{CURLE_OPERATION_TIMEDOUT, "x", 0, "http://a/", false, 0, 10000},
         "cannot reach http://a/: no connection within 10s"},
        {{CURLE_OPERATION_TIMEDOUT, "x", 0, "http://a/", true, 0, 30000}, "no answer within 30s"},
        {{CURLE_OPERATION_TIMEDOUT, "x", 0, "http://a/", true, 200, 1500},
         "HTTP 200, but the answer was not complete within 1.5s"},
        {{CURLE_GOT_NOTHING, "Empty reply from server", 0, "http://a/", true, 0, 5},
         "no answer: Empty reply from server"},
        {{CURLE_RECV_ERROR, "Recv failure", ECONNRESET, "http://a/", true, 0, 5},
         "no answer: Connection reset by peer"},
        {{CURLE_PARTIAL_FILE, "transfer closed", 0, "http://a/", true, 200, 5},
         "HTTP 200, but the answer broke off: transfer closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dueq_job job = fresh_job();
        assert_int_equal(dq_http_judge_failure(&job, &cases[i].failure), RETRY);
        same_text("error", job.answer.error.bytes, cases[i].text);
        assert_int_equal(job.answer.delay_ms, -1);
    }
}

/* ---- Endpoints that are away ---- */

/* One request at a time while nothing is known; none before the next try; and a time to look again
 * only while there is room for none: who finds room and has nothing to begin must not wait for it. */
static void test_reach(void **state)
{
    (void)state;
    dq_log log;
    dq_log_init(&log, NULL, NULL, DUEQ_LOG_ERROR);
    dq_http_reach reach = {.url = "http://a/", .log = &log};
    assert_int_equal(dq_http_reach_room(&reach, 20, 0), 1);
    assert_int_equal(dq_http_reach_retry_at(&reach, 0), DQ_NEVER_US);
    assert_int_equal(dq_http_reach_able(&reach, 20), 20);
    dq_http_reach_missed(&reach, "refused");
    int64_t retry_at_us = reach.retry_at_us;
    assert_int_equal(dq_http_reach_room(&reach, 20, retry_at_us - 1), 0);
    assert_int_equal(dq_http_reach_retry_at(&reach, retry_at_us - 1), retry_at_us);
    assert_int_equal(dq_http_reach_room(&reach, 20, retry_at_us), 1);
    assert_int_equal(dq_http_reach_retry_at(&reach, retry_at_us), DQ_NEVER_US);
    assert_int_equal(dq_http_reach_able(&reach, 20), 1);
    dq_http_reach_found(&reach);
    assert_int_equal(dq_http_reach_room(&reach, 20, retry_at_us - 1), 20);
    assert_int_equal(dq_http_reach_able(&reach, 20), 20);
    dq_log_clear(&log);
}

/* ---- What is refused before the first request ---- */

static void refused(dq_http_options options, const char *wanted)
{
    dq_http_url url;
    dq_fault fault = {0};
    if (options.url == NULL) options.url = "https://a.example/";
    options.request_count = options.request_count == 0 ? 1 : options.request_count;
    int rc = dq_http_check(&url, &options, &fault);
    if (wanted == NULL && rc != DUEQ_OK) fail_msg("%d: %s", rc, fault.text);
    if (wanted == NULL) return;
    if (rc >= 0) fail_msg("%d, wanted a refusal: %s", rc, wanted);
    has_text("fault", fault.text, wanted);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    test_folder folder;
    folder_make(&folder);
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/ca", folder.path);
    write_file(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    refused((dq_http_options){.ca_file = path}, NULL);
    write_file(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    refused((dq_http_options){.ca_file = path}, "it holds none in the form of PEM");
    write_file(path, "");
    refused((dq_http_options){.ca_file = path}, "it holds none in the form of PEM");
    refused((dq_http_options){.ca_file = "/nonexistent/ca"}, "No such file or directory");
    refused((dq_http_options){.ca_file = folder.path}, "Is a directory");
    refused((dq_http_options){.url = "mailto:x"}, "begins with neither http:// nor https://");
    refused((dq_http_options){.request_count = SIZE_MAX / 2}, "(ulimit -n)");
    folder_free(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_and_what_is_shown_of_them),
        cmocka_unit_test(test_refused_urls_are_not_repeated),
        cmocka_unit_test(test_a_long_url_is_cut_where_it_is_shown),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_every_part_is_signed),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_headers_of_a_task),
        cmocka_unit_test(test_headers_are_signed),
        cmocka_unit_test(test_a_task_s_own_headers),
        cmocka_unit_test(test_a_content_type_that_is_none),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_a_long_body_is_cut_between_characters),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
