/* Opening and closing handles. */
#include "queue/handle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/durable.h"
#include "queue/quorum.h"
#include "queue/reply.h"
#include "queue/wait.h"
#include "wire/local.h"

enum { TIMEOUT_MS = 5000, CONNECT_TIMEOUT_MS = 2000, DURABILITY_TIMEOUT_MS = 1000 };
enum { PREFIX_MAX = 128 };

/* ---- Settings: the options given override the URL ---- */

static bool override_text(char **text, const char *with)
{
    if (!with) return true;
    free(*text);
    *text = strdup(with);
    return *text != NULL;
}

static bool apply_options(dq_url *url, const dueq_options *options)
{
    if (options->timeout_ms) url->timeout_ms = options->timeout_ms;
    if (options->connect_timeout_ms) url->connect_timeout_ms = options->connect_timeout_ms;
    if (options->durability_timeout_ms) url->durability_timeout_ms = options->durability_timeout_ms;
    url->no_verify = url->no_verify || options->tls_no_verify;
    url->any_eviction = url->any_eviction || options->any_eviction;
    return override_text(&url->client_name, options->client_name) &&
           override_text(&url->user, options->user) &&
           override_text(&url->password, options->password) &&
           override_text(&url->prefix, options->prefix) &&
           override_text(&url->ca_file, options->tls_ca_file) &&
           override_text(&url->ca_dir, options->tls_ca_dir) &&
           override_text(&url->cert_file, options->tls_cert_file) &&
           override_text(&url->key_file, options->tls_key_file) &&
           override_text(&url->server_name, options->tls_server_name);
}

static int check_settings(dueq *handle)
{
    dq_url *url = &handle->url;
    if (url->timeout_ms < 0 || url->connect_timeout_ms < 0 || url->durability_timeout_ms < 0)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL, "a time-out is more than 0 ms");
    handle->timeout_given = url->timeout_ms != 0;
    if (!url->timeout_ms) url->timeout_ms = TIMEOUT_MS;
    if (!url->connect_timeout_ms) url->connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (!url->durability_timeout_ms) url->durability_timeout_ms = DURABILITY_TIMEOUT_MS;
    if (!url->client_name) url->client_name = strdup("dueq");
    if (!url->prefix) url->prefix = strdup("dueq");
    if (!url->client_name || !url->prefix)
        return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    size_t prefix_len = strlen(url->prefix);
    if (prefix_len == 0 || prefix_len > PREFIX_MAX || strpbrk(url->prefix, "{}"))
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "prefix \"%s\": it has 1 to %d bytes and no braces", url->prefix,
                            PREFIX_MAX);
    return DUEQ_OK;
}

static int read_url(dueq *handle, const char *text, const dueq_options *options)
{
    if (!text || !*text) text = getenv("DUEQ_URL");
    if (!text || !*text) text = "local:";
    int rc = dq_url_parse(&handle->url, text, &handle->fault);
    if (rc < 0) return rc;
    if (options && !apply_options(&handle->url, options))
        return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    if (options && options->durability)
        rc = dq_durable_read(handle, options->durability, &handle->url.durability);
    if (rc == DUEQ_OK) rc = check_settings(handle);
    if (rc < 0) return rc;
    handle->url_text = dq_url_text(&handle->url);
    if (!handle->url_text) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    return DUEQ_OK;
}

/* Turns "local:" into the socket of the embedded server, which is started if need be. */
static int settle_local(dueq *handle)
{
    if (handle->url.kind != DQ_URL_LOCAL) return DUEQ_OK;
    dueq_server_info info;
    int rc = dq_local_start(handle->url.path, &info, &handle->fault);
    if (rc < 0) return rc;
    dq_fault_clear(&handle->fault); /* a good start may leave a note there */
    char *socket = strdup(info.socket);
    if (!socket) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    free(handle->url.path);
    handle->url.path = socket;
    handle->url.kind = DQ_URL_UNIX;
    return DUEQ_OK;
}

/* ---- The eviction policy: allkeys-* would drop tasks ---- */

