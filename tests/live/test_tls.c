/* TLS against a real server and an authority of the test's own: who is let in, who is not and why;
 * bodies bigger than any record; and nothing ever sent to a server that has not proved its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/authority.h"
#include "support/fake_server.h"
#include "support/folder.h"
#include "support/loopback.h"
#include "support/server.h"
#include "wire/link.h"

#define TIMEOUT_MS 20000

static test_server *start_with(const char *cert, bool want_client)
{
    char cert_name[32], key_name[32];
    snprintf(cert_name, sizeof cert_name, "%s.crt", cert);
    snprintf(key_name, sizeof key_name, "%s.key", cert);
    server_options options = {
        .tls_cert_file = authority_file(cert_name),
        .tls_key_file = authority_file(key_name),
        .tls_ca_file = authority_file("ca.crt"),
        .tls_want_client = want_client,
    };
    return server_start(&options);
}

/* Asks for a PING at HOST:PORT with these options, in which % stands for the certificates' folder. */
static int ping(const char *host, int port, const char *options, dq_fault *fault)
{
    char text[3 * FOLDER_PATH_SIZE];
    int len = snprintf(text, sizeof text, "rediss://%s:%d?", host, port);
    for (const char *at = options; *at != '\0'; at++) {
        len += *at == '%'
                   ? snprintf(text + len, sizeof text - (size_t)len, "%s", authority_folder())
                   : snprintf(text + len, sizeof text - (size_t)len, "%c", *at);
    }
    dq_url url;
    dq_fault_clear(fault);
    if (dq_url_parse(&url, text, fault) != DUEQ_OK) {
        fail_msg("%s: %s", text, fault->text);
    }
    dq_link *link = dq_link_make(&url);
    dq_url_clear(&url);
    dq_request request = {0};
    dq_args_add_text(&request.args, "PING");
    int rc = dq_link_exchange(link, &request, 1, dq_deadline_us(TIMEOUT_MS), fault);
    if (rc == DUEQ_OK) {
        assert_string_equal(request.reply->str, "PONG");
    }
    dq_request_clear(&request);
    dq_link_free(link);
    return rc;
}

typedef struct tls_case {
    const char *host, *options;
    int outcome;
    const char *told;
} tls_case;

static void check_cases(int port, const tls_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dq_fault fault;
        if (is_unknown_localhost(cases[i].host)) continue;
        int rc = ping(cases[i].host, port, cases[i].options, &fault);
        if (rc != cases[i].outcome || strstr(fault.text, cases[i].told) == NULL) {
            fail_msg("%s?%s: outcome %d, \"%s\"; wanted %d and a text with \"%s\"", cases[i].host,
                     cases[i].options, rc, fault.text, cases[i].outcome, cases[i].told);
        }
    }
}

#define CHECK_CASES(port, cases) check_cases(port, cases, sizeof(cases) / sizeof(cases)[0])

static void a_proved_name_is_let_in(void **state)
{
    (void)state;
    static const tls_case cases[] = {
        {"localhost", "cacert=%/ca.crt", DUEQ_OK, ""},
        {"127.0.0.1", "cacert=%/ca.crt", DUEQ_OK, ""},
        {"127.0.0.1", "cacert=%/ca.crt&sni=localhost", DUEQ_OK, ""},
        {"127.0.0.1", "verify=no", DUEQ_OK, ""},
        {"127.0.0.1", "", DUEQ_ETLS, "name the CA's file with cacert="},
        {"127.0.0.1", "cacert=%/self.crt", DUEQ_ETLS, "CA that is not trusted"},
        {"127.0.0.1", "cacert=%/ca.crt&sni=other.example", DUEQ_ETLS,
         "is not for \"other.example\""},
        {"127.0.0.1", "cacert=%/none.crt", DUEQ_ETLS, "none.crt: no such file or directory"},
        {"127.0.0.1", "cacert=%/good.key", DUEQ_ETLS, "it holds no certificate"},
        {"127.0.0.1", "cadir=%/none", DUEQ_ETLS, "cannot read cadir="},
        {"127.0.0.1", "cacert=%/ca.crt&key=%/client.key", DUEQ_ETLS, "give cert="},
        {"127.0.0.1", "cacert=%/ca.crt&cert=%/client.crt", DUEQ_ETLS, "cannot use key="},
        {"127.0.0.1", "cacert=%/ca.crt&cert=%/client.crt&key=%/good.key", DUEQ_ETLS,
         "belong to cert="},
    };
    test_server *server = start_with("good", false);
    CHECK_CASES(server_tls_port(server), cases);
    server_free(server);
}

