/* A cluster's nodes that send requests from one to another, answer what they must not, or are not
 * there: followed, waited out or told, within the deadline and without a storm. */
#include "support/linked.h"

#include <pthread.h>

#include "support/server.h"

#define MOVED "-MOVED 16287 127.0.0.1:"
#define ASK "-ASK 16287 127.0.0.1:"

/* Two nodes, by rules; node 0 is the seed. */
typedef struct pair {
    int ports[2];
    fake_server *nodes[2]; /* NULL: nobody is there */
    fake_step scripts[2][3];
    dq_link *link;
    dq_fault fault;
    char texts[16][512];
    int text_count;
} pair;

static pair new_pair(void)
{
    pair p = {.text_count = 0};
    for (int i = 0; i < 2; i++) p.ports[i] = server_free_port();
    return p;
}

/* A text of the pair's own, with a node's port at its end. */
static const char *at_port(pair *p, const char *before, int node, const char *after)
{
    char *text = p->texts[p->text_count++];
    snprintf(text, sizeof p->texts[0], "%s%d%s", before, p->ports[node], after);
    return text;
}

/* CLUSTER SLOTS: the lower slots are node `low`'s, from 14000 on they are node `high`'s. */
static const char *map_of(pair *p, const char *host, int low, int high)
{
    char *text = p->texts[p->text_count++];
    snprintf(text, sizeof p->texts[0],
             "*2\r\n*3\r\n:0\r\n:13999\r\n*3\r\n$%zu\r\n%s\r\n:%d\r\n+a\r\n"
             "*3\r\n:14000\r\n:16383\r\n*3\r\n$%zu\r\n%s\r\n:%d\r\n+b\r\n",
             strlen(host), host, p->ports[low], strlen(host), host, p->ports[high]);
    return text;
}

static void serve(pair *p, int node, fake_rule *rules)
{
    const fake_step script[] = {ACCEPT, SERVE(rules), REPEAT};
    memcpy(p->scripts[node], script, sizeof script);
    p->nodes[node] =
        fake_start(p->scripts[node], &(fake_options){.tcp = true, .port = p->ports[node]});
}

static void link_up(pair *p, const char *options)
{
    char text[128];
    dq_url url;
    snprintf(text, sizeof text, "redis-cluster://127.0.0.1:%d%s", p->ports[0], options);
    assert_int_equal(dq_url_parse(&url, text, &p->fault), DUEQ_OK);
    p->link = dq_link_make(&url);
    assert_non_null(p->link);
    dq_url_clear(&url);
}

static void end_pair(pair *p)
{
    dq_link_free(p->link);
    for (int i = 0; i < 2; i++)
        if (p->nodes[i]) fake_end(p->nodes[i]);
}

static dq_request plain(const char *word, const char *key)
{
    dq_request request = {.key = key};
    dq_args_add_text(&request.args, word);
    return request;
}

static told ask(pair *p, dq_request request, int64_t timeout_ms)
{
    linked l = {.link = p->link};
    told t = exchange_one(&l, &request, timeout_ms);
    p->fault = l.fault;
    return t;
}

static void expect_reply(pair *p, dq_request request, const char *reply)
{
    told t = ask(p, request, PLENTY_MS);
    linked l = {.fault = p->fault};
    assert_reply(&l, &t, reply, false);
}

static void expect_failure(pair *p, dq_request request, int outcome, const char *part)
{
    told t = ask(p, request, SHORT_MS);
    linked l = {.fault = p->fault};
    assert_told(&l, &t, outcome, part);
}

/* ---- Where requests go ----------------------------------------------------------------------- */

