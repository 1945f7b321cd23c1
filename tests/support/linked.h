/* A link to a fake server, and one exchange over it told in a few values: for the fault tests of
 * src/wire. */
#ifndef TESTS_SUPPORT_LINKED_H
#define TESTS_SUPPORT_LINKED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/fake_server.h"
#include "support/until.h"
#include "wire/link.h"

/* Bounds of calls. One that is to succeed has plenty; one that is to run out of time has as little
 * as lets the script before it happen. */
#define PLENTY_MS 20000
#define SHORT_MS 300

static const dq_script script_of_test = {
    .name = "test",
    .sha1 = "0123456789012345678901234567890123456789",
    .source = "return 'source'",
    .source_len = 15,
    .key_count = "1",
};

typedef struct linked {
    fake_server *server;
    dq_link *link;
    dq_fault fault;
} linked;

static inline linked linked_with(const fake_step *script, const char *url_options, bool tcp)
{
    linked l = {.server = fake_start(script, &(fake_options){.tcp = tcp})};
    char text[300];
    dq_url url;
    snprintf(text, sizeof text, "%s%s", fake_url(l.server), url_options);
    if (dq_url_parse(&url, text, &l.fault) != DUEQ_OK) fail_msg("%s: %s", text, l.fault.text);
    l.link = dq_link_make(&url);
    dq_url_clear(&url);
    assert_non_null(l.link);
    return l;
}

static inline linked linked_to(const fake_step *script)
{
    return linked_with(script, "", false);
}

/* Hangs up first: a script may wait for that. */
static inline void unlink_from(linked *l)
{
    dq_link_free(l->link);
    fake_end(l->server);
}

/* What became of one request. */
typedef struct told {
    int outcome;
    bool resent;
    char reply[200]; /* its text, or "" */
} told;

static inline void make_request(dq_request *request, const dq_script *script, const char *word)
{
    *request = (dq_request){.script = script};
    dq_args_add_text(&request->args, word);
}

static inline told exchange_one(linked *l, dq_request *request, int64_t timeout_ms)
{
    told t = {0};
    dq_fault_clear(&l->fault);
    int rc = dq_link_exchange(l->link, request, 1, dq_deadline_us(timeout_ms), &l->fault);
    assert_int_equal(rc, request->outcome);
    assert_int_equal(request->reply != NULL, rc == DUEQ_OK);
    assert_int_equal(rc == DUEQ_OK ? 0 : rc, l->fault.code);
    t.outcome = rc;
    t.resent = request->resent;
    if (request->reply != NULL && request->reply->str != NULL) {
        snprintf(t.reply, sizeof t.reply, "%s", request->reply->str);
    }
    dq_request_clear(request);
    return t;
}

static inline told call(linked *l, const char *word, int64_t timeout_ms)
{
    dq_request request;
    make_request(&request, NULL, word);
    return exchange_one(l, &request, timeout_ms);
}

static inline told call_once(linked *l, const char *word, int64_t timeout_ms)
{
    dq_request request;
    make_request(&request, NULL, word);
    request.once = true;
    return exchange_one(l, &request, timeout_ms);
}

static inline told call_script(linked *l, int64_t timeout_ms)
{
    dq_request request;
    make_request(&request, &script_of_test, "key");
    return exchange_one(l, &request, timeout_ms);
}

static inline void assert_told(const linked *l, const told *t, int outcome, const char *part)
{
    if (t->outcome != outcome || strstr(l->fault.text, part) == NULL) {
        fail_msg("outcome %d, \"%s\"; wanted %d and a text with \"%s\"", t->outcome, l->fault.text,
                 outcome, part);
    }
}

static inline void assert_reply(const linked *l, const told *t, const char *reply, bool resent)
{
    if (t->outcome != DUEQ_OK || strcmp(t->reply, reply) != 0 || t->resent != resent) {
        fail_msg("outcome %d (%s), reply \"%s\"%s; wanted \"%s\"%s", t->outcome, l->fault.text,
                 t->reply, t->resent ? ", resent" : "", reply, resent ? ", resent" : "");
    }
}

#endif
