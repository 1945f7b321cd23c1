/* URLs: many forms, wrong in every part, and never a password in a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/url.h"

typedef struct good_case {
    const char *text;
    const char *shown; /* dq_url_text() */
    dq_url url;        /* texts borrowed here */
} good_case;

static char *const none = NULL;

static void assert_text(const char *url, const char *part, const char *have, const char *want)
{
    if ((have == NULL) != (want == NULL) || (have != NULL && strcmp(have, want) != 0)) {
        fail_msg("%s: %s is \"%s\", wanted \"%s\"", url, part, have == NULL ? "(null)" : have,
                 want == NULL ? "(null)" : want);
    }
}

static void check_good(const good_case *c)
{
    dq_url url;
    dq_fault fault = {0};
    if (dq_url_parse(&url, c->text, &fault) != DUEQ_OK) {
        fail_msg("%s was refused: %s", c->text, fault.text);
    }
    const dq_url *want = &c->url;
    assert_int_equal(url.kind, want->kind);
    assert_int_equal(url.tls, want->tls);
    assert_int_equal(url.port, want->port == 0 ? 6379 : want->port);
    assert_int_equal(url.db, want->db);
    assert_int_equal(url.timeout_ms, want->timeout_ms);
    assert_int_equal(url.connect_timeout_ms, want->connect_timeout_ms);
    assert_int_equal(url.no_verify, want->no_verify);
    assert_int_equal(url.any_eviction, want->any_eviction);
    assert_int_equal(url.seed_host, want->seed_host);
    assert_int_equal(url.durability.replicas, want->durability.replicas);
    assert_int_equal(url.durability.fsync, want->durability.fsync);
    assert_int_equal(url.durability_timeout_ms, want->durability_timeout_ms);
    assert_text(c->text, "seeds", url.seeds, want->seeds);
    assert_text(c->text, "master", url.master, want->master);
    assert_text(c->text, "sentinel_user", url.sentinel_user, want->sentinel_user);
    assert_text(c->text, "sentinel_password", url.sentinel_password, want->sentinel_password);
    assert_text(c->text, "host", url.host, want->host);
    assert_text(c->text, "path", url.path, want->path);
    assert_text(c->text, "user", url.user, want->user);
    assert_text(c->text, "password", url.password, want->password);
    assert_text(c->text, "prefix", url.prefix, want->prefix);
    assert_text(c->text, "name", url.client_name, want->client_name);
    assert_text(c->text, "cacert", url.ca_file, want->ca_file);
    assert_text(c->text, "cadir", url.ca_dir, want->ca_dir);
    assert_text(c->text, "cert", url.cert_file, want->cert_file);
    assert_text(c->text, "key", url.key_file, want->key_file);
    assert_text(c->text, "sni", url.server_name, want->server_name);
    char *shown = dq_url_text(&url);
    assert_text(c->text, "the text", shown, c->shown);
    free(shown);

    dq_url copy;
    assert_true(dq_url_copy(&copy, &url));
    dq_url_clear(&url);
    assert_text(c->text, "the copy's host", copy.host, want->host);
    assert_text(c->text, "the copy's password", copy.password, want->password);
    dq_url_clear(&copy);
}

#define S(text) ((char[]){text})

