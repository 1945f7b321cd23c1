/* dueq work: a worker on the command line; its handler is a program, or prints payloads. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "mem.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

#define WEIGHT_MAX 1000000

static struct {
    int64_t concurrency, lease_ms, timeout_ms, max_attempts, grace_ms;
    const char *backoff;
    bool strict, drain, quiet, verbose;
} opt;

static const cli_option options[] = {
    {.kind = OPTION_NUMBER,
     .name = "concurrency",
     .letter = "c",
     .argument = "N",
     .to.number = &opt.concurrency,
     .min = 1,
     .max = 1024,
     .help = "tasks worked on at a time; 1 by default"},
    {.kind = OPTION_DURATION,
     .name = "lease",
     .argument = "DUR",
     .to.number = &opt.lease_ms,
     .min = 1,
     .max = DUEQ_LEASE_MS_MAX,
     .help = "hold tasks for so long, renewed while they are worked on; else as the queue says"},
    {.kind = OPTION_DURATION,
     .name = "timeout",
     .argument = "DUR",
     .to.number = &opt.timeout_ms,
     .min = 1,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "stop CMD after so long: SIGTERM, then SIGKILL after the grace"},
    {.kind = OPTION_NUMBER,
     .name = "max-attempts",
     .argument = "N",
     .to.number = &opt.max_attempts,
     .min = 1,
     .max = DUEQ_ATTEMPTS_MAX,
     .help = "dead after so many failures, for tasks that have no limit of their own"},
    {.kind = OPTION_TEXT,
     .name = "backoff",
     .argument = "DUR..DUR",
     .to.text = &opt.backoff,
     .help = "bounds of the delay before another attempt; 1s..1h by default"},
    {.kind = OPTION_DURATION,
     .name = "grace",
     .argument = "DUR",
     .to.number = &opt.grace_ms,
     .min = 1,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "how long tasks may go on after a stop; 10s by default"},
    {.kind = OPTION_FLAG,
     .name = "drain",
     .to.flag = &opt.drain,
     .help = "end when nothing is ready any more"},
    {.kind = OPTION_FLAG,
     .name = "strict",
     .to.flag = &opt.strict,
     .help = "tasks of an earlier QUEUE always come first"},
    {.kind = OPTION_FLAG,
     .name = "quiet",
     .letter = "q",
     .to.flag = &opt.quiet,
     .help = "log only warnings and errors"},
    {.kind = OPTION_FLAG,
     .name = "verbose",
     .letter = "v",
     .to.flag = &opt.verbose,
     .help = "log more"},
    {.kind = OPTION_END},
};

/* The worker that signals stop. */
static dueq_worker *running;

static void on_signal(int number)
{
    (void)number;
    dueq_worker_stop(running);
}

static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGCHLD, SIG_DFL); /* a parent may have left it ignored: no exit status would be had */
}

typedef struct log_form {
    dueq_log_level most; /* lines of a level beyond it are dropped */
    bool json;
} log_form;

static void log_line(void *context, dueq_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const log_form *form = context;
    text_small now;
    json_t *object;
    char *text;

    if (level > form->most) return;
    if (!form->json) {
        fprintf(stderr, "%s %-5s %s\n", text_time(text_now_ms(), now), names[level], line);
        return;
    }
    object = json_object();
    json_object_set_new(object, "time_ms", json_integer(text_now_ms()));
    json_object_set_new(object, "level", json_string(names[level]));
    tasks_set_bytes(object, "message", line, strlen(line));
    text = json_dumps(object, JSON_COMPACT);
    if (text != NULL) fprintf(stderr, "%s\n", text);
    free(text);
    json_decref(object);
}

/* Without a command: tasks are printed. One at a time, so that lines stay whole. */
typedef struct printer {
    pthread_mutex_t lock;
    bool json;
} printer;

static void print_task(const printer *to, const dueq_task *task)
{
    if (to->json)
        out_json(tasks_json_taken(task));
    else if (out_on_terminal())
        out_foreign(task->payload, task->payload_len);
    else
        out_raw(task->payload, task->payload_len);
    if (!to->json) out_raw("\n", 1);
}

/* A task is done once its line is out; when nobody reads on, it goes back untouched. */
static dueq_verdict print_handler(dueq_job *job, void *context)
{
    printer *to = context;
    bool printed;

    pthread_mutex_lock(&to->lock);
    print_task(to, dueq_job_task(job));
    printed = out_flush();
    pthread_mutex_unlock(&to->lock);
    if (printed) return DUEQ_VERDICT_DONE;
    dueq_worker_stop(running);
    return DUEQ_VERDICT_RELEASE;
}