static int check_eviction(const dueq *handle, dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    if (handle->url.any_eviction) return DUEQ_OK;
    dq_args args = {0};
    dq_args_add_text(&args, "INFO");
    dq_args_add_text(&args, "memory");
    valkeyReply *reply = NULL;
    int rc = dq_conn_call(conn, &args, deadline_us, &reply, fault);
    dq_args_clear(&args);
    if (rc < 0) return rc;
    /* A server that does not tell (its ACL, a managed service) is taken at its word. */
    if (dq_reply_is_text(reply) && strstr(reply->str, "maxmemory_policy:allkeys-"))
        rc = dq_fault_set(fault, DUEQ_ESERVER,
                          "the server's maxmemory-policy is allkeys-*: it would drop tasks; set it "
                          "to noeviction, or say any_eviction=yes in the URL");
    freeReplyObject(reply);
    return rc;
}

static int greet(void *context, dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    int rc = check_eviction(context, conn, deadline_us, fault);
    return rc < 0 ? rc : dq_durable_greet(context, conn, deadline_us, fault);
}

/* ---- Open and close ---- */

static int make_link(dueq *handle)
{
    snprintf(handle->waiter_id, sizeof handle->waiter_id, "%" PRIx64, dq_random_u64());
    if (asprintf(&handle->registry, "%s:queues", handle->url.prefix) < 0) {
        handle->registry = NULL;
        return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    handle->link = dq_link_make(&handle->url);
    if (!handle->link) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    dq_link_on_connect(handle->link, greet, handle);
    handle->durable.usual = handle->durable.now = handle->url.durability;
    handle->durable.reach = (dueq_reach){.met = true, .replicas = -1};
    return DUEQ_OK;
}

static dueq *make_empty(void)
{
    dueq *handle = calloc(1, sizeof *handle);
    if (handle) handle->interrupt_fd = -1;
    return handle;
}

int dq_handle_make(dueq **made, const char *url, const dueq_options *options)
{
    dueq *handle = *made = make_empty();
    if (!handle) return DUEQ_ENOMEM;
    int rc = read_url(handle, url, options);
    if (rc == DUEQ_OK) rc = settle_local(handle);
    if (rc == DUEQ_OK) rc = make_link(handle);
    return rc;
}

int dq_handle_twin(dueq **made, const dueq *of)
{
    if (of->member_count) return dq_quorum_twin(made, of);
    dueq *handle = *made = make_empty();
    if (!handle) return DUEQ_ENOMEM;
    handle->timeout_given = of->timeout_given;
    handle->url_text = strdup(of->url_text);
    if (!handle->url_text || !dq_url_copy(&handle->url, &of->url))
        return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    return make_link(handle);
}

int dueq_open(dueq **opened, const char *url, const dueq_options *options)
{
    int rc = dq_handle_make(opened, url, options);
    dueq *handle = *opened;
    if (rc == DUEQ_OK) {
        int64_t deadline_us = dq_deadline_us(handle->url.timeout_ms);
        rc = dq_link_connect(handle->link, deadline_us, &handle->fault);
    }
    if (rc < 0 && handle) {
        dq_link_free(handle->link);
        handle->link = NULL;
    }
    return rc;
}

void dueq_close(dueq *handle)
{
    if (!handle) return;
    dq_members_free(handle->members, handle->member_count);
    dq_waiter_free(handle->waiter);
    dq_link_free(handle->link);
    dq_queues_forget_all(handle);
    free(handle->registry);
    free(handle->url_text);
    dq_url_clear(&handle->url);
    free(handle);
}

const char *dueq_error(const dueq *handle)
{
    return handle ? handle->fault.text : "out of memory";
}

const char *dueq_url(const dueq *handle)
{
    return handle && handle->url_text ? handle->url_text : "";
}

void dueq_set_interrupt_fd(dueq *handle, int fd)
{
    handle->interrupt_fd = fd;
    if (handle->link) dq_link_set_interrupt_fd(handle->link, fd);
    for (size_t i = 0; i < handle->member_count; i++)
        dueq_set_interrupt_fd(handle->members[i].server, fd);
}

int64_t dq_handle_deadline_us(const dueq *handle, int64_t timeout_ms)
{
    return dq_deadline_us(timeout_ms > 0 ? timeout_ms : handle->url.timeout_ms);
}
