/* A server behind a fault proxy, with a handle each way: the one that faults strike, and one beside
 * the proxy, which sees what is true. For the fault tests of whole operations.
 *
 *     static void a_test(void **state)
 *     {
 *         behind *b = *state;
 *         proxy_arm(b->proxy, &(proxy_trick){.kind = PROXY_LOSE_REPLY, .when = "EVALSHA"});
 *         ASSERT_RC(b->far, queue_push(b->far, "q", "id", "payload", 0), DUEQ_EXISTS);
 *         assert_int_equal(queue_live(b->near, "q"), 1);
 *     } */
#ifndef TESTS_SUPPORT_BEHIND_H
#define TESTS_SUPPORT_BEHIND_H

#include "proxy.h"
#include "queue_fixture.h"

typedef struct behind {
    test_server *server;
    proxy *proxy; /* over TCP */
    dueq *near;   /* straight to the server */
    dueq *far;    /* through the proxy */
} behind;

/* For cmocka; *state is a behind. At the end the proxy passes again, and every queue is checked. */
int behind_set_up(void **state);
int behind_set_up_kept(void **state); /* the server has an append-only file */
int behind_tear_down(void **state);

#define BEHIND_TEST(test) cmocka_unit_test_setup_teardown(test, behind_set_up, behind_tear_down)
#define BEHIND_TEST_KEPT(test) \
    cmocka_unit_test_setup_teardown(test, behind_set_up_kept, behind_tear_down)

/* Another handle through the proxy, whose calls end after so long; close it with dueq_close(). */
dueq *behind_open(const behind *b, int64_t timeout_ms);

#endif
