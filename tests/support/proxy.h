/* A proxy between a client and a real server that breaks what a test tells it to break, on a thread
 * of its own: for faults of the network with a server's true answers around them. Knows the Redis
 * protocol only as far as to see where a reply ends, and nothing of dueq.
 *
 *     proxy *p = proxy_start(&(proxy_options){.server_socket = server_socket(s)});
 *     ... dueq_open(&handle, proxy_url(p), NULL) ...
 *     proxy_arm(p, &(proxy_trick){.kind = PROXY_LOSE_REPLY, .when = "EVALSHA"});
 *     ... dueq_push(): runs on the server, but its answer is lost ...
 *     assert_int_equal(proxy_struck(p, PROXY_LOSE_REPLY), 1);
 *     proxy_free(p);
 *
 * What is set holds when the call returns. Any thread may steer. */
#ifndef TESTS_SUPPORT_PROXY_H
#define TESTS_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct proxy proxy;

/* Where it leads: one of the two; and where it listens. */
typedef struct proxy_options {
    const char *server_socket; /* a Unix socket */
    int server_port;           /* or a port of 127.0.0.1 */
    bool tcp;                  /* listen on a free port of 127.0.0.1; else on a Unix socket */
} proxy_options;

proxy *proxy_start(const proxy_options *options);
void proxy_free(proxy *p); /* cuts what is open; NULL is fine */

const char *proxy_url(const proxy *p); /* borrowed */

/* ---- What lasts until it is changed ---------------------------------------------------------- */

typedef enum proxy_mode {
    PROXY_PASS,    /* forward; what PROXY_FREEZE and PROXY_HOLD_REPLY held back goes on */
    PROXY_FREEZE,  /* accept, and hold everything: nothing is read, nothing written */
    PROXY_SWALLOW, /* accept, read what clients send, and let it vanish: a black hole */
    PROXY_REFUSE   /* close connections as they come; those that are open pass */
} proxy_mode;

void proxy_set_mode(proxy *p, proxy_mode mode);
/* Each piece of either direction comes so much later. */
void proxy_set_delay(proxy *p, int delay_ms);
/* One byte a write, both ways. */
void proxy_set_trickle(proxy *p, bool trickle);

/* ---- What strikes once ----------------------------------------------------------------------- */

typedef enum proxy_kind {
    PROXY_CUT,          /* proxy_cut() closed a connection */
    PROXY_LOSE_REQUEST, /* a request is not forwarded; its connection is cut */
    PROXY_LOSE_REPLY, /* it is forwarded and runs; its connection is cut when the reply is there */
    PROXY_HOLD_REPLY, /* it is forwarded; what comes back is held until PROXY_PASS is set */
    PROXY_REWRITE,    /* it is forwarded; another reply takes its reply's place */
    PROXY_CUT_REPLY,  /* it is forwarded; its connection is cut after some bytes of the reply */
    PROXY_KINDS
} proxy_kind;

const char *proxy_kind_name(proxy_kind kind);

/* Cuts all connections: in good order, or with a reset (TCP; a Unix socket has none). How many. */
int proxy_cut(proxy *p, bool reset);

typedef struct proxy_trick {
    proxy_kind kind;
    const char *when;  /* strikes the first request that contains this; NULL: the first */
    int times;         /* that many requests; 0: one */
    bool reset;        /* cut by a reset */
    const char *reply; /* PROXY_REWRITE: the bytes, a C string; copied */
    int bytes;         /* PROXY_CUT_REPLY: of the reply that still pass */
} proxy_trick;

/* In place of a trick that has not struck yet; NULL: none. */
void proxy_arm(proxy *p, const proxy_trick *trick);

/* ---- What has happened ----------------------------------------------------------------------- */

int proxy_struck(proxy *p, proxy_kind kind); /* so far: requests, or connections that were cut */
int proxy_connections(proxy *p);             /* accepted so far */
int proxy_open(proxy *p);                    /* now */

#endif
