/* A private redis-server or valkey-server for one test or one group of tests. It lives in a
 * temporary folder, listens on a Unix socket there, keeps nothing on disk unless asked, and is gone
 * with its folder when it is freed and also when the test fails, crashes or is killed.
 *
 *     static int setup(void **state)
 *     {
 *         *state = server_start(NULL);
 *         return 0;
 *     }
 *
 *     static void test_push(void **state)
 *     {
 *         test_server *s = *state;
 *         push_one(server_url(s));
 *         assert_int_equal(server_int(s, "ZCARD %s", key), 1);
 *     }
 *
 * Whatever goes wrong in here fails the running test with a message, so nothing returns an error.
 * For the thread that started the server: it ends with that thread. $DUEQ_TEST_SERVER names the
 * program; otherwise it is the first of redis-server and valkey-server on PATH. */
#ifndef TESTS_SUPPORT_SERVER_H
#define TESTS_SUPPORT_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include <valkey/valkey.h>

#include "until.h"

typedef struct test_server test_server;

/* Zero is the default of each. */
typedef struct server_options {
    bool tcp;      /* also listen on a free port of 127.0.0.1 */
    bool keep;     /* an append-only file: server_restart() brings the data back */
    bool sentinel; /* a Redis Sentinel in place of a server */

    const char *tls_cert_file; /* with the next: also listen with TLS on a free port of 127.0.0.1 */
    const char *tls_key_file;
    const char *tls_ca_file; /* whose clients' certificates are accepted */
    bool tls_want_client;    /* refuse clients without a certificate of that CA */

    const char *config; /* more lines for redis.conf, each ended by a line feed */
} server_options;

/* Starts a server and returns once it answers. NULL: all defaults. Free it with server_free. */
test_server *server_start(const server_options *options);
void server_free(test_server *s); /* in any state; NULL is fine */
/* Whether it is built with TLS; starts one to see. */
bool server_has_tls(void);

/* Where it is; all borrowed. A port that was not asked for is 0. */
const char *server_url(const test_server *s);     /* "unix:/tmp/…/s.sock" */
const char *server_tcp_url(const test_server *s); /* "redis://127.0.0.1:PORT" */
const char *server_socket(const test_server *s);
const char *server_dir(const test_server *s);
int server_port(const test_server *s);
int server_tls_port(const test_server *s);
pid_t server_pid(const test_server *s); /* 0 while it is down */
/* A port of 127.0.0.1 that nobody listens on now. */
int server_free_port(void);

/* What can happen to it. Each returns once it has happened. */
void server_shut_down(test_server *s); /* in good order */
void server_kill(test_server *s);      /* by SIGKILL, also when frozen */
void server_restart(test_server *s);   /* up again, same place and ports; shut down first if up */
void server_freeze(test_server *s);    /* by SIGSTOP: connects, but never answers */
void server_thaw(test_server *s);

/* Raw commands on a connection of the fixture's own. The format is libvalkey's: words part at the
 * blanks of the format, %s is one word whatever it holds, %b takes bytes and a size_t, %d and %lld
 * take numbers. An error reply fails the test, except from server_command(). */
void server_do(test_server *s, const char *format, ...);
long long server_int(test_server *s, const char *format, ...); /* an integer, or text that is one */
char *server_text(test_server *s, const char *format, ...);    /* yours to free; NULL for a nil */
valkeyReply *server_command(test_server *s, const char *format, ...); /* freeReplyObject() it */

#endif
