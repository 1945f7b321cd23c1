/* The HTTP engine on its desk against a server of the test's own: what it sends, how it uses
 * connections, and whatever an endpoint may do wrong. No Redis.
 * test-timeout-s: 120 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "support/authority.h"
#include "support/http_server.h"
#include "support/until.h"
#include "work/http.h"
#include "work/http_sign.h"

enum { LONG_MS = 30000, JOBS_MAX = 200 };

#define SECRET "a secret"

/* A desk with the engine at it. */
typedef struct office {
    dq_desk *desk;
    dq_http *http;
    dq_log log;
    int through_fd, nudge_fd;
    pthread_mutex_t lock;
    char said[4096]; /* the log's events with their errors; cut when full */
    dueq_job jobs[JOBS_MAX];
    dueq_task tasks[JOBS_MAX];
    char ids[JOBS_MAX][32];
    size_t returned;
    dueq_job *last; /* to come back */
} office;

static void keep_entry(void *context, const dueq_log_entry *entry)
{
    office *o = context;
    pthread_mutex_lock(&o->lock);
    size_t len = strlen(o->said);
    snprintf(o->said + len, sizeof o->said - len, "%s;", entry->event);
    for (size_t i = 0; i < entry->field_count; i++) {
        len = strlen(o->said);
        snprintf(o->said + len, sizeof o->said - len, "%s=%s;", entry->fields[i].name,
                 entry->fields[i].value);
    }
    pthread_mutex_unlock(&o->lock);
}

static bool has_said(office *o, const char *text)
{
    pthread_mutex_lock(&o->lock);
    bool found = strstr(o->said, text) != NULL;
    pthread_mutex_unlock(&o->lock);
    return found;
}

static void prepare_job(office *o, size_t i)
{
    snprintf(o->ids[i], sizeof o->ids[i], "t%zu", i);
    o->tasks[i] = (dueq_task){.id = o->ids[i],
                              .id_len = strlen(o->ids[i]),
                              .payload = "payload",
                              .payload_len = 7,
                              .attempt = 1,
                              .token = (int64_t)i + 1000,
                              .due_ms = 1790000000000};
    o->jobs[i] = (dueq_job){.task = &o->tasks[i],
                            .queue = "q",
                            .answer = {.verdict = DUEQ_VERDICT_RETRY, .delay_ms = -1}};
    atomic_store(&o->jobs[i].nudge_fd, o->nudge_fd);
}

static int try_open(office *o, dq_http_options options, dq_fault *fault)
{
    *o = (office){.through_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                  .nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&o->lock, NULL);
    dq_log_init(&o->log, keep_entry, o, DUEQ_LOG_DEBUG);
    o->desk = dq_desk_make(o->through_fd, o->nudge_fd);
    assert_non_null(o->desk);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        prepare_job(o, i);
    }
    options.desk = o->desk;
    options.nudge_fd = o->nudge_fd;
    options.log = &o->log;
    if (options.request_count == 0) options.request_count = 1;
    return dq_http_open(&o->http, &options, fault);
}

static office *open_office(dq_http_options options)
{
    office *o = calloc(1, sizeof *o);
    dq_fault fault = {0};
    int rc = try_open(o, options, &fault);
    if (rc != DUEQ_OK) fail_msg("dq_http_open: %d (%s)", rc, fault.text);
    return o;
}

static void close_office(office *o)
{
    dq_http_close(o->http);
    dq_desk_free(o->desk);
    dq_log_clear(&o->log);
    pthread_mutex_destroy(&o->lock);
    close(o->through_fd);
    close(o->nudge_fd);
    free(o);
}

static void hand(office *o, size_t first, size_t count)
{
    dq_job_list list = {0};
    for (size_t i = first; i < first + count; i++) {
        dq_job_list_add(&list, &o->jobs[i]);
    }
    dq_desk_hand(o->desk, &list);
}

static void collect(office *o)
{
    dq_job_list list = dq_desk_collect(o->desk);
    for (dueq_job *job; (job = dq_job_list_pop(&list)) != NULL;) {
        o->returned++;
        o->last = job;
    }
}

static size_t returned(office *o)
{
    collect(o);
    return o->returned;
}

