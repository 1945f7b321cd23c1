/* Durability of a call: the level that holds, the check that the server has what it takes, and what
 * was reached, summed up over the call's exchanges. */
#include "queue/durable.h"

#include <string.h>

#include "queue/check.h"
#include "queue/reply.h"
#include "wire/answer.h"

int dq_durable_read(dueq *handle, const char *text, dq_level *level)
{
    const char *right = dq_level_read(level, text);
    if (!right) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                        "durability \"%.40s\" is not valid: it must be %s", text, right);
}

/* Connections that were made without a look at what fsync needs are made again, with one. */
void dq_durable_begin_at(dueq *handle, dq_level level)
{
    dq_durable *d = &handle->durable;
    d->reach = (dueq_reach){.met = dq_level_is_none(&level), .replicas = -1};
    d->now = level;
    d->fell_short = false;
    if (level.fsync && d->unchecked) {
        dq_link_hang_up(handle->link);
        d->unchecked = false;
    }
}

void dq_durable_begin(dueq *handle)
{
    dq_durable_begin_at(handle, handle->durable.usual);
}

void dq_durable_next(dueq *handle)
{
    handle->durable.fell_short = false;
}

void dq_durable_end(dueq *handle)
{
    handle->durable.now = handle->durable.usual;
}

/* The least of all exchanges of the call; once it is short there is nothing more to wait for. */
static void sum_up(dq_durable *d, const dq_seal *seal)
{
    dueq_reach *reach = &d->reach;
    if (!seal->unknown && seal->server_count == 0) return; /* nothing was changed */
    d->fell_short = d->fell_short || !dq_seal_is_met(seal);
    bool known = !seal->unknown && (!reach->waited || reach->replicas >= 0);
    bool least = !reach->waited || seal->replicas < reach->replicas;
    reach->fsynced = known && seal->fsynced && (!reach->waited || reach->fsynced);
    reach->replicas = !known ? -1 : least ? seal->replicas : reach->replicas;
    reach->met = dq_seal_is_met(seal) && (!reach->waited || reach->met);
    reach->waited = true;
}

int dq_durable_exchange(dueq *handle, dq_request *requests, size_t count, int64_t deadline_us)
{
    dq_durable *d = &handle->durable;
    if (dq_level_is_none(&d->now) || d->fell_short)
        return dq_link_exchange(handle->link, requests, count, deadline_us, &handle->fault);
    dq_seal seal = {.level = d->now, .timeout_ms = handle->url.durability_timeout_ms};
    int rc =
        dq_link_exchange_sealed(handle->link, requests, count, &seal, deadline_us, &handle->fault);
    sum_up(d, &seal);
    return rc;
}

/* ---- Whether the server can ------------------------------------------------------------------ */

static int ask(dq_conn *conn, const char *const *words, valkeyReply **reply, int64_t deadline_us,
               dq_fault *fault)
{
    dq_args args = {0};
    for (; *words; words++) dq_args_add_text(&args, *words);
    int rc = dq_conn_call(conn, &args, deadline_us, reply, fault);
    dq_args_clear(&args);
    return rc;
}

/* Asked for nothing, it answers at once. */
static int check_command(dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    static const char *const words[] = {"WAITAOF", "0", "0", "1", NULL};
    valkeyReply *reply = NULL;
    int rc = ask(conn, words, &reply, deadline_us, fault);
    if (rc == DUEQ_OK && reply->type == VALKEY_REPLY_ERROR) {
        bool lacking = strncmp(reply->str, "ERR unknown command", 19) == 0;
        rc = lacking
                 ? dq_fault_set(fault, DUEQ_ESERVER,
                                "durability=fsync: the server has no WAITAOF (Redis has it from "
                                "7.2 on, and Valkey); ask for replicas:N or none, and set its "
                                "appendfsync to always")
                 : dq_answer_tell(fault, reply->str, reply->len);
    }
    freeReplyObject(reply);
    return rc;
}

/* A server that does not tell (its ACL, a managed service) is taken at its word. */
static int check_file(dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    static const char *const words[] = {"INFO", "persistence", NULL};
    valkeyReply *reply = NULL;
    int rc = ask(conn, words, &reply, deadline_us, fault);
    if (rc == DUEQ_OK && dq_reply_is_text(reply) && strstr(reply->str, "aof_enabled:0"))
        rc = dq_fault_set(fault, DUEQ_ESERVER,
                          "durability=fsync: the server keeps no append-only file; set its "
                          "appendonly to yes, or ask for another level");
    freeReplyObject(reply);
    return rc;
}

int dq_durable_greet(dueq *handle, dq_conn *conn, int64_t deadline_us, dq_fault *fault)
{
    if (!handle->durable.now.fsync) {
        handle->durable.unchecked = true;
        return DUEQ_OK;
    }
    int rc = check_command(conn, deadline_us, fault);
    return rc < 0 ? rc : check_file(conn, deadline_us, fault);
}

/* ---- The public face ------------------------------------------------------------------------- */

int dueq_set_durability(dueq *handle, const char *level)
{
    dq_level wanted = handle->url.durability;
    int rc = dq_check_open(handle);
    if (rc == DUEQ_OK && level) rc = dq_durable_read(handle, level, &wanted);
    if (rc < 0) return rc;
    handle->durable.usual = handle->durable.now = wanted;
    return DUEQ_OK;
}

void dueq_reached(const dueq *handle, dueq_reach *reach)
{
    *reach = handle->durable.reach;
}
