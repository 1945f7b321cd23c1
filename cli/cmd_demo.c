/* dueq demo: pushes delayed tasks, lets worker processes have them, kills one of these half way,
 * and tells what became of every task. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "demo.h"
#include "mem.h"
#include "out.h"
#include "session.h"
#include "text.h"

#define HEAD_START_MS 500 /* the first task is due so long after the push began */
#define LOOK_EVERY_MS 100 /* at the counts */
#define HUNT_EVERY_MS 1   /* for a moment in which the doomed worker is at work */
#define HUNT_MS 1000      /* then it is killed all the same */
#define PATIENCE_MS 20000 /* after the last due time */
#define STOP_MS 5000      /* then workers that do not end are killed */

static struct {
    int64_t tasks, seconds, workers;
} opt = {.tasks = 2000, .seconds = 10, .workers = 4};

static const cli_option options[] = {
    {.kind = OPTION_NUMBER,
     .name = "tasks",
     .argument = "N",
     .to.number = &opt.tasks,
     .min = 1,
     .max = 100000,
     .help = "push so many; 2000 by default"},
    {.kind = OPTION_NUMBER,
     .name = "seconds",
     .argument = "S",
     .to.number = &opt.seconds,
     .min = 1,
     .max = 3600,
     .help = "due at random within so long; 10 by default"},
    {.kind = OPTION_NUMBER,
     .name = "workers",
     .argument = "N",
     .to.number = &opt.workers,
     .min = 1,
     .max = 64,
     .help = "threads of each worker process; 4 by default"},
    {.kind = OPTION_END},
};

typedef struct demo {
    demo_plan plan;
    bool json;
    dueq *handle;
    pid_t workers[DEMO_ROLE_COUNT]; /* 0: not there (any more) */
    demo_facts facts;
    int64_t began_us;
    int64_t hunting_since_us; /* 0: not yet */
} demo;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void pause_ms(int64_t span_ms)
{
    struct timespec span = {.tv_sec = span_ms / 1000, .tv_nsec = span_ms % 1000 * 1000000};

    nanosleep(&span, NULL);
}

/* ---- Making and cleaning up */

static int make_folder(demo_plan *plan)
{
    const char *parent = getenv("TMPDIR");
    int fd;

    snprintf(plan->folder, sizeof(plan->folder), "%.3000s/dueq-demo-XXXXXX",
             parent != NULL && *parent != '\0' ? parent : "/tmp");
    if (mkdtemp(plan->folder) == NULL) {
        plan->folder[0] = '\0';
        return say_failed("cannot make a temporary folder: %s", strerror(errno));
    }
    snprintf(plan->records, sizeof(plan->records), "%.3500s/records", plan->folder);
    fd = open(plan->records, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) return say_failed("cannot write to %s: %s", plan->records, strerror(errno));
    close(fd);
    return STATUS_DONE;
}

static void remove_folder(const demo_plan *plan)
{
    if (plan->folder[0] == '\0') return;
    unlink(plan->records);
    rmdir(plan->folder);
}

static int create_queue(dueq *handle, const char *name)
{
    int rc = dueq_queue_create(handle, name, &(dueq_settings){.lease_ms = DEMO_LEASE_MS});

    return rc < 0 ? say_error(handle, rc) : STATUS_DONE;
}

/* By a handle of its own, closed before the workers are forked: they are to inherit nothing. */
static int create_queues(const cli_call *call, const demo_plan *plan)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    status = create_queue(handle, plan->queue);
    if (status == STATUS_DONE) status = create_queue(handle, plan->program_queue);
    dueq_close(handle);
    return status;
}

static int make_plan(const cli_call *call, demo_plan *plan)
{
    uint32_t suffix = 0;

    if (getrandom(&suffix, sizeof(suffix), 0) != (ssize_t)sizeof(suffix))
        suffix = (uint32_t)getpid();
    srandom(suffix);
    *plan = (demo_plan){.task_count = opt.tasks,
                        .program_every = 20,
                        .spread_ms = opt.seconds * 1000,
                        .threads = (int)opt.workers};
    snprintf(plan->queue, sizeof(plan->queue), "dueq-demo-%08x", suffix);
    snprintf(plan->program_queue, sizeof(plan->program_queue), "dueq-demo-%08x-sh", suffix);
    return session_url(call, &plan->url);
}

static int start_workers(demo *d)
{
    for (demo_role role = 0; role < DEMO_ROLE_COUNT; role++) {
        d->workers[role] = demo_worker_start(&d->plan, role);
        if (d->workers[role] < 0) {
            d->workers[role] = 0;
            return say_failed("cannot start a worker: %s", strerror(errno));
        }
    }
    return STATUS_DONE;
}