static void await_returned(office *o, size_t count)
{
    UNTIL_EQ(LONG_MS, returned(o), count);
}

/* Has one task handled. */
static const dq_handler_answer *handle_one(office *o)
{
    size_t before = o->returned;
    hand(o, before, 1);
    await_returned(o, before + 1);
    return &o->jobs[before].answer;
}

static void expect_answer(const dq_handler_answer *have, dueq_verdict verdict, const char *error)
{
    if (have->verdict != verdict || strcmp(have->error.bytes, error) != 0) {
        fail_msg("verdict %d, \"%s\"; wanted %d, \"%s\"", (int)have->verdict, have->error.bytes,
                 (int)verdict, error);
    }
}

static void expect_error(const dq_handler_answer *have, const char *part)
{
    if (have->verdict != DUEQ_VERDICT_RETRY || strstr(have->error.bytes, part) == NULL) {
        fail_msg("verdict %d, \"%s\"; wanted a retry with \"%s\"", (int)have->verdict,
                 have->error.bytes, part);
    }
}

/* ---- Endpoints ---- */

static void say_ok(http_call *call, void *context)
{
    (void)context;
    http_say(call, "HTTP/1.1 200 OK", "", "");
}

/* Answers the bytes of the context, and hangs up. */
static void send_bytes(http_call *call, void *context)
{
    const char *bytes = context;
    http_send(call, bytes, strlen(bytes));
    http_hang_up(call);
}

/* The same, but holds the line until the other side has closed it. */
static void send_and_wait(http_call *call, void *context)
{
    const char *bytes = context;
    http_send(call, bytes, strlen(bytes));
    http_await_close(call);
}

static void repeat(http_call *call, const char *start, const char *piece)
{
    bool open = http_send(call, start, strlen(start));
    while (open) {
        open = http_send(call, piece, strlen(piece));
    }
    http_hang_up(call);
}

static void send_body_for_ever(http_call *call, void *context)
{
    static char piece[65536];
    memset(piece, 'x', sizeof piece - 1);
    repeat(call, context, piece);
}

static void send_headers_for_ever(http_call *call, void *context)
{
    (void)context;
    repeat(call, "HTTP/1.1 200 OK\r\n", "X-Some-Header: with a value of some length\r\n");
}

static http_server *start_endpoint(http_answer_fn *answer, const char *bytes)
{
    union {
        const char *constant;
        char *plain;
    } context = {.constant = bytes};
    return http_server_start(&(http_server_options){.answer = answer, .context = context.plain});
}

/* One task against one endpoint; its answer must be copied from. */
static dq_handler_answer meet(http_answer_fn *answer, const char *bytes, int64_t timeout_ms)
{
    http_server *server = start_endpoint(answer, bytes);
    office *o =
        open_office((dq_http_options){.url = http_server_url(server), .timeout_ms = timeout_ms});
    dq_handler_answer had = *handle_one(o);
    close_office(o);
    http_server_free(server);
    return had;
}

/* ---- What is sent ---- */

typedef struct received {
    char line[64], queue[64], id[256], attempt[32], token[32], due[32], type[64], agent[64];
    char header[256], evil[8], expect[32], signature[160], body[64];
    size_t body_len;
} received;

static void copy_header(char *to, size_t size, const http_call *call, const char *name)
{
    const char *value = http_header(call, name);
    snprintf(to, size, "%s", value == NULL ? "(none)" : value);
}

#define COPY(field, name) copy_header(r->field, sizeof r->field, call, name)

static void keep_request(http_call *call, void *context)
{
    received *r = context;
    COPY(queue, "Dueq-Queue");
    COPY(id, "Dueq-Id");
    COPY(attempt, "Dueq-Attempt");
    COPY(token, "Dueq-Token");
    COPY(due, "Dueq-Due-Ms");
    COPY(type, "Content-Type");
    COPY(agent, "User-Agent");
    COPY(header, "Dueq-Header-kind");
    COPY(evil, "Evil");
    COPY(expect, "Expect");
    COPY(signature, "Dueq-Signature");
    snprintf(r->line, sizeof r->line, "%s", http_request_line(call));
    const char *body = http_body(call, &r->body_len);
    memcpy(r->body, body, r->body_len < sizeof r->body ? r->body_len : sizeof r->body);
    http_say(call, "HTTP/1.1 204 No Content", "", "");
}

