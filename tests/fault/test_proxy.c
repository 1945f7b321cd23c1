/* The fault proxy itself: what it forwards is whole, and each fault does what it says, seen from the
 * client by what comes and from the server by a counter that requests raise. */
#include "support/proxy.h"
#include "support/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PATIENCE_SEC = 20, BIG = 3 << 20 };

typedef struct through {
    test_server *server;
    proxy *proxy;
    valkeyContext *client;
} through;

/* ---- A client -------------------------------------------------------------------------------- */

static valkeyContext *connect_to(const char *url)
{
    valkeyOptions options = {0};
    struct timeval patience = {.tv_sec = PATIENCE_SEC};
    if (strncmp(url, "unix:", 5) == 0) {
        VALKEY_OPTIONS_SET_UNIX(&options, url + 5);
    } else {
        VALKEY_OPTIONS_SET_TCP(&options, "127.0.0.1", atoi(strrchr(url, ':') + 1));
    }
    options.command_timeout = &patience;
    valkeyContext *client = valkeyConnectWithOptions(&options);
    if (client == NULL || client->err != 0) fail_msg("%s: no connection", url);
    return client;
}

static void start(through *t, bool tcp)
{
    t->server = server_start(NULL);
    t->proxy = proxy_start(&(proxy_options){.server_socket = server_socket(t->server), .tcp = tcp});
    t->client = connect_to(proxy_url(t->proxy));
    freeReplyObject(valkeyCommand(t->client, "PING")); /* it stands, all the way */
}

static int set_up(void **state)
{
    *state = calloc(1, sizeof(through));
    start(*state, false);
    return 0;
}

static int set_up_tcp(void **state)
{
    *state = calloc(1, sizeof(through));
    start(*state, true);
    return 0;
}

static int tear_down(void **state)
{
    through *t = *state;
    valkeyFree(t->client);
    proxy_free(t->proxy);
    server_free(t->server);
    free(t);
    return 0;
}

static void reconnect(through *t)
{
    valkeyFree(t->client);
    t->client = connect_to(proxy_url(t->proxy));
}

static void assert_number(through *t, const char *command, long long wanted)
{
    valkeyReply *reply = valkeyCommand(t->client, command);
    if (reply == NULL) fail_msg("%s: %s", command, t->client->errstr);
    assert_int_equal(reply->type, VALKEY_REPLY_INTEGER);
    assert_int_equal(reply->integer, wanted);
    freeReplyObject(reply);
}

static void send_only(through *t, const char *command)
{
    int sent = 0;
    assert_int_equal(valkeyAppendCommand(t->client, command), VALKEY_OK);
    while (!sent) assert_int_equal(valkeyBufferWrite(t->client, &sent), VALKEY_OK);
}

/* The connection ends without another reply. */
static void assert_ends(through *t)
{
    void *reply = NULL;
    assert_int_equal(valkeyGetReply(t->client, &reply), VALKEY_ERR);
    assert_null(reply);
}

static void assert_silent(through *t)
{
    struct pollfd readable = {.fd = t->client->fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 50), 0);
}

static long long hits(through *t)
{
    valkeyReply *reply = server_command(t->server, "GET hits");
    long long count = reply->str != NULL ? atoll(reply->str) : 0;
    freeReplyObject(reply);
    return count;
}

/* ---- Whole ----------------------------------------------------------------------------------- */

static void bytes_pass_whole_both_ways(void **state)
{
    through *t = *state;
    char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) big[i] = (char)(i * 7 + i / 251);
    valkeyReply *reply = valkeyCommand(t->client, "ECHO %b", big, (size_t)BIG);
    assert_non_null(reply);
    assert_int_equal(reply->len, BIG);
    assert_memory_equal(reply->str, big, BIG);
    freeReplyObject(reply);
    free(big);
    assert_int_equal(proxy_connections(t->proxy), 1);
    assert_int_equal(proxy_open(t->proxy), 1);
}

static void byte_by_byte_is_whole_too(void **state)
{
    through *t = *state;
    proxy_set_trickle(t->proxy, true);
    assert_number(t, "INCR hits", 1);
    valkeyReply *reply = valkeyCommand(t->client, "ECHO %s", "a text of some length");
    assert_string_equal(reply->str, "a text of some length");
    freeReplyObject(reply);
}

static void a_restarted_server_is_found(void **state)
{
    through *t = *state;
    assert_number(t, "INCR hits", 1);
    server_kill(t->server);
    assert_ends(t);
    valkeyFree(t->client);
    t->client = connect_to(proxy_url(t->proxy));
    assert_ends(t); /* accepted, and closed: nobody is there */
    server_restart(t->server);
    reconnect(t);
    assert_number(t, "INCR hits", 1);
}

/* ---- What lasts ------------------------------------------------------------------------------ */

static void frozen_is_held_and_goes_on(void **state)
{
    through *t = *state;
    proxy_set_mode(t->proxy, PROXY_FREEZE);
    send_only(t, "INCR hits");
    assert_silent(t);
    assert_int_equal(hits(t), 0);
    valkeyContext *other = connect_to(proxy_url(t->proxy)); /* connects all the same */
    proxy_set_mode(t->proxy, PROXY_PASS);
    valkeyReply *reply = NULL;
    assert_int_equal(valkeyGetReply(t->client, (void **)&reply), VALKEY_OK);
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    valkeyFree(other);
}

static void swallowed_is_gone(void **state)
{
    through *t = *state;
    proxy_set_mode(t->proxy, PROXY_SWALLOW);
    send_only(t, "INCR hits");
    assert_silent(t);
    proxy_set_mode(t->proxy, PROXY_PASS);
    assert_silent(t);
    assert_int_equal(hits(t), 0);
    assert_number(t, "INCR hits", 1);
}

