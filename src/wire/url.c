/* Takes a server's URL apart. A fault never repeats what stands before or beside an '@', since a
 * password that was not percent-encoded may be anywhere there. */
#include "wire/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/encode.h"

#define PORT_DEFAULT 6379
#define SENTINEL_PORT_DEFAULT 26379
#define PORT_MAX 65535
#define DB_MAX 1000000
#define HOST_LEN_MAX 255
#define SOCKET_PATH_LEN_MAX 107 /* what sun_path holds beside its NUL */
#define NAME_LEN_MAX 128
#define SEEDS_MAX 64

#define ENCODE_HINT "percent-encode / ? @ : %% in user and password, for example @ as %%40"

/* ---- Small readers --------------------------------------------------------------------------- */

/* A whole number of digits only, up to max; -1 when it is none. */
static int read_number(const char *text, int max)
{
    int number = 0;
    if (*text == '\0') {
        return -1;
    }
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text)) {
            return -1;
        }
        number = number * 10 + (*text - '0');
        if (number > max) {
            return -1;
        }
    }
    return number;
}

static bool all_of(const char *text, const char *also)
{
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr(also, *text) == NULL) {
            return false;
        }
    }
    return true;
}

/* Replaces *field by a decoded copy of the first `len` characters. */
static int set_decoded(char **field, const char *text, size_t len, const char *part,
                       dq_fault *fault)
{
    char *copy = strndup(text, len);
    if (copy == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    if (!dq_percent_decode(copy)) {
        free(copy);
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: the %s has a %% that two hex digits do not follow (%%00 is "
                            "refused; %% itself is %%25)",
                            part);
    }
    free(*field);
    *field = copy;
    return DUEQ_OK;
}

/* ---- Options after the '?' ------------------------------------------------------------------- */

/* Stores a decoded value in its field. NULL, or what would be right. */
typedef const char *read_option_fn(void *field, const char *value);

static const char *read_text(void *field, const char *value)
{
    if (*value == '\0') {
        return "a text that is not empty";
    }
    return dq_url_set_text(field, value) ? NULL : "more memory";
}

static const char *read_prefix(void *field, const char *value)
{
    if (strlen(value) > NAME_LEN_MAX || !all_of(value, "_.:-")) {
        return "1 to 128 of A-Z a-z 0-9 _ . : -";
    }
    return read_text(field, value);
}

static const char *read_client_name(void *field, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return "printable ASCII without spaces";
        }
    }
    return strlen(value) > NAME_LEN_MAX ? "at most 128 characters" : read_text(field, value);
}

static const char *read_duration(void *field, const char *value)
{
    int64_t ms;
    if (dueq_parse_duration(value, &ms) != DUEQ_OK || ms == 0) {
        return "a duration such as 1500ms, 5s or 1m30s";
    }
    *(int64_t *)field = ms;
    return NULL;
}

static const char *read_durability(void *field, const char *value)
{
    return dq_level_read(field, value);
}

static const char *read_db(void *field, const char *value)
{
    int db = read_number(value, DB_MAX);
    if (db < 0) {
        return "a database's number, 0 to 1000000";
    }
    *(int *)field = db;
    return NULL;
}

static const char *read_yes(void *field, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;
    *(bool *)field = yes;
    return yes || strcmp(value, "no") == 0 ? NULL : "yes or no";
}

static const char *read_endpoints(void *field, const char *value)
{
    bool seed = strcmp(value, "seed") == 0;
    *(bool *)field = seed;
    return seed || strcmp(value, "announced") == 0 ? NULL : "announced or seed";
}

static const char *read_not(void *field, const char *value)
{
    const char *right = read_yes(field, value);
    *(bool *)field = !*(bool *)field;
    return right;
}

typedef struct option {
    const char *name;
    read_option_fn *read;
    size_t offset;
    dq_url_kind only; /* of this kind of URL alone; DQ_URL_TCP: of any */
} option;