/* As a receiver would: from the headers and the body alone. */
static void verify(const received *r)
{
    long long time_s = 0;
    char said[DQ_HTTP_SIGNATURE_SIZE] = "", wanted[DQ_HTTP_SIGNATURE_SIZE];
    assert_int_equal(sscanf(r->signature, "t=%lld,v1=%64s", &time_s, said), 2);
    assert_in_range(time_s, (long long)time(NULL) - 60, (long long)time(NULL) + 1);
    dq_http_signed request = {.time_s = time_s,
                              .queue = r->queue,
                              .id = r->id,
                              .attempt = strtoll(r->attempt, NULL, 10),
                              .token = strtoll(r->token, NULL, 10),
                              .body = r->body,
                              .body_len = r->body_len};
    assert_true(dq_http_sign(wanted, SECRET, &request));
    assert_string_equal(said, wanted);
}

static void test_a_request_as_it_arrives(void **state)
{
    (void)state;
    received r = {0};
    http_server *server =
        http_server_start(&(http_server_options){.answer = keep_request, .context = &r});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .secret = SECRET});
    static const char id[] = "i\r\nEvil: 1\r\n\r\nd", payload[] = "pay\0load\n";
    const dueq_header headers[] = {{"kind", "a\r\nEvil: 1", 10},
                                   {"Content-Type", "text/plain", 10}};
    o->tasks[0].id = id;
    o->tasks[0].id_len = sizeof id - 1;
    o->tasks[0].payload = payload;
    o->tasks[0].payload_len = sizeof payload - 1;
    o->tasks[0].headers = headers;
    o->tasks[0].header_count = 2;
    expect_answer(handle_one(o), DUEQ_VERDICT_DONE, "");
    close_office(o);
    http_server_free(server);
    assert_string_equal(r.line, "POST /task HTTP/1.1");
    assert_string_equal(r.queue, "q");
    assert_string_equal(r.id, "i%0D%0AEvil: 1%0D%0A%0D%0Ad");
    assert_string_equal(r.attempt, "1");
    assert_string_equal(r.token, "1000");
    assert_string_equal(r.due, "1790000000000");
    assert_string_equal(r.type, "text/plain");
    assert_string_equal(r.agent, "dueq/0.1.0");
    assert_string_equal(r.header, "a%0D%0AEvil: 1");
    assert_string_equal(r.evil, "(none)");
    assert_string_equal(r.expect, "(none)");
    assert_int_equal(r.body_len, sizeof payload - 1);
    assert_memory_equal(r.body, payload, sizeof payload - 1);
    verify(&r);
}

static void check_body(http_call *call, void *context)
{
    const dueq_task *task = context;
    size_t len;
    const char *body = http_body(call, &len);
    bool same = len == task->payload_len && memcmp(body, task->payload, len) == 0;
    http_say(call, same ? "HTTP/1.1 200 OK" : "HTTP/1.1 400 Bad Request", "", "");
}

static void test_a_large_body_and_an_empty_one(void **state)
{
    (void)state;
    enum { LEN = 8 * 1024 * 1024 };
    dueq_task task;
    http_server *server =
        http_server_start(&(http_server_options){.answer = check_body, .context = &task});
    office *o = open_office((dq_http_options){.url = http_server_url(server)});
    char *payload = malloc(LEN + 1);
    for (size_t i = 0; i < LEN; i++) {
        payload[i] = (char)(i * 7);
    }
    payload[LEN] = '\0';
    o->tasks[0].payload = payload;
    o->tasks[0].payload_len = LEN;
    task = o->tasks[0];
    expect_answer(handle_one(o), DUEQ_VERDICT_DONE, "");
    o->tasks[1].payload_len = 0;
    task = o->tasks[1];
    expect_answer(handle_one(o), DUEQ_VERDICT_DONE, "");
    close_office(o);
    http_server_free(server);
    free(payload);
}

