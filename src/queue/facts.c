/* What a server tells about itself: INFO, and where they are allowed CONFIG and LATENCY. Only reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/check.h"
#include "queue/info.h"
#include "queue/reply.h"

/* The questions, asked in one pipeline. Only the first must be answered. */
enum { ASK_INFO, ASK_SAVE, ASK_FSYNC, ASK_TIMES, ASK_COUNT };
enum { WORDS_MAX = 3, NODES_MAX = 1024 };

static const char *const questions[ASK_COUNT][WORDS_MAX] = {
    [ASK_INFO] = {"INFO"},
    [ASK_SAVE] = {"CONFIG", "GET", "save"},
    [ASK_FSYNC] = {"CONFIG", "GET", "appendfsync"},
    [ASK_TIMES] = {"LATENCY", "HISTOGRAM", "evalsha"},
};

static bool encode(dq_request requests[ASK_COUNT], int node)
{
    bool fine = true;
    for (size_t i = 0; i < ASK_COUNT; i++) {
        requests[i].node = node;
        for (size_t w = 0; w < WORDS_MAX && questions[i][w]; w++)
            dq_args_add_text(&requests[i].args, questions[i][w]);
        fine = fine && !requests[i].args.failed;
    }
    return fine;
}

/* ---- Reading the answers ---- */

static void read_version(const char *info, dueq_facts *facts)
{
    facts->valkey = dq_info_is(info, "server_name", "valkey");
    dq_info_text(info, facts->valkey ? "valkey_version" : "redis_version", facts->version,
                 sizeof facts->version);
}

/* Fields of the main thread are those of newer servers. The numbers are seconds with six digits. */
static int64_t cpu_us(const char *info, const char *kind)
{
    char field[64], value[64];
    snprintf(field, sizeof field, "used_cpu_%s_main_thread", kind);
    bool told = dq_info_text(info, field, value, sizeof value);
    if (!told) {
        snprintf(field, sizeof field, "used_cpu_%s", kind);
        dq_info_text(info, field, value, sizeof value);
    }
    return (int64_t)(strtod(value, NULL) * 1e6 + 0.5);
}

/* The value of a setting; NULL when the server did not tell. */
static const char *setting(const dq_request *request)
{
    const valkeyReply *value = dq_reply_at(request->reply, 1);
    return dq_reply_is_text(value) ? value->str : NULL;
}

static void read_persistence(const dq_request *answers, dueq_facts *facts)
{
    const char *save = setting(&answers[ASK_SAVE]), *fsync = setting(&answers[ASK_FSYNC]);
    bool aof = dq_info_is(answers[ASK_INFO].reply->str, "aof_enabled", "1");
    bool rdb = save && *save;
    const char *otherwise = save ? "none" : "unknown";
    snprintf(facts->persistence, sizeof facts->persistence, "%s%s%.16s%s%s", aof ? "aof" : "",
             aof && fsync ? "-" : "", aof && fsync ? fsync : "", aof && rdb ? "+" : "",
             rdb   ? "rdb"
             : aof ? ""
                   : otherwise);
}

/* How many calls took up to `us`. */
static int64_t calls_within(const dueq_facts *facts, int64_t us)
{
    int64_t calls = 0;
    for (size_t i = 0; i < facts->script_time_count && facts->script_times[i].us <= us; i++)
        calls = facts->script_times[i].calls;
    return calls;
}

/* Adds another server's script times: at each bound of either, the calls of both up to it. */
static void add_script_times(dueq_facts *sum, const dueq_facts *one)
{
    dueq_facts both = {0};
    size_t i = 0, k = 0;
    while ((i < sum->script_time_count || k < one->script_time_count) &&
           both.script_time_count < DUEQ_SCRIPT_TIMES_MAX) {
        int64_t left = i < sum->script_time_count ? sum->script_times[i].us : INT64_MAX;
        int64_t right = k < one->script_time_count ? one->script_times[k].us : INT64_MAX;
        int64_t us = left < right ? left : right;
        both.script_times[both.script_time_count++] =
            (dueq_script_time){.us = us, .calls = calls_within(sum, us) + calls_within(one, us)};
        i += left == us;
        k += right == us;
    }
    memcpy(sum->script_times, both.script_times, sizeof sum->script_times);
    sum->script_time_count = both.script_time_count;
}

