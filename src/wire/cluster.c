/* The map of a cluster: 16,384 slots, each with the number of its node. Loading it is one question
 * to one node; which one is tried first is left to chance, so that many clients do not ask the same. */
#include "wire/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "wire/answer.h"

/* Between two questions: doubling while doubts go on, drawn evenly from the upper half. */
enum { ASK_MIN_US = 50000, ASK_MAX_US = 250000, CALM_US = 5000000 };
enum { NODES_MAX = 1024 };          /* more are not believed */
enum { UNUSED_KEEP_US = 10000000 }; /* a node without slots is dropped when unused for so long */

/* Holds: slots[s] is the number of the node that serves s, 0 when none is known. */
typedef struct dq_map {
    bool loaded;
    bool wanted;
    int64_t asked_us;
    int64_t bound_us, pause_us; /* before the next question: drawn below that bound */
    int slots[DQ_SLOT_COUNT];
} dq_map;

/* Where a node is to be found. */
typedef struct place {
    const char *host;
    int port;
} place;

bool dq_cluster_make(dq_link *link)
{
    link->map = calloc(1, sizeof *link->map);
    return link->map != NULL;
}

void dq_cluster_free(dq_map *map)
{
    free(map);
}

void dq_cluster_want(dq_link *link)
{
    link->map->wanted = true;
}

