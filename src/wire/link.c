/* Keeps a server within reach: connects, notices that an idle connection has died, and connects
 * again without a storm. How requests travel is in exchange.c. */
#include "wire/link.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "wire/link_state.h"
#include "wire/socket.h"

#define CONNECT_TIMEOUT_DEFAULT_MS 2000
#define BACKOFF_BASE_MS 10
#define BACKOFF_MAX_MS 1000

dq_link *dq_link_make(const dq_url *url)
{
    dq_link *link = calloc(1, sizeof *link);
    if (link == NULL || !dq_url_copy(&link->url, url)) {
        free(link);
        return NULL;
    }
    link->interrupt_fd = -1;
    return link;
}

void dq_link_free(dq_link *link)
{
    if (link != NULL) {
        dq_link_drop(link);
        dq_url_clear(&link->url);
        free(link);
    }
}

void dq_link_drop(dq_link *link)
{
    dq_conn_close(link->conn);
    link->conn = NULL;
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

/* ---- Connecting ------------------------------------------------------------------------------ */

static int64_t attempt_deadline_us(const dq_link *link, int64_t deadline_us)
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

static int connect_once(dq_link *link, int64_t deadline_us, dq_fault *fault)
{
    dq_conn *conn;
    int64_t until_us = attempt_deadline_us(link, deadline_us);
    int rc = dq_conn_open(&conn, &link->url, until_us, fault);
    if (rc == DUEQ_OK) {
        rc = run_greet(link, conn, until_us, fault);
    }
    if (rc < 0) {
        dq_conn_close(conn);
        return rc;
    }
    link->conn = conn;
    link->was_connected = true;
    link->clock_offset_us = dq_conn_clock_offset_us(conn);
    return DUEQ_OK;
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

/* While nothing is asked nothing may come: what does is the end, or not to be trusted. */
static bool idle_is_alive(dq_link *link)
{
    valkeyReply *reply = NULL;
    bool alive = dq_conn_owed(link->conn) == 0 && dq_conn_pump(link->conn, NULL) == DUEQ_OK &&
                 dq_conn_next(link->conn, &reply, NULL) == DUEQ_OK;
    freeReplyObject(reply);
    return alive;
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
    if (link->conn != NULL && idle_is_alive(link)) {
        return DUEQ_OK;
    }
    dq_link_drop(link);
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

int dq_link_open_extra(dq_link *link, dq_conn **conn, int64_t deadline_us, dq_fault *fault)
{
    return dq_conn_open(conn, &link->url, attempt_deadline_us(link, deadline_us), fault);
}