/* ---- What is answered ---- */

typedef struct answer_case {
    const char *bytes;
    dueq_verdict verdict;
    int64_t delay_ms;
    const char *error;
} answer_case;

#define END "Content-Length: 0\r\n\r\n"

static void test_answers(void **state)
{
    (void)state;
    static const answer_case cases[] = {
        {"HTTP/1.1 200 OK\r\n" END, DUEQ_VERDICT_DONE, -1, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", DUEQ_VERDICT_DONE, -1, ""},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", DUEQ_VERDICT_DONE, -1, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" END, DUEQ_VERDICT_DONE, -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         DUEQ_VERDICT_DONE, -1, ""},
        {"HTTP/1.1 410 Gone\r\nContent-Length: 5\r\n\r\nnever", DUEQ_VERDICT_DEAD, -1,
         "HTTP 410: never"},
        {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n" END, DUEQ_VERDICT_RETRY, 7000,
         "HTTP 429"},
        {"HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
         "Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n" END,
         DUEQ_VERDICT_RETRY, 60000, "HTTP 503"},
        {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nRetry-After: 8\r\n" END,
         DUEQ_VERDICT_RETRY, -1, "HTTP 503"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nbroken\n\n", DUEQ_VERDICT_RETRY, -1,
         "HTTP 500: broken"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\n" END, DUEQ_VERDICT_RETRY, -1,
         "HTTP 302: redirects are not followed; it points to http://127.0.0.1:1/x"},
        {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n" END, DUEQ_VERDICT_RETRY, -1,
         "HTTP 401"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_handler_answer had = meet(send_bytes, cases[i].bytes, 0);
        if (had.delay_ms != cases[i].delay_ms) {
            fail_msg("%s: %lld ms, wanted %lld", cases[i].bytes, (long long)had.delay_ms,
                     (long long)cases[i].delay_ms);
        }
        expect_answer(&had, cases[i].verdict, cases[i].error);
    }
}

static void test_answers_that_break_off(void **state)
{
    (void)state;
    dq_handler_answer had = meet(send_bytes, "", 0);
    expect_error(&had, "no answer: ");
    had = meet(send_bytes, "HTTP/1.1 200 OK\r\nContent-Le", 0);
    expect_error(&had, "HTTP 200, but the answer broke off: ");
    had = meet(send_bytes, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0);
    expect_error(&had, "HTTP 200, but the answer broke off: ");
    had = meet(send_bytes, "HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\nhalf", 0);
    expect_error(&had, "HTTP 410, but the answer broke off: ");
    had = meet(send_bytes, "+OK this is no HTTP\r\n", 0);
    assert_int_equal(had.verdict, DUEQ_VERDICT_RETRY);
    assert_true(had.error.len > 0);
}

static void test_answers_that_do_not_come(void **state)
{
    (void)state;
    dq_handler_answer had = meet(send_and_wait, "", 100);
    expect_answer(&had, DUEQ_VERDICT_RETRY, "no answer within 100ms");
    had = meet(send_and_wait, "HTTP/1.1 100 Continue\r\n\r\n", 100);
    assert_int_equal(had.verdict, DUEQ_VERDICT_RETRY);
    had = meet(send_and_wait, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 100);
    expect_answer(&had, DUEQ_VERDICT_RETRY,
                  "HTTP 200, but the answer was not complete within 100ms");
}

/* What was said before the flood counts; nobody waits for its end. */
static void test_answers_without_end(void **state)
{
    (void)state;
    dq_handler_answer had = meet(send_body_for_ever, "HTTP/1.1 200 OK\r\n\r\n", 0);
    expect_answer(&had, DUEQ_VERDICT_DONE, "");
    had = meet(send_body_for_ever, "HTTP/1.1 500 Oops\r\n\r\n", 0);
    expect_error(&had, "HTTP 500: xxx");
    had = meet(send_headers_for_ever, "", 0);
    expect_error(&had, "its headers have no end");
}

/* ---- Connections ---- */

static void test_a_connection_is_kept(void **state)
{
    (void)state;
    http_server *server = start_endpoint(say_ok, NULL);
    office *o = open_office((dq_http_options){.url = http_server_url(server)});
    hand(o, 0, 50);
    await_returned(o, 50);
    assert_int_equal(http_server_requests(server), 50);
    assert_int_equal(http_server_connections(server), 1);
    close_office(o);
    http_server_free(server);
}

/* Hangs up after each answer without having said so. */
static void say_ok_and_leave(http_call *call, void *context)
{
    say_ok(call, context);
    http_hang_up(call);
}

/* So few that libcurl's own limit is not met: on a busy machine it counted up to five dead ones over
 * several requests, and then gave one up, which is a retry. */
static void test_a_kept_connection_that_is_gone(void **state)
{
    (void)state;
    http_server *server = start_endpoint(say_ok_and_leave, NULL);
    office *o = open_office((dq_http_options){.url = http_server_url(server)});
    for (int i = 0; i < 4; i++) {
        expect_answer(handle_one(o), DUEQ_VERDICT_DONE, "");
    }
    close_office(o);
    http_server_free(server);
}

/* Answers nobody before all have come. */
typedef struct meeting {
    atomic_int here;
    int wanted;
    const char *status;
} meeting;

static void wait_for_all(http_call *call, void *context)
{
    meeting *m = context;
    atomic_fetch_add(&m->here, 1);
    int64_t end_ms = until_now_ms() + LONG_MS;
    while (atomic_load(&m->here) < m->wanted && until_again(end_ms)) {}
    http_say(call, "HTTP/1.1 200 OK", "", "");
}

static void test_a_hundred_at_a_time(void **state)
{
    (void)state;
    meeting m = {.wanted = 100};
    http_server *server =
        http_server_start(&(http_server_options){.answer = wait_for_all, .context = &m});
    office *o =
        open_office((dq_http_options){.url = http_server_url(server), .request_count = 100});
    hand(o, 0, JOBS_MAX);
    await_returned(o, JOBS_MAX);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        expect_answer(&o->jobs[i].answer, DUEQ_VERDICT_DONE, "");
    }
    assert_in_range(http_server_connections(server), 1, 100);
    close_office(o);
    http_server_free(server);
}

/* Not more than there is room for: the rest can be withdrawn. */
static void test_only_what_can_be_begun_is_taken(void **state)
{
    (void)state;
    http_server *server = start_endpoint(send_and_wait, "");
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 3});
    hand(o, 0, 10);
    UNTIL_EQ(LONG_MS, http_server_requests(server), 3);
    dq_job_list rest = dq_desk_withdraw_all(o->desk);
    assert_int_equal(rest.count, 7);
    for (size_t i = 0; i < 3; i++) {
        dq_job_order(&o->jobs[i], DQ_ORDER_KILL);
    }
    await_returned(o, 3);
    close_office(o);
    http_server_free(server);
}