static const option options[] = {
    {"prefix", read_prefix, offsetof(dq_url, prefix), DQ_URL_TCP},
    {"db", read_db, offsetof(dq_url, db), DQ_URL_TCP},
    {"name", read_client_name, offsetof(dq_url, client_name), DQ_URL_TCP},
    {"timeout", read_duration, offsetof(dq_url, timeout_ms), DQ_URL_TCP},
    {"connect_timeout", read_duration, offsetof(dq_url, connect_timeout_ms), DQ_URL_TCP},
    {"durability", read_durability, offsetof(dq_url, durability), DQ_URL_TCP},
    {"durability_timeout", read_duration, offsetof(dq_url, durability_timeout_ms), DQ_URL_TCP},
    {"cacert", read_text, offsetof(dq_url, ca_file), DQ_URL_TCP},
    {"cadir", read_text, offsetof(dq_url, ca_dir), DQ_URL_TCP},
    {"cert", read_text, offsetof(dq_url, cert_file), DQ_URL_TCP},
    {"key", read_text, offsetof(dq_url, key_file), DQ_URL_TCP},
    {"sni", read_text, offsetof(dq_url, server_name), DQ_URL_TCP},
    {"verify", read_not, offsetof(dq_url, no_verify), DQ_URL_TCP},
    {"any_eviction", read_yes, offsetof(dq_url, any_eviction), DQ_URL_TCP},
    {"endpoints", read_endpoints, offsetof(dq_url, seed_host), DQ_URL_CLUSTER},
    {"sentinel_user", read_text, offsetof(dq_url, sentinel_user), DQ_URL_SENTINEL},
    {"sentinel_password", read_text, offsetof(dq_url, sentinel_password), DQ_URL_SENTINEL},
};
static const size_t option_count = sizeof options / sizeof options[0];

static const option *find_option(dq_url_kind kind, const char *name, size_t name_len)
{
    for (size_t i = 0; i < option_count; i++) {
        bool here = options[i].only == DQ_URL_TCP || options[i].only == kind;
        if (here && strlen(options[i].name) == name_len &&
            memcmp(options[i].name, name, name_len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static int tell_no_option(dq_url_kind kind, const char *name, size_t name_len, dq_fault *fault)
{
    const char *also = kind == DQ_URL_CLUSTER    ? " endpoints="
                       : kind == DQ_URL_SENTINEL ? " sentinel_user= sentinel_password="
                                                 : "";
    return dq_fault_set(
        fault, DUEQ_EINVAL,
        "URL: \"%.*s\" is not an option; there are prefix= db= name= timeout= "
        "connect_timeout= durability= durability_timeout= cacert= cadir= cert= key= "
        "sni= verify= any_eviction=%s",
        (int)(name_len < 64 ? name_len : 64), name, also);
}

/* One "name=value" of `len` characters. */
static int parse_option(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - text);
    const option *found = find_option(url->kind, text, name_len);
    if (equals == NULL || found == NULL) {
        return tell_no_option(url->kind, text, name_len, fault);
    }
    char *value = NULL;
    int rc = set_decoded(&value, equals + 1, len - name_len - 1, found->name, fault);
    if (rc < 0) {
        return rc;
    }
    const char *right = found->read((char *)url + found->offset, value);
    if (right != NULL) {
        bool secret = strstr(found->name, "password") != NULL;
        rc = dq_fault_set(fault, DUEQ_EINVAL, "URL: %s=%s is not valid: it must be %s", found->name,
                          secret ? "" : value, right);
    }
    if (value != NULL) explicit_bzero(value, strlen(value));
    free(value);
    return rc;
}

/* `query` is what follows the '?', or NULL. */
static int parse_options(dq_url *url, const char *query, dq_fault *fault)
{
    while (query != NULL && *query != '\0') {
        size_t len = strcspn(query, "&");
        int rc = parse_option(url, query, len, fault);
        if (rc < 0) {
            return rc;
        }
        query += len + (query[len] == '&' ? 1 : 0);
    }
    return DUEQ_OK;
}

/* ---- user:password@host:port ----------------------------------------------------------------- */

static int parse_userinfo(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon == NULL ? len : (size_t)(colon - text);
    int rc = DUEQ_OK;
    if (user_len > 0) {
        rc = set_decoded(&url->user, text, user_len, "user", fault);
    }
    if (rc == DUEQ_OK && colon != NULL) {
        rc = set_decoded(&url->password, colon + 1, len - user_len - 1, "password", fault);
    }
    return rc;
}

/* How many characters of "host:port" are the host; brackets count. */
static size_t host_len_of(const char *text, size_t len)
{
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        return end == NULL ? len : (size_t)(end - text) + 1;
    }
    const char *colon = memchr(text, ':', len);
    return colon == NULL ? len : (size_t)(colon - text);
}

static bool host_valid(const char *host, bool bracketed)
{
    size_t len = strlen(host);
    if (len == 0 || len > HOST_LEN_MAX) {
        return false;
    }
    return bracketed ? strchr(host, ':') != NULL && all_of(host, ":.%") : all_of(host, ".-_");
}

static int parse_host(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    free(url->host);
    url->host = bracketed ? strndup(text + 1, len - 2) : strndup(text, len);
    if (url->host == NULL) {
        return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    if (len == 0) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: the host is missing; write redis://HOST[:PORT][/DB]");
    }
    if (!host_valid(url->host, bracketed)) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: the host must be a name, an IPv4 address or an IPv6 address in "
                            "brackets ([::1]); " ENCODE_HINT);
    }
    return DUEQ_OK;
}