/* "mail=3": a queue and its weight. Cuts the word where the name ends. */
static int read_queue(char *word, dueq_worker_queue *queue)
{
    char *weight = strchr(word, '=');
    int64_t number = 1;

    if (weight != NULL) *weight++ = '\0';
    if (!session_check_queue(word)) return STATUS_USAGE;
    if (weight != NULL && !text_to_number(weight, 1, WEIGHT_MAX, &number))
        return say_usage("%s=%s: a weight is a number from 1 to %d", word, weight, WEIGHT_MAX);
    if (weight != NULL && opt.strict)
        return say_usage("%s=%s: weights do not go with --strict", word, weight);
    *queue = (dueq_worker_queue){.name = word, .weight = (int)number};
    return STATUS_DONE;
}

/* "1s..1h" */
static int read_backoff(dueq_worker_options *o)
{
    const char *dots = opt.backoff != NULL ? strstr(opt.backoff, "..") : NULL;
    char *low;
    bool read;

    if (opt.backoff == NULL) return STATUS_DONE;
    low = mem_copy(opt.backoff, dots != NULL ? (size_t)(dots - opt.backoff) : 0);
    read = dots != NULL && dueq_parse_duration(low, &o->backoff_min_ms) == DUEQ_OK &&
           dueq_parse_duration(dots + 2, &o->backoff_max_ms) == DUEQ_OK;
    free(low);
    if (!read || o->backoff_min_ms < 1 || o->backoff_min_ms > o->backoff_max_ms)
        return say_usage("--backoff: \"%s\" is not DUR..DUR, the shorter first, such as 1s..1h",
                         opt.backoff);
    return STATUS_DONE;
}

static int read_options(const cli_call *call, dueq_worker_queue *queues, dueq_worker_options *o)
{
    int status = STATUS_DONE;

    *o = (dueq_worker_options){.queues = queues,
                               .queue_count = call->operand_count,
                               .strict_order = opt.strict,
                               .concurrency = (int)opt.concurrency,
                               .lease_ms = opt.lease_ms,
                               .timeout_ms = opt.timeout_ms,
                               .max_attempts = opt.max_attempts,
                               .grace_ms = opt.grace_ms,
                               .drain = opt.drain};
    for (size_t i = 0; i < call->operand_count && status == STATUS_DONE; i++)
        status = read_queue(call->operands[i], &queues[i]);
    if (status == STATUS_DONE) status = read_backoff(o);
    if (status != STATUS_DONE) return status;
    if (call->tail != NULL && call->tail[0] == NULL)
        return say_usage("after -- a command is missing");
    if (opt.timeout_ms != 0 && call->tail == NULL)
        return say_usage("--timeout goes with a command: dueq work QUEUE --timeout DUR -- CMD");
    o->command = call->tail;
    return session_url(call, &o->url);
}

static int work(const dueq_worker_options *o)
{
    int rc, status;

    rc = dueq_worker_make(&running, o);
    if (running == NULL) return say_failed("out of memory");
    if (rc == DUEQ_OK) {
        hear_signals();
        rc = dueq_worker_run(running);
    }
    status = say_status(rc);
    if (rc < 0) say_note("%s", dueq_worker_error(running));
    /* The process ends with this command; a signal may still come and must find the worker. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    dueq_worker_free(running);
    return status;
}

static int run(const cli_call *call)
{
    dueq_worker_queue *queues = mem_make(call->operand_count * sizeof(*queues));
    printer to = {.lock = PTHREAD_MUTEX_INITIALIZER, .json = call->json};
    log_form form = {.json = call->json,
                     .most = opt.verbose ? DUEQ_LOG_DEBUG
                             : opt.quiet ? DUEQ_LOG_WARN
                                         : DUEQ_LOG_INFO};
    dueq_worker_options worker_options;
    int status = read_options(call, queues, &worker_options);

    if (status == STATUS_DONE) {
        worker_options.log = log_line;
        worker_options.log_context = &form;
        if (call->tail == NULL) {
            out_keep_going();
            worker_options.handler = print_handler;
            worker_options.handler_context = &to;
        }
        status = work(&worker_options);
    }
    free(queues);
    return status;
}

const cli_command cmd_work = {
    .name = "work",
    .operands = "QUEUE[=WEIGHT]...",
    .summary = "work on tasks as they become due",
    .details =
        "CMD is run for each task, the payload on its stdin, DUEQ_QUEUE DUEQ_ID DUEQ_ATTEMPT\n"
        "DUEQ_TOKEN DUEQ_DUE_MS DUEQ_HEADER_* in its environment. Exit 0: done. 100: dead, never\n"
        "try again. Anything else: another attempt later, the end of its stderr kept as the\n"
        "error. Without CMD, payloads are printed, one a line, and their tasks are done.\n"
        "\n"
        "Several queues share by weight (1 by default) unless --strict. SIGTERM or SIGINT stops:\n"
        "no more tasks, those at hand may end within the grace; a second one ends them at once.",
    .options = options,
    .operands_min = 1,
    .operands_max = 64,
    .keeps_tail = true,
    .run = run,
};
