/* Real servers that cannot just now: busy with a script, short of replicas, full of clients. Waited
 * out while there is time, told when there is none, and nothing of it was done. */
#include "support/behind.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_MS = 300, PATIENCE_MS = 20000 };

/* A push that runs while the test changes the server; opens its own handle if it has none. */
typedef struct patient {
    const char *url;
    dueq *handle;
    pthread_t thread;
    int outcome;
} patient;

static void *push_patiently(void *context)
{
    patient *p = context;
    dueq_options options = {.timeout_ms = PATIENCE_MS};
    p->outcome = p->handle ? DUEQ_OK : dueq_open(&p->handle, p->url, &options);
    if (p->outcome == DUEQ_OK) p->outcome = queue_push(p->handle, "q", "patient", "x", 0);
    return NULL;
}

static void start_patient(patient *p)
{
    assert_int_equal(pthread_create(&p->thread, NULL, push_patiently, p), 0);
}

static void end_patient(patient *p)
{
    pthread_join(p->thread, NULL);
    ASSERT_RC(p->handle, p->outcome, DUEQ_OK);
    dueq_close(p->handle);
}

/* On a busy machine the last of its tries may be under way at the deadline, and then nobody knows. */
static void assert_told(dueq *handle, const char *part)
{
    int rc;
    UNTIL(PATIENCE_MS, (rc = queue_push(handle, "q", "told", "x", 0)) != DUEQ_EUNSURE);
    ASSERT_RC(handle, rc, DUEQ_EUNREADY);
    fixture_assert_error(handle, part);
}

/* ---- Busy ------------------------------------------------------------------------------------ */

static void *run_endless_script(void *context)
{
    const behind *b = context;
    valkeyContext *client = valkeyConnectUnix(server_socket(b->server));
    freeReplyObject(valkeyCommand(client, "EVAL %s 0", "while true do end"));
    valkeyFree(client);
    return NULL;
}

static bool is_busy(test_server *s)
{
    valkeyReply *reply = server_command(s, "PING");
    bool busy = reply->type == VALKEY_REPLY_ERROR && strncmp(reply->str, "BUSY", 4) == 0;
    freeReplyObject(reply);
    return busy;
}

static void a_busy_server_is_waited_out_or_told(void **state)
{
    behind *b = *state;
    pthread_t script;
    ASSERT_RC(b->near, queue_push(b->near, "q", "before", "x", 0), DUEQ_OK);
    dueq *hasty = behind_open(b, SHORT_MS);
    ASSERT_RC(hasty, queue_push(hasty, "q", "knows the queue", "x", 0), DUEQ_OK);
    server_do(b->server, "CONFIG SET lua-time-limit 10");
    patient p = {.handle = behind_open(b, PATIENCE_MS)};
    pthread_create(&script, NULL, run_endless_script, b);
    UNTIL(PATIENCE_MS, is_busy(b->server));
    assert_told(hasty, "BUSY");
    start_patient(&p);
    server_do(b->server, "SCRIPT KILL");
    end_patient(&p);
    pthread_join(script, NULL);
    dueq_close(hasty);
    assert_int_equal(queue_state(b->near, "q", "told"), DUEQ_STATE_NONE);
    assert_int_equal(queue_state(b->near, "q", "patient"), DUEQ_STATE_READY);
}

/* ---- Short of replicas ----------------------------------------------------------------------- */

static void missing_replicas_are_waited_for_or_told(void **state)
{
    behind *b = *state;
    ASSERT_RC(b->near, queue_push(b->near, "q", "before", "x", 0), DUEQ_OK);
    dueq *hasty = behind_open(b, SHORT_MS);
    server_do(b->server, "CONFIG SET min-replicas-to-write 1");
    assert_told(hasty, "NOREPLICAS");
    patient p = {.handle = behind_open(b, PATIENCE_MS)};
    start_patient(&p);
    server_do(b->server, "CONFIG SET min-replicas-to-write 0");
    end_patient(&p);
    dueq_close(hasty);
    assert_int_equal(queue_state(b->near, "q", "told"), DUEQ_STATE_NONE);
    assert_int_equal(queue_state(b->near, "q", "patient"), DUEQ_STATE_READY);
}

/* ---- Full of clients ------------------------------------------------------------------------- */

static void a_server_full_of_clients_is_waited_for_or_told(void **state)
{
    behind *b = *state;
    dueq_stats stats;
    ASSERT_RC(b->near, queue_push(b->near, "q", "before", "x", 0), DUEQ_OK);
    server_do(b->server, "CONFIG SET maxclients 3"); /* the fixture's three */
    dueq *hasty = NULL;
    dueq_options options = {.timeout_ms = SHORT_MS, .password = "secret"};
    int before = proxy_connections(b->proxy);
    int rc = dueq_open(&hasty, proxy_url(b->proxy), &options);
    if (rc != DUEQ_EUNREADY) fail_msg("open: %d (%s)", rc, dueq_error(hasty));
    fixture_assert_error(hasty, "max number of clients");
    assert_null(strstr(dueq_error(hasty), "secret"));
    assert_in_range(proxy_connections(b->proxy) - before, 2, 30); /* tried again, no storm */
    dueq_close(hasty);
    patient p = {.url = proxy_url(b->proxy)};
    start_patient(&p);
    server_do(b->server, "CONFIG SET maxclients 100");
    end_patient(&p);
    ASSERT_RC(b->near, dueq_queue_stats(b->near, "q", &stats), DUEQ_OK);
    assert_int_equal(stats.ready, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEHIND_TEST(a_busy_server_is_waited_out_or_told),
        BEHIND_TEST(missing_replicas_are_waited_for_or_told),
        BEHIND_TEST(a_server_full_of_clients_is_waited_for_or_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
