/* A cluster by TLS: every node that the map names is asked for its certificate, and left if that does
 * not prove its name.
 * test-timeout-s: 120 */
#include "support/certs.h"
#include "support/cluster_fixture.h"
#include "support/folder.h"
#include "support/queue_fixture.h"

#include <stdio.h>

#include "base/id.h"

static test_folder certs;
static char common[4200];

static int start(void **state)
{
    char authority[4300];
    folder_make(&certs);
    snprintf(common, sizeof common, "%s/node", certs.path);
    snprintf(authority, sizeof authority, "%s.ca", common);
    cert_make(authority, &(cert_wish){"test authority", NULL, -1, 30, NULL});
    cert_make(common, &(cert_wish){"node", "DNS:localhost,IP:127.0.0.1", -1, 30, authority});
    *state = cluster_start(
        &(cluster_options){.masters = 3, .tls = common, .config = "tls-auth-clients no\n"});
    return 0;
}

static int end(void **state)
{
    cluster_free(*state);
    folder_free(&certs);
    return 0;
}

static void all_nodes_are_reached(void **state)
{
    cluster *c = *state;
    dueq *handle = cluster_open(c);
    dueq_settings settings = {.partitions = 12};
    queue_make(handle, "q", &settings);
    queue_push_many(handle, "q", "t", 600, 0);
    int slot = cluster_slot("q", 4);
    size_t from = cluster_owner(c, 0, slot), to = (from + 1) % 3;
    cluster_move_slot(c, slot, from, to);
    assert_int_equal(queue_drain(handle, "q"), 600);
    dueq_take_options wait = {.wait_ms = 200};
    dueq_batch *none;
    ASSERT_RC(handle, dueq_take(handle, "q", &wait, &none), DUEQ_EMPTY); /* ears by TLS too */
    queue_assert_sound(handle, "q");
    dueq_close(handle);
}

static void strangers_are_not_spoken_to(void **state)
{
    cluster *c = *state;
    char url[256];
    dueq *handle = NULL;
    snprintf(url, sizeof url, "rediss-cluster://127.0.0.1:%d", server_tls_port(c->nodes[0]));
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_ETLS);
    dueq_close(handle);
    snprintf(url, sizeof url, "rediss-cluster://127.0.0.1:%d?sni=other.example&cacert=%.100s",
             server_tls_port(c->nodes[0]), c->cert);
    ASSERT_RC(handle, dueq_open(&handle, url, NULL), DUEQ_ETLS);
    fixture_assert_error(handle, "other.example");
    dueq_close(handle);
}

/* The map names hosts, and it is these that certificates must prove. */
static void nodes_go_by_their_host_names(void **state)
{
    cluster *c = *state;
    cluster_announce(c, "localhost");
    dueq *handle = cluster_open(c);
    queue_make(handle, "named", &(dueq_settings){.partitions = 12});
    queue_push_many(handle, "named", "t", 600, 0);
    int slot = cluster_slot("named", 4);
    size_t from = cluster_owner(c, 0, slot);
    cluster_move_slot(c, slot, from, (from + 1) % 3); /* MOVED names a host, too */
    assert_int_equal(queue_drain(handle, "named"), 600);
    queue_assert_sound(handle, "named");
    dueq_close(handle);
    cluster_announce(c, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_nodes_are_reached),
        cmocka_unit_test(strangers_are_not_spoken_to),
        cmocka_unit_test(nodes_go_by_their_host_names),
    };
    if (!server_has_tls()) {
        print_message("skipped: the server is built without TLS\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, end);
}
