/* Networks that hang, vanish or crawl, and servers that restart under a crowd: what is noticed, how
 * soon, and how gently the library comes back. */
#include "support/behind.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { AN_HOUR_MS = 3600000, PATIENCE_MS = 20000 };

/* ---- Silence --------------------------------------------------------------------------------- */

/* Short calls through a network that has gone silent end by their deadline, and say which it was:
 * surely nothing, or nobody knows. Then it is healed, and the next call goes through. */
static void assert_noticed(behind *b, proxy_mode mode)
{
    enum { DEADLINE_MS = 300, NOTICED_MS = 5000 };
    dueq *far = behind_open(b, DEADLINE_MS);
    ASSERT_RC(far, queue_push(far, "q", "before", "x", 0), DUEQ_OK);
    proxy_set_mode(b->proxy, mode);
    int64_t start_ms = until_now_ms();
    ASSERT_RC(far, queue_push(far, "q", "into the dark", "x", 0), DUEQ_EUNSURE);
    int64_t took_ms = until_now_ms() - start_ms;
    if (took_ms < DEADLINE_MS || took_ms > NOTICED_MS) {
        fail_msg("noticed after %lld ms, with a deadline of %d", (long long)took_ms, DEADLINE_MS);
    }
    proxy_set_mode(b->proxy, PROXY_PASS);
    ASSERT_RC(far, queue_push(far, "q", "after", "x", 0), DUEQ_OK);
    dueq_close(far);
}

static void a_half_open_connection_is_noticed(void **state)
{
    behind *b = *state;
    assert_noticed(b, PROXY_FREEZE);
    assert_int_equal(queue_state(b->near, "q", "after"), DUEQ_STATE_READY);
}

static void a_black_hole_is_noticed(void **state)
{
    behind *b = *state;
    assert_noticed(b, PROXY_SWALLOW);
    assert_int_equal(queue_state(b->near, "q", "into the dark"), DUEQ_STATE_NONE);
}

static void a_server_that_stopped_is_noticed(void **state)
{
    behind *b = *state;
    dueq *far = behind_open(b, 300);
    ASSERT_RC(far, queue_push(far, "q", "before", "x", 0), DUEQ_OK);
    server_freeze(b->server);
    int64_t start_ms = until_now_ms();
    ASSERT_RC(far, queue_push(far, "q", "stopped", "x", 0), DUEQ_EUNSURE);
    assert_in_range(until_now_ms() - start_ms, 300, 5000);
    server_thaw(b->server);
    ASSERT_RC(far, queue_push(far, "q", "after", "x", 0), DUEQ_OK);
    dueq_close(far);
}

/* What tells of a peer that is gone while nobody calls: set on every connection over TCP. */
static void keepalives_are_set(void **state)
{
    behind *b = *state;
    ASSERT_RC(b->far, queue_push(b->far, "q", "id", "x", 0), DUEQ_OK);
    int port = atoi(strrchr(proxy_url(b->proxy), ':') + 1), found = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 || peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != port) {
            continue;
        }
        int keepalive = 0, give_up_ms = 0;
        len = sizeof(int);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &len), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, &len), 0);
        assert_int_equal(keepalive, 1);
        assert_in_range(give_up_ms, 1000, 60000);
        found++;
    }
    assert_int_equal(found, 1);
}

/* ---- Crawling -------------------------------------------------------------------------------- */

/* A whole life of a task, each byte of it on its own, both ways. */
static void a_life_byte_by_byte(void **state)
{
    behind *b = *state;
    char payload[2000];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)(i * 13);
    proxy_set_trickle(b->proxy, true);
    dueq_new_task task = {.payload = payload, .payload_len = sizeof payload};
    ASSERT_RC(b->far, dueq_push(b->far, "q", &task, 1, NULL), DUEQ_OK);
    dueq_batch *batch = queue_take_one(b->far, "q", AN_HOUR_MS);
    assert_int_equal(batch->tasks[0].payload_len, sizeof payload);
    assert_memory_equal(batch->tasks[0].payload, payload, sizeof payload);
    ASSERT_RC(b->far, queue_retry(b->far, "q", batch->tasks[0].receipt, 0, "crawled"), DUEQ_OK);
    dueq_batch_free(batch);
    queue_finish(b->far, "q", queue_take_one(b->far, "q", AN_HOUR_MS));
    assert_int_equal(queue_stats(b->near, "q").done, 1);
    assert_int_equal(proxy_connections(b->proxy), 1);
}

