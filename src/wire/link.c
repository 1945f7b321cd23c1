/* Keeps servers within reach: connects, notices that an idle connection has died, and connects
 * again without a storm. How requests travel is in exchange.c, where they go in cluster.c and
 * sentinel.c. */
#include "wire/link.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "wire/cluster.h"
#include "wire/link_state.h"
#include "wire/sentinel.h"
#include "wire/socket.h"

#define CONNECT_TIMEOUT_DEFAULT_MS 2000
#define BACKOFF_BASE_MS 10
#define BACKOFF_MAX_MS 1000

/* ---- Making ---------------------------------------------------------------------------------- */

/* A cluster's nodes come with the map; the address of a master that sentinels watch, from them. */
static bool make_parts(dq_link *link)
{
    switch (link->url.kind) {
    case DQ_URL_CLUSTER:
        return dq_cluster_make(link);
    case DQ_URL_SENTINEL:
        return dq_sentinels_make(link) && dq_link_add_node(link, &link->url) != NULL;
    default:
        return dq_link_add_node(link, &link->url) != NULL;
    }
}

dq_link *dq_link_make(const dq_url *url)
{
    dq_link *link = calloc(1, sizeof *link);
    if (link == NULL || !dq_url_copy(&link->url, url)) {
        free(link);
        return NULL;
    }
    link->interrupt_fd = -1;
    if (!make_parts(link)) {
        dq_link_free(link);
        return NULL;
    }
    return link;
}

void dq_link_free(dq_link *link)
{
    if (link != NULL) {
        while (link->node_count > 0) {
            dq_link_remove_node(link, link->node_count - 1);
        }
        free(link->nodes);
        dq_cluster_free(link->map);
        dq_sentinels_free(link->sentinels);
        dq_url_clear(&link->url);
        free(link);
    }
}

void dq_link_set_interrupt_fd(dq_link *link, int fd)
{
    link->interrupt_fd = fd;
}

void dq_link_on_connect(dq_link *link, dq_link_greet_fn *greet, void *context)
{
    link->greet = greet;
    link->greet_context = context;
}

int64_t dq_link_server_ms(const dq_link *link)
{
    return (dq_wall_us() + link->clock_offset_us) / 1000;
}