static void a_key_goes_to_its_node(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 1);
    fake_rule a[] = {
        {.words = "CLUSTER SLOTS", .reply = map}, {.words = "W", .reply = "+a\r\n"}, {0}};
    fake_rule b[] = {
        {.words = "CLUSTER SLOTS", .reply = map}, {.words = "W", .reply = "+b\r\n"}, {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    expect_reply(&p, plain("W", "y"), "a");
    expect_reply(&p, plain("W", "x"), "b");
    expect_reply(&p, plain("W", "any{x}thing"), "b");
    assert_int_equal(fake_connections(p.nodes[0]), 1);
    assert_int_equal(fake_connections(p.nodes[1]), 1);
    assert_int_equal(atomic_load(&a[0].used) + atomic_load(&b[0].used), 1);
    end_pair(&p);
}

/* "" and, with endpoints=seed, any other: the port of the one that was asked counts. */
static void an_address_may_be_that_of_the_asked(void **state)
{
    (void)state;
    static const struct {
        const char *host, *options;
    } cases[] = {{"", ""}, {"10.255.255.1", "?endpoints=seed"}};
    for (size_t i = 0; i < 2; i++) {
        pair p = new_pair();
        const char *map = map_of(&p, cases[i].host, 0, 1);
        fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map}, {0}};
        fake_rule b[] = {{.words = "W", .reply = "+b\r\n"}, {0}};
        serve(&p, 0, a);
        serve(&p, 1, b);
        link_up(&p, cases[i].options);
        expect_reply(&p, plain("W", "x"), "b");
        end_pair(&p);
    }
}

typedef struct crossing {
    dq_link *link;
    dq_request requests[2];
    int rc;
} crossing;

static void *exchange_both(void *context)
{
    crossing *c = context;
    c->rc = dq_link_exchange(c->link, c->requests, 2, dq_deadline_us(PLENTY_MS), NULL);
    return NULL;
}

/* Both nodes have their requests before either has answered. */
static void nodes_are_asked_at_once(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 1);
    const fake_step a[] = {
        ACCEPT,      GREET, EXPECT("CLUSTER SLOTS"), SEND_BYTES(map, strlen(map)),
        EXPECT("Y"), GATE,  SEND("+a\r\n"),          AWAIT_CLOSE,
        END};
    static const fake_step b[] = {ACCEPT,         GREET,       EXPECT("X"), GATE,
                                  SEND("+b\r\n"), AWAIT_CLOSE, END};
    p.nodes[0] = fake_start(a, &(fake_options){.tcp = true, .port = p.ports[0]});
    p.nodes[1] = fake_start(b, &(fake_options){.tcp = true, .port = p.ports[1]});
    link_up(&p, "");
    crossing c = {.link = p.link, .requests = {plain("Y", "y"), plain("X", "x")}};
    pthread_t thread;
    pthread_create(&thread, NULL, exchange_both, &c);
    UNTIL_EQ(PLENTY_MS, fake_heard(p.nodes[0]), 2);
    UNTIL_EQ(PLENTY_MS, fake_heard(p.nodes[1]), 1);
    fake_open_gate(p.nodes[1]);
    fake_open_gate(p.nodes[0]);
    pthread_join(thread, NULL);
    assert_int_equal(c.rc, DUEQ_OK);
    assert_string_equal(c.requests[0].reply->str, "a");
    assert_string_equal(c.requests[1].reply->str, "b");
    for (int i = 0; i < 2; i++) dq_request_clear(&c.requests[i]);
    end_pair(&p);
}

/* ---- Redirections ---------------------------------------------------------------------------- */

static void moved_is_followed(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *old = map_of(&p, "127.0.0.1", 0, 0), *now = map_of(&p, "127.0.0.1", 0, 1);
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = old, .times = 1},
                     {.words = "CLUSTER SLOTS", .reply = now},
                     {.words = "W", .reply = at_port(&p, MOVED, 1, "\r\n")},
                     {0}};
    fake_rule b[] = {
        {.words = "CLUSTER SLOTS", .reply = now}, {.words = "W", .reply = "+b\r\n"}, {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    for (int i = 0; i < 20; i++) expect_reply(&p, plain("W", "x"), "b");
    assert_int_equal(atomic_load(&a[2].used), 1);
    int questions = atomic_load(&a[0].used) + atomic_load(&a[1].used) + atomic_load(&b[0].used);
    assert_in_range(questions, 1, 2);
    end_pair(&p);
}

/* A request that is sent round and round is let go round ever more slowly, and told at the end. */
static void a_loop_of_moved_ends(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 0);
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "W", .reply = at_port(&p, MOVED, 1, "\r\n")},
                     {0}};
    fake_rule b[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "W", .reply = at_port(&p, MOVED, 0, "\r\n")},
                     {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    expect_failure(&p, plain("W", "x"), DUEQ_EUNREADY, "send it from one to another: MOVED 16287");
    assert_in_range(atomic_load(&a[1].used) + atomic_load(&b[1].used), 7, 60);
    assert_in_range(atomic_load(&a[0].used) + atomic_load(&b[0].used), 1, 6);
    end_pair(&p);
}

