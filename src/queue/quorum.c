/* Opening a handle on several independent servers, and remembering which of them are away. */
#include "queue/quorum.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/random.h"

/* How long a server that failed is left alone, unless it is needed. */
enum { AWAY_MIN_MS = 100, AWAY_MAX_MS = 5000 };

size_t dq_quorum_of(size_t server_count)
{
    return server_count / 2 + 1;
}

size_t dq_server_count(const dueq *handle)
{
    return handle->member_count ? handle->member_count : 1;
}

dueq *dq_server_at(dueq *handle, size_t index)
{
    return handle->member_count ? handle->members[index].server : handle;
}

/* ---- Who is away ---- */

bool dq_server_is_away(const dueq *handle, size_t index)
{
    return handle->member_count && handle->members[index].away_until_us > dq_mono_us();
}

static bool is_out_of_reach(int outcome)
{
    return outcome == DUEQ_ECONNECT || outcome == DUEQ_ETIMEOUT || outcome == DUEQ_EUNSURE ||
           outcome == DUEQ_EUNREADY;
}

void dq_server_told(dueq *handle, size_t index, int outcome)
{
    if (!handle->member_count) return;
    dq_member *member = &handle->members[index];
    if (!is_out_of_reach(outcome)) {
        member->failures = 0;
        member->away_until_us = 0;
        return;
    }
    member->failures++;
    int64_t more_ms = dq_backoff_ms(member->failures, AWAY_MIN_MS, AWAY_MAX_MS, dq_random_u64());
    member->away_until_us = dq_deadline_us(AWAY_MIN_MS + more_ms);
}

/* ---- Making and freeing ---- */

void dq_members_free(dq_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) dueq_close(members[i].server);
    free(members);
}

static int out_of_memory(dueq *handle)
{
    return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
}

/* An empty handle with room for so many servers; NULL when out of memory. */
static dueq *make_empty(size_t count)
{
    dueq *handle = calloc(1, sizeof *handle);
    if (!handle) return NULL;
    handle->interrupt_fd = -1;
    handle->url.timeout_ms = -1; /* each server has a deadline of its own */
    handle->members = calloc(count ? count : 1, sizeof *handle->members);
    if (handle->members) return handle;
    free(handle);
    return NULL;
}

/* A server made in the next place: DUEQ_OK, or its failure as the handle's. */
static int keep_made(dueq *handle, dueq *server, int rc)
{
    handle->members[handle->member_count].server = server;
    if (!server) return out_of_memory(handle);
    handle->member_count++;
    if (rc < 0) dq_fault_set(&handle->fault, rc, "%s", server->fault.text);
    return rc;
}

int dq_quorum_twin(dueq **made, const dueq *of)
{
    dueq *handle = *made = make_empty(of->member_count);
    if (!handle) return DUEQ_ENOMEM;
    int rc = DUEQ_OK;
    for (size_t i = 0; i < of->member_count && rc == DUEQ_OK; i++) {
        dueq *server;
        rc = dq_handle_twin(&server, of->members[i].server);
        rc = keep_made(handle, server, rc);
    }
    return rc;
}

/* ---- Opening ---- */

/* One server twice would have two votes. Other names for one address are not seen here, but give it
 * no second vote: each server gets a value of its own (lock_value.h). */
static int refuse_twice(dueq *handle)
{
    for (size_t i = 0; i < handle->member_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(handle->members[i].server->url_text, handle->members[k].server->url_text) ==
                0)
                return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                                    "%s is named twice; locks want independent servers",
                                    handle->members[i].server->url_text);
    return DUEQ_OK;
}

static int make_members(dueq *handle, const char *const *urls, size_t count,
                        const dueq_options *options)
{
    dq_buf text = {0};
    int rc = DUEQ_OK;
    for (size_t i = 0; i < count && rc == DUEQ_OK; i++) {
        dueq *server = NULL;
        rc = dq_handle_make(&server, urls[i], options);
        rc = keep_made(handle, server, rc);
        if (rc == DUEQ_OK) dq_buf_printf(&text, "%s%s", i ? " " : "", server->url_text);
    }
    if (rc == DUEQ_OK && text.failed) rc = out_of_memory(handle);
    handle->url_text = text.data;
    return rc == DUEQ_OK ? refuse_twice(handle) : rc;
}

/* What no second try would mend is told at once: it is a mistake in the settings. */
static int connect_members(dueq *handle)
{
    size_t reached = 0, quorum = dq_quorum_of(handle->member_count);
    const dq_fault *why = NULL;
    for (size_t i = 0; i < handle->member_count; i++) {
        dueq *server = handle->members[i].server;
        int64_t deadline_us = dq_deadline_us(server->url.connect_timeout_ms);
        int rc = dq_link_connect(server->link, deadline_us, &server->fault);
        dq_server_told(handle, i, rc);
        if (rc < 0 && !is_out_of_reach(rc))
            return dq_fault_set(&handle->fault, rc, "%s: %s", server->url_text, server->fault.text);
        if (rc == DUEQ_OK)
            reached++;
        else
            why = &server->fault;
    }
    if (reached >= quorum) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_ECONNECT,
                        "%zu of %zu servers are within reach, %zu are needed: %s", reached,
                        handle->member_count, quorum, why ? why->text : "");
}

int dueq_open_quorum(dueq **opened, const char *const *urls, size_t url_count,
                     const dueq_options *options)
{
    if (urls && url_count == 1) return dueq_open(opened, urls[0], options);
    bool fine = urls && url_count >= 1 && url_count <= DUEQ_LOCK_SERVERS_MAX;
    dueq *handle = *opened = make_empty(fine ? url_count : 0);
    if (!handle) return DUEQ_ENOMEM;
    int rc = fine ? make_members(handle, urls, url_count, options)
                  : dq_fault_set(&handle->fault, DUEQ_EINVAL, "%zu servers; locks want 1 to %d",
                                 urls ? url_count : 0, DUEQ_LOCK_SERVERS_MAX);
    if (rc == DUEQ_OK) rc = connect_members(handle);
    if (rc < 0) {
        dq_members_free(handle->members, handle->member_count);
        handle->members = NULL;
        handle->member_count = 0;
    }
    return rc;
}