static int parse_port(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    char digits[8] = "";
    if (len > 0 && len < sizeof digits) {
        memcpy(digits, text, len);
    }
    url->port = read_number(digits, PORT_MAX);
    if (url->port < 1) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: the port must be a number from 1 to 65535; " ENCODE_HINT);
    }
    return DUEQ_OK;
}

/* The userinfo ends at the last '@': a user or password with a bare '@' is what people write. */
static const char *after_userinfo(const char *text, size_t len)
{
    const char *at = memrchr(text, '@', len);
    return at == NULL ? text : at + 1;
}

/* One "host[:port]". */
static int parse_place(dq_url *url, const char *host, size_t len, dq_fault *fault)
{
    size_t host_len = host_len_of(host, len);
    int rc = parse_host(url, host, host_len, fault);
    if (rc < 0 || host_len == len) {
        return rc;
    }
    if (host[host_len] != ':') {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: after the host's ] only :PORT, /DB or ? may follow");
    }
    return parse_port(url, host + host_len + 1, len - host_len - 1, fault);
}

/* "host[:port],host[:port],…". */
static int parse_seeds(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    dq_buf seeds = {0};
    int port_default = url->port, rc = DUEQ_OK;
    for (size_t count = 0; rc == DUEQ_OK; count++) {
        const char *comma = memchr(text, ',', len);
        size_t one_len = comma == NULL ? len : (size_t)(comma - text);
        url->port = port_default;
        rc = count == SEEDS_MAX
                 ? dq_fault_set(fault, DUEQ_EINVAL, "URL: at most %d hosts can be named", SEEDS_MAX)
                 : parse_place(url, text, one_len, fault);
        char place[DQ_URL_PLACE_MAX];
        dq_url one = {.host = url->host, .port = url->port};
        if (rc == DUEQ_OK) {
            dq_buf_printf(&seeds, "%s%s", count == 0 ? "" : ",", dq_url_place(&one, place));
        }
        if (comma == NULL) {
            break;
        }
        text = comma + 1;
        len -= one_len + 1;
    }
    if (rc == DUEQ_OK && seeds.failed) {
        rc = dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    }
    url->seeds = seeds.data;
    free(url->host); /* that of the last */
    url->host = NULL;
    url->port = port_default;
    return rc;
}

static int parse_authority(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    const char *host = after_userinfo(text, len);
    if (host > text) {
        int rc = parse_userinfo(url, text, (size_t)(host - text) - 1, fault);
        if (rc < 0) {
            return rc;
        }
        len -= (size_t)(host - text);
    }
    bool many = url->kind == DQ_URL_CLUSTER || url->kind == DQ_URL_SENTINEL;
    return many ? parse_seeds(url, host, len, fault) : parse_place(url, host, len, fault);
}

/* ---- The kinds ------------------------------------------------------------------------------- */

/* The number of a database, of `len` characters; none is 0. */
static int parse_db(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    char digits[16] = "";
    memcpy(digits, text, len < sizeof digits ? len : 0);
    if (len > 0 && read_db(&url->db, digits) != NULL) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: after the host's / comes the number of a database, 0 to "
                            "1000000");
    }
    return DUEQ_OK;
}

/* The master's name, with or without "/DB" after it, of `len` characters. */
static int parse_master(dq_url *url, const char *text, size_t len, dq_fault *fault)
{
    const char *slash = memchr(text, '/', len);
    size_t name_len = slash == NULL ? len : (size_t)(slash - text);
    int rc = set_decoded(&url->master, text, name_len, "master's name", fault);
    if (rc < 0) {
        return rc;
    }
    if (name_len == 0 || strlen(url->master) > NAME_LEN_MAX || !all_of(url->master, "_.:-")) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: after the sentinels comes the name of the master they watch, for "
                            "example redis-sentinel://HOST,HOST,HOST/mymaster");
    }
    return slash == NULL ? DUEQ_OK : parse_db(url, slash + 1, len - name_len - 1, fault);
}