static void ask_counts_once(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 0);
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "W", .reply = at_port(&p, ASK, 1, "\r\n")},
                     {0}};
    fake_rule b[] = {
        {.words = "ASKING", .reply = "+OK\r\n"}, {.words = "W", .reply = "+b\r\n"}, {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    for (int i = 1; i <= 3; i++) {
        expect_reply(&p, plain("W", "x"), "b");
        assert_int_equal(atomic_load(&a[1].used), i);
        assert_int_equal(atomic_load(&b[0].used), i);
        assert_int_equal(atomic_load(&b[1].used), i);
    }
    assert_int_equal(atomic_load(&a[0].used), 1); /* it is no reason to doubt the map */
    end_pair(&p);
}

/* The node that is asked for once lacks the script, is told to try again, or has lost the slot. */
static void ask_bears_what_comes_after(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 0);
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "EVAL", .reply = at_port(&p, ASK, 1, "\r\n")},
                     {0}};
    fake_rule b[] = {{.words = "ASKING", .reply = "+OK\r\n"},
                     {.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "EVALSHA", .reply = "-TRYAGAIN not all keys\r\n", .times = 1},
                     {.words = "EVALSHA", .reply = "-NOSCRIPT No matching script\r\n", .times = 1},
                     {.words = "EVAL ", .reply = "+b\r\n"},
                     {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    dq_request request;
    make_request(&request, &script_of_test, "x");
    expect_reply(&p, request, "b");
    assert_int_equal(atomic_load(&b[0].used), 3);
    assert_int_equal(atomic_load(&a[1].used), 2); /* NOSCRIPT is mended where it was said */
    end_pair(&p);
}

static void senseless_redirections_end(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "-MOVED\r\n",         "-MOVED x 127.0.0.1:1\r\n",     "-MOVED 16287 127.0.0.1:0\r\n",
        "-ASK 16287 ?:1\r\n", "-MOVED 99999 127.0.0.1:1\r\n", "-MOVED 16287 a/b:1\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        pair p = new_pair();
        fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map_of(&p, "127.0.0.1", 0, 0)},
                         {.words = "W", .reply = replies[i]},
                         {0}};
        serve(&p, 0, a);
        link_up(&p, "");
        expect_failure(&p, plain("W", "x"), DUEQ_EUNREADY, "from one to another");
        assert_in_range(atomic_load(&a[1].used), 2, 60);
        end_pair(&p);
    }
}

/* ---- Bad maps -------------------------------------------------------------------------------- */

static void a_bad_map_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *told;
        int outcome;
    } cases[] = {
        {"+OK\r\n", "no slots assigned", DUEQ_EUNREADY},
        {"*0\r\n", "no slots assigned", DUEQ_EUNREADY},
        {"*1\r\n:5\r\n", "something else", DUEQ_EPROTO},
        {"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n+h\r\n:1\r\n", "something else", DUEQ_EPROTO},
        {"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n+h\r\n:70000\r\n", "something else", DUEQ_EPROTO},
        {"-ERR This instance has cluster support disabled\r\n", "not part of a cluster",
         DUEQ_ESERVER},
        {"-NOPERM this user has no permissions to run the 'cluster|slots' command\r\n", "'cluster|",
         DUEQ_EDENIED},
        {"-LOADING Redis is loading the dataset in memory\r\n", "loading", DUEQ_EUNREADY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair p = new_pair();
        fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = cases[i].reply}, {0}};
        serve(&p, 0, a);
        link_up(&p, "");
        expect_failure(&p, plain("W", "x"), cases[i].outcome, cases[i].told);
        assert_in_range(atomic_load(&a[0].used), 1, 60);
        end_pair(&p);
    }
}

