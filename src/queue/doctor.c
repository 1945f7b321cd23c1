/* doctor: what a server needs for production, looked at and judged; each check is one function. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/info.h"
#include "queue/probe.h"
#include "queue/reply.h"
#include "wire/slots.h"

enum { VERSION_MIN = 602, PINGS = 50, NODES_MAX = 1024 };

/* One visit. Holds: `node` is the one of a cluster's that is being looked at, `info` its whole INFO,
 * "" when it would not tell. */
typedef struct visit {
    dueq *handle;
    int node;
    dueq_finding_fn *report;
    void *context;
    dueq_grade worst;
    const char *info;
} visit;

static void tell(visit *v, dueq_grade grade, const char *name, const char *advice,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(visit *v, dueq_grade grade, const char *name, const char *advice,
                 const char *format, ...)
{
    char found[512];
    va_list args;
    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    if (grade > v->worst) v->worst = grade;
    char where[DQ_URL_PLACE_MAX], told[DQ_URL_PLACE_MAX + sizeof found + 2];
    snprintf(told, sizeof told, "%s%s%s",
             v->node ? dq_link_place(v->handle->link, v->node, where) : "", v->node ? ": " : "",
             found);
    dueq_finding finding = {grade, name, told, grade == DUEQ_GRADE_OK ? NULL : advice};
    if (v->report) v->report(v->context, &finding);
}

/* ---- Asking ---- */

static int ask(visit *v, const char *command, const char *word, valkeyReply **reply)
{
    dq_request request = {.node = v->node};
    dq_args_add_text(&request.args, command);
    if (word) dq_args_add_text(&request.args, word);
    int rc = dq_link_exchange(v->handle->link, &request, 1, dq_handle_deadline_us(v->handle, 0),
                              &v->handle->fault);
    *reply = request.reply;
    request.reply = NULL;
    dq_request_clear(&request);
    return rc;
}

/* ---- Checks ---- */

static void check_version(visit *v)
{
    bool valkey = dq_info_is(v->info, "server_name", "valkey");
    char text[64] = "?";
    dq_info_text(v->info, valkey ? "valkey_version" : "redis_version", text, sizeof text);
    int major = 0, minor = 0;
    sscanf(text, "%d.%d", &major, &minor);
    bool fine = valkey || major * 100 + minor >= VERSION_MIN;
    tell(v, fine ? DUEQ_GRADE_OK : DUEQ_GRADE_FAIL, "version", "Redis 6.2 or later, or Valkey",
         "%s %s", valkey ? "valkey" : "redis", text);
}

static void check_role(visit *v)
{
    char role[32] = "?";
    dq_info_text(v->info, "role", role, sizeof role);
    bool master = strcmp(role, "master") == 0;
    tell(v, master ? DUEQ_GRADE_OK : DUEQ_GRADE_FAIL, "role",
         "a replica takes no writes: use its master's address", "%s", master ? role : "replica");
    if (dq_info_is(v->info, "cluster_enabled", "1") && !dq_link_is_cluster(v->handle->link))
        tell(v, DUEQ_GRADE_FAIL, "cluster", "give a URL that begins with redis-cluster://",
             "the server is a node of a cluster, and this URL leads to it alone");
}

static void check_eviction(visit *v)
{
    char policy[64] = "?";
    dq_info_text(v->info, "maxmemory_policy", policy, sizeof policy);
    bool drops = strncmp(policy, "allkeys-", 8) == 0;
    tell(v, drops ? DUEQ_GRADE_FAIL : DUEQ_GRADE_OK, "eviction policy",
         "it drops tasks when memory is short: maxmemory-policy noeviction", "%s", policy);
}

static void check_persistence(visit *v)
{
    bool aof = dq_info_is(v->info, "aof_enabled", "1");
    if (aof && !dq_info_is(v->info, "aof_last_write_status", "ok"))
        tell(v, DUEQ_GRADE_FAIL, "persistence", "see the server's log; the disk may be full",
             "the last write to the AOF failed");
    else if (aof)
        tell(v, DUEQ_GRADE_OK, "persistence", NULL, "AOF");
    else if (!dq_info_is(v->info, "rdb_last_bgsave_status", "ok"))
        tell(v, DUEQ_GRADE_FAIL, "persistence", "see the server's log; the disk may be full",
             "no AOF, and the last snapshot failed");
    else
        tell(v, DUEQ_GRADE_WARN, "persistence", "appendonly yes, appendfsync everysec",
             "no AOF: a crash loses every task since the last snapshot");
}

static void check_memory(visit *v)
{
    int64_t used = dq_info_int(v->info, "used_memory", 0),
            most = dq_info_int(v->info, "maxmemory", 0);
    int64_t machine = dq_info_int(v->info, "total_system_memory", 0);
    const double mib = 1 << 20;
    if (!most) {
        tell(v, DUEQ_GRADE_NOTE, "memory", "set maxmemory below what the machine can spare",
             "%.1f MiB used, no limit set, the machine has %.0f MiB", (double)used / mib,
             (double)machine / mib);
        return;
    }
    int64_t percent = used * 100 / most;
    dueq_grade grade = percent >= 95   ? DUEQ_GRADE_FAIL
                       : percent >= 80 ? DUEQ_GRADE_WARN
                                       : DUEQ_GRADE_OK;
    tell(v, grade, "memory", "a full server refuses pushes: raise maxmemory or drain queues",
         "%.1f of %.1f MiB used (%" PRId64 " %%)", (double)used / mib, (double)most / mib, percent);
}

static void check_clock(visit *v)
{
    int64_t before_us = dq_wall_us();
    valkeyReply *reply;
    if (ask(v, "TIME", NULL, &reply) < 0) return;
    int64_t here_us = before_us + (dq_wall_us() - before_us) / 2;
    int64_t there_us =
        dq_reply_int(dq_reply_at(reply, 0), 0) * 1000000 + dq_reply_int(dq_reply_at(reply, 1), 0);
    freeReplyObject(reply);
    int64_t off_ms = (there_us - here_us) / 1000;
    dueq_grade grade = llabs(off_ms) >= 1000  ? DUEQ_GRADE_WARN
                       : llabs(off_ms) >= 100 ? DUEQ_GRADE_NOTE
                                              : DUEQ_GRADE_OK;
    tell(v, grade, "clock", "due times go by the server's clock: keep both by NTP",
         "the server is %" PRId64 " ms %s this machine", (int64_t)llabs(off_ms),
         off_ms < 0 ? "behind" : "ahead of");
}

static void check_commands(visit *v)
{
    dq_buf needed = {0}, useful = {0};
    int rc = dq_probe_commands(v->handle, dq_handle_deadline_us(v->handle, 0), &needed, &useful);
    if (rc < 0)
        tell(v, DUEQ_GRADE_FAIL, "commands", NULL, "not tried: %s", v->handle->fault.text);
    else if (needed.len)
        tell(v, DUEQ_GRADE_FAIL, "commands", "allow them to this user (ACL SETUSER)",
             "the ACL refuses %s", needed.data);
    else if (useful.len)
        tell(v, DUEQ_GRADE_NOTE, "commands", "locks, fsck, doctor or quick hand-over want them",
             "the ACL refuses %s, which are not vital", useful.data);
    else
        tell(v, DUEQ_GRADE_OK, "commands", NULL, "all allowed, scripts too");
    dq_buf_clear(&needed);
    dq_buf_clear(&useful);
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void check_latency(visit *v)
{
    int64_t took_us[PINGS];
    for (int i = 0; i < PINGS; i++) {
        int64_t from_us = dq_mono_us();
        valkeyReply *reply;
        if (ask(v, "TIME", NULL, &reply) < 0) return;
        freeReplyObject(reply);
        took_us[i] = dq_mono_us() - from_us;
    }
    qsort(took_us, PINGS, sizeof *took_us, compare_times);
    int64_t median_us = took_us[PINGS / 2], worst_us = took_us[PINGS - 1];
    tell(v, median_us > 10000 ? DUEQ_GRADE_NOTE : DUEQ_GRADE_OK, "latency",
         "a far server makes every task as much later: work in batches, or nearer to it",
         "a round trip takes %.2f ms, at most %.2f of %d", (double)median_us / 1000,
         (double)worst_us / 1000, PINGS);
}

/* What each server must be by itself. */
static void check_server(visit *v)
{
    valkeyReply *info;
    if (ask(v, "INFO", NULL, &info) == DUEQ_OK && dq_reply_is_text(info)) {
        v->info = info->str;
        check_version(v);
        check_role(v);
        check_eviction(v);
        check_persistence(v);
        check_memory(v);
        v->info = "";
    } else {
        tell(v, DUEQ_GRADE_NOTE, "INFO", "allow INFO to this user to have the server checked",
             "the server does not tell about itself: %s", v->handle->fault.text);
    }
    freeReplyObject(info);
    check_clock(v);
    check_latency(v);
}

/* What the nodes say of the whole; each is then looked at by itself. */
static void check_cluster(visit *v)
{
    int nodes[NODES_MAX];
    size_t count = dq_link_nodes(v->handle->link, nodes, NODES_MAX);
    valkeyReply *info;
    int rc = ask(v, "CLUSTER", "INFO", &info);
    const char *text = rc == DUEQ_OK && dq_reply_is_text(info) ? info->str : "";
    int64_t slots = dq_info_int(text, "cluster_slots_assigned", 0),
            fine = dq_info_int(text, "cluster_slots_ok", 0);
    if (!*text)
        tell(v, DUEQ_GRADE_NOTE, "cluster", "allow CLUSTER|INFO to this user", "%zu masters",
             count);
    else
        tell(v, fine == DQ_SLOT_COUNT ? DUEQ_GRADE_OK : DUEQ_GRADE_FAIL, "cluster",
             "slots that nobody serves are queues that nobody reaches: redis-cli --cluster check",
             "%zu masters, %" PRId64 " of %d slots assigned, %" PRId64 " of them served", count,
             slots, DQ_SLOT_COUNT, fine);
    freeReplyObject(info);
    for (size_t i = 0; i < count && i < NODES_MAX; i++) {
        v->node = nodes[i];
        check_server(v);
    }
    v->node = 0;
}

static void check_all(visit *v)
{
    if (dq_link_is_cluster(v->handle->link))
        check_cluster(v);
    else
        check_server(v);
    check_commands(v);
}

int dueq_doctor(const char *url, const dueq_options *options, dueq_finding_fn *report,
                void *context)
{
    dueq_options any = options ? *options : (dueq_options){0};
    any.any_eviction = true; /* a policy that drops tasks is a finding here, not a refusal */
    visit v = {.report = report, .context = context, .info = ""};
    int rc = dueq_open(&v.handle, url, &any);
    if (rc < 0) {
        tell(&v, DUEQ_GRADE_FAIL, "reachable", NULL, "%s", dueq_error(v.handle));
    } else {
        tell(&v, DUEQ_GRADE_OK, "reachable", NULL, "%s", dueq_url(v.handle));
        check_all(&v);
    }
    dueq_close(v.handle);
    return v.worst > DUEQ_GRADE_NOTE ? DUEQ_STATE : DUEQ_OK;
}
