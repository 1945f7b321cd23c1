/* The address of a server as users write it, taken apart. Pure: opens nothing. */
#ifndef DQ_WIRE_URL_H
#define DQ_WIRE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "wire/seal.h"

typedef enum dq_url_kind {
    DQ_URL_TCP,
    DQ_URL_UNIX,
    DQ_URL_LOCAL,
    DQ_URL_CLUSTER,
    DQ_URL_SENTINEL
} dq_url_kind;

/* Every text is owned, decoded, and NULL when the URL does not give it. */
typedef struct dq_url {
    dq_url_kind kind;
    bool tls;
    char *host;   /* TCP; IPv6 without its brackets */
    int port;     /* TCP; 6379 by default */
    char *path;   /* UNIX: the socket; LOCAL: the folder or NULL */
    char *seeds;  /* CLUSTER: nodes, SENTINEL: sentinels; "HOST:PORT,…", see dq_url_seed() */
    char *master; /* SENTINEL: the name under which the sentinels know the master */
    int db;
    char *user;
    char *password;
    char *prefix;
    char *client_name;
    char *ca_file, *ca_dir, *cert_file, *key_file, *server_name;
    bool no_verify;
    bool any_eviction;
    bool seed_host; /* CLUSTER: every node is at the host that was asked, on its own port */
    char *sentinel_user, *sentinel_password; /* of the sentinels themselves */
    int64_t timeout_ms, connect_timeout_ms;  /* 0: not given */
    dq_level durability;
    int64_t durability_timeout_ms; /* 0: not given */
} dq_url;

/* Reads `text`. DUEQ_OK, or DUEQ_EINVAL with a fault that says which part is wrong and what would
 * be right; never repeats the password. Clear the url in either case. */
int dq_url_parse(dq_url *url, const char *text, dq_fault *fault);
void dq_url_clear(dq_url *url);

/* Replaces one of the url's texts by a copy of `value` (NULL: by nothing). False when out of
 * memory; the old text stays then. */
bool dq_url_set_text(char **field, const char *value);
/* A copy that owns all its texts; clear it too. False when out of memory, *to is empty then. */
bool dq_url_copy(dq_url *to, const dq_url *from);

/* The URL as text without the password ("redis://user:***@host:6379/2") and without options that
 * do not say where it leads; yours to free, NULL when out of memory. */
char *dq_url_text(const dq_url *url);

/* The `i`th of a cluster's nodes or of the sentinels: *host is yours to free. False when there are
 * no more, or when out of memory. */
bool dq_url_seed(const dq_url *url, size_t i, char **host, int *port);
size_t dq_url_seed_count(const dq_url *url);

/* How to speak to one server at `host` and `port`, of all those the URL leads to. A copy, as above. */
bool dq_url_at(dq_url *to, const dq_url *from, const char *host, int port);

/* Where it leads, for messages: "host:6379", "[::1]:6379", "/path/to/socket",
 * "a:6379,b:6379". Returns `text`. */
#define DQ_URL_PLACE_MAX 300
char *dq_url_place(const dq_url *url, char text[DQ_URL_PLACE_MAX]);

#endif
