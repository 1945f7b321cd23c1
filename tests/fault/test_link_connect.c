/* Opening: who is there, who is not, who is something else; and no storm of attempts. */
#include "support/linked.h"
#include "support/loopback.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/folder.h"

static void connects_greets_and_calls(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        EXPECT("CLIENT SETNAME dueq"),
        SEND("+OK\r\n"),
        EXPECT("CLIENT ID"),
        SEND(":1234\r\n"),
        EXPECT("TIME"),
        SEND("*2\r\n$10\r\n1700000000\r\n$1\r\n5\r\n"),
        EXPECT("PING"),
        SEND("+PONG\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", false);
    int64_t server_ms = dq_link_server_ms(l.link);
    assert_in_range(server_ms, 1700000000000 - 1000, 1700000000000 + PLENTY_MS);
    unlink_from(&l);
}

static void logs_in_and_selects(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        EXPECT("AUTH us er pa:ss"),
        SEND("+OK\r\n"),
        EXPECT("SELECT 3"),
        SEND("+OK\r\n"),
        EXPECT("CLIENT SETNAME worker"),
        SEND("+OK\r\n"),
        EXPECT("CLIENT ID"),
        SEND(":1\r\n"),
        EXPECT("TIME"),
        SEND("*2\r\n$10\r\n1700000000\r\n$1\r\n5\r\n"),
        EXPECT("PING"),
        SEND("+PONG\r\n"),
        AWAIT_CLOSE,
        END,
    };
    fake_server *server = fake_start(script, NULL);
    char text[300];
    dq_url url;
    dq_fault fault;
    snprintf(text, sizeof text, "unix://us%%20er:pa:ss@%s?db=3&name=worker", fake_url(server) + 5);
    assert_int_equal(dq_url_parse(&url, text, &fault), DUEQ_OK);
    linked l = {.server = server, .link = dq_link_make(&url)};
    dq_url_clear(&url);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", false);
    unlink_from(&l);
}

/* An ACL may forbid what only makes life nicer. */
static void niceties_may_be_refused(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,         ANSWER(3, "-NOPERM this user has no permissions to run this command\r\n"),
        EXPECT("PING"), SEND("+PONG\r\n"),
        AWAIT_CLOSE,    END,
    };
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", false);
    int64_t off_ms = dq_link_server_ms(l.link) - dq_wall_us() / 1000;
    assert_in_range(off_ms + 1000, 0, 2000); /* this machine's clock then */
    unlink_from(&l);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

typedef struct refusal {
    const char *options, *userinfo; /* of the URL */
    const char *first, *rest;       /* answers: to the first command, to the others */
    int outcome;
    const char *told;
} refusal;

static void check_refusal(const refusal *r)
{
    const fake_step script[] = {
        ACCEPT,
        {FAKE_ANSWER, r->first, strlen(r->first), 1},
        {FAKE_ANSWER, r->rest, strlen(r->rest), -1},
        END,
    };
    fake_server *server = fake_start(script, NULL);
    char text[400];
    snprintf(text, sizeof text, "unix://%s%s%s", r->userinfo, fake_url(server) + 5, r->options);
    dq_url url;
    linked l = {.server = server};
    assert_int_equal(dq_url_parse(&url, text, &l.fault), DUEQ_OK);
    l.link = dq_link_make(&url);
    dq_url_clear(&url);
    told t = call(&l, "PING", PLENTY_MS);
    assert_told(&l, &t, r->outcome, r->told);
    if (strstr(l.fault.text, "s3cret") != NULL) {
        fail_msg("the password is in the text: %s", l.fault.text);
    }
    assert_int_equal(fake_connections(server), 1); /* told at once, not tried again */
    unlink_from(&l);
}

