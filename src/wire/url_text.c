/* A taken-apart URL as a thing: owned, copied, and shown again without its password. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/url.h"

/* ---- Owning ---------------------------------------------------------------------------------- */

static const size_t text_offsets[] = {
    offsetof(dq_url, host),
    offsetof(dq_url, path),
    offsetof(dq_url, user),
    offsetof(dq_url, password),
    offsetof(dq_url, prefix),
    offsetof(dq_url, client_name),
    offsetof(dq_url, ca_file),
    offsetof(dq_url, ca_dir),
    offsetof(dq_url, cert_file),
    offsetof(dq_url, key_file),
    offsetof(dq_url, server_name),
    offsetof(dq_url, seeds),
    offsetof(dq_url, master),
    offsetof(dq_url, sentinel_user),
    offsetof(dq_url, sentinel_password),
};
static const size_t text_count = sizeof text_offsets / sizeof text_offsets[0];

static char **text_at(dq_url *url, size_t i)
{
    return (char **)(void *)((char *)url + text_offsets[i]);
}

static void forget(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
    }
}

void dq_url_clear(dq_url *url)
{
    forget(url->password);
    forget(url->sentinel_password);
    for (size_t i = 0; i < text_count; i++) {
        free(*text_at(url, i));
    }
    *url = (dq_url){0};
}

bool dq_url_set_text(char **field, const char *value)
{
    char *copy = value == NULL ? NULL : strdup(value);
    if (copy == NULL && value != NULL) {
        return false;
    }
    free(*field);
    *field = copy;
    return true;
}

bool dq_url_copy(dq_url *to, const dq_url *from)
{
    dq_url borrowed = *from;
    *to = *from;
    for (size_t i = 0; i < text_count; i++) {
        *text_at(to, i) = NULL;
    }
    for (size_t i = 0; i < text_count; i++) {
        if (!dq_url_set_text(text_at(to, i), *text_at(&borrowed, i))) {
            dq_url_clear(to);
            return false;
        }
    }
    return true;
}

/* ---- Many places ------------------------------------------------------------------------------ */

bool dq_url_seed(const dq_url *url, size_t i, char **host, int *port)
{
    const char *at = url->seeds;
    for (; at != NULL && i > 0; i--) {
        at = strchr(at, ',');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL) {
        return false;
    }
    size_t len = strcspn(at, ",");
    const char *colon = memrchr(at, ':', len); /* there always is one */
    size_t host_len = (size_t)(colon - at);
    *port = (int)strtol(colon + 1, NULL, 10);
    *host = at[0] == '[' ? strndup(at + 1, host_len - 2) : strndup(at, host_len);
    return *host != NULL;
}

size_t dq_url_seed_count(const dq_url *url)
{
    size_t count = url->seeds == NULL ? 0 : 1;
    for (const char *at = url->seeds; at != NULL && (at = strchr(at, ',')) != NULL; at++) {
        count++;
    }
    return count;
}

bool dq_url_at(dq_url *to, const dq_url *from, const char *host, int port)
{
    if (!dq_url_copy(to, from)) {
        return false;
    }
    to->kind = DQ_URL_TCP;
    to->port = port;
    free(to->seeds);
    to->seeds = NULL;
    if (!dq_url_set_text(&to->host, host)) {
        dq_url_clear(to);
        return false;
    }
    return true;
}

/* ---- Showing --------------------------------------------------------------------------------- */

/* Percent-encodes all but what needs no encoding anywhere in a URL, and the characters of `also`. */
static void add_encoded(dq_buf *out, const char *text, const char *also)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (isalnum(byte) || strchr("-._~", byte) != NULL || strchr(also, byte) != NULL) {
            dq_buf_add_byte(out, byte);
        } else {
            dq_buf_printf(out, "%%%02X", byte);
        }
    }
}

static void add_userinfo(dq_buf *out, const dq_url *url)
{
    if (url->user != NULL) {
        add_encoded(out, url->user, "");
    }
    if (url->password != NULL) {
        dq_buf_add_text(out, ":***");
    }
    if (url->user != NULL || url->password != NULL) {
        dq_buf_add_text(out, "@");
    }
}

static void add_net(dq_buf *out, const dq_url *url)
{
    char place[DQ_URL_PLACE_MAX];
    const char *kind = url->kind == DQ_URL_CLUSTER    ? "-cluster"
                       : url->kind == DQ_URL_SENTINEL ? "-sentinel"
                                                      : "";
    dq_buf_printf(out, "redis%s%s://", url->tls ? "s" : "", kind);
    add_userinfo(out, url);
    dq_buf_add_text(out, url->seeds == NULL ? dq_url_place(url, place) : url->seeds);
    if (url->master != NULL) {
        dq_buf_printf(out, "/%s", url->master);
    }
    if (url->db != 0) {
        dq_buf_printf(out, "/%d", url->db);
    }
}

static void add_path(dq_buf *out, const dq_url *url)
{
    const char *path = url->path == NULL ? "" : url->path;
    bool named = url->user != NULL || url->password != NULL;
    dq_buf_add_text(out, url->kind == DQ_URL_UNIX ? "unix:" : "local:");
    if (named || strncmp(path, "//", 2) == 0) { /* which would be read as this */
        dq_buf_add_text(out, "//");
        add_userinfo(out, url);
    }
    add_encoded(out, path, "/:@");
    if (url->db != 0) {
        dq_buf_printf(out, "?db=%d", url->db);
    }
}

char *dq_url_text(const dq_url *url)
{
    dq_buf out = {0};
    if (url->kind == DQ_URL_UNIX || url->kind == DQ_URL_LOCAL) {
        add_path(&out, url);
    } else {
        add_net(&out, url);
    }
    if (out.failed) {
        dq_buf_clear(&out);
    }
    return out.data;
}

char *dq_url_place(const dq_url *url, char text[DQ_URL_PLACE_MAX])
{
    if (url->seeds != NULL) {
        snprintf(text, DQ_URL_PLACE_MAX, "%s", url->seeds);
    } else if (url->kind == DQ_URL_TCP) {
        bool brackets = strchr(url->host, ':') != NULL;
        snprintf(text, DQ_URL_PLACE_MAX, brackets ? "[%s]:%d" : "%s:%d", url->host, url->port);
    } else {
        snprintf(text, DQ_URL_PLACE_MAX, "%s", url->path == NULL ? "local:" : url->path);
    }
    return text;
}
