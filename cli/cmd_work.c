/* dueq work: a worker on the command line; its handler is a program, a URL, or prints payloads. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "log.h"
#include "notify.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"
#include "work.h"

/* ---- Stopping */

/* The worker that signals stop. */
static dueq_worker *running;
static volatile sig_atomic_t stopping;

static void stop(void)
{
    stopping = 1;
    dueq_worker_stop(running);
}

static void on_signal(int number)
{
    (void)number;
    stop();
}

static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGCHLD, SIG_DFL); /* a parent may have left it ignored: no exit status would be had */
}

/* ---- The service manager */

static int64_t mono_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *describe(bool ready, char out[NOTIFY_STATUS_SIZE])
{
    text_small in_hand, done, retried, dead;
    dueq_worker_stats s;

    if (!ready && !stopping) return "Waiting for the server";
    dueq_worker_get_stats(running, &s);
    snprintf(out, NOTIFY_STATUS_SIZE, "%s: %s in hand; %s done, %s retried, %s dead",
             stopping ? "Stopping" : "Working",
             text_number(s.taken - s.done - s.retried - s.dead - s.released - s.lost, in_hand),
             text_number(s.done, done), text_number(s.retried, retried), text_number(s.dead, dead));
    return out;
}

static void tell_manager(void *context, bool ready)
{
    char status[NOTIFY_STATUS_SIZE];
    notify_news news = {
        .ready = ready, .stopping = stopping != 0, .status = describe(ready, status)};

    notify_tell(context, &news, mono_ms());
}

/* ---- Without a command: tasks are printed */

/* One at a time, so that lines stay whole. */
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
    stop();
    return DUEQ_VERDICT_RELEASE;
}

/* ---- Working */

static int work(const dueq_worker_options *o)
{
    int rc, status;

    rc = dueq_worker_make(&running, o);
    if (running == NULL) return say_failed("out of memory");
    if (rc == DUEQ_OK) {
        hear_signals();
        rc = dueq_worker_run(running);
        stopping = 1;
        if (o->tick != NULL) o->tick(o->tick_context, false);
    }
    status = say_status(rc);
    if (rc < 0) say_note("%s", dueq_worker_error(running));
    /* The process ends with this command; a signal may still come and must find the worker. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    dueq_worker_free(running);
    return status;
}

static int work_as_asked(const cli_call *call, work_request *request)
{
    printer to = {.lock = PTHREAD_MUTEX_INITIALIZER, .json = call->json};
    log_form form = {.json = request->log_json, .priority = log_goes_to_journal()};
    dueq_worker_options *o = &request->options;
    notify manager;
    int status;

    o->log = log_write;
    o->log_context = &form;
    if (o->command == NULL && o->http_url == NULL) {
        out_keep_going();
        o->handler = print_handler;
        o->handler_context = &to;
    }
    notify_open(&manager);
    if (manager.fd >= 0) {
        o->tick = tell_manager;
        o->tick_context = &manager;
        o->tick_ms = notify_every_ms(&manager);
    }
    status = work(o);
    notify_close(&manager);
    return status;
}

static int run(const cli_call *call)
{
    work_request request;
    int status = work_read(call, &request);

    if (status == STATUS_DONE) status = work_as_asked(call, &request);
    work_clear(&request);
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
        "error. With --stdio CMD stays up and reads tasks; with --http they are posted: see\n"
        "dueq(1) for both. With neither, payloads are printed, one a line, and are done.\n"
        "\n"
        "Several queues share by weight (1 by default) unless --strict. SIGTERM or SIGINT stops:\n"
        "no more tasks, those at hand may end within the grace; a second one ends them at once.",
    .options = work_options,
    .operands_min = 1,
    .operands_max = 64,
    .keeps_tail = true,
    .run = run,
};