static void refusals_are_final_and_told(void **state)
{
    (void)state;
    static const char ok[] = "+OK\r\n";
    static const refusal refusals[] = {
        {"", "u:s3cret@", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", ok,
         DUEQ_EAUTH, "refused the user or the password"},
        {"", ":s3cret@", "-ERR invalid password\r\n", ok, DUEQ_EAUTH, "refused the password"},
        {"", ":s3cret@", "-ERR AUTH <password> called without any password configured\r\n", ok,
         DUEQ_EAUTH, "has none set"},
        {"", ":s3cret@", "-ERR unknown command 'AUTH' with args 's3cret'\r\n", ok, DUEQ_EAUTH,
         "AUTH"},
        {"", ":s3cret@", "$6\r\ns3cret\r\n", ok, DUEQ_EPROTO, "is not a Redis"},
        {"", ":s3cret@", "s3cret s3cret\r\n", ok, DUEQ_EPROTO, "is not a Redis"},
        {"", "", "-NOAUTH Authentication required.\r\n", ok, DUEQ_EAUTH, "wants a password"},
        {"", "", "-DENIED Redis is running in protected mode\r\n", ok, DUEQ_EDENIED, "local"},
        {"?db=99", "", "-ERR DB index is out of range\r\n", ok, DUEQ_EINVAL, "no database 99"},
        {"?db=9", "", "-NOPERM this user has no permissions to run the 'select' command\r\n", ok,
         DUEQ_EDENIED, "'select'"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        check_refusal(&refusals[i]);
    }
}

static void strangers_are_told_by_their_words(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *told;
    } strangers[] = {
        {"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "\"HTTP/1.1 400 Bad Request\""},
        {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "\"SSH-2.0-OpenSSH"},
        {"220 mail ESMTP\r\n", "\"220 mail ESMTP\""},
        {"\x15\x03\x01\x02\x02\x0a", "rediss://"},
        {"J\x1b[2Jbad", "J\\x1b[2Jbad"},
        {"*5\r\n+a\r\n+b\r\n+c\r\n+d\r\n+e\r\n", "is not a Redis"},
        {":1\r\n:2\r\n:3\r\n", "is not a Redis"},
        {"$1073741825\r\n", "is not a Redis"},
    };
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        const fake_step script[] = {
            ACCEPT,
            SEND_BYTES(strangers[i].bytes, strlen(strangers[i].bytes)),
            AWAIT_CLOSE,
            END,
        };
        linked l = linked_to(script);
        told t = call(&l, "PING", PLENTY_MS);
        assert_told(&l, &t, DUEQ_EPROTO, strangers[i].told);
        assert_int_equal(fake_connections(l.server), 1);
        unlink_from(&l);
    }
}

static void silence_is_told_in_time(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT, AWAIT_CLOSE, END};
    linked l = linked_with(script, "?connect_timeout=50ms", false);
    told t = call(&l, "PING", PLENTY_MS);
    assert_told(&l, &t, DUEQ_EPROTO, "did not answer in time");
    assert_int_equal(fake_connections(l.server), 1);
    unlink_from(&l);
}

/* Answers that came before the end are heard: the greeting was complete. */
static void answers_before_the_end_count(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        EXPECT("CLIENT SETNAME"),
        EXPECT("CLIENT ID"),
        EXPECT("TIME"),
        SEND("+OK\r\n:7\r\n*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n"),
        CLOSE,
        ACCEPT,
        GREET,
        EXPECT("PING"),
        SEND("+PONG\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", t.resent); /* the request may have left before the end was seen */
    unlink_from(&l);
}

static void a_flood_is_left(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT, FLOOD("-"), END};
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_told(&l, &t, DUEQ_EPROTO, "is not a Redis");
    unlink_from(&l);
}

static void a_closed_door_is_told(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT, CLOSE, END};
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_told(&l, &t, DUEQ_ECONNECT, "before it had answered");
    unlink_from(&l);
}

static void nobody_there_is_told_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *url, *told;
    } cases[] = {
        {"redis://127.0.0.1:1", "cannot connect to 127.0.0.1:1: connection refused; is the server "
                                "running there?"},
        {"redis://[::1]:1", "cannot connect to [::1]:1: "},
        {"redis://localhost:1", "cannot connect to localhost:1: connection refused"},
        {"unix:/nonexistent/redis.sock",
         "cannot connect to /nonexistent/redis.sock: no such file or directory; is the server "
         "running there?"},
        {"redis://no-such-host.invalid", "cannot find the host \"no-such-host.invalid\": "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_url url;
        linked l = {0};
        if (is_unknown_localhost(cases[i].url)) continue;
        assert_int_equal(dq_url_parse(&url, cases[i].url, &l.fault), DUEQ_OK);
        l.link = dq_link_make(&url);
        dq_url_clear(&url);
        told t = call(&l, "PING", PLENTY_MS);
        assert_told(&l, &t, DUEQ_ECONNECT, cases[i].told);
        dq_link_free(l.link);
    }
}