/* LATENCY answers [name, ["calls", n, "histogram_usec", [bound, calls up to it, …]]]. */
static void read_script_times(const valkeyReply *answer, dueq_facts *facts)
{
    const valkeyReply *times = dq_reply_at(dq_reply_at(answer, 1), 3);
    size_t pair_count = dq_reply_count(times) / 2;
    for (size_t i = 0; i < pair_count && i < DUEQ_SCRIPT_TIMES_MAX; i++) {
        facts->script_times[i].us = dq_reply_int(dq_reply_at(times, 2 * i), 0);
        facts->script_times[i].calls = dq_reply_int(dq_reply_at(times, 2 * i + 1), 0);
        facts->script_time_count = i + 1;
    }
}

/* One server's answers. */
static int read_answers(dueq *handle, const dq_request *answers, dueq_facts *facts)
{
    const valkeyReply *reply = answers[ASK_INFO].reply;
    if (!dq_reply_is_text(reply))
        return dq_fault_set(&handle->fault, DUEQ_EPROTO, "INFO was answered by something else");
    const char *info = reply->str;
    read_version(info, facts);
    read_persistence(answers, facts);
    facts->server_count = 1;
    facts->cpu_us = facts->cpu_us_of[0] = cpu_us(info, "user") + cpu_us(info, "sys");
    facts->memory_used = dq_info_int(info, "used_memory", 0);
    facts->freeing = dq_info_int(info, "lazyfree_pending_objects", 0);
    facts->commands = dq_info_int(info, "total_commands_processed", 0);
    facts->clients = dq_info_int(info, "connected_clients", 0);
    read_script_times(answers[ASK_TIMES].reply, facts);
    return DUEQ_OK;
}

static void add_facts(dueq_facts *sum, const dueq_facts *one)
{
    if (sum->server_count < DUEQ_FACTS_SERVERS_MAX) sum->cpu_us_of[sum->server_count] = one->cpu_us;
    sum->server_count++;
    sum->cpu_us += one->cpu_us;
    sum->memory_used += one->memory_used;
    sum->freeing += one->freeing;
    sum->commands += one->commands;
    sum->clients += one->clients;
    add_script_times(sum, one);
}

/* The first server's version and persistence stand for all; the rest is summed. */
static int read_all(dueq *handle, const dq_request *requests, size_t node_count, dueq_facts *facts)
{
    int rc = DUEQ_OK;
    for (size_t n = 0; n < node_count; n++)
        if (requests[n * ASK_COUNT + ASK_INFO].outcome < 0)
            return requests[n * ASK_COUNT + ASK_INFO].outcome;
    dq_fault_clear(&handle->fault); /* what else was refused is of no matter */
    for (size_t n = 0; n < node_count && rc == DUEQ_OK; n++) {
        dueq_facts one = {0};
        rc = read_answers(handle, &requests[n * ASK_COUNT], &one);
        if (n == 0)
            *facts = one;
        else
            add_facts(facts, &one);
    }
    return rc;
}

int dueq_server_facts(dueq *handle, dueq_facts *facts)
{
    *facts = (dueq_facts){0};
    int rc = dq_check_open(handle);
    if (rc < 0) return rc;
    int nodes[NODES_MAX] = {0};
    size_t node_count = dq_link_nodes(handle->link, nodes, NODES_MAX);
    if (node_count > NODES_MAX) node_count = NODES_MAX;
    dq_request *requests = calloc(node_count * ASK_COUNT, sizeof *requests);
    bool fine = requests != NULL;
    for (size_t n = 0; n < node_count && fine; n++)
        fine = encode(&requests[n * ASK_COUNT], nodes[n]);
    if (fine) {
        dq_link_exchange(handle->link, requests, node_count * ASK_COUNT,
                         dq_handle_deadline_us(handle, 0), &handle->fault);
        rc = read_all(handle, requests, node_count, facts);
    } else {
        rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    }
    for (size_t i = 0; requests && i < node_count * ASK_COUNT; i++) dq_request_clear(&requests[i]);
    free(requests);
    return rc;
}