static void good_forms_are_read(void **state)
{
    (void)state;
    const good_case cases[] = {
        {"redis://h", "redis://h:6379", {.kind = DQ_URL_TCP, .host = S("h")}},
        {"REDIS://h", "redis://h:6379", {.host = S("h")}},
        {"valkey://h:1", "redis://h:1", {.host = S("h"), .port = 1}},
        {"redis://h:65535/", "redis://h:65535", {.host = S("h"), .port = 65535}},
        {"redis://h/15", "redis://h:6379/15", {.host = S("h"), .db = 15}},
        {"redis://h?db=3", "redis://h:6379/3", {.host = S("h"), .db = 3}},
        {"rediss://h", "rediss://h:6379", {.host = S("h"), .tls = true}},
        {"valkeys://h", "rediss://h:6379", {.host = S("h"), .tls = true}},
        {"redis://10.0.0.1:7000", "redis://10.0.0.1:7000", {.host = S("10.0.0.1"), .port = 7000}},
        {"redis://[::1]", "redis://[::1]:6379", {.host = S("::1")}},
        {"redis://[fe80::1%eth0]:7",
         "redis://[fe80::1%eth0]:7",
         {.host = S("fe80::1%eth0"), .port = 7}},
        {"redis://u@h", "redis://u@h:6379", {.host = S("h"), .user = S("u")}},
        {"redis://u:p@h",
         "redis://u:***@h:6379",
         {.host = S("h"), .user = S("u"), .password = S("p")}},
        {"redis://:p@h", "redis://:***@h:6379", {.host = S("h"), .password = S("p")}},
        {"redis://u:@h",
         "redis://u:***@h:6379",
         {.host = S("h"), .user = S("u"), .password = S("")}},
        {"redis://a%40b:p%3a%2F%3f%25@h",
         "redis://a%40b:***@h:6379",
         {.host = S("h"), .user = S("a@b"), .password = S("p:/?%")}},
        {"redis://u:a@b:c@h:1",
         "redis://u:***@h:1",
         {.host = S("h"), .port = 1, .user = S("u"), .password = S("a@b:c")}},
        {"redis://h?", "redis://h:6379", {.host = S("h")}},
        {"redis://h/2?prefix=app.1&name=w-1&timeout=1500ms&connect_timeout=1m",
         "redis://h:6379/2",
         {.host = S("h"),
          .db = 2,
          .prefix = S("app.1"),
          .client_name = S("w-1"),
          .timeout_ms = 1500,
          .connect_timeout_ms = 60000}},
        {"rediss://h?cacert=/a%20b.pem&cadir=/d&cert=/c&key=/k&sni=x.y&verify=no",
         "rediss://h:6379",
         {.host = S("h"),
          .tls = true,
          .ca_file = S("/a b.pem"),
          .ca_dir = S("/d"),
          .cert_file = S("/c"),
          .key_file = S("/k"),
          .server_name = S("x.y"),
          .no_verify = true}},
        {"redis://h?verify=yes&any_eviction=yes",
         "redis://h:6379",
         {.host = S("h"), .any_eviction = true}},
        {"redis://h?durability=replicas:12&durability_timeout=2s",
         "redis://h:6379",
         {.host = S("h"), .durability = {.replicas = 12}, .durability_timeout_ms = 2000}},
        {"redis://h?durability=replicas:1&durability=fsync",
         "redis://h:6379",
         {.host = S("h"), .durability = {.fsync = true}}},
        {"redis://h?durability=fsync&durability=none", "redis://h:6379", {.host = S("h")}},
        {"redis://h?any_eviction=no&db=1&db=2&", "redis://h:6379/2", {.host = S("h"), .db = 2}},
        {"unix:/run/r.sock", "unix:/run/r.sock", {.kind = DQ_URL_UNIX, .path = S("/run/r.sock")}},
        {"unix:///run/r.sock?db=4",
         "unix:/run/r.sock?db=4",
         {.kind = DQ_URL_UNIX, .path = S("/run/r.sock"), .db = 4}},
        {"unix:/a%20b@c", "unix:/a%20b@c", {.kind = DQ_URL_UNIX, .path = S("/a b@c")}},
        {"unix://u:p@/s",
         "unix://u:***@/s",
         {.kind = DQ_URL_UNIX, .path = S("/s"), .user = S("u"), .password = S("p")}},
        {"local:", "local:", {.kind = DQ_URL_LOCAL, .path = none}},
        {"local:/var/lib/app",
         "local:/var/lib/app",
         {.kind = DQ_URL_LOCAL, .path = S("/var/lib/app")}},
        {"local:///var/lib/app",
         "local:/var/lib/app",
         {.kind = DQ_URL_LOCAL, .path = S("/var/lib/app")}},
        {"local:////d", "local:////d", {.kind = DQ_URL_LOCAL, .path = S("//d")}},
        {"redis-cluster://a",
         "redis-cluster://a:6379",
         {.kind = DQ_URL_CLUSTER, .seeds = S("a:6379")}},
        {"redis-cluster://u:p@a:1,b,[::1]:3/0?prefix=x",
         "redis-cluster://u:***@a:1,b:6379,[::1]:3",
         {.kind = DQ_URL_CLUSTER,
          .seeds = S("a:1,b:6379,[::1]:3"),
          .user = S("u"),
          .password = S("p"),
          .prefix = S("x")}},
        {"Valkeys-Cluster://a,b?endpoints=seed",
         "rediss-cluster://a:6379,b:6379",
         {.kind = DQ_URL_CLUSTER, .tls = true, .seeds = S("a:6379,b:6379"), .seed_host = true}},
        {"rediss-cluster://a?endpoints=announced",
         "rediss-cluster://a:6379",
         {.kind = DQ_URL_CLUSTER, .tls = true, .seeds = S("a:6379")}},
        {"redis-sentinel://a,b:1/my.master",
         "redis-sentinel://a:26379,b:1/my.master",
         {.kind = DQ_URL_SENTINEL,
          .port = 26379,
          .seeds = S("a:26379,b:1"),
          .master = S("my.master")}},
        {"rediss-sentinel://:p@a/m/3?sentinel_user=su&sentinel_password=s%26p",
         "rediss-sentinel://:***@a:26379/m/3",
         {.kind = DQ_URL_SENTINEL,
          .tls = true,
          .port = 26379,
          .seeds = S("a:26379"),
          .master = S("m"),
          .db = 3,
          .password = S("p"),
          .sentinel_user = S("su"),
          .sentinel_password = S("s&p")}},
        {"local:?prefix=x", "local:", {.kind = DQ_URL_LOCAL, .prefix = S("x")}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_good(&cases[i]);
    }
}

static void wrong_forms_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told; /* a part of the message */
    } cases[] = {
        {"", "begin with"},
        {"localhost:6379", "begin with"},
        {"http://h", "begin with"},
        {"redis:/h", "begin with"},
        {"redis:h", "begin with"},
        {" redis://h", "begin with"},
        {"redis-cluster:a", "begin with"},
        {"redis-cluster://", "host is missing"},
        {"redis-cluster://a,,b", "host is missing"},
        {"redis-cluster://a,b,", "host is missing"},
        {"redis-cluster://a:0,b", "port must be"},
        {"redis-cluster://a,b:x", "port must be"},
        {"redis-cluster://a,[::1", "host must be"},
        {"redis-cluster://a, b", "host must be"},
        {"redis-cluster://a/1", "database 0 alone"},
        {"redis-cluster://a?db=2", "database 0 alone"},
        {"redis-cluster://a/m", "number of a database"},
        {"redis-cluster://a?endpoints=here", "announced or seed"},
        {"redis-cluster://a?sentinel_user=u", "not an option"},
        {"redis-sentinel://", "host is missing"},
        {"redis-sentinel://a,b", "name of the master"},
        {"redis-sentinel://a,b/", "name of the master"},
        {"redis-sentinel://a,b/?db=1", "name of the master"},
        {"redis-sentinel://a,b//1", "name of the master"},
        {"redis-sentinel://a/my%20master", "name of the master"},
        {"redis-sentinel://a/m/x", "number of a database"},
        {"redis-sentinel://a/m?sentinel_password=", "must be a text"},
        {"redis-sentinel://a/m?endpoints=seed", "there are prefix="},
        {"redis://a?endpoints=seed", "not an option"},
        {"redis://", "host is missing"},
        {"redis:///2", "host is missing"},
        {"redis://:6379", "host is missing"},
        {"redis://u:p@", "host is missing"},
        {"redis://u:p@:1", "host is missing"},
        {"redis://h h", "host must be"},
        {"redis://h,i", "host must be"},
        {"redis://h%41", "host must be"},
        {"redis://[::1", "host must be"},
        {"redis://[]", "host must be"},
        {"redis://[h]", "host must be"},
        {"redis://[::1]x", "only :PORT"},
        {"redis://::1", "host is missing"},
        {"redis://h:", "port must be"},
        {"redis://h:0", "port must be"},
        {"redis://h:65536", "port must be"},
        {"redis://h:99999999999", "port must be"},
        {"redis://h:-1", "port must be"},
        {"redis://h:1x", "port must be"},
        {"redis://h:1:2", "port must be"},
        {"redis://h/x", "number of a database"},
        {"redis://h/-1", "number of a database"},
        {"redis://h/1/2", "number of a database"},
        {"redis://h/1000001", "number of a database"},
        {"redis://h/99999999999999999999999999", "number of a database"},
        {"redis://%zz@h", "user has a %"},
        {"redis://u:%4@h", "password has a %"},
        {"redis://u:%00@h", "password has a %"},
        {"redis://u:p/w@h", "@ after the host"},
        {"redis://u:p?w@h", "@ after the host"},
        {"redis://h?nonsense=1", "\"nonsense\" is not an option"},
        {"redis://h?db", "\"db\" is not an option"},
        {"redis://h?=1", "\"\" is not an option"},
        {"redis://h?db=", "db= is not valid"},
        {"redis://h?db=x", "db=x is not valid"},
        {"redis://h?timeout=5", "must be a duration"},
        {"redis://h?timeout=0s", "must be a duration"},
        {"redis://h?timeout=-1s", "must be a duration"},
        {"redis://h?connect_timeout=soon", "must be a duration"},
        {"redis://h?verify=maybe", "yes or no"},
        {"redis://h?durability=", "none, replicas:N"},
        {"redis://h?durability=replicas:0", "none, replicas:N"},
        {"redis://h?durability=replicas:1001", "none, replicas:N"},
        {"redis://h?durability=replicas:1,2", "none, replicas:N"},
        {"redis://h?durability=FSYNC", "none, replicas:N"},
        {"redis://h?durability_timeout=1", "must be a duration"},
        {"redis://h?any_eviction=1", "yes or no"},
        {"redis://h?prefix=", "not empty"},
        {"redis://h?prefix=a{b}", "1 to 128"},
        {"redis://h?prefix=a%20b", "1 to 128"},
        {"redis://h?name=a%20b", "without spaces"},
        {"redis://h?name=a%0Ab", "without spaces"},
        {"redis://h?cacert=%2", "cacert has a %"},
        {"redis://h?cacert=", "not empty"},
        {"unix:", "absolute path"},
        {"unix:r.sock", "absolute path"},
        {"unix://host/r.sock", "absolute path"},
        {"unix:?db=1", "absolute path"},
        {"unix:/%", "path has a %"},
        {"unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaa",
         "longer than the 107"},
        {"local:dir", "absolute path"},
        {"local:/d?x=1", "not an option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dq_url url;
        dq_fault fault = {0};
        int rc = dq_url_parse(&url, cases[i].text, &fault);
        dq_url_clear(&url);
        if (rc != DUEQ_EINVAL || strstr(fault.text, cases[i].told) == NULL) {
            fail_msg("%s: outcome %d, \"%s\"; wanted a text with \"%s\"", cases[i].text, rc,
                     fault.text, cases[i].told);
        }
    }
}