/* A listener whose backlog is full answers no connection: a black hole. */
static void a_black_hole_is_left_in_time(void **state)
{
    (void)state;
    test_folder folder;
    folder_make(&folder);
    char text[300];
    struct sockaddr_storage room = {0};
    (void)room;
    snprintf(text, sizeof text, "%.200s/s.sock", folder.path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct {
        sa_family_t family;
        char path[108];
    } address = {.family = AF_UNIX};
    snprintf(address.path, sizeof address.path, "%.107s", text);
    assert_int_equal(bind(listener, (struct sockaddr *)(void *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 0), 0);
    int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* fills the backlog */
    assert_int_equal(connect(first, (struct sockaddr *)(void *)&address, sizeof address), 0);

    dq_url url;
    linked l = {0};
    snprintf(text, sizeof text, "unix:%s?connect_timeout=30ms", address.path);
    assert_int_equal(dq_url_parse(&url, text, &l.fault), DUEQ_OK);
    l.link = dq_link_make(&url);
    dq_url_clear(&url);
    told t = call(&l, "PING", PLENTY_MS);
    assert_told(&l, &t, DUEQ_ECONNECT, "no answer in time");
    dq_link_free(l.link);
    close(first);
    close(listener);
    folder_free(&folder);
}

/* ---- Again, but no storm --------------------------------------------------------------------- */

static void a_full_server_is_asked_again(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        SEND("-ERR max number of clients reached\r\n"),
        CLOSE,
        ACCEPT,
        SEND("-ERR max number of clients reached\r\n"),
        CLOSE,
        ACCEPT,
        GREET,
        EXPECT("PING"),
        SEND("+PONG\r\n"),
        AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", false);
    assert_int_equal(fake_connections(l.server), 3);
    unlink_from(&l);
}

static void a_server_that_stays_full_is_told_without_a_storm(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT,
        SEND("-ERR max number of clients reached\r\n"),
        CLOSE,
        REPEAT,
    };
    linked l = linked_to(script);
    told t = call(&l, "PING", SHORT_MS);
    assert_told(&l, &t, DUEQ_EUNREADY, "no room for another connection");
    /* Full jitter from 10 ms on, doubling: 300 ms hold some eight; a storm would be thousands. */
    assert_in_range(fake_connections(l.server), 2, 60);
    unlink_from(&l);
}

static void an_established_link_waits_for_the_servers_return(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET, EXPECT("ONE"), SEND("+1\r\n"),       CLOSE,
        ACCEPT, CLOSE, ACCEPT,        SEND("nonsense\r\n"), CLOSE,
        ACCEPT, GREET, EXPECT("TWO"), SEND("+2\r\n"),       AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    told t = call(&l, "ONE", PLENTY_MS);
    assert_reply(&l, &t, "1", false);
    UNTIL_EQ(PLENTY_MS, (call(&l, "TWO", PLENTY_MS).outcome), DUEQ_OK);
    assert_int_equal(fake_connections(l.server), 4);
    unlink_from(&l);
}

/* ---- The caller's checks --------------------------------------------------------------------- */

static int count_greets(void *context, dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    int *count = context;
    dq_args args = {0};
    valkeyReply *reply;
    dq_args_add_text(&args, "CHECK");
    int rc = dq_conn_call(conn, &args, deadline_us, &reply, fault);
    dq_args_clear(&args);
    freeReplyObject(reply);
    (*count)++;
    return rc < 0 || *count > 1 ? rc : dq_fault_set(fault, DUEQ_EUNREADY, "the check says no");
}

static void the_callers_check_comes_before_requests(void **state)
{
    (void)state;
    static const fake_step script[] = {
        ACCEPT, GREET,           EXPECT("CHECK"), SEND("+OK\r\n"), AWAIT_CLOSE,       ACCEPT,
        GREET,  EXPECT("CHECK"), SEND("+OK\r\n"), EXPECT("PING"),  SEND("+PONG\r\n"), AWAIT_CLOSE,
        END,
    };
    linked l = linked_to(script);
    int count = 0;
    dq_link_on_connect(l.link, count_greets, &count);
    told t = call(&l, "PING", PLENTY_MS);
    assert_reply(&l, &t, "PONG", false);
    assert_int_equal(count, 2);
    unlink_from(&l);
}

static void an_extra_connection_stands_beside(void **state)
{
    (void)state;
    static const fake_step script[] = {ACCEPT, GREET, AWAIT_CLOSE, END};
    linked l = linked_to(script);
    dq_conn *conn;
    assert_int_equal(dq_link_open_extra(l.link, 0, &conn, dq_deadline_us(PLENTY_MS), &l.fault),
                     DUEQ_OK);
    assert_int_equal(dq_conn_client_id(conn), 7);
    assert_int_equal(dq_conn_owed(conn), 0);
    assert_true(fcntl(dq_conn_fd(conn), F_GETFD) & FD_CLOEXEC);
    dq_conn_close(conn);
    unlink_from(&l);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_greets_and_calls),
        cmocka_unit_test(logs_in_and_selects),
        cmocka_unit_test(niceties_may_be_refused),
        cmocka_unit_test(refusals_are_final_and_told),
        cmocka_unit_test(strangers_are_told_by_their_words),
        cmocka_unit_test(silence_is_told_in_time),
        cmocka_unit_test(answers_before_the_end_count),
        cmocka_unit_test(a_flood_is_left),
        cmocka_unit_test(a_closed_door_is_told),
        cmocka_unit_test(nobody_there_is_told_at_once),
        cmocka_unit_test(a_black_hole_is_left_in_time),
        cmocka_unit_test(a_full_server_is_asked_again),
        cmocka_unit_test(a_server_that_stays_full_is_told_without_a_storm),
        cmocka_unit_test(an_established_link_waits_for_the_servers_return),
        cmocka_unit_test(the_callers_check_comes_before_requests),
        cmocka_unit_test(an_extra_connection_stands_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