/* What follows "redis://". */
static int parse_tcp(dq_url *url, const char *text, dq_fault *fault)
{
    size_t len = strcspn(text, "/?");
    if (strchr(text + len, '@') != NULL) {
        return dq_fault_set(fault, DUEQ_EINVAL, "URL: there is an @ after the host; " ENCODE_HINT);
    }
    int rc = parse_authority(url, text, len, fault);
    if (rc < 0) {
        return rc;
    }
    const char *path = text + len;
    const char *query = strchr(path, '?');
    size_t path_len = query == NULL ? strlen(path) : (size_t)(query - path);
    const char *after = path_len > 0 ? path + 1 : path;
    size_t after_len = path_len > 0 ? path_len - 1 : 0;
    rc = url->kind == DQ_URL_SENTINEL ? parse_master(url, after, after_len, fault)
                                      : parse_db(url, after, after_len, fault);
    return rc < 0 ? rc : parse_options(url, query == NULL ? NULL : query + 1, fault);
}

/* A decoded path up to the '?', then the options. */
static int parse_path(dq_url *url, const char *text, dq_fault *fault)
{
    size_t len = strcspn(text, "?");
    if (len > 0) {
        int rc = set_decoded(&url->path, text, len, "path", fault);
        if (rc < 0) {
            return rc;
        }
    }
    return parse_options(url, text[len] == '?' ? text + len + 1 : NULL, fault);
}

/* What follows "unix:": a path, or "//[USER[:PASSWORD]@]" and a path. */
static int parse_unix(dq_url *url, const char *text, dq_fault *fault)
{
    url->kind = DQ_URL_UNIX;
    if (strncmp(text, "//", 2) == 0) {
        text += 2;
        size_t len = strcspn(text, "/?");
        if (len > 0 && text[len - 1] == '@') {
            int rc = parse_userinfo(url, text, len - 1, fault);
            if (rc < 0) {
                return rc;
            }
            text += len;
        }
    }
    if (text[0] != '/') {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: unix: needs the absolute path of a socket, for example "
                            "unix:/run/redis/redis.sock");
    }
    int rc = parse_path(url, text, fault);
    if (rc == DUEQ_OK && strlen(url->path) > SOCKET_PATH_LEN_MAX) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: the socket's path is longer than the %d bytes the system allows",
                            SOCKET_PATH_LEN_MAX);
    }
    return rc;
}

/* What follows "local:". */
static int parse_local(dq_url *url, const char *text, dq_fault *fault)
{
    url->kind = DQ_URL_LOCAL;
    if (strncmp(text, "//", 2) == 0) {
        text += 2;
    }
    if (text[0] != '\0' && text[0] != '/' && text[0] != '?') {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: local: takes the absolute path of a folder, for example "
                            "local:/var/lib/app, or nothing");
    }
    return parse_path(url, text, fault);
}

static int parse_cluster(dq_url *url, const char *text, dq_fault *fault)
{
    url->kind = DQ_URL_CLUSTER;
    int rc = parse_tcp(url, text, fault);
    if (rc == DUEQ_OK && url->db != 0) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "URL: a cluster has database 0 alone; tell queues apart by prefix=");
    }
    return rc;
}

static int parse_sentinel(dq_url *url, const char *text, dq_fault *fault)
{
    url->kind = DQ_URL_SENTINEL;
    url->port = SENTINEL_PORT_DEFAULT;
    return parse_tcp(url, text, fault);
}

typedef struct scheme {
    const char *start;
    bool tls;
    int (*parse)(dq_url *url, const char *rest, dq_fault *fault);
} scheme;

static const scheme schemes[] = {
    {"redis://", false, parse_tcp},
    {"valkey://", false, parse_tcp},
    {"rediss://", true, parse_tcp},
    {"valkeys://", true, parse_tcp},
    {"unix:", false, parse_unix},
    {"local:", false, parse_local},
    {"redis-cluster://", false, parse_cluster},
    {"valkey-cluster://", false, parse_cluster},
    {"rediss-cluster://", true, parse_cluster},
    {"valkeys-cluster://", true, parse_cluster},
    {"redis-sentinel://", false, parse_sentinel},
    {"valkey-sentinel://", false, parse_sentinel},
    {"rediss-sentinel://", true, parse_sentinel},
    {"valkeys-sentinel://", true, parse_sentinel},
};
static const size_t scheme_count = sizeof schemes / sizeof schemes[0];

int dq_url_parse(dq_url *url, const char *text, dq_fault *fault)
{
    *url = (dq_url){.port = PORT_DEFAULT};
    for (size_t i = 0; i < scheme_count; i++) {
        size_t len = strlen(schemes[i].start);
        if (strncasecmp(text, schemes[i].start, len) == 0) {
            url->tls = schemes[i].tls;
            return schemes[i].parse(url, text + len, fault);
        }
    }
    return dq_fault_set(
        fault, DUEQ_EINVAL,
        "URL: it must begin with redis:// rediss:// redis-cluster:// redis-sentinel:// "
        "(or valkey…) unix: or local:, for example redis://127.0.0.1:6379");
}