static void refused_are_closed(void **state)
{
    through *t = *state;
    proxy_set_mode(t->proxy, PROXY_REFUSE);
    assert_number(t, "INCR hits", 1); /* those that stand go on */
    reconnect(t);
    assert_ends(t);
}

static void pieces_come_later(void **state)
{
    through *t = *state;
    enum { DELAY_MS = 60 };
    proxy_set_delay(t->proxy, DELAY_MS);
    int64_t start_ms = until_now_ms();
    assert_number(t, "INCR hits", 1);
    int64_t took_ms = until_now_ms() - start_ms;
    if (took_ms < 2 * DELAY_MS)
        fail_msg("took %lld ms, wanted %d", (long long)took_ms, 2 * DELAY_MS);
}

/* ---- What strikes once ----------------------------------------------------------------------- */

static void cut_in_good_order(void **state)
{
    through *t = *state;
    assert_number(t, "INCR hits", 1);
    assert_int_equal(proxy_cut(t->proxy, false), 1);
    assert_ends(t);
    assert_int_equal(t->client->err, VALKEY_ERR_EOF);
    assert_int_equal(proxy_open(t->proxy), 0);
    assert_int_equal(proxy_struck(t->proxy, PROXY_CUT), 1);
}

static void cut_by_a_reset(void **state)
{
    through *t = *state;
    assert_number(t, "INCR hits", 1);
    assert_int_equal(proxy_cut(t->proxy, true), 1);
    char byte;
    assert_int_equal(recv(t->client->fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void arm(through *t, proxy_trick trick)
{
    proxy_arm(t->proxy, &trick);
}

static void a_lost_request_did_not_run(void **state)
{
    through *t = *state;
    arm(t, (proxy_trick){.kind = PROXY_LOSE_REQUEST, .when = "INCR"});
    valkeyReply *reply = valkeyCommand(t->client, "PING"); /* not the one it waits for */
    freeReplyObject(reply);
    send_only(t, "INCR hits");
    assert_ends(t);
    assert_int_equal(hits(t), 0);
    reconnect(t);
    assert_number(t, "INCR hits", 1); /* once, and no more */
    assert_int_equal(proxy_struck(t->proxy, PROXY_LOSE_REQUEST), 1);
}

static void a_lost_reply_was_run(void **state)
{
    through *t = *state;
    arm(t, (proxy_trick){.kind = PROXY_LOSE_REPLY, .when = "INCR", .times = 2});
    send_only(t, "INCR hits");
    assert_ends(t);
    assert_int_equal(hits(t), 1);
    reconnect(t);
    send_only(t, "INCR hits");
    assert_ends(t);
    reconnect(t);
    assert_number(t, "INCR hits", 3);
    assert_int_equal(proxy_struck(t->proxy, PROXY_LOSE_REPLY), 2);
}

static void a_held_reply_comes_late(void **state)
{
    through *t = *state;
    arm(t, (proxy_trick){.kind = PROXY_HOLD_REPLY});
    send_only(t, "INCR hits");
    UNTIL_EQ(20000, hits(t), 1);
    assert_silent(t);
    proxy_set_mode(t->proxy, PROXY_PASS);
    assert_number(t, "PING", 1); /* the answer to the question before */
}

static void another_reply_takes_its_place(void **state)
{
    through *t = *state;
    arm(t, (proxy_trick){.kind = PROXY_REWRITE, .when = "ECHO", .reply = "-READONLY told\r\n"});
    char *big = calloc(1, BIG);
    valkeyAppendCommand(t->client, "ECHO %b", big, (size_t)BIG); /* a reply in many pieces */
    valkeyAppendCommand(t->client, "INCR hits");
    valkeyReply *reply = NULL;
    assert_int_equal(valkeyGetReply(t->client, (void **)&reply), VALKEY_OK);
    assert_string_equal(reply->str, "READONLY told");
    freeReplyObject(reply);
    assert_int_equal(valkeyGetReply(t->client, (void **)&reply), VALKEY_OK);
    assert_int_equal(reply->integer, 1); /* what follows is whole */
    freeReplyObject(reply);
    free(big);
    assert_number(t, "INCR hits", 2);
}

static void a_reply_is_cut_within(void **state)
{
    through *t = *state;
    for (int bytes = 0; bytes < 4; bytes++) {
        arm(t, (proxy_trick){.kind = PROXY_CUT_REPLY, .bytes = bytes});
        send_only(t, "INCR hits");
        char some[16];
        size_t got = 0;
        ssize_t n;
        while ((n = recv(t->client->fd, some + got, sizeof some - got, 0)) > 0) got += (size_t)n;
        assert_int_equal(got, bytes);
        assert_int_equal(hits(t), bytes + 1);
        reconnect(t);
    }
}

#define THROUGH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define THROUGH_TCP(name) cmocka_unit_test_setup_teardown(name, set_up_tcp, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THROUGH(bytes_pass_whole_both_ways),
        THROUGH_TCP(bytes_pass_whole_both_ways),
        THROUGH_TCP(byte_by_byte_is_whole_too),
        THROUGH(a_restarted_server_is_found),
        THROUGH(frozen_is_held_and_goes_on),
        THROUGH(swallowed_is_gone),
        THROUGH(refused_are_closed),
        THROUGH(pieces_come_later),
        THROUGH(cut_in_good_order),
        THROUGH_TCP(cut_by_a_reset),
        THROUGH(a_lost_request_did_not_run),
        THROUGH(a_lost_reply_was_run),
        THROUGH_TCP(a_lost_reply_was_run),
        THROUGH(a_held_reply_comes_late),
        THROUGH(another_reply_takes_its_place),
        THROUGH(a_reply_is_cut_within),
    };
    signal(SIGPIPE, SIG_IGN); /* the client's library does not */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
