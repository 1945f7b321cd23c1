/* Checking and copying of a worker's options. Pure but for memory. */
#include "work/options.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "work/http_url.h"

/* Defaults, as dueq.h says them. */
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 3600000
#define GRACE_MS 10000
#define TICK_MS 1000

/* ---- Checking ---- */

typedef struct number {
    const char *name;
    int64_t value, least, most;
} number;

static int check_numbers(const dueq_worker_options *o, dq_fault *fault)
{
    const number numbers[] = {
        {"queue_count", (int64_t)o->queue_count, 1, DQ_WORK_QUEUES_MAX},
        {"concurrency", o->concurrency, 0, DQ_WORK_CONCURRENCY_MAX},
        {"prefetch", o->prefetch, -1, DQ_WORK_PREFETCH_MAX},
        {"lease_ms", o->lease_ms, 0, DUEQ_LEASE_MS_MAX},
        {"timeout_ms", o->timeout_ms, 0, DUEQ_DELAY_MS_MAX},
        {"max_attempts", o->max_attempts, 0, DUEQ_ATTEMPTS_MAX},
        {"backoff_min_ms", o->backoff_min_ms, 0, DUEQ_DELAY_MS_MAX},
        {"backoff_max_ms", o->backoff_max_ms, 0, DUEQ_DELAY_MS_MAX},
        {"grace_ms", o->grace_ms, 0, DUEQ_DELAY_MS_MAX},
        {"lost_signal", o->lost_signal, 0, NSIG - 1},
        {"window", o->window, 0, DQ_WORK_WINDOW_MAX},
        {"log_most", (int64_t)o->log_most, 0, DUEQ_LOG_DEBUG},
        {"tick_ms", o->tick_ms, 0, DUEQ_DELAY_MS_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const number *n = &numbers[i];
        if (n->value >= n->least && n->value <= n->most) continue;
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "%s is %" PRId64 "; it must be %" PRId64 " to %" PRId64, n->name,
                            n->value, n->least, n->most);
    }
    return DUEQ_OK;
}

static int check_queue(const dueq_worker_options *o, size_t at, dq_fault *fault)
{
    const dueq_worker_queue *queue = &o->queues[at];
    if (queue->name == NULL) {
        return dq_fault_set(fault, DUEQ_EINVAL, "queue %zu of %zu has no name", at + 1,
                            o->queue_count);
    }
    if (queue->weight < 0 || queue->weight > DQ_WORK_WEIGHT_MAX) {
        return dq_fault_set(fault, DUEQ_EINVAL, "queue %s has weight %d; it must be 1 to %d",
                            queue->name, queue->weight, DQ_WORK_WEIGHT_MAX);
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(o->queues[i].name, queue->name) != 0) continue;
        return dq_fault_set(fault, DUEQ_EINVAL, "queue %s is named twice", queue->name);
    }
    return DUEQ_OK;
}

/* What handles a task, and what goes with which kind of it. */
static int check_handler(const dueq_worker_options *o, dq_fault *fault)
{
    bool command = o->command != NULL && o->command[0] != NULL;
    bool url = o->http_url != NULL;
    dq_http_url read = {0};
    int rc = url ? dq_http_url_read(&read, o->http_url, fault) : DUEQ_OK;
    if (rc < 0) return rc;
    const struct {
        bool wrong;
        const char *why;
    } rules[] = {
        {(o->handler != NULL) + command + url != 1,
         "give one of a handler, a command and an http_url, and not two"},
        {o->stdio && !command, "stdio is for a command"},
        {o->window > 0 && !o->stdio, "a window is for stdio"},
        {(int64_t)o->concurrency * o->window > DQ_WORK_AT_WORK_MAX,
         "concurrency times window is more than 10,000 tasks at a time"},
        {o->lost_signal > 0 && !command, "a lost_signal is for a command"},
        {o->lost_signal > 0 && o->stdio, "a lost_signal is not for stdio: there a line tells it"},
        {o->http_secret != NULL && !url, "an http_secret is for an http_url"},
        {o->http_secret != NULL && o->http_secret[0] == '\0', "http_secret is empty"},
        {o->http_ca_file != NULL && !read.tls,
         "an http_ca_file is for an http_url that begins with https://"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].wrong) return dq_fault_set(fault, DUEQ_EINVAL, "%s", rules[i].why);
    }
    return DUEQ_OK;
}

