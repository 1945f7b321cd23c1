/* Sentinels that are behind, disagree, know nothing or are none, and a master that is not one yet. */
#include "support/linked.h"

#include "support/server.h"

enum { OLD, NEW, SERVERS };
enum { SENTINELS = 2 };

/* Two servers and two sentinels, all by rules. */
typedef struct ground {
    int ports[SERVERS], sentinel_ports[SENTINELS];
    fake_server *fakes[SERVERS + SENTINELS];
    fake_step scripts[SERVERS + SENTINELS][3];
    int fake_count;
    dq_link *link;
    dq_fault fault;
    char texts[16][300];
    int text_count;
} ground;

static ground new_ground(void)
{
    ground g = {.fake_count = 0};
    for (int i = 0; i < SERVERS; i++) g.ports[i] = server_free_port();
    for (int i = 0; i < SENTINELS; i++) g.sentinel_ports[i] = server_free_port();
    return g;
}

static void serve(ground *g, int port, fake_rule *rules)
{
    const fake_step script[] = {ACCEPT, SERVE(rules), REPEAT};
    fake_step *own = g->scripts[g->fake_count];
    memcpy(own, script, sizeof script);
    g->fakes[g->fake_count++] = fake_start(own, &(fake_options){.tcp = true, .port = port});
}

/* Where a sentinel says the master is. */
static const char *address(ground *g, int server)
{
    char *text = g->texts[g->text_count++];
    char port[8];
    int len = snprintf(port, sizeof port, "%d", g->ports[server]);
    snprintf(text, sizeof g->texts[0], "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", len, port);
    return text;
}

static const char *epoch(ground *g, int number)
{
    char *text = g->texts[g->text_count++];
    snprintf(text, sizeof g->texts[0],
             "*4\r\n$4\r\nname\r\n$2\r\nmm\r\n$12\r\nconfig-epoch\r\n$1\r\n%d\r\n", number);
    return text;
}