/* ---- Endpoints that are away ---- */

static void test_refused_and_then_there(void **state)
{
    (void)state;
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .deaf = true});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 50});
    char wanted[128];
    snprintf(wanted, sizeof wanted, "cannot reach %s: Connection refused", http_server_url(server));
    hand(o, 0, 50);
    UNTIL(LONG_MS, returned(o) >= 2);
    expect_answer(&o->last->answer, DUEQ_VERDICT_RETRY, wanted);
    UNTIL(LONG_MS, has_said(o, "endpoint away;url=http://127.0.0.1:"));
    http_server_listen(server);
    await_returned(o, 50);
    UNTIL(LONG_MS, has_said(o, "endpoint back;url=http://127.0.0.1:"));
    int done_count = 0;
    for (size_t i = 0; i < 50; i++) {
        done_count += o->jobs[i].answer.verdict == DUEQ_VERDICT_DONE;
    }
    assert_in_range(done_count, 25, 48); /* an outage costs few attempts */
    close_office(o);
    http_server_free(server);
}

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* With nothing to begin the engine sleeps, though the time to try the endpoint again has come and
 * gone: it does within a tenth of a second after the first failure. */
static void test_an_outage_with_an_empty_desk(void **state)
{
    (void)state;
    enum { LOOK_MS = 800, BUSY_MS = 100 };
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .deaf = true});
    office *o = open_office((dq_http_options){.url = http_server_url(server)});
    handle_one(o);
    int64_t used_ms = cpu_ms();
    poll(NULL, 0, LOOK_MS);
    used_ms = cpu_ms() - used_ms;
    if (used_ms > BUSY_MS) {
        fail_msg("%lld ms of CPU time in %d ms of doing nothing; wanted %d at most",
                 (long long)used_ms, LOOK_MS, BUSY_MS);
    }
    http_server_listen(server);
    expect_answer(handle_one(o), DUEQ_VERDICT_DONE, "");
    close_office(o);
    http_server_free(server);
}