static int check(const dueq_worker_options *o, dq_fault *fault)
{
    if (o == NULL) return dq_fault_set(fault, DUEQ_EINVAL, "no options given");
    int rc = check_numbers(o, fault);
    if (rc < 0) return rc;
    if (o->queues == NULL) return dq_fault_set(fault, DUEQ_EINVAL, "no queues given");
    for (size_t i = 0; i < o->queue_count && rc == DUEQ_OK; i++) {
        rc = check_queue(o, i, fault);
    }
    return rc < 0 ? rc : check_handler(o, fault);
}

/* ---- Copying ---- */

typedef struct copier {
    dq_work_options *to;
    bool failed;
} copier;

static void *own(copier *c, const void *bytes, size_t len)
{
    if (c->failed) return NULL;
    void **owned = realloc(c->to->owned, (c->to->owned_count + 1) * sizeof *owned);
    if (owned != NULL) c->to->owned = owned;
    void *copy = owned == NULL ? NULL : malloc(len > 0 ? len : 1);
    if (copy == NULL) {
        c->failed = true;
        return NULL;
    }
    if (len > 0) memcpy(copy, bytes, len);
    owned[c->to->owned_count++] = copy;
    return copy;
}

static char *own_text(copier *c, const char *text)
{
    return text == NULL ? NULL : own(c, text, strlen(text) + 1);
}

static const dueq_worker_queue *own_queues(copier *c, const dueq_worker_options *from)
{
    dueq_worker_queue *queues = own(c, from->queues, from->queue_count * sizeof *queues);
    for (size_t i = 0; i < from->queue_count && queues != NULL; i++) {
        queues[i].name = own_text(c, from->queues[i].name);
        if (queues[i].weight == 0) queues[i].weight = 1;
    }
    return queues;
}

static char *const *own_command(copier *c, char *const *command)
{
    if (command == NULL || command[0] == NULL) return NULL;
    size_t count = 1;
    while (command[count] != NULL) {
        count++;
    }
    char **words = own(c, command, (count + 1) * sizeof *words);
    for (size_t i = 0; i < count && words != NULL; i++) {
        words[i] = own_text(c, command[i]);
    }
    return words;
}

static const dueq_options *own_connect(copier *c, const dueq_options *from)
{
    if (from == NULL) return NULL;
    dueq_options *connect = &c->to->connect;
    *connect = *from;
    const char **texts[] = {
        &connect->client_name,   &connect->user,         &connect->password,
        &connect->prefix,        &connect->tls_ca_file,  &connect->tls_ca_dir,
        &connect->tls_cert_file, &connect->tls_key_file, &connect->tls_server_name,
        &connect->durability,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = own_text(c, *texts[i]);
    }
    return connect;
}

/* A bound that is given moves the default of the other out of its way. */
static void fill_defaults(dueq_worker_options *o)
{
    if (o->concurrency == 0) o->concurrency = 1;
    if (o->window == 0) o->window = 1;
    if (o->grace_ms == 0) o->grace_ms = GRACE_MS;
    if (o->tick_ms == 0) o->tick_ms = TICK_MS;
    if (o->backoff_min_ms == 0) {
        bool small = o->backoff_max_ms > 0 && o->backoff_max_ms < BACKOFF_MIN_MS;
        o->backoff_min_ms = small ? o->backoff_max_ms : BACKOFF_MIN_MS;
    }
    if (o->backoff_max_ms == 0) {
        bool large = o->backoff_min_ms > BACKOFF_MAX_MS;
        o->backoff_max_ms = large ? o->backoff_min_ms : BACKOFF_MAX_MS;
    }
}

int dq_work_options_copy(dq_work_options *to, const dueq_worker_options *from, dq_fault *fault)
{
    *to = (dq_work_options){0};
    int rc = check(from, fault);
    if (rc < 0) return rc;
    copier c = {.to = to};
    to->options = *from;
    to->options.url = own_text(&c, from->url);
    to->options.connect = own_connect(&c, from->connect);
    to->options.queues = own_queues(&c, from);
    to->options.command = own_command(&c, from->command);
    to->options.http_url = own_text(&c, from->http_url);
    to->options.http_secret = own_text(&c, from->http_secret);
    to->options.http_ca_file = own_text(&c, from->http_ca_file);
    fill_defaults(&to->options);
    if (c.failed) return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    if (to->options.backoff_min_ms > to->options.backoff_max_ms) {
        return dq_fault_set(fault, DUEQ_EINVAL,
                            "backoff_min_ms is %" PRId64 ", above backoff_max_ms, %" PRId64,
                            to->options.backoff_min_ms, to->options.backoff_max_ms);
    }
    return DUEQ_OK;
}

void dq_work_options_clear(dq_work_options *options)
{
    for (size_t i = 0; i < options->owned_count; i++) {
        free(options->owned[i]);
    }
    free(options->owned);
    *options = (dq_work_options){0};
}
