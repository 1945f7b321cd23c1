/* What a server tells about itself: INFO, and where they are allowed CONFIG and LATENCY. Only reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/check.h"
#include "queue/info.h"
#include "queue/reply.h"

/* The questions, asked in one pipeline. Only the first must be answered. */
enum { ASK_INFO, ASK_SAVE, ASK_FSYNC, ASK_TIMES, ASK_COUNT };
enum { WORDS_MAX = 3 };

static const char *const questions[ASK_COUNT][WORDS_MAX] = {
    [ASK_INFO] = {"INFO"},
    [ASK_SAVE] = {"CONFIG", "GET", "save"},
    [ASK_FSYNC] = {"CONFIG", "GET", "appendfsync"},
    [ASK_TIMES] = {"LATENCY", "HISTOGRAM", "evalsha"},
};

static bool encode(dq_request requests[ASK_COUNT])
{
    bool fine = true;
    for (size_t i = 0; i < ASK_COUNT; i++) {
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

static int read_answers(dueq *handle, const dq_request *answers, dueq_facts *facts)
{
    const valkeyReply *reply = answers[ASK_INFO].reply;
    if (!dq_reply_is_text(reply))
        return dq_fault_set(&handle->fault, DUEQ_EPROTO, "INFO was answered by something else");
    const char *info = reply->str;
    read_version(info, facts);
    read_persistence(answers, facts);
    facts->cpu_us = cpu_us(info, "user") + cpu_us(info, "sys");
    facts->memory_used = dq_info_int(info, "used_memory", 0);
    facts->freeing = dq_info_int(info, "lazyfree_pending_objects", 0);
    facts->commands = dq_info_int(info, "total_commands_processed", 0);
    facts->clients = dq_info_int(info, "connected_clients", 0);
    read_script_times(answers[ASK_TIMES].reply, facts);
    return DUEQ_OK;
}

int dueq_server_facts(dueq *handle, dueq_facts *facts)
{
    *facts = (dueq_facts){0};
    int rc = dq_check_open(handle);
    if (rc < 0) return rc;
    dq_request requests[ASK_COUNT] = {0};
    if (!encode(requests)) rc = dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    if (rc == DUEQ_OK) {
        dq_link_exchange(handle->link, requests, ASK_COUNT, dq_handle_deadline_us(handle, 0),
                         &handle->fault);
        rc = requests[ASK_INFO].outcome;
    }
    if (rc == DUEQ_OK) {
        dq_fault_clear(&handle->fault); /* what else was refused is of no matter */
        rc = read_answers(handle, requests, facts);
    }
    for (size_t i = 0; i < ASK_COUNT; i++) dq_request_clear(&requests[i]);
    return rc;
}
