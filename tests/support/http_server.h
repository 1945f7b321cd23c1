/* A small HTTP/1.1 server for tests: each connection has a thread, on which the test's own function
 * answers request by request. Knows nothing of tasks. */
#ifndef TESTS_SUPPORT_HTTP_SERVER_H
#define TESTS_SUPPORT_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct http_server http_server;

/* A request at hand; lives for the time of the function's call. */
typedef struct http_call http_call;

/* Answers a request; any thread, several at a time. The connection is kept unless it says otherwise:
 * one that answers nothing is to hang up. */
typedef void http_answer_fn(http_call *call, void *context);

typedef struct http_server_options {
    http_answer_fn *answer;
    void *context;
    const char *cert; /* TLS, with PATH.crt and PATH.key; NULL: plain */
    bool negotiates;  /* by ALPN, on HTTP/1.1 */
    bool deaf;        /* refuses connections until http_server_listen() */
} http_server_options;

http_server *http_server_start(const http_server_options *options);
void http_server_listen(http_server *server);
void http_server_free(http_server *server); /* ends what waits */

const char *http_server_url(const http_server *server); /* http://127.0.0.1:PORT/task */
int http_server_port(const http_server *server);
int http_server_connections(http_server *server); /* accepted so far */
int http_server_requests(http_server *server);    /* read whole so far */

/* The request. Texts live as long as the call. */
const char *http_request_line(const http_call *call);
const char *http_header(const http_call *call, const char *name); /* NULL: none */
const char *http_body(const http_call *call, size_t *len);        /* a NUL follows it */

/* The answer: as a whole ("HTTP/1.1 200 OK", further headers each ended by \r\n, a body), or byte by
 * byte; false when the other side has gone. */
bool http_say(http_call *call, const char *status_line, const char *headers, const char *body);
bool http_send(http_call *call, const void *bytes, size_t len);
void http_hang_up(http_call *call); /* after this answer */

/* Returns once the other side has closed the connection, or the server is freed. True for the
 * first. */
bool http_await_close(http_call *call);

#endif