/* Whatever is wrong beside it, and however it was left unencoded. */
static void no_text_holds_the_password(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "redis://u:s3cret@",
        "redis://u:s3cret@h:x",
        "redis://u:s3cret%@h",
        "redis://u:s3cret@h h",
        "redis://u:s3cret@[::1",
        "redis://u:s3cret/x@h",
        "redis://u:s3cret?x@h",
        "redis://u:x?s3cret@h",
        "redis://u:1?s3cret=@h",
        "redis://u:1/s3cret@h",
        "redis://h?x=u:s3cret@h",
        "redis://u:@s3cret@h:y",
        "redis://u@a:1?s3cret@h",
        "redis://u:s3cret@h/nodb",
        "redis://u:s3cret@h?x=1",
        "redis://u:s3cret@h?db=x",
        "unix://u:s3cret@host/s",
        "unix://u:s3cret/x@/s",
        "redis://u:s3cret",
        "redis://u:s3cret/0",
        "http://u:s3cret@h",
        "redis-cluster://:s3cret@h",
        "redis://u:s3cret@h",
        "unix://u:s3cret@/s",
        "redis-cluster://u:s3cret@h,i,:1",
        "redis-cluster://u:s3cret@h,i?nonsense=1",
        "redis-sentinel://u:s3cret@h,i",
        "redis-sentinel://u:s3cret@h/m?sentinel_password=s3cret",
        "redis-sentinel://h/m?sentinel_password=s3cret%",
        "redis-sentinel://h/m?sentinel_password=s3cret&nonsense=1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        dq_url url;
        dq_fault fault = {0};
        int rc = dq_url_parse(&url, texts[i], &fault);
        char *shown = rc == DUEQ_OK ? dq_url_text(&url) : NULL;
        if (strstr(fault.text, "s3cret") != NULL ||
            (shown != NULL && strstr(shown, "s3cret") != NULL)) {
            fail_msg("%s: told as \"%s\"", texts[i], shown == NULL ? fault.text : shown);
        }
        free(shown);
        dq_url_clear(&url);
    }
}

