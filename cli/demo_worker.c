/* The worker processes of the demo: each the library's own worker, as any program would use it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "say.h"

#define PROGRAM_CONCURRENCY 2
#define WORK_MIN_MS 2
#define WORK_SPAN_MS 21 /* a handler is busy for 2 to 22 ms */

typedef struct handler_context {
    const demo_plan *plan;
    demo_role role;
    int fd;
} handler_context;

static dueq_worker *running;

static void on_signal(int number)
{
    (void)number;
    dueq_worker_stop(running);
}

static int64_t task_of(const dueq_task *task)
{
    return strncmp(task->id, "task-", 5) == 0 ? strtoll(task->id + 5, NULL, 10) : -1;
}

static bool is_intact(const demo_plan *plan, const dueq_task *task)
{
    char *pushed = demo_task_payload(plan, task_of(task));
    bool same = strlen(pushed) == task->payload_len &&
                memcmp(pushed, task->payload, task->payload_len) == 0;

    free(pushed);
    return same;
}

static void be_busy(int64_t task)
{
    struct timespec span = {.tv_nsec = (WORK_MIN_MS + task % WORK_SPAN_MS) * 1000000};

    nanosleep(&span, NULL);
}

/* The work: note that it begins, look at the payload, be busy, note that it ends. */
static dueq_verdict handle(dueq_job *job, void *context)
{
    const handler_context *c = context;
    const dueq_task *task = dueq_job_task(job);
    demo_record record = {.task = task_of(task),
                          .attempt = task->attempt,
                          .due_ms = task->due_ms,
                          .at_us = demo_now_us(),
                          .role = c->role};

    record.intact = is_intact(c->plan, task);
    if (!demo_record_write(c->fd, &record)) return DUEQ_VERDICT_RETRY;
    be_busy(record.task);
    record.is_end = true;
    record.at_us = demo_now_us();
    demo_record_write(c->fd, &record);
    return DUEQ_VERDICT_DONE;
}

static int run_worker(const dueq_worker_options *options)
{
    struct sigaction stop = {.sa_handler = on_signal};
    int rc = dueq_worker_make(&running, options);

    if (running != NULL && rc == DUEQ_OK) {
        sigaction(SIGTERM, &stop, NULL);
        rc = dueq_worker_run(running);
    }
    if (rc < 0)
        say_note("a worker of the demo ended: %s",
                 running != NULL ? dueq_worker_error(running) : dueq_outcome_text(rc));
    return say_status(rc);
}

static int work(const demo_plan *plan, demo_role role)
{
    bool program = role == DEMO_PROGRAM;
    handler_context context = {.plan = plan, .role = role};
    dueq_worker_queue queue = {.name = program ? plan->program_queue : plan->queue};
    char shell[] = "/bin/sh", dash_c[] = "-c", name[] = "dueq-demo";
    char *command[] = {shell, dash_c, strdup(demo_record_script), name, strdup(plan->records),
                       NULL};
    dueq_worker_options options = {.url = plan->url,
                                   .queues = &queue,
                                   .queue_count = 1,
                                   .concurrency = program ? PROGRAM_CONCURRENCY : plan->threads,
                                   .grace_ms = 2000};

    context.fd = open(plan->records, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (context.fd < 0 || command[2] == NULL || command[4] == NULL)
        return say_failed("the demo cannot write to %s: %s", plan->records, strerror(errno));
    if (program) {
        options.command = command;
    } else {
        options.handler = handle;
        options.handler_context = &context;
    }
    return run_worker(&options);
}

pid_t demo_worker_start(const demo_plan *plan, demo_role role)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child != 0) return child;
    signal(SIGINT, SIG_IGN); /* of the terminal: the parent stops its children itself */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(STATUS_FAILED);
    _exit(work(plan, role));
}