static void a_slot_that_nobody_serves_is_told(void **state)
{
    (void)state;
    pair p = new_pair();
    fake_rule a[] = {
        {.words = "CLUSTER SLOTS",
         .reply = at_port(&p, "*1\r\n*3\r\n:0\r\n:99\r\n*2\r\n+127.0.0.1\r\n:", 0, "\r\n")},
        {0}};
    serve(&p, 0, a);
    link_up(&p, "");
    expect_failure(&p, plain("W", "x"), DUEQ_EUNREADY, "no node of the cluster serves slot 16287");
    assert_in_range(atomic_load(&a[0].used), 2, 6); /* asked again, not in a storm */
    end_pair(&p);
}

/* ---- Nodes that are away --------------------------------------------------------------------- */

static void not_now_is_waited_out(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 0);
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "W", .reply = "-CLUSTERDOWN The cluster is down\r\n", .times = 2},
                     {.words = "W", .reply = "-TRYAGAIN Multiple keys\r\n", .times = 1},
                     {.words = "W", .reply = "-READONLY You can't write\r\n", .times = 1},
                     {.words = "W", .reply = "+a\r\n"},
                     {0}};
    serve(&p, 0, a);
    link_up(&p, "");
    expect_reply(&p, plain("W", "x"), "a");
    assert_int_equal(fake_connections(p.nodes[0]), 2); /* READONLY: left and found again */
    end_pair(&p);
}

/* A cluster that stays down is asked ever more rarely, and so is its map. */
static void a_cluster_that_stays_down_is_told(void **state)
{
    (void)state;
    pair p = new_pair();
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map_of(&p, "127.0.0.1", 0, 0)},
                     {.words = "W", .reply = "-CLUSTERDOWN The cluster is down\r\n"},
                     {0}};
    serve(&p, 0, a);
    link_up(&p, "");
    expect_failure(&p, plain("W", "x"), DUEQ_EUNREADY, "the cluster is down");
    assert_in_range(atomic_load(&a[1].used), 2, 60);
    assert_in_range(atomic_load(&a[0].used), 1, 6);
    end_pair(&p);
}

static void nobody_there_is_told_at_once(void **state)
{
    (void)state;
    pair p = new_pair();
    link_up(&p, "");
    int64_t from_ms = until_now_ms();
    told t = ask(&p, plain("W", "x"), PLENTY_MS);
    linked l = {.fault = p.fault};
    assert_told(&l, &t, DUEQ_ECONNECT, "connection refused");
    assert_in_range(until_now_ms() - from_ms, 0, PLENTY_MS / 2);
    end_pair(&p);
}

/* One of two seeds is enough. */
static void any_seed_will_do(void **state)
{
    (void)state;
    pair p = new_pair();
    fake_rule b[] = {{.words = "CLUSTER SLOTS", .reply = map_of(&p, "127.0.0.1", 1, 1)},
                     {.words = "W", .reply = "+b\r\n"},
                     {0}};
    serve(&p, 1, b);
    for (int i = 0; i < 10; i++) { /* which seed comes first is left to chance */
        char options[32];
        snprintf(options, sizeof options, ",127.0.0.1:%d", p.ports[1]);
        link_up(&p, options);
        expect_reply(&p, plain("W", "x"), "b");
        dq_link_free(p.link);
    }
    p.link = NULL;
    end_pair(&p);
}

