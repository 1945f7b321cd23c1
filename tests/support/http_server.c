/* The small HTTP server. Its threads wait in poll() or in a blocking call on their connection, which
 * is shut down when the test wants them to end. */
#include "http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { CONNECTIONS_MAX = 2048, HEAD_SIZE = 2 * 1024 * 1024 };

typedef struct connection {
    http_server *server;
    pthread_t thread;
    int fd;
    SSL *ssl; /* NULL: plain */
} connection;

struct http_call {
    connection *on;
    char *head; /* HEAD_SIZE bytes; each line ended by a NUL once read */
    size_t head_len;
    char *body;
    size_t body_len;
    bool closing;
};

/* Holds: `lock` guards the connections; their descriptors stay open until the server is freed. */
struct http_server {
    http_server_options options;
    SSL_CTX *tls;
    int listen_fd, port;
    int stop_fds[2];
    char url[64];
    pthread_t acceptor;
    pthread_mutex_t lock;
    connection *connections[CONNECTIONS_MAX];
    int connection_count;
    bool stopping;
    atomic_int request_count;
};

/* ---- Bytes ---- */

static ssize_t receive(connection *c, void *bytes, size_t len)
{
    return c->ssl != NULL ? SSL_read(c->ssl, bytes, (int)len) : recv(c->fd, bytes, len, 0);
}

static bool send_all(connection *c, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = c->ssl != NULL ? SSL_write(c->ssl, bytes, (int)len)
                                      : send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* ---- Requests ---- */

/* Byte by byte, so that nothing of the body is read with it. */
static bool read_head(http_call *call)
{
    call->head_len = 0;
    while (call->head_len < HEAD_SIZE - 1) {
        if (receive(call->on, call->head + call->head_len, 1) != 1) return false;
        call->head[++call->head_len] = '\0';
        if (call->head_len >= 4 && strcmp(call->head + call->head_len - 4, "\r\n\r\n") == 0) break;
    }
    for (char *at = call->head; (at = strstr(at, "\r\n")) != NULL; at += 2) {
        at[0] = at[1] = '\0';
    }
    return true;
}

static bool read_body(http_call *call)
{
    const char *len = http_header(call, "content-length");
    call->body_len = len == NULL ? 0 : strtoul(len, NULL, 10);
    call->body = malloc(call->body_len + 1);
    assert_non_null(call->body);
    for (size_t at = 0; at < call->body_len;) {
        ssize_t got = receive(call->on, call->body + at, call->body_len - at);
        if (got <= 0) return false;
        at += (size_t)got;
    }
    call->body[call->body_len] = '\0';
    return true;
}

static void serve(connection *c)
{
    http_call call = {.on = c, .head = malloc(HEAD_SIZE)};
    const http_server_options *o = &c->server->options;
    bool open = call.head != NULL;
    while (open && !call.closing) {
        open = read_head(&call) && read_body(&call);
        if (open) {
            atomic_fetch_add(&c->server->request_count, 1);
            o->answer(&call, o->context);
        }
        free(call.body);
        call.body = NULL;
    }
    free(call.head);
}

/* ---- Connections ---- */

static void *run_connection(void *context)
{
    connection *c = context;
    bool good = true;
    if (c->server->tls != NULL) {
        c->ssl = SSL_new(c->server->tls);
        SSL_set_fd(c->ssl, c->fd);
        good = SSL_accept(c->ssl) == 1;
    }
    if (good) serve(c);
    if (c->ssl != NULL) {
        if (good) SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

/* Their signals are blocked: SIGPIPE is for nobody. */
static void start_thread(pthread_t *thread, void *(*run)(void *), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        fprintf(stderr, "http_server: %s\n", strerror(error));
        abort();
    }
}

static void take_in(http_server *server, int fd)
{
    pthread_mutex_lock(&server->lock);
    if (server->stopping || server->connection_count == CONNECTIONS_MAX) {
        close(fd);
    } else {
        connection *c = calloc(1, sizeof *c);
        *c = (connection){.server = server, .fd = fd};
        start_thread(&c->thread, run_connection, c);
        server->connections[server->connection_count++] = c;
    }
    pthread_mutex_unlock(&server->lock);
}

static void *run_acceptor(void *context)
{
    http_server *server = context;
    for (;;) {
        struct pollfd fds[] = {{.fd = server->listen_fd, .events = POLLIN},
                               {.fd = server->stop_fds[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0) continue;
        if (fds[1].revents != 0) return NULL;
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) take_in(server, fd);
    }
}

/* ---- Starting and ending ---- */

static int choose_http11(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                         const unsigned char *in, unsigned in_len, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)context;
    unsigned char *chosen = NULL;
    int rc = SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void set_up_tls(http_server *server)
{
    char cert[4200], key[4200];
    snprintf(cert, sizeof cert, "%s.crt", server->options.cert);
    snprintf(key, sizeof key, "%s.key", server->options.cert);
    server->tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(server->tls);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(server->tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(server->tls, key, SSL_FILETYPE_PEM), 1);
    if (server->options.negotiates) {
        SSL_CTX_set_alpn_select_cb(server->tls, choose_http11, NULL);
    }
}

static void open_port(http_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_len = sizeof at;
    server->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listen_fd >= 0);
    assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&at, at_len), 0);
    assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&at, &at_len), 0);
    server->port = ntohs(at.sin_port);
    snprintf(server->url, sizeof server->url, "http%s://127.0.0.1:%d/task",
             server->options.cert != NULL ? "s" : "", server->port);
}