bool dq_cluster_is_current(const dq_link *link)
{
    const dq_map *map = link->map;
    return map->loaded && (!map->wanted || dq_mono_us() < map->asked_us + map->pause_us);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static dq_node *find_node(const dq_link *link, const place *at)
{
    for (size_t i = 0; i < link->node_count; i++) {
        const dq_url *url = &link->nodes[i]->url;
        if (url->port == at->port && strcmp(url->host, at->host) == 0) {
            return link->nodes[i];
        }
    }
    return NULL;
}

static dq_node *find_or_add_node(dq_link *link, const place *at)
{
    dq_node *node = find_node(link, at);
    dq_url url;
    if (node == NULL && dq_url_at(&url, &link->url, at->host, at->port)) {
        node = dq_link_add_node(link, &url);
        dq_url_clear(&url);
    }
    return node;
}

/* An address as `from` gave it, made whole. */
static place resolve(const dq_link *link, const dq_node *from, const char *host, int port)
{
    bool as_asked = link->url.seed_host || host[0] == '\0';
    return (place){.host = as_asked ? from->url.host : host, .port = port};
}

dq_node *dq_cluster_node(const dq_link *link, int slot)
{
    if (slot >= 0) {
        return dq_link_find_node(link, link->map->slots[slot]);
    }
    dq_node *any = NULL;
    for (size_t i = 0; i < link->node_count; i++) {
        dq_node *node = link->nodes[i];
        if (node->mapped && (any == NULL || (any->conn == NULL && node->conn != NULL))) {
            any = node;
        }
    }
    return any;
}

dq_node *dq_cluster_node_of(const dq_link *link, const char *key)
{
    return dq_cluster_node(link, dq_slot_of(key, strlen(key)));
}

dq_node *dq_cluster_follow(dq_link *link, const dq_node *from, const dq_redirect *redirect,
                           bool for_good)
{
    place at = resolve(link, from, redirect->host, redirect->port);
    dq_node *node =
        link->node_count > NODES_MAX ? find_node(link, &at) : find_or_add_node(link, &at);
    if (node == NULL) {
        return NULL;
    }
    node->used_us = dq_mono_us();
    if (for_good) {
        link->map->slots[redirect->slot] = node->number;
        node->mapped = true;
    }
    return node;
}

/* ---- Reading the map ------------------------------------------------------------------------- */

/* Fills `slots`; nodes that are new are added. */
static int read_runs(dq_link *link, const dq_node *from, const valkeyReply *answer, int *slots,
                     dq_fault *fault)
{
    for (size_t i = 0; i < answer->elements; i++) {
        dq_slot_run run;
        if (!dq_slot_run_read(&run, answer, i) || link->node_count > NODES_MAX) {
            return dq_fault_set(fault, DUEQ_EPROTO,
                                "the server answered CLUSTER SLOTS with something else");
        }
        place at = resolve(link, from, run.host, run.port);
        const dq_node *node = find_or_add_node(link, &at);
        if (node == NULL) {
            return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
        }
        for (int slot = run.first; slot <= run.last; slot++) {
            slots[slot] = node->number;
        }
    }
    return DUEQ_OK;
}

/* Nodes that serve nothing any more are let go, unless just redirected to. */
static void tidy_nodes(dq_link *link)
{
    int64_t now_us = dq_mono_us();
    for (size_t i = 0; i < link->node_count; i++) {
        link->nodes[i]->mapped = false;
    }
    int last = 0;
    for (int slot = 0; slot < DQ_SLOT_COUNT; slot++) { /* few runs: look up where they change */
        int number = link->map->slots[slot];
        dq_node *node = number == last ? NULL : dq_link_find_node(link, number);
        last = number;
        if (node != NULL) {
            node->mapped = true;
        }
    }
    for (size_t i = link->node_count; i-- > 0;) {
        dq_node *node = link->nodes[i];
        if (!node->mapped && now_us - node->used_us > UNUSED_KEEP_US) {
            dq_link_remove_node(link, i);
        }
    }
}

static int take_map(dq_link *link, const dq_node *from, const valkeyReply *answer, dq_fault *fault)
{
    if (answer->type == VALKEY_REPLY_ERROR) {
        return dq_answer_tell(fault, answer->str, answer->len);
    }
    if (answer->type != VALKEY_REPLY_ARRAY || answer->elements == 0) {
        return dq_fault_set(fault, DUEQ_EUNREADY, "the cluster has no slots assigned yet");
    }
    int *slots = calloc(DQ_SLOT_COUNT, sizeof *slots);
    int rc = slots == NULL ? dq_fault_set(fault, DUEQ_ENOMEM, "out of memory")
                           : read_runs(link, from, answer, slots, fault);
    if (rc == DUEQ_OK && slots != NULL) {
        memcpy(link->map->slots, slots, sizeof link->map->slots);
        link->map->loaded = true;
    }
    free(slots);
    return rc;
}

/* ---- Asking for it --------------------------------------------------------------------------- */

static int ask_node(dq_link *link, dq_node *node, int64_t deadline_us, dq_fault *fault)
{
    int rc = DUEQ_OK;
    if (!dq_node_is_alive(node)) {
        dq_node_drop(node);
        rc = dq_link_open_node(link, node, deadline_us, fault);
    }
    if (rc < 0) {
        return rc;
    }
    dq_args args = {0};
    dq_args_add_text(&args, "CLUSTER");
    dq_args_add_text(&args, "SLOTS");
    valkeyReply *answer = NULL;
    rc = dq_conn_call(node->conn, &args, dq_link_attempt_us(link, deadline_us), &answer, fault);
    dq_args_clear(&args);
    if (rc == DUEQ_OK) {
        rc = take_map(link, node, answer, fault);
        freeReplyObject(answer);
    } else {
        dq_node_drop(node);
        rc = fault->code = rc == DUEQ_EUNSURE ? DUEQ_ECONNECT : rc;
    }
    if (rc < 0) {
        char where[DQ_URL_PLACE_MAX];
        dq_fault cause = *fault;
        dq_fault_set(fault, rc, "%s: %s", dq_url_place(&node->url, where), cause.text);
    }
    return rc;
}

/* The numbers of the nodes to ask, connected ones first, each kind from a random one on; then the
 * seeds that are not among them, from a random one on. NULL: out of memory. */
static int *choose_nodes(dq_link *link, size_t *count)
{
    size_t seeds = dq_url_seed_count(&link->url), known = link->node_count;
    int *numbers = calloc(known + seeds, sizeof *numbers);
    *count = 0;
    size_t start = dq_random_below(known);
    for (int pass = 0; numbers != NULL && pass < 2; pass++) {
        for (size_t k = 0; k < known; k++) {
            const dq_node *node = link->nodes[(start + k) % known];
            if ((node->conn != NULL) == (pass == 0)) {
                numbers[(*count)++] = node->number;
            }
        }
    }
    start = dq_random_below(seeds);
    for (size_t k = 0; numbers != NULL && k < seeds; k++) {
        place at;
        char *host;
        if (dq_url_seed(&link->url, (start + k) % seeds, &host, &at.port)) {
            at.host = host;
            dq_node *node = find_node(link, &at) == NULL ? find_or_add_node(link, &at) : NULL;
            if (node != NULL) {
                numbers[(*count)++] = node->number;
            }
            free(host);
        }
    }
    return numbers;
}

/* What is most worth telling of several failures: a refusal that will last before one that may pass. */
static bool outweighs(int code, int other)
{
    bool passing = code == DUEQ_ECONNECT || code == DUEQ_EUNREADY;
    bool other_passing = other == DUEQ_ECONNECT || other == DUEQ_EUNREADY;
    return other == DUEQ_OK || (other_passing && !passing);
}

static int ask_around(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    size_t count;
    int *numbers = choose_nodes(link, &count);
    int rc = numbers == NULL ? DUEQ_ENOMEM : DUEQ_ECONNECT;
    dq_fault_set(fault, rc, rc == DUEQ_ENOMEM ? "out of memory" : "no node of the cluster answers");
    int worst = DUEQ_OK;
    if (numbers == NULL) count = 0;
    for (size_t i = 0; i < count && rc != DUEQ_OK && dq_mono_us() < deadline_us; i++) {
        dq_fault cause = {0};
        dq_node *node = dq_link_find_node(link, numbers[i]);
        rc = node == NULL ? DUEQ_ECONNECT : ask_node(link, node, deadline_us, &cause);
        if (rc < 0 && outweighs(rc, worst)) {
            *fault = cause;
            worst = rc;
        }
    }
    free(numbers);
    return rc == DUEQ_OK || worst == DUEQ_OK ? rc : worst;
}

/* Notes that it is asked now, and how long the next question has to wait. */
static void note_question(dq_map *map)
{
    int64_t now_us = dq_mono_us();
    bool calm = now_us - map->asked_us > CALM_US;
    map->bound_us = calm || map->bound_us == 0       ? ASK_MIN_US
                    : map->bound_us * 2 > ASK_MAX_US ? ASK_MAX_US
                                                     : map->bound_us * 2;
    map->asked_us = now_us;
    map->pause_us = map->bound_us / 2 + (int64_t)dq_random_below((uint64_t)map->bound_us / 2);
}

int dq_cluster_load(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    dq_map *map = link->map;
    note_question(map);
    int rc = ask_around(link, deadline_us, fault);
    if (rc == DUEQ_OK) {
        map->wanted = false;
        tidy_nodes(link);
    }
    return map->loaded ? DUEQ_OK : rc;
}
