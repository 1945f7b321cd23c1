/* A trial of every command that dueq sends or its scripts call. Each is sent as it is, in a form
 * that is valid and harmless: an ACL refuses a command in a script just as it refuses it here. */
#include "queue/probe.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 6 };

/* One command; "%h", "%z" and "%l" stand for a hash, a sorted set and a list of the trial's own. */
typedef struct probe {
    bool needed;
    const char *words[WORDS_MAX + 1];
} probe;

static const probe probes[] = {
    {true, {"EVAL", "return 1", "0"}},
    {true, {"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"}}, /* the one above */
    {true, {"TIME"}},
    {true, {"HSET", "%h", "a", "1"}},
    {true, {"HSETNX", "%h", "a", "1"}},
    {true, {"HGET", "%h", "a"}},
    {true, {"HMGET", "%h", "a", "b"}},
    {true, {"HEXISTS", "%h", "a"}},
    {true, {"HINCRBY", "%h", "n", "1"}},
    {true, {"HLEN", "%h"}},
    {true, {"HSTRLEN", "%h", "a"}},
    {true, {"HKEYS", "%h"}},
    {true, {"HDEL", "%h", "a"}},
    {true, {"ZADD", "%z", "1", "a"}},
    {true, {"ZSCORE", "%z", "a"}},
    {true, {"ZMSCORE", "%z", "a", "b"}},
    {true, {"ZCARD", "%z"}},
    {true, {"ZCOUNT", "%z", "-inf", "0"}},
    {true, {"ZRANK", "%z", "a"}},
    {true, {"ZRANGE", "%z", "0", "0"}},
    {true, {"ZRANGEBYSCORE", "%z", "-inf", "0"}},
    {true, {"ZREMRANGEBYRANK", "%z", "1", "1"}},
    {true, {"ZREMRANGEBYSCORE", "%z", "1", "1"}},
    {true, {"ZREM", "%z", "a"}},
    {true, {"LPUSH", "%l", "1"}},
    {true, {"LLEN", "%l"}},
    {true, {"BLPOP", "%l", "1"}}, /* there is one: it does not block */
    {true, {"DEL", "%l"}},
    {true, {"UNLINK", "%h", "%z"}},
    {false, {"HSCAN", "%h", "0"}},
    {false, {"ZSCAN", "%z", "0"}},
    {false, {"HGETALL", "%h"}},
    {false, {"TYPE", "%h"}},
    {false, {"RENAME", "%l", "%l"}}, /* answers "no such key" where it may be sent */
    {false, {"SET", "%l", "1", "PX", "1"}},
    {false, {"GET", "%l"}},
    {false, {"PEXPIRE", "%l", "1"}},
    {false, {"PTTL", "%l"}},
    {false, {"INFO", "memory"}},
    {false, {"CLIENT", "ID"}},
    {false, {"CLIENT", "SETNAME", "dueq"}},
    {false, {"CLIENT", "UNBLOCK", "0"}},
    {true, {"CLUSTER", "SLOTS"}},
    {true, {"ASKING"}},
    {false, {"ROLE"}},
    {false, {"WAIT", "0", "1"}},
    {false, {"WAITAOF", "0", "0", "1"}},
};
enum { PROBE_COUNT = sizeof probes / sizeof *probes };

/* Some commands are sent to servers of one kind alone. */
static bool is_sent(const probe *p, dq_url_kind kind)
{
    const char *word = p->words[0];
    bool of_clusters = strcmp(word, "CLUSTER") == 0 || strcmp(word, "ASKING") == 0;
    bool of_sentinels = strcmp(word, "ROLE") == 0;
    return !(of_clusters || of_sentinels) || (of_clusters && kind == DQ_URL_CLUSTER) ||
           (of_sentinels && kind == DQ_URL_SENTINEL);
}

/* The keys look like a queue's, so that a key pattern of the ACL is tried too. */
static bool encode(const probe *p, dq_request *request, char *const keys[3])
{
    for (const char *const *word = p->words; *word; word++) {
        const char *text = *word;
        if (text[0] == '%') text = request->key = keys[text[1] == 'h' ? 0 : text[1] == 'z' ? 1 : 2];
        dq_args_add_text(&request->args, text);
    }
    return !request->args.failed;
}

static void add_name(dq_buf *names, const probe *p)
{
    bool sub = strcmp(p->words[0], "CLIENT") == 0 || strcmp(p->words[0], "CLUSTER") == 0;
    dq_buf_printf(names, "%s%s%s%s", names->len ? ", " : "", p->words[0], sub ? "|" : "",
                  sub ? p->words[1] : "");
}

static void add_keys(dq_buf *names, const char *prefix)
{
    dq_buf_printf(names, "%severy command on keys that begin with %s:", names->len ? ", " : "",
                  prefix);
}

/* Then the ACL has another pattern than the prefix, and to name the commands would mislead. */
static bool refuses_keys(const dq_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (requests[i].key && requests[i].outcome != DUEQ_EDENIED) return false;
    }
    return true;
}

/* Sorts what was refused from what was answered; anything but a refusal by the ACL is fine here. */
static int judge(const dq_request *requests, const probe *const *asked, size_t count, int failed,
                 dq_buf *needed, dq_buf *useful)
{
    bool keys_refused = refuses_keys(requests, count);
    for (size_t i = 0; i < count; i++) {
        int rc = requests[i].outcome;
        bool named = rc == DUEQ_EDENIED && !(keys_refused && requests[i].key);
        if (named) add_name(asked[i]->needed ? needed : useful, asked[i]);
        if (rc == DUEQ_ECONNECT || rc == DUEQ_ETIMEOUT || rc == DUEQ_EUNSURE) return failed;
    }
    return DUEQ_OK;
}

int dq_probe_commands(dueq *handle, int64_t deadline_us, dq_buf *needed, dq_buf *useful)
{
    dq_keys made;
    bool fine = dq_keys_make(&made, handle->url.prefix, "dueq-doctor", 0);
    char *const keys[3] = {made.name[DQ_KEY_BODY], made.name[DQ_KEY_DUE], made.name[DQ_KEY_WAKE]};
    dq_request *requests = calloc(PROBE_COUNT, sizeof *requests);
    const probe *asked[PROBE_COUNT];
    size_t count = 0;
    fine = fine && requests;
    for (size_t i = 0; i < PROBE_COUNT && fine; i++) {
        if (!is_sent(&probes[i], handle->url.kind)) continue;
        asked[count] = &probes[i];
        fine = encode(&probes[i], &requests[count++], keys);
    }
    int rc = DUEQ_ENOMEM;
    if (fine) {
        rc = dq_link_exchange(handle->link, requests, count, deadline_us, &handle->fault);
        rc = judge(requests, asked, count, rc, needed, useful);
        if (refuses_keys(requests, count)) add_keys(needed, handle->url.prefix);
    }
    for (size_t i = 0; i < count; i++) dq_request_clear(&requests[i]);
    free(requests);
    dq_keys_clear(&made);
    return rc;
}