/* A dead node fails its own requests, at the deadline; the others have their answers. */
static void a_dead_node_fails_its_own(void **state)
{
    (void)state;
    pair p = new_pair();
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map_of(&p, "127.0.0.1", 0, 1)},
                     {.words = "W", .reply = "+a\r\n"},
                     {0}};
    serve(&p, 0, a);
    link_up(&p, "");
    dq_request requests[] = {plain("W", "x"), plain("W", "y")};
    int rc = dq_link_exchange(p.link, requests, 2, dq_deadline_us(SHORT_MS), &p.fault);
    assert_int_equal(rc, DUEQ_ECONNECT);
    assert_int_equal(requests[0].outcome, DUEQ_ECONNECT);
    assert_int_equal(requests[1].outcome, DUEQ_OK);
    assert_string_equal(requests[1].reply->str, "a");
    assert_int_equal(atomic_load(&a[1].used), 1); /* once answered it is not asked again */
    for (int i = 0; i < 2; i++) dq_request_clear(&requests[i]);
    end_pair(&p);
}

/* What is not to be waited for is told after the first round. */
static void brief_requests_are_not_waited_for(void **state)
{
    (void)state;
    pair p = new_pair();
    fake_rule a[] = {{.words = "CLUSTER SLOTS", .reply = map_of(&p, "127.0.0.1", 0, 1)},
                     {.words = "W", .reply = "+a\r\n"},
                     {0}};
    serve(&p, 0, a);
    link_up(&p, "");
    dq_request requests[] = {plain("W", "x"), plain("W", "y")};
    requests[0].brief = requests[1].brief = true;
    int64_t from_ms = until_now_ms();
    int rc = dq_link_exchange(p.link, requests, 2, dq_deadline_us(PLENTY_MS), &p.fault);
    assert_in_range(until_now_ms() - from_ms, 0, PLENTY_MS / 2);
    assert_int_equal(rc, DUEQ_ECONNECT);
    assert_int_equal(requests[0].outcome, DUEQ_ECONNECT);
    assert_int_equal(requests[1].outcome, DUEQ_OK);
    for (int i = 0; i < 2; i++) dq_request_clear(&requests[i]);
    end_pair(&p);
}

/* A node closes instead of answering: its own request alone is unsure, and sent again. */
static void a_lost_answer_is_one_nodes(void **state)
{
    (void)state;
    pair p = new_pair();
    const char *map = map_of(&p, "127.0.0.1", 0, 1);
    fake_rule a[] = {
        {.words = "CLUSTER SLOTS", .reply = map}, {.words = "W", .reply = "+a\r\n"}, {0}};
    fake_rule b[] = {{.words = "CLUSTER SLOTS", .reply = map},
                     {.words = "W", .reply = NULL, .times = 1},
                     {.words = "W", .reply = "+b\r\n"},
                     {0}};
    serve(&p, 0, a);
    serve(&p, 1, b);
    link_up(&p, "");
    dq_request requests[] = {plain("W", "x"), plain("W", "y")};
    int rc = dq_link_exchange(p.link, requests, 2, dq_deadline_us(PLENTY_MS), &p.fault);
    assert_int_equal(rc, DUEQ_OK);
    assert_true(requests[0].resent);
    assert_false(requests[1].resent);
    assert_int_equal(atomic_load(&a[1].used), 1);
    for (int i = 0; i < 2; i++) dq_request_clear(&requests[i]);
    end_pair(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_goes_to_its_node),
        cmocka_unit_test(an_address_may_be_that_of_the_asked),
        cmocka_unit_test(nodes_are_asked_at_once),
        cmocka_unit_test(moved_is_followed),
        cmocka_unit_test(a_loop_of_moved_ends),
        cmocka_unit_test(ask_counts_once),
        cmocka_unit_test(ask_bears_what_comes_after),
        cmocka_unit_test(senseless_redirections_end),
        cmocka_unit_test(a_bad_map_is_refused),
        cmocka_unit_test(a_slot_that_nobody_serves_is_told),
        cmocka_unit_test(not_now_is_waited_out),
        cmocka_unit_test(a_cluster_that_stays_down_is_told),
        cmocka_unit_test(nobody_there_is_told_at_once),
        cmocka_unit_test(any_seed_will_do),
        cmocka_unit_test(a_dead_node_fails_its_own),
        cmocka_unit_test(brief_requests_are_not_waited_for),
        cmocka_unit_test(a_lost_answer_is_one_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