static bool has_ended(pid_t *worker)
{
    if (*worker != 0 && waitpid(*worker, NULL, WNOHANG) != 0) *worker = 0;
    return *worker == 0;
}

static bool all_ended(demo *d)
{
    bool all = true;

    for (size_t i = 0; i < DEMO_ROLE_COUNT; i++) all = has_ended(&d->workers[i]) && all;
    return all;
}

static void signal_workers(const demo *d, int number)
{
    for (size_t i = 0; i < DEMO_ROLE_COUNT; i++) {
        if (d->workers[i] > 0) kill(d->workers[i], number);
    }
}

static void stop_workers(demo *d)
{
    int64_t until_us = demo_now_us() + STOP_MS * 1000;

    signal_workers(d, SIGTERM);
    while (!all_ended(d) && demo_now_us() < until_us) pause_ms(HUNT_EVERY_MS);
    signal_workers(d, SIGKILL);
    while (!all_ended(d)) pause_ms(HUNT_EVERY_MS);
}

static void clean_up(demo *d)
{
    stop_workers(d);
    if (d->handle != NULL) {
        dueq_queue_delete(d->handle, d->plan.queue, true);
        dueq_queue_delete(d->handle, d->plan.program_queue, true);
    }
    dueq_close(d->handle);
    remove_folder(&d->plan);
}

/* ---- Pushing */

typedef struct load {
    dueq_new_task *tasks;
    size_t count;
} load;

static void add_task(const demo_plan *plan, load *to, int64_t task, int64_t from_ms)
{
    char id[DEMO_ID_LEN + 10];
    dueq_new_task *added = &to->tasks[to->count++];

    demo_task_id(task, id);
    added->id = mem_copy(id, strlen(id));
    added->id_len = strlen(id);
    added->payload = demo_task_payload(plan, task);
    added->payload_len = strlen(added->payload);
    added->due_ms = from_ms + random() % plan->spread_ms;
}

static void free_load(load *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((void *)(uintptr_t)l->tasks[i].id);
        free((void *)(uintptr_t)l->tasks[i].payload);
    }
    free(l->tasks);
}

static int push_load(demo *d, const char *queue, load *l)
{
    for (size_t from = 0; from < l->count; from += DUEQ_CALL_TASKS_MAX) {
        size_t left = l->count - from;
        size_t count = left < DUEQ_CALL_TASKS_MAX ? left : DUEQ_CALL_TASKS_MAX;
        int rc = dueq_push(d->handle, queue, l->tasks + from, count, NULL);

        if (rc < 0) return say_error(d->handle, rc);
        for (size_t i = 0; i < count; i++) d->facts.pushed += l->tasks[from + i].outcome == DUEQ_OK;
    }
    return STATUS_DONE;
}

/* Due times are whole milliseconds of this machine's clock, so that lateness is measured exactly. */
static int push_all(demo *d)
{
    size_t room = (size_t)d->plan.task_count * sizeof(dueq_new_task);
    load callbacks = {.tasks = mem_make(room)}, programs = {.tasks = mem_make(room)};
    int64_t from_ms = text_now_ms() + HEAD_START_MS;
    int status;

    for (int64_t i = 0; i < d->plan.task_count; i++)
        add_task(&d->plan, demo_is_for_program(&d->plan, i) ? &programs : &callbacks, i, from_ms);
    d->began_us = demo_now_us();
    status = push_load(d, d->plan.queue, &callbacks);
    if (status == STATUS_DONE) status = push_load(d, d->plan.program_queue, &programs);
    free_load(&callbacks);
    free_load(&programs);
    return status;
}

/* ---- Watching */

static int64_t spent_ms(const demo *d)
{
    return (demo_now_us() - d->began_us) / 1000;
}

static int add_stats(demo *d, const char *queue, dueq_stats *sum)
{
    dueq_stats stats;
    int rc = dueq_queue_stats(d->handle, queue, &stats);

    if (rc != DUEQ_OK) return say_error(d->handle, rc);
    sum->waiting += stats.waiting;
    sum->ready += stats.ready;
    sum->leased += stats.leased;
    sum->dead += stats.dead;
    sum->done += stats.done;
    return STATUS_DONE;
}

static int look(demo *d, dueq_stats *sum)
{
    int status;

    *sum = (dueq_stats){0};
    status = add_stats(d, d->plan.queue, sum);
    if (status == STATUS_DONE) status = add_stats(d, d->plan.program_queue, sum);
    d->facts.done = sum->done;
    d->facts.left = sum->waiting + sum->ready + sum->leased + sum->dead;
    if (status == STATUS_DONE && !d->json) demo_show_progress(&d->plan, sum, spent_ms(d));
    return status;
}

static bool doomed_is_at_work(const demo *d)
{
    demo_records records;
    bool at_work = demo_records_read(&d->plan, &records) && demo_open_count(&d->plan, &records) > 0;

    demo_records_free(&records);
    return at_work;
}

