/* A taken-apart URL as a thing: owned, copied, and shown again without its password. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/url.h"

/* ---- Owning ---------------------------------------------------------------------------------- */

static const size_t text_offsets[] = {
    offsetof(dq_url, host),     offsetof(dq_url, path),        offsetof(dq_url, user),
    offsetof(dq_url, password), offsetof(dq_url, prefix),      offsetof(dq_url, client_name),
    offsetof(dq_url, ca_file),  offsetof(dq_url, ca_dir),      offsetof(dq_url, cert_file),
    offsetof(dq_url, key_file), offsetof(dq_url, server_name),
};
static const size_t text_count = sizeof text_offsets / sizeof text_offsets[0];

static char **text_at(dq_url *url, size_t i)
{
    return (char **)(void *)((char *)url + text_offsets[i]);
}

void dq_url_clear(dq_url *url)
{
    if (url->password != NULL) {
        explicit_bzero(url->password, strlen(url->password));
    }
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

static void add_tcp(dq_buf *out, const dq_url *url)
{
    char place[DQ_URL_PLACE_MAX];
    dq_buf_add_text(out, url->tls ? "rediss://" : "redis://");
    add_userinfo(out, url);
    dq_buf_add_text(out, dq_url_place(url, place));
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
    if (url->kind == DQ_URL_TCP) {
        add_tcp(&out, url);
    } else {
        add_path(&out, url);
    }
    if (out.failed) {
        dq_buf_clear(&out);
    }
    return out.data;
}

char *dq_url_place(const dq_url *url, char text[DQ_URL_PLACE_MAX])
{
    if (url->kind == DQ_URL_TCP) {
        bool brackets = strchr(url->host, ':') != NULL;
        snprintf(text, DQ_URL_PLACE_MAX, brackets ? "[%s]:%d" : "%s:%d", url->host, url->port);
    } else {
        snprintf(text, DQ_URL_PLACE_MAX, "%s", url->path == NULL ? "local:" : url->path);
    }
    return text;
}