bool dq_link_is_cluster(const dq_link *link)
{
    return link->map != NULL;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

dq_node *dq_link_add_node(dq_link *link, const dq_url *url)
{
    dq_node **grown = realloc(link->nodes, (link->node_count + 1) * sizeof(dq_node *));
    if (grown == NULL) {
        return NULL;
    }
    link->nodes = grown;
    dq_node *node = calloc(1, sizeof *node);
    if (node == NULL || !dq_url_copy(&node->url, url)) {
        free(node);
        return NULL;
    }
    node->number = ++link->last_number;
    link->nodes[link->node_count++] = node;
    return node;
}

void dq_link_remove_node(dq_link *link, size_t index)
{
    dq_node *node = link->nodes[index];
    link->nodes[index] = link->nodes[--link->node_count];
    dq_node_drop(node);
    dq_url_clear(&node->url);
    free(node);
}

dq_node *dq_link_find_node(const dq_link *link, int number)
{
    for (size_t i = 0; i < link->node_count; i++) {
        if (link->nodes[i]->number == number) {
            return link->nodes[i];
        }
    }
    return NULL;
}

void dq_node_drop(dq_node *node)
{
    dq_conn_close(node->conn);
    node->conn = NULL;
}

void dq_link_hang_up(dq_link *link)
{
    for (size_t i = 0; i < link->node_count; i++) {
        dq_node_drop(link->nodes[i]);
    }
}

/* ---- Connecting ------------------------------------------------------------------------------ */

int64_t dq_link_attempt_us(const dq_link *link, int64_t deadline_us)
{
    int64_t timeout_ms = link->url.connect_timeout_ms;
    int64_t attempt_us = dq_deadline_us(timeout_ms > 0 ? timeout_ms : CONNECT_TIMEOUT_DEFAULT_MS);
    return attempt_us < deadline_us ? attempt_us : deadline_us;
}

/* The caller's checks; losing the connection under them is a failure to connect. */
static int run_greet(dq_link *link, dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    int rc =
        link->greet == NULL ? DUEQ_OK : link->greet(link->greet_context, conn, deadline_us, fault);
    if (rc == DUEQ_EUNSURE || rc == DUEQ_ETIMEOUT) {
        fault->code = rc = DUEQ_ECONNECT;
    }
    return rc;
}

int dq_link_open_node(dq_link *link, dq_node *node, int64_t deadline_us, dq_fault *fault)
{
    int64_t until_us = dq_link_attempt_us(link, deadline_us);
    dq_conn *conn;
    int rc = dq_conn_open(&conn, &node->url, until_us, fault);
    if (rc == DUEQ_OK) {
        rc = run_greet(link, conn, until_us, fault);
    }
    if (rc < 0) {
        dq_conn_close(conn);
        return rc;
    }
    node->conn = conn;
    node->used_us = dq_mono_us();
    link->was_connected = true;
    link->clock_offset_us = dq_conn_clock_offset_us(conn);
    return DUEQ_OK;
}

/* What there is to send to: the one server, or a map of them. */
static bool is_ready(dq_link *link)
{
    if (link->map != NULL) {
        return dq_cluster_is_current(link);
    }
    return dq_node_is_alive(link->nodes[0]) &&
           (link->sentinels == NULL || !dq_sentinels_moved(link));
}

static int connect_once(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    if (link->map != NULL) {
        return dq_cluster_load(link, deadline_us, fault);
    }
    dq_node_drop(link->nodes[0]);
    if (link->sentinels != NULL) {
        return dq_sentinels_connect(link, deadline_us, fault);
    }
    return dq_link_open_node(link, link->nodes[0], deadline_us, fault);
}

/* An address that never answered is more likely wrong than slow: that is told at once. */
static bool worth_retrying(const dq_link *link, int code)
{
    switch (code) {
    case DUEQ_EUNREADY:
    case DUEQ_EREADONLY:
        return true;
    case DUEQ_ECONNECT:
    case DUEQ_EPROTO:
        return link->was_connected;
    default:
        return false;
    }
}

int dq_link_pause(dq_link *link, int64_t attempt, int64_t deadline_us)
{
    int64_t delay_ms = dq_backoff_ms(attempt, BACKOFF_BASE_MS, BACKOFF_MAX_MS, dq_random_u64());
    int64_t until_us = dq_deadline_us(delay_ms);
    if (until_us > deadline_us) {
        until_us = deadline_us;
    }
    if (dq_socket_wait(-1, 0, link->interrupt_fd, until_us) == DUEQ_ECANCELED) {
        return DUEQ_ECANCELED;
    }
    return dq_mono_us() >= deadline_us ? DUEQ_ETIMEOUT : DUEQ_OK;
}

int dq_link_connect(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    dq_fault unread = {0};
    fault = fault == NULL ? &unread : fault;
    if (is_ready(link)) {
        return DUEQ_OK;
    }
    for (int64_t attempt = 1;; attempt++) {
        int rc = connect_once(link, deadline_us, fault);
        if (rc == DUEQ_OK || !worth_retrying(link, rc)) {
            return rc;
        }
        int paused = dq_link_pause(link, attempt, deadline_us);
        if (paused == DUEQ_ECANCELED) {
            return dq_fault_set(fault, DUEQ_ECANCELED, "interrupted while connecting");
        }
        if (paused < 0) {
            return rc;
        }
    }
}

/* ---- Nodes, from outside --------------------------------------------------------------------- */

int dq_link_node_of(dq_link *link, const char *key)
{
    const dq_node *node = link->map == NULL ? link->nodes[0] : dq_cluster_node_of(link, key);
    return node == NULL ? 0 : node->number;
}

size_t dq_link_nodes(const dq_link *link, int *numbers, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < link->node_count; i++) {
        if (link->map != NULL && !link->nodes[i]->mapped) {
            continue;
        }
        if (count < max) {
            numbers[count] = link->nodes[i]->number;
        }
        count++;
    }
    return count;
}

char *dq_link_place(const dq_link *link, int number, char text[DQ_URL_PLACE_MAX])
{
    const dq_node *node = dq_link_find_node(link, number);
    return dq_url_place(node == NULL ? &link->url : &node->url, text);
}

int dq_link_open_extra(dq_link *link, int number, dq_conn **conn, int64_t deadline_us,
                       dq_fault *fault)
{
    *conn = NULL;
    const dq_node *node =
        number == 0 && link->map == NULL ? link->nodes[0] : dq_link_find_node(link, number);
    if (node == NULL) {
        return dq_fault_set(fault, DUEQ_ECONNECT, "the node has left the cluster");
    }
    return dq_conn_open(conn, &node->url, dq_link_attempt_us(link, deadline_us), fault);
}

void dq_link_doubt(dq_link *link)
{
    if (link->map != NULL) {
        dq_cluster_want(link);
    } else if (link->sentinels != NULL) {
        dq_sentinels_doubt(link);
    }
}