#define ADDRESS "SENTINEL get-master-addr-by-name mm"
#define FACTS "SENTINEL master mm"
#define IS_MASTER                                                      \
    {                                                                  \
        .words = "ROLE", .reply = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" \
    }
#define IS_REPLICA                                                                             \
    {                                                                                          \
        .words = "ROLE",                                                                       \
        .reply = "*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n$9\r\nconnected\r\n:0\r\n", .times = 2 \
    }

static void link_up(ground *g, const char *user, const char *options)
{
    char text[256];
    dq_url url;
    snprintf(text, sizeof text, "redis-sentinel://%s127.0.0.1:%d,127.0.0.1:%d/mm%s", user,
             g->sentinel_ports[0], g->sentinel_ports[1], options);
    assert_int_equal(dq_url_parse(&url, text, &g->fault), DUEQ_OK);
    g->link = dq_link_make(&url);
    assert_non_null(g->link);
    dq_url_clear(&url);
}

static void end_ground(ground *g)
{
    dq_link_free(g->link);
    for (int i = 0; i < g->fake_count; i++) fake_end(g->fakes[i]);
}

static void expect_reply(ground *g, const char *reply)
{
    linked l = {.link = g->link};
    told t = call(&l, "W", PLENTY_MS);
    assert_reply(&l, &t, reply, t.resent);
}

static void expect_failure(ground *g, int outcome, const char *part)
{
    linked l = {.link = g->link};
    told t = call(&l, "W", SHORT_MS);
    assert_told(&l, &t, outcome, part);
}

/* The first sentinel is behind: it still names the old master, under an older epoch. Once the
 * second's word is known, it is not believed, though the old master would answer. */
static void a_sentinel_that_is_behind_is_not_believed(void **state)
{
    (void)state;
    ground g = new_ground();
    fake_rule behind[] = {{.words = ADDRESS, .reply = NULL, .times = 1}, /* silent at first */
                          {.words = ADDRESS, .reply = address(&g, OLD)},
                          {.words = FACTS, .reply = epoch(&g, 3)},
                          {0}};
    fake_rule ahead[] = {{.words = ADDRESS, .reply = address(&g, NEW), .times = 1},
                         {.words = FACTS, .reply = epoch(&g, 4), .times = 1},
                         {.words = "SENTINEL", .reply = NULL}, /* and then gone */
                         {0}};
    fake_rule old[] = {IS_MASTER, {.words = "W", .reply = "+old\r\n"}, {0}};
    fake_rule new[] = {IS_MASTER,
                       {.words = "W", .reply = "+new\r\n", .times = 1},
                       {.words = "W", .reply = NULL},
                       {0}};
    serve(&g, g.sentinel_ports[0], behind);
    serve(&g, g.sentinel_ports[1], ahead);
    serve(&g, g.ports[OLD], old);
    serve(&g, g.ports[NEW], new);
    link_up(&g, "", "");
    expect_reply(&g, "new");
    linked l = {.link = g.link};
    told t = call(&l, "W", SHORT_MS * 2); /* the new one breaks off: the master is looked up */
    if (t.outcome >= 0) fail_msg("answered \"%s\"", t.reply);
    assert_int_equal(atomic_load(&old[1].used), 0);
    assert_true(atomic_load(&behind[1].used) > 0);
    end_ground(&g);
}

/* The sentinels are ahead of the server: it does not know yet that it is the master. */
static void a_master_to_be_is_waited_for(void **state)
{
    (void)state;
    ground g = new_ground();
    fake_rule sentinel[] = {{.words = ADDRESS, .reply = address(&g, NEW)},
                            {.words = FACTS, .reply = epoch(&g, 1)},
                            {0}};
    fake_rule server[] = {IS_REPLICA, IS_MASTER, {.words = "W", .reply = "+new\r\n"}, {0}};
    serve(&g, g.sentinel_ports[0], sentinel);
    serve(&g, g.ports[NEW], server);
    link_up(&g, "", "");
    expect_reply(&g, "new");
    assert_int_equal(atomic_load(&server[0].used), 2);
    end_ground(&g);
}

static void a_server_that_stays_a_replica_is_told(void **state)
{
    (void)state;
    ground g = new_ground();
    fake_rule sentinel[] = {{.words = ADDRESS, .reply = address(&g, NEW)},
                            {.words = FACTS, .reply = epoch(&g, 1)},
                            {0}};
    fake_rule server[] = {IS_REPLICA, {.words = "W", .reply = "+new\r\n"}, {0}};
    server[0].times = 0;
    serve(&g, g.sentinel_ports[0], sentinel);
    serve(&g, g.ports[NEW], server);
    link_up(&g, "", "");
    expect_failure(&g, DUEQ_EREADONLY, "it says that it is none");
    assert_int_equal(atomic_load(&server[1].used), 0);
    assert_in_range(atomic_load(&server[0].used), 2, 40); /* no storm */
    end_ground(&g);
}

/* READONLY: the master was demoted under the connection. The sentinels know whose turn it is. */
static void a_demoted_master_is_left(void **state)
{
    (void)state;
    ground g = new_ground();
    fake_rule sentinel[] = {{.words = ADDRESS, .reply = address(&g, OLD), .times = 1},
                            {.words = ADDRESS, .reply = address(&g, NEW)},
                            {.words = FACTS, .reply = epoch(&g, 1)},
                            {0}};
    fake_rule old[] = {IS_MASTER, {.words = "W", .reply = "-READONLY You can't write\r\n"}, {0}};
    fake_rule new[] = {IS_MASTER, {.words = "W", .reply = "+new\r\n"}, {0}};
    serve(&g, g.sentinel_ports[0], sentinel);
    serve(&g, g.ports[OLD], old);
    serve(&g, g.ports[NEW], new);
    link_up(&g, "", "");
    expect_reply(&g, "new");
    assert_int_equal(atomic_load(&old[1].used), 1);
    end_ground(&g);
}

static void senseless_sentinels_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *told;
        int outcome;
    } cases[] = {
        {"*-1\r\n", "no master by the name \"mm\"", DUEQ_ECONNECT},
        {"$-1\r\n", "no master by the name \"mm\"", DUEQ_ECONNECT},
        {"-ERR unknown command 'SENTINEL'\r\n", "it is no sentinel", DUEQ_EPROTO},
        {"-NOAUTH Authentication required.\r\n", "wants a password", DUEQ_EAUTH},
        {"+OK\r\n", "something else", DUEQ_EPROTO},
        {"*2\r\n$1\r\nh\r\n$1\r\n0\r\n", "something else", DUEQ_EPROTO},
        {"*2\r\n$1\r\nh\r\n$5\r\n65536\r\n", "something else", DUEQ_EPROTO},
        {"*2\r\n$0\r\n\r\n$1\r\n1\r\n", "something else", DUEQ_EPROTO},
        {"*1\r\n$1\r\nh\r\n", "something else", DUEQ_EPROTO},
        {"*2\r\n:1\r\n:1\r\n", "something else", DUEQ_EPROTO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ground g = new_ground();
        fake_rule sentinel[] = {{.words = ADDRESS, .reply = cases[i].reply},
                                {.words = FACTS, .reply = "-ERR No such master with that name\r\n"},
                                {0}};
        fake_rule other[] = {{.words = ADDRESS, .reply = cases[i].reply}, {0}};
        serve(&g, g.sentinel_ports[0], sentinel);
        serve(&g, g.sentinel_ports[1], other);
        link_up(&g, "", "");
        expect_failure(&g, cases[i].outcome, cases[i].told);
        end_ground(&g);
    }
}

/* The master's password is the master's, the sentinels' theirs. */
static void passwords_go_where_they_belong(void **state)
{
    (void)state;
    ground g = new_ground();
    fake_rule sentinel[] = {{.words = ADDRESS, .reply = address(&g, NEW)},
                            {.words = FACTS, .reply = epoch(&g, 1)},
                            {.words = "AUTH su sp", .reply = "+OK\r\n"},
                            {.words = "AUTH", .reply = "-WRONGPASS\r\n"},
                            {0}};
    fake_rule server[] = {IS_MASTER,
                          {.words = "AUTH u p", .reply = "+OK\r\n"},
                          {.words = "AUTH", .reply = "-WRONGPASS\r\n"},
                          {.words = "W", .reply = "+new\r\n"},
                          {0}};
    serve(&g, g.sentinel_ports[0], sentinel);
    serve(&g, g.ports[NEW], server);
    link_up(&g, "u:p@", "?sentinel_user=su&sentinel_password=sp");
    expect_reply(&g, "new");
    assert_int_equal(atomic_load(&sentinel[2].used), 1);
    dq_link_free(g.link);
    link_up(&g, "u:p@", "");
    expect_reply(&g, "new");
    assert_int_equal(atomic_load(&sentinel[2].used), 1); /* none is sent where none is given */
    assert_int_equal(atomic_load(&sentinel[3].used), 0);
    assert_int_equal(atomic_load(&server[1].used), 2);
    end_ground(&g);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentinel_that_is_behind_is_not_believed),
        cmocka_unit_test(a_master_to_be_is_waited_for),
        cmocka_unit_test(a_server_that_stays_a_replica_is_told),
        cmocka_unit_test(a_demoted_master_is_left),
        cmocka_unit_test(senseless_sentinels_are_told),
        cmocka_unit_test(passwords_go_where_they_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
