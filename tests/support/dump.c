/* The dump of a queue: per partition, each collection in turn, gathered by id. */
#include "dump.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTINEL_LEN = 256, ID_MAX = 255, KEY_SIZE = 200 };

typedef struct item {
    history_task task; /* whose id is the next */
    char id[ID_MAX + 1];
} item;

/* One partition on its way into the history. */
typedef struct dump {
    test_server *server;
    history_writer *into;
    const char *queue;
    int partition;
    void *tree; /* items by id */
} dump;

static int compare(const void *a, const void *b)
{
    const item *left = a, *right = b;
    return strcmp(left->id, right->id);
}

/* The task of that id, made if it is new. */
static history_task *task_of(dump *d, const valkeyReply *id)
{
    item *made = calloc(1, sizeof *made);
    if (made == NULL) fail_msg("out of memory");
    memcpy(made->id, id->str, id->len < ID_MAX ? id->len : ID_MAX);
    made->task.id = made->id;
    item *found = *(item **)tsearch(made, &d->tree, compare);
    if (found != made) free(made);
    return &found->task;
}

static bool is_sentinel(const valkeyReply *name)
{
    return name->len == SENTINEL_LEN && strspn(name->str, "~") == SENTINEL_LEN;
}

__attribute__((format(printf, 2, 3))) static void complain(const dump *d, const char *format, ...)
{
    char text[300];
    int len = snprintf(text, sizeof text, "%s:%d: ", d->queue, d->partition);
    va_list words;
    va_start(words, format);
    vsnprintf(text + len, sizeof text - (size_t)len, format, words);
    va_end(words);
    history_note_broken(d->into, text);
}

/* Name and value alternate in what both commands answer. */
static valkeyReply *read_all(const dump *d, const char *name, bool is_hash)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "dueq:{%s:%d}:%s", d->queue, d->partition, name);
    valkeyReply *reply = is_hash ? server_command(d->server, "HGETALL %s", key)
                                 : server_command(d->server, "ZRANGE %s 0 -1 WITHSCORES", key);
    if (reply->type == VALKEY_REPLY_ERROR) complain(d, "%s: %s", name, reply->str);
    bool found = false;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) found |= is_sentinel(reply->element[i]);
    if (!found) complain(d, "%s has no sentinel", name);
    return reply;
}

/* ---- One collection each --------------------------------------------------------------------- */

/* Where the payload begins; 0: it is no record. */
static size_t payload_at(const valkeyReply *record)
{
    const unsigned char *bytes = (const unsigned char *)record->str;
    if (record->len < 2 || bytes[0] != 1 || bytes[1] > 7) return 0;
    size_t at = 2 + (size_t)(bytes[1] & 1 ? 6 : 0) + (size_t)(bytes[1] & 2 ? 3 : 0);
    if (bytes[1] & 4) {
        if (at + 3 > record->len) return 0;
        at += 3 + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]);
    }
    return at <= record->len ? at : 0;
}

static void dump_bodies(dump *d)
{
    valkeyReply *reply = read_all(d, "body", true);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        const valkeyReply *id = reply->element[i], *record = reply->element[i + 1];
        if (is_sentinel(id)) continue;
        history_task *task = task_of(d, id);
        size_t at = payload_at(record);
        task->places |= HISTORY_BODY;
        if (at == 0) complain(d, "the record of %s cannot be read", task->id);
        if (at != 0) task->payload = history_fingerprint(record->str + at, record->len - at);
    }
    freeReplyObject(reply);
}

static void dump_tries(dump *d)
{
    valkeyReply *reply = read_all(d, "tries", true);
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (is_sentinel(reply->element[i])) continue;
        history_task *task = task_of(d, reply->element[i]);
        task->places |= HISTORY_TRIES;
        task->failures = strtoll(reply->element[i + 1]->str, NULL, 10);
    }
    freeReplyObject(reply);
}

static long long dump_state(dump *d, const char *name, int place)
{
    valkeyReply *reply = read_all(d, name, false);
    long long count = 0;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (is_sentinel(reply->element[i])) continue;
        task_of(d, reply->element[i])->places |= place;
        count++;
    }
    freeReplyObject(reply);
    return count;
}

/* pushed = due + leased + dead + done + cancelled + dropped. */
static void check_balance(const dump *d, long long there)
{
    char key[KEY_SIZE];
    snprintf(key, sizeof key, "dueq:{%s:%d}:meta", d->queue, d->partition);
    valkeyReply *reply = server_command(d->server, "HMGET %s pushed done cancelled dropped", key);
    long long number[4] = {0};
    for (size_t i = 0; i < reply->elements && i < 4; i++) {
        if (reply->element[i]->str != NULL) number[i] = atoll(reply->element[i]->str);
    }
    freeReplyObject(reply);
    long long sum = there + number[1] + number[2] + number[3];
    if (number[0] != sum) {
        complain(d, "pushed %lld, but there and gone are %lld", number[0], sum);
    }
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void write_tasks(dump *d)
{
    while (d->tree != NULL) {
        item *first = *(item **)d->tree;
        tdelete(first, &d->tree, compare);
        history_note_task(d->into, &first->task);
        free(first);
    }
}

void dump_partition(test_server *s, const char *queue, int partition, history_writer *into)
{
    dump d = {.server = s, .into = into, .queue = queue, .partition = partition};
    dump_bodies(&d);
    dump_tries(&d);
    long long there = dump_state(&d, "due", HISTORY_DUE);
    there += dump_state(&d, "leased", HISTORY_LEASED);
    there += dump_state(&d, "dead", HISTORY_DEAD);
    freeReplyObject(read_all(&d, "gone", false));
    check_balance(&d, there);
    write_tasks(&d);
}

void dump_queue(test_server *s, const char *queue, int partitions, history_writer *into)
{
    for (int p = 0; p < partitions; p++) dump_partition(s, queue, p, into);
    history_note_dumped(into);
}
