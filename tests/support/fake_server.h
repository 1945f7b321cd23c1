/* A server that does what a test's script says, on a thread of its own: for all that a real one will
 * not do when asked. Knows the Redis protocol, and nothing of dueq.
 *
 *     static const fake_step script[] = {
 *         ACCEPT, GREET, EXPECT("PING"), CLOSE,
 *         ACCEPT, GREET, EXPECT("PING"), SEND("+PONG\r\n"), END,
 *     };
 *     fake_server *f = fake_start(script, NULL);
 *     ... dq_url_parse(&url, fake_url(f), &fault) ...
 *     fake_end(f);
 *
 * A step that finds something else than it expects fails the test, in fake_end(). Every wait of the
 * fake's ends when its test does. */
#ifndef TESTS_SUPPORT_FAKE_SERVER_H
#define TESTS_SUPPORT_FAKE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum fake_kind {
    FAKE_END,
    FAKE_ACCEPT,
    FAKE_GREET,
    FAKE_EXPECT,
    FAKE_ANSWER,
    FAKE_SERVE,
    FAKE_SEND,
    FAKE_TRICKLE,
    FAKE_FLOOD,
    FAKE_GATE,
    FAKE_AWAIT_CLOSE,
    FAKE_CLOSE,
    FAKE_RESET,
    FAKE_REPEAT
} fake_kind;

typedef struct fake_step {
    fake_kind kind;
    const char *text;
    size_t len;
    int count;
} fake_step;

/* Commands that begin with `words` are answered so; the first rule that fits counts. */
typedef struct fake_rule {
    const char *words; /* NULL: the end of the rules */
    const char *reply; /* NULL: the connection is closed */
    int times;         /* how often it is used; 0: always */
    atomic_int used;
} fake_rule;

/* The end: closes what is open. Every script has one, or REPEAT. */
#define END                  \
    {                        \
        FAKE_END, NULL, 0, 0 \
    }
/* Waits for the next connection; one that is open is closed first. */
#define ACCEPT                  \
    {                           \
        FAKE_ACCEPT, NULL, 0, 0 \
    }
/* Answers AUTH, SELECT, CLIENT … and TIME like a friendly server, to TIME included. */
#define GREET                  \
    {                          \
        FAKE_GREET, NULL, 0, 0 \
    }
/* Reads one command, whose words joined by blanks begin with these. */
#define EXPECT(words)            \
    {                            \
        FAKE_EXPECT, words, 0, 0 \
    }
/* Reads `n` commands, any, and answers each so. -1: until the peer closes. */
#define ANSWER(n, bytes)                         \
    {                                            \
        FAKE_ANSWER, bytes, sizeof(bytes) - 1, n \
    }
/* Answers whatever comes by rules (an array of fake_rule), and greets, until the peer closes. */
#define SERVE(rules)                                          \
    {                                                         \
        FAKE_SERVE, (const char *)(const void *)(rules), 0, 0 \
    }
/* Sends bytes; that the peer has gone is no error. */
#define SEND(bytes)                            \
    {                                          \
        FAKE_SEND, bytes, sizeof(bytes) - 1, 0 \
    }
#define SEND_BYTES(bytes, bytes_len)   \
    {                                  \
        FAKE_SEND, bytes, bytes_len, 0 \
    }
/* Sends bytes one at a time, each only when the peer has read the one before. */
#define TRICKLE(bytes)                            \
    {                                             \
        FAKE_TRICKLE, bytes, sizeof(bytes) - 1, 0 \
    }
/* Sends bytes again and again until the peer closes. */
#define FLOOD(bytes)                            \
    {                                           \
        FAKE_FLOOD, bytes, sizeof(bytes) - 1, 0 \
    }
/* Does nothing until fake_open_gate() has been called once more. */
#define GATE                  \
    {                         \
        FAKE_GATE, NULL, 0, 0 \
    }
/* Reads and drops whatever comes until the peer closes. */
#define AWAIT_CLOSE                  \
    {                                \
        FAKE_AWAIT_CLOSE, NULL, 0, 0 \
    }
/* Closes in good order, or by a reset (with bytes unread, on a Unix socket). */
#define CLOSE                  \
    {                          \
        FAKE_CLOSE, NULL, 0, 0 \
    }
#define RESET                  \
    {                          \
        FAKE_RESET, NULL, 0, 0 \
    }
/* Begins again, until fake_end(); a peer that closes in the midst of the script is fine then. */
#define REPEAT                  \
    {                           \
        FAKE_REPEAT, NULL, 0, 0 \
    }

typedef struct fake_server fake_server;

typedef struct fake_options {
    bool tcp; /* a port of 127.0.0.1; else a Unix socket */
    int port; /* 0: a free one */
} fake_options;

/* Listens already when it returns. The script must live as long. NULL options: all defaults. */
fake_server *fake_start(const fake_step *script, const fake_options *options);
/* Waits until the script has been played (one that repeats is stopped), fails the test when
 * something in it went wrong, and frees the server. */
void fake_end(fake_server *f);

const char *fake_url(const fake_server *f); /* borrowed */
int fake_connections(fake_server *f);       /* accepted so far */
int fake_heard(fake_server *f);             /* commands that EXPECT has read so far */
void fake_open_gate(fake_server *f);

#endif