static void kill_doomed(demo *d)
{
    pid_t pid = d->workers[DEMO_DOOMED];

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    d->workers[DEMO_DOOMED] = 0;
    d->facts.killed_at_us = demo_now_us();
    if (d->json) return;
    demo_end_progress();
    out_styled(STYLE_WARN,
               "Worker process %d was killed with SIGKILL; its tasks come back when "
               "their leases run out, after up to %d s.",
               (int)pid, DEMO_LEASE_MS / 1000);
    out_printf("\n");
}

/* Half way through, at a moment when the doomed worker has tasks in its hands. */
static void kill_when_due(demo *d)
{
    if (d->workers[DEMO_DOOMED] == 0 || d->facts.done * 2 < d->plan.task_count) return;
    if (d->hunting_since_us == 0) d->hunting_since_us = demo_now_us();
    if (doomed_is_at_work(d) || demo_now_us() - d->hunting_since_us > HUNT_MS * 1000)
        kill_doomed(d);
}

static bool is_hunting(const demo *d)
{
    return d->hunting_since_us != 0 && d->workers[DEMO_DOOMED] != 0;
}

static int watch(demo *d)
{
    int64_t patience_ms = d->plan.spread_ms + PATIENCE_MS;
    int64_t looked_ms = -LOOK_EVERY_MS;
    dueq_stats sum;

    for (;;) {
        if (interrupted) return say_failed("interrupted");
        if (spent_ms(d) - looked_ms >= LOOK_EVERY_MS) {
            int status = look(d, &sum);

            if (status != STATUS_DONE) return status;
            looked_ms = spent_ms(d);
        }
        kill_when_due(d);
        if (d->facts.left == 0 || spent_ms(d) > patience_ms) break;
        pause_ms(is_hunting(d) ? HUNT_EVERY_MS : LOOK_EVERY_MS);
    }
    if (!d->json) demo_end_progress();
    return STATUS_DONE;
}

/* ---- The whole of it */

static void introduce(const demo *d)
{
    text_small tasks;

    if (d->json) return;
    out_printf("%s tasks, due at random within %" PRId64 " s. Two worker processes of %d threads "
               "have them, and one that\nruns a program (sh) for every %" PRId64
               "th. Half way, one of the first two is killed.\n\n",
               text_number(d->plan.task_count, tasks), d->plan.spread_ms / 1000, d->plan.threads,
               d->plan.program_every);
    out_flush();
}

static void tell_pushed(const demo *d)
{
    text_small tasks;

    if (!d->json)
        out_printf("Pushed %s tasks in %" PRId64 " ms.\n", text_number(d->facts.pushed, tasks),
                   spent_ms(d));
}

static int judge(demo *d)
{
    demo_records records;
    demo_verdict verdict;
    bool good;

    stop_workers(d);
    if (!demo_records_read(&d->plan, &records))
        return say_failed("cannot read %s: %s", d->plan.records, strerror(errno));
    demo_judge(&d->plan, &records, &d->facts, &verdict);
    if (d->json)
        demo_print_json(&d->plan, &d->facts, &verdict);
    else
        demo_print(&d->plan, &d->facts, &verdict);
    good = verdict.good;
    demo_verdict_free(&verdict);
    demo_records_free(&records);
    return good ? STATUS_DONE : STATUS_FAILED;
}

static int perform(const cli_call *call, demo *d)
{
    int status = make_folder(&d->plan);

    if (status == STATUS_DONE) status = create_queues(call, &d->plan);
    if (status != STATUS_DONE) return status;
    introduce(d);
    status = start_workers(d);
    if (status == STATUS_DONE) status = session_open(call, &d->handle);
    if (status == STATUS_DONE) status = push_all(d);
    if (status == STATUS_DONE) {
        tell_pushed(d);
        status = watch(d);
    }
    return status == STATUS_DONE ? judge(d) : status;
}

static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int run(const cli_call *call)
{
    demo *d = mem_make(sizeof(*d));
    int status = make_plan(call, &d->plan);

    d->json = call->json;
    if (status == STATUS_DONE) {
        hear_signals();
        status = perform(call, d);
        clean_up(d);
    }
    free(d);
    return status;
}

const cli_command cmd_demo = {
    .name = "demo",
    .operands = "",
    .summary = "see delayed tasks pushed, due, worked on and gone",
    .details =
        "Pushes tasks into queues of its own, has worker processes work on them, kills one of\n"
        "these half way, and judges by what they wrote down: how late tasks were, and whether\n"
        "any was early, lost, or delivered twice without a reason. The status is 1 if so. The\n"
        "server's clock should be this machine's. Its queues are deleted at the end.",
    .options = options,
    .run = run,
};