/* Tasks that cannot be posted are better left to others. */
static void test_the_desk_is_told_of_an_outage(void **state)
{
    (void)state;
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .deaf = true});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 50});
    assert_true(dq_desk_able(o->desk) >= 50);
    handle_one(o);
    assert_int_equal(dq_desk_able(o->desk), 1);
    http_server_listen(server);
    while (handle_one(o)->verdict != DUEQ_VERDICT_DONE) {}
    assert_int_equal(dq_desk_able(o->desk), 50);
    close_office(o);
    http_server_free(server);
}

static void test_no_secret_in_errors(void **state)
{
    (void)state;
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .deaf = true});
    char url[128];
    snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%d/x?key=secret",
             http_server_port(server));
    office *o = open_office((dq_http_options){.url = url});
    const dq_handler_answer *had = handle_one(o);
    expect_error(had, "/x: Connection refused");
    if (strstr(had->error.bytes, "secret") != NULL) fail_msg("error: %s", had->error.bytes);
    UNTIL(LONG_MS, has_said(o, "endpoint away"));
    assert_false(has_said(o, "secret"));
    close_office(o);
    http_server_free(server);
}

static void test_a_name_that_nobody_knows(void **state)
{
    (void)state;
    setenv("no_proxy", "*", 1);
    office *o = open_office((dq_http_options){.url = "http://nowhere.invalid/"});
    expect_error(handle_one(o), "cannot reach http://nowhere.invalid/: ");
    close_office(o);
}

/* ---- Orders ---- */

static void note_close(http_call *call, void *context)
{
    if (http_await_close(call)) atomic_fetch_add((atomic_int *)context, 1);
}

static void test_orders_end_what_is_under_way(void **state)
{
    (void)state;
    static const dq_order orders[] = {DQ_ORDER_LEAVE, DQ_ORDER_END, DQ_ORDER_KILL};
    atomic_int closed = 0;
    http_server *server =
        http_server_start(&(http_server_options){.answer = note_close, .context = &closed});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 4});
    hand(o, 0, 4);
    UNTIL_EQ(LONG_MS, http_server_requests(server), 4);
    for (int i = 0; i < 3; i++) {
        dq_job_order(&o->jobs[i], orders[i]);
        await_returned(o, (size_t)i + 1);
        assert_ptr_equal(o->last, &o->jobs[i]);
        expect_answer(&o->jobs[i].answer, DUEQ_VERDICT_RELEASE, "");
        UNTIL_EQ(LONG_MS, atomic_load(&closed), i + 1);
    }
    dq_job_order(&o->jobs[3], DQ_ORDER_KILL);
    await_returned(o, 4);
    close_office(o);
    http_server_free(server);
}

static void test_an_order_while_connecting(void **state)
{
    (void)state;
    /* TLS with somebody who never says anything: the connection is never made. */
    http_server *server = start_endpoint(send_and_wait, "");
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", http_server_port(server));
    office *o = open_office((dq_http_options){.url = url});
    hand(o, 0, 1);
    UNTIL_EQ(LONG_MS, http_server_connections(server), 1);
    dq_job_order(&o->jobs[0], DQ_ORDER_END);
    await_returned(o, 1);
    expect_answer(&o->jobs[0].answer, DUEQ_VERDICT_RELEASE, "");
    close_office(o);
    http_server_free(server);
}