static void other_certificates_are_told_precisely(void **state)
{
    (void)state;
    static const struct {
        const char *cert;
        tls_case c;
    } cases[] = {
        {"expired", {"127.0.0.1", "cacert=%/ca.crt&sni=localhost", DUEQ_ETLS, "has expired"}},
        {"early", {"127.0.0.1", "cacert=%/ca.crt&sni=localhost", DUEQ_ETLS, "is not valid yet"}},
        {"self",
         {"127.0.0.1", "cacert=%/ca.crt&sni=localhost", DUEQ_ETLS,
          "is self-signed and not trusted"}},
        {"self", {"127.0.0.1", "cacert=%/self.crt&sni=localhost", DUEQ_OK, ""}},
        {"other",
         {"127.0.0.1", "cacert=%/ca.crt&sni=localhost", DUEQ_ETLS, "is not for \"localhost\""}},
        {"other", {"127.0.0.1", "cacert=%/ca.crt", DUEQ_ETLS, "is not for \"127.0.0.1\""}},
        {"other", {"127.0.0.1", "cacert=%/ca.crt&sni=other.example", DUEQ_OK, ""}},
        {"expired", {"127.0.0.1", "cacert=%/ca.crt&verify=no&sni=localhost", DUEQ_OK, ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        test_server *server = start_with(cases[i].cert, false);
        check_cases(server_tls_port(server), &cases[i].c, 1);
        server_free(server);
    }
}

static void a_client_certificate_may_be_wanted(void **state)
{
    (void)state;
    static const tls_case cases[] = {
        {"127.0.0.1", "cacert=%/ca.crt&cert=%/client.crt&key=%/client.key", DUEQ_OK, ""},
        {"127.0.0.1", "cacert=%/ca.crt", DUEQ_ETLS, "give one with cert= and key="},
    };
    test_server *server = start_with("good", true);
    CHECK_CASES(server_tls_port(server), cases);
    server_free(server);
}

static void the_wrong_protocol_is_told_both_ways(void **state)
{
    (void)state;
    static const fake_step stranger[] = {ACCEPT, SEND("HTTP/1.1 400 Bad Request\r\n\r\n"),
                                         AWAIT_CLOSE, END};
    dq_fault fault;
    fake_server *fake = fake_start(stranger, &(fake_options){.tcp = true});
    int rc = ping("127.0.0.1", atoi(strrchr(fake_url(fake), ':') + 1), "verify=no", &fault);
    if (rc != DUEQ_ETLS || strstr(fault.text, "does not speak TLS") == NULL) {
        fail_msg("outcome %d, \"%s\"", rc, fault.text);
    }
    fake_end(fake);

    test_server *server = start_with("good", false);
    char text[100];
    dq_url url;
    dq_conn *conn;
    snprintf(text, sizeof text, "redis://127.0.0.1:%d", server_tls_port(server));
    assert_int_equal(dq_url_parse(&url, text, &fault), DUEQ_OK);
    rc = dq_conn_open(&conn, &url, dq_deadline_us(TIMEOUT_MS), &fault);
    assert_null(conn);
    assert_true(rc == DUEQ_EPROTO || rc == DUEQ_ECONNECT);
    dq_url_clear(&url);
    server_free(server);
}

static void a_peer_that_never_shakes_hands_is_left(void **state)
{
    (void)state;
    static const fake_step silent[] = {ACCEPT, AWAIT_CLOSE, END};
    static const fake_step closing[] = {ACCEPT, CLOSE, END};
    static const struct {
        const fake_step *script;
        const char *told;
    } cases[] = {{silent, "did not finish the TLS handshake in time"},
                 {closing, "during the TLS handshake"}};
    for (size_t i = 0; i < 2; i++) {
        dq_fault fault;
        fake_server *fake = fake_start(cases[i].script, &(fake_options){.tcp = true});
        int rc = ping("127.0.0.1", atoi(strrchr(fake_url(fake), ':') + 1), "connect_timeout=100ms",
                      &fault);
        if (rc != DUEQ_ECONNECT || strstr(fault.text, cases[i].told) == NULL) {
            fail_msg("outcome %d, \"%s\"; wanted a text with \"%s\"", rc, fault.text,
                     cases[i].told);
        }
        fake_end(fake);
    }
}

/* Records, partial writes, and both directions at once. */
static void big_bodies_pass_both_ways(void **state)
{
    (void)state;
    enum { COUNT = 200, BODY_LEN = 100000 };
    test_server *server = start_with("good", false);
    char text[FOLDER_PATH_SIZE + 100];
    dq_url url;
    dq_fault fault;
    snprintf(text, sizeof text, "rediss://127.0.0.1:%d?cacert=%s", server_tls_port(server),
             authority_file("ca.crt"));
    assert_int_equal(dq_url_parse(&url, text, &fault), DUEQ_OK);
    dq_link *link = dq_link_make(&url);
    char *body = malloc(BODY_LEN);
    for (size_t i = 0; i < BODY_LEN; i++) {
        body[i] = (char)(i * 7);
    }
    static dq_request requests[COUNT];
    for (int i = 0; i < COUNT; i++) {
        dq_args_add_text(&requests[i].args, "ECHO");
        dq_args_add(&requests[i].args, body, (size_t)(BODY_LEN - i));
    }
    int rc = dq_link_exchange(link, requests, COUNT, dq_deadline_us(TIMEOUT_MS), &fault);
    if (rc != DUEQ_OK) {
        fail_msg("outcome %d, \"%s\"", rc, fault.text);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(requests[i].reply->len, BODY_LEN - i);
        assert_memory_equal(requests[i].reply->str, body, (size_t)(BODY_LEN - i));
        dq_request_clear(&requests[i]);
    }
    free(body);
    dq_link_free(link);
    dq_url_clear(&url);
    server_free(server);
}

/* Writing to a peer that is gone: an error, and no signal. */
static void a_dead_connection_raises_no_signal(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_DFL);
    test_server *server = start_with("good", false);
    char text[FOLDER_PATH_SIZE + 100];
    dq_url url;
    dq_conn *conn;
    dq_fault fault;
    snprintf(text, sizeof text, "rediss://127.0.0.1:%d?verify=no", server_tls_port(server));
    assert_int_equal(dq_url_parse(&url, text, &fault), DUEQ_OK);
    assert_int_equal(dq_conn_open(&conn, &url, dq_deadline_us(TIMEOUT_MS), &fault), DUEQ_OK);
    server_kill(server);
    dq_args args = {0};
    dq_args_add_text(&args, "PING");
    for (int i = 0; i < 3; i++) { /* the first write is answered by a reset, the next one fails */
        assert_int_equal(dq_conn_add(conn, &args, &fault), DUEQ_OK);
        valkeyReply *reply;
        int rc = dq_conn_pump(conn, &fault);
        assert_int_equal(rc < 0 ? rc : dq_conn_next(conn, &reply, &fault), DUEQ_EUNSURE);
    }
    dq_args_clear(&args);
    dq_conn_close(conn);
    dq_url_clear(&url);
    server_free(server);
}

/* The server is killed under an open connection: the next call finds it again. */
static void a_killed_server_is_found_again(void **state)
{
    (void)state;
    test_server *server = start_with("good", false);
    char text[FOLDER_PATH_SIZE + 100];
    dq_url url;
    dq_fault fault;
    snprintf(text, sizeof text, "rediss://127.0.0.1:%d?cacert=%s", server_tls_port(server),
             authority_file("ca.crt"));
    assert_int_equal(dq_url_parse(&url, text, &fault), DUEQ_OK);
    dq_link *link = dq_link_make(&url);
    for (int i = 0; i < 3; i++) {
        dq_request request = {0};
        dq_args_add_text(&request.args, "PING");
        int rc = dq_link_exchange(link, &request, 1, dq_deadline_us(TIMEOUT_MS), &fault);
        if (rc != DUEQ_OK) {
            fail_msg("call %d: outcome %d, \"%s\"", i, rc, fault.text);
        }
        dq_request_clear(&request);
        server_kill(server);
        server_restart(server);
    }
    dq_link_free(link);
    dq_url_clear(&url);
    server_free(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proved_name_is_let_in),
        cmocka_unit_test(other_certificates_are_told_precisely),
        cmocka_unit_test(a_client_certificate_may_be_wanted),
        cmocka_unit_test(the_wrong_protocol_is_told_both_ways),
        cmocka_unit_test(a_peer_that_never_shakes_hands_is_left),
        cmocka_unit_test(big_bodies_pass_both_ways),
        cmocka_unit_test(a_dead_connection_raises_no_signal),
        cmocka_unit_test(a_killed_server_is_found_again),
    };
    if (!server_has_tls()) {
        print_message("skipped: the server is built without TLS\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, authority_make, authority_drop);
}