http_server *http_server_start(const http_server_options *options)
{
    http_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    setenv("no_proxy", "*", 1); /* a proxy of the machine's own is not to come between */
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    if (options->cert != NULL) set_up_tls(server);
    open_port(server);
    assert_int_equal(pipe2(server->stop_fds, O_CLOEXEC), 0);
    if (!options->deaf) http_server_listen(server);
    return server;
}

void http_server_listen(http_server *server)
{
    server->options.deaf = false;
    assert_int_equal(listen(server->listen_fd, CONNECTIONS_MAX), 0);
    start_thread(&server->acceptor, run_acceptor, server);
}

static void end_connections(http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    for (int i = 0; i < server->connection_count; i++) {
        shutdown(server->connections[i]->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < server->connection_count; i++) {
        pthread_join(server->connections[i]->thread, NULL);
        close(server->connections[i]->fd);
        free(server->connections[i]);
    }
}

void http_server_free(http_server *server)
{
    if (server == NULL) return;
    close(server->stop_fds[1]); /* seen by whoever polls the other end */
    if (!server->options.deaf) pthread_join(server->acceptor, NULL);
    end_connections(server);
    close(server->stop_fds[0]);
    close(server->listen_fd);
    SSL_CTX_free(server->tls);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

/* ---- What the test asks ---- */

const char *http_server_url(const http_server *server)
{
    return server->url;
}

int http_server_port(const http_server *server)
{
    return server->port;
}

int http_server_connections(http_server *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

int http_server_requests(http_server *server)
{
    return atomic_load(&server->request_count);
}

const char *http_request_line(const http_call *call)
{
    return call->head;
}

const char *http_header(const http_call *call, const char *name)
{
    size_t name_len = strlen(name);
    const char *end = call->head + call->head_len;
    for (const char *at = call->head; at < end && *at != '\0'; at += strlen(at) + 2) {
        if (strncasecmp(at, name, name_len) != 0 || at[name_len] != ':') continue;
        at += name_len + 1;
        return at + strspn(at, " ");
    }
    return NULL;
}

const char *http_body(const http_call *call, size_t *len)
{
    *len = call->body_len;
    return call->body;
}

bool http_send(http_call *call, const void *bytes, size_t len)
{
    return send_all(call->on, bytes, len);
}

bool http_say(http_call *call, const char *status_line, const char *headers, const char *body)
{
    char head[4096];
    int len = snprintf(head, sizeof head, "%s\r\n%sContent-Length: %zu\r\n\r\n", status_line,
                       headers, strlen(body));
    return len > 0 && http_send(call, head, (size_t)len) && http_send(call, body, strlen(body));
}

void http_hang_up(http_call *call)
{
    call->closing = true;
}

bool http_await_close(http_call *call)
{
    char byte;
    while (receive(call->on, &byte, 1) > 0) {}
    call->closing = true;
    pthread_mutex_lock(&call->on->server->lock);
    bool stopping = call->on->server->stopping;
    pthread_mutex_unlock(&call->on->server->lock);
    return !stopping;
}