/* Closing is no order: what was handed in is handled first. */
static void test_closing_waits(void **state)
{
    (void)state;
    http_server *server = start_endpoint(say_ok, NULL);
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 3});
    hand(o, 0, JOBS_MAX);
    dq_http_close(o->http);
    o->http = NULL;
    assert_int_equal(returned(o), JOBS_MAX);
    assert_int_equal(http_server_requests(server), JOBS_MAX);
    close_office(o);
    http_server_free(server);
}

static void test_closing_while_the_endpoint_is_away(void **state)
{
    (void)state;
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .deaf = true});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .request_count = 3});
    hand(o, 0, JOBS_MAX);
    UNTIL(LONG_MS, returned(o) >= 1);
    dq_http_close(o->http);
    o->http = NULL;
    assert_int_equal(returned(o), JOBS_MAX);
    close_office(o);
    http_server_free(server);
}

/* ---- TLS ---- */

static dq_handler_answer meet_tls(const char *cert, const char *ca_file)
{
    http_server *server = http_server_start(&(http_server_options){.answer = say_ok, .cert = cert});
    office *o = open_office((dq_http_options){.url = http_server_url(server), .ca_file = ca_file});
    dq_handler_answer had = *handle_one(o);
    assert_int_equal(http_server_requests(server), had.verdict == DUEQ_VERDICT_DONE ? 1 : 0);
    close_office(o);
    http_server_free(server);
    return had;
}

static void test_only_a_proved_name_gets_the_task(void **state)
{
    (void)state;
    dq_handler_answer had = meet_tls(authority_file("good"), authority_file("ca.crt"));
    expect_answer(&had, DUEQ_VERDICT_DONE, "");
    had = meet_tls(authority_file("good"), NULL);
    expect_error(&had, "certificate");
    expect_error(&had, "cannot reach https://127.0.0.1:");
    had = meet_tls(authority_file("good"), authority_file("other.crt"));
    expect_error(&had, "certificate");
    had = meet_tls(authority_file("other"), authority_file("ca.crt"));
    expect_error(&had, "no alternative certificate subject name matches");
    had = meet_tls(authority_file("expired"), authority_file("ca.crt"));
    expect_error(&had, "expired");
}

/* A server of HTTP/1.1 gets a connection for each; none waits for the answer of another. */
static void check_tls_side_by_side(bool negotiates)
{
    meeting m = {.wanted = 5};
    http_server *server = http_server_start(&(http_server_options){.answer = wait_for_all,
                                                                   .context = &m,
                                                                   .cert = authority_file("good"),
                                                                   .negotiates = negotiates});
    office *o = open_office((dq_http_options){
        .url = http_server_url(server), .ca_file = authority_file("ca.crt"), .request_count = 5});
    hand(o, 0, 20);
    await_returned(o, 20);
    assert_int_equal(http_server_connections(server), 5);
    close_office(o);
    http_server_free(server);
}

static void test_tls_side_by_side(void **state)
{
    (void)state;
    check_tls_side_by_side(true);
    check_tls_side_by_side(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_as_it_arrives),
        cmocka_unit_test(test_a_large_body_and_an_empty_one),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_that_break_off),
        cmocka_unit_test(test_answers_that_do_not_come),
        cmocka_unit_test(test_answers_without_end),
        cmocka_unit_test(test_a_connection_is_kept),
        cmocka_unit_test(test_a_kept_connection_that_is_gone),
        cmocka_unit_test(test_a_hundred_at_a_time),
        cmocka_unit_test(test_only_what_can_be_begun_is_taken),
        cmocka_unit_test(test_refused_and_then_there),
        cmocka_unit_test(test_an_outage_with_an_empty_desk),
        cmocka_unit_test(test_the_desk_is_told_of_an_outage),
        cmocka_unit_test(test_no_secret_in_errors),
        cmocka_unit_test(test_a_name_that_nobody_knows),
        cmocka_unit_test(test_orders_end_what_is_under_way),
        cmocka_unit_test(test_an_order_while_connecting),
        cmocka_unit_test(test_closing_waits),
        cmocka_unit_test(test_closing_while_the_endpoint_is_away),
        cmocka_unit_test(test_only_a_proved_name_gets_the_task),
        cmocka_unit_test(test_tls_side_by_side),
    };
    return cmocka_run_group_tests(tests, authority_make, authority_drop);
}