/* Each of several places in turn, and how one server there is spoken to. */
static void places_are_found_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *host, *place;
        int port;
    } wanted[] = {{"a", "a:1", 1}, {"10.0.0.1", "10.0.0.1:6379", 6379}, {"::1", "[::1]:3", 3}};
    dq_url url, one;
    assert_int_equal(dq_url_parse(&url, "rediss-cluster://u:p@a:1,10.0.0.1,[::1]:3", NULL), 0);
    assert_int_equal(dq_url_seed_count(&url), 3);
    char *host;
    int port;
    for (size_t i = 0; i < 3; i++) {
        assert_true(dq_url_seed(&url, i, &host, &port));
        assert_string_equal(host, wanted[i].host);
        assert_int_equal(port, wanted[i].port);
        assert_true(dq_url_at(&one, &url, host, port));
        char place[DQ_URL_PLACE_MAX];
        assert_string_equal(dq_url_place(&one, place), wanted[i].place);
        assert_int_equal(one.kind, DQ_URL_TCP);
        assert_true(one.tls);
        assert_string_equal(one.password, "p");
        dq_url_clear(&one);
        free(host);
    }
    assert_false(dq_url_seed(&url, 3, &host, &port));
    dq_url_clear(&url);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_found_one_by_one),
        cmocka_unit_test(good_forms_are_read),
        cmocka_unit_test(wrong_forms_are_named),
        cmocka_unit_test(no_text_holds_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