static void latency_is_borne(void **state)
{
    behind *b = *state;
    proxy_set_delay(b->proxy, 40);
    queue_push_many(b->far, "q", "t", 2500, 0);
    assert_int_equal(queue_drain(b->far, "q"), 2500);
    proxy_set_delay(b->proxy, 0);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

typedef struct waiting {
    behind *b;
    dueq *handle;
    pthread_t thread;
    int outcome;
    size_t count;
} waiting;

static void *wait_for_a_task(void *context)
{
    waiting *w = context;
    dueq_take_options options = {.wait_ms = PATIENCE_MS};
    dueq_batch *batch = NULL;
    w->outcome = dueq_take(w->handle, "q", &options, &batch);
    w->count = batch != NULL ? batch->count : 0;
    dueq_batch_free(batch);
    return NULL;
}

static bool somebody_listens(test_server *s)
{
    char *clients = server_text(s, "CLIENT LIST");
    bool found = strstr(clients, "cmd=blpop") != NULL;
    free(clients);
    return found;
}

static void start_waiting(waiting *w, behind *b)
{
    *w = (waiting){.b = b, .handle = behind_open(b, 2000)};
    queue_make(b->near, "q", NULL);
    assert_int_equal(pthread_create(&w->thread, NULL, wait_for_a_task, w), 0);
    UNTIL(PATIENCE_MS, somebody_listens(b->server));
}

static void end_waiting(waiting *w)
{
    pthread_join(w->thread, NULL);
    if (w->outcome != DUEQ_OK || w->count != 1) {
        fail_msg("the wait ended with %d (%s), %zu tasks", w->outcome, dueq_error(w->handle),
                 w->count);
    }
    dueq_close(w->handle);
}

/* Both its connections are cut, the one that listens too; it goes on waiting, and is woken. */
static void a_wait_outlives_its_connections(void **state)
{
    behind *b = *state;
    waiting w;
    start_waiting(&w, b);
    int before = proxy_connections(b->proxy);
    assert_int_equal(proxy_cut(b->proxy, true), 3); /* the fixture's own, and its two */
    UNTIL(PATIENCE_MS, proxy_connections(b->proxy) > before && somebody_listens(b->server));
    ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", 0), DUEQ_OK);
    end_waiting(&w);
}

static void a_wait_outlives_the_server(void **state)
{
    behind *b = *state;
    waiting w;
    start_waiting(&w, b);
    server_kill(b->server);
    server_restart(b->server);
    ASSERT_RC(b->near, queue_push(b->near, "q", "id", "x", 0), DUEQ_OK);
    end_waiting(&w);
}

/* ---- A crowd --------------------------------------------------------------------------------- */

enum { CROWD = 200, EACH = 5 };

typedef struct crowd {
    behind *b;
    pthread_barrier_t ready, go;
    atomic_int pushed, failed;
} crowd;

typedef struct client {
    crowd *crowd;
    int number;
    pthread_t thread;
} client;

/* Connects in time for the fall of the server, and pushes when it has fallen. */
static void *push_through_a_restart(void *context)
{
    client *c = context;
    char id[32];
    dueq *handle = NULL;
    dueq_options options = {.timeout_ms = PATIENCE_MS};
    int rc = dueq_open(&handle, proxy_url(c->crowd->b->proxy), &options);
    pthread_barrier_wait(&c->crowd->ready);
    pthread_barrier_wait(&c->crowd->go);
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "c%d-%d", c->number, i);
        if (rc == DUEQ_OK) rc = queue_push(handle, "q", id, "x", 0);
        atomic_fetch_add(rc == DUEQ_OK ? &c->crowd->pushed : &c->crowd->failed, 1);
    }
    dueq_close(handle);
    return NULL;
}

/* Hundreds lose the server at once: all come back within their deadlines, none lost what was pushed,
 * and none knocks more often than backoff with full jitter allows: from 10 ms, doubling to 1 s. */
static void a_crowd_comes_back_gently(void **state)
{
    behind *b = *state;
    enum { DOWN_MS = 1000, KNOCKS_MAX = 20 };
    crowd all = {.b = b};
    static client clients[CROWD];
    queue_push_many(b->near, "q", "before", 100, 0);
    pthread_barrier_init(&all.ready, NULL, CROWD + 1);
    pthread_barrier_init(&all.go, NULL, CROWD + 1);
    for (int i = 0; i < CROWD; i++) {
        clients[i] = (client){.crowd = &all, .number = i};
        assert_int_equal(
            pthread_create(&clients[i].thread, NULL, push_through_a_restart, &clients[i]), 0);
    }
    pthread_barrier_wait(&all.ready);
    int before = proxy_connections(b->proxy);
    server_kill(b->server);
    pthread_barrier_wait(&all.go);
    int64_t up_ms = until_now_ms() + DOWN_MS; /* time for those who would storm to do so */
    UNTIL(PATIENCE_MS, until_now_ms() >= up_ms);
    server_restart(b->server);
    for (int i = 0; i < CROWD; i++) pthread_join(clients[i].thread, NULL);
    int knocks = proxy_connections(b->proxy) - before;
    print_message("%d clients, server away for %d ms: %d attempts to connect\n", CROWD, DOWN_MS,
                  knocks);
    assert_int_equal(atomic_load(&all.failed), 0);
    assert_int_equal(atomic_load(&all.pushed), CROWD * EACH);
    assert_int_equal(queue_live(b->near, "q"), CROWD * EACH + 100);
    assert_in_range(knocks, CROWD, CROWD * KNOCKS_MAX);
    pthread_barrier_destroy(&all.ready);
    pthread_barrier_destroy(&all.go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEHIND_TEST(a_half_open_connection_is_noticed),
        BEHIND_TEST(a_black_hole_is_noticed),
        BEHIND_TEST(a_server_that_stopped_is_noticed),
        BEHIND_TEST(keepalives_are_set),
        BEHIND_TEST(a_life_byte_by_byte),
        BEHIND_TEST(latency_is_borne),
        BEHIND_TEST(a_wait_outlives_its_connections),
        BEHIND_TEST_KEPT(a_wait_outlives_the_server),
        BEHIND_TEST_KEPT(a_crowd_comes_back_gently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
