/* dueq bench: what tasks cost a server, and how late they are. Knows the kinds of measurements and
 * their usual sizes; makes plans of them, has each run several times, and has the result shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "commands.h"
#include "mem.h"
#include "out.h"
#include "text.h"

#define TASKS_MAX 10000000
#define TASKS_ONE_BY_ONE 10000 /* by default, where each is a call of its own */
#define PLANS_MAX 16
#define WAITING_MIN 1000

/* 0: not given; the kind's own. */
static struct {
    int64_t tasks, batch, payload_len, partitions;
    int64_t workers, concurrency, seconds, rate, waiting_max, seed, runs;
    bool by_worker;
} opt = {.payload_len = 100, .waiting_max = 1000000, .seed = 1};

static const cli_option options[] = {
    {.kind = OPTION_NUMBER,
     .name = "tasks",
     .argument = "N",
     .to.number = &opt.tasks,
     .min = 1,
     .max = TASKS_MAX,
     .help = "of each measurement; by default what suits the kind"},
    {.kind = OPTION_NUMBER,
     .name = "batch",
     .argument = "N",
     .to.number = &opt.batch,
     .min = 1,
     .max = DUEQ_CALL_TASKS_MAX,
     .help = "tasks a call; push and work by default with 1, 10, 100 and 1000"},
    {.kind = OPTION_SIZE,
     .name = "payload",
     .argument = "SIZE",
     .to.number = &opt.payload_len,
     .min = 0,
     .max = 1048576,
     .help = "of each task; 100 by default"},
    {.kind = OPTION_NUMBER,
     .name = "partitions",
     .argument = "N",
     .to.number = &opt.partitions,
     .min = 1,
     .max = DUEQ_PARTITIONS_MAX,
     .help = "of the queues; 1 by default, on a cluster 12"},
    {.kind = OPTION_NUMBER,
     .name = "workers",
     .argument = "N",
     .to.number = &opt.workers,
     .min = 1,
     .max = 1000,
     .help = "worker processes; 1 by default, idle 50"},
    {.kind = OPTION_NUMBER,
     .name = "concurrency",
     .argument = "N",
     .to.number = &opt.concurrency,
     .min = 1,
     .max = 1024,
     .help = "tasks at a time in each worker process"},
    {.kind = OPTION_FLAG,
     .name = "worker",
     .to.flag = &opt.by_worker,
     .help = "work: only by worker processes, not by single calls"},
    {.kind = OPTION_NUMBER,
     .name = "seconds",
     .argument = "S",
     .to.number = &opt.seconds,
     .min = 1,
     .max = 86400,
     .help = "how long lateness, mix and idle take; 10 by default"},
    {.kind = OPTION_NUMBER,
     .name = "rate",
     .argument = "N",
     .to.number = &opt.rate,
     .min = 1,
     .max = TASKS_MAX,
     .help = "mix: tasks pushed a second; 2000 by default"},
    {.kind = OPTION_NUMBER,
     .name = "max",
     .argument = "N",
     .to.number = &opt.waiting_max,
     .min = WAITING_MIN,
     .max = TASKS_MAX,
     .help = "scale: up to so many waiting tasks; 1000000 by default, about 300 MB there"},
    {.kind = OPTION_NUMBER,
     .name = "runs",
     .argument = "N",
     .to.number = &opt.runs,
     .min = 1,
     .max = 99,
     .help = "measure so often and show the medians; push and work 3 by default, others 1"},
    {.kind = OPTION_NUMBER,
     .name = "seed",
     .argument = "N",
     .to.number = &opt.seed,
     .min = 0,
     .max = INT64_MAX,
     .help = "of the random due times; 1 by default"},
    {.kind = OPTION_END},
};

/* ---- The kinds */

/* Writes the plans of a kind's measurements, which differ from `usual`; returns how many. */
typedef size_t planner_fn(const bench_plan *usual, bench_plan plans[PLANS_MAX]);

static size_t plan_one(const bench_plan *usual, bench_plan plans[PLANS_MAX])
{
    plans[0] = *usual;
    return 1;
}

static size_t plan_batches(const bench_plan *usual, bench_plan plans[PLANS_MAX])
{
    static const int64_t batches[] = {1, 10, 100, 1000};
    size_t count = sizeof(batches) / sizeof(batches[0]);

    if (opt.batch != 0) return plan_one(usual, plans);
    for (size_t i = 0; i < count; i++) {
        plans[i] = *usual;
        plans[i].batch = batches[i];
        if (opt.tasks == 0 && batches[i] == 1) plans[i].tasks = TASKS_ONE_BY_ONE;
    }
    return count;
}

static size_t plan_work(const bench_plan *usual, bench_plan plans[PLANS_MAX])
{
    size_t count = opt.by_worker ? 0 : plan_batches(usual, plans);

    if (opt.batch != 0 && !opt.by_worker) return count;
    plans[count] = *usual;
    plans[count].by_worker = true;
    plans[count].batch = usual->concurrency;
    return count + 1;
}

static size_t plan_scale(const bench_plan *usual, bench_plan plans[PLANS_MAX])
{
    size_t count = 0;

    for (int64_t waiting = WAITING_MIN; waiting <= opt.waiting_max; waiting *= 10) {
        plans[count] = *usual;
        plans[count++].waiting = waiting;
    }
    return count;
}

static size_t plan_mix(const bench_plan *usual, bench_plan plans[PLANS_MAX])
{
    plans[0] = *usual;
    if (opt.tasks == 0) plans[0].tasks = usual->rate * usual->seconds;
    return 1;
}

typedef struct bench_kind {
    bench_plan usual; /* where the options say nothing */
    bool is_by_clock; /* it compares due times with this machine's clock */
    planner_fn *plan;
    bench_run_fn *run;
    bench_view view;
} bench_kind;

/* clang-format off */
static const bench_kind kinds[] = {
    {.usual = {.kind = "push", .tasks = 100000, .batch = 100, .runs = 3},
     .plan = plan_batches,
     .run = bench_run_push,
     .view = {.title = "Push, one connection, one call after the other; times are of a call",
              .has_batch = true,
              .figures = {BENCH_TASKS_PER_S, BENCH_SERVER_US, BENCH_BUSIEST_US, BENCH_P50, BENCH_P99, BENCH_MAX,
                          BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "work", .tasks = 100000, .batch = 100, .workers = 1, .concurrency = 4,
               .runs = 3},
     .plan = plan_work,
     .run = bench_run_work,
     .view = {.title = "Take, do nothing, done; times are of a call",
              .has_batch = true,
              .figures = {BENCH_TASKS_PER_S, BENCH_SERVER_US, BENCH_BUSIEST_US, BENCH_P50, BENCH_P99, BENCH_MAX,
                          BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "lateness", .tasks = 5000, .batch = 1000, .workers = 1, .concurrency = 16,
               .seconds = 10, .runs = 1},
     .is_by_clock = true,
     .plan = plan_one,
     .run = bench_run_lateness,
     .view = {.title = "Lateness: tasks due at random, and nothing else to do",
              .times_title = "from due time to the start of the handler",
              .has_workers = true,
              .figures = {BENCH_EARLY, BENCH_AGAIN, BENCH_P50, BENCH_P90, BENCH_P99, BENCH_P999,
                          BENCH_MAX, BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "mix", .batch = 10, .workers = 1, .concurrency = 16, .seconds = 10,
               .rate = 2000, .runs = 1},
     .is_by_clock = true,
     .plan = plan_mix,
     .run = bench_run_mix,
     .view = {.title = "Mix: pushed at a steady rate, due within about a second, and worked on",
              .times_title = "from due time to the start of the handler",
              .has_batch = true,
              .has_workers = true,
              .figures = {BENCH_TASKS_PER_S, BENCH_SERVER_US, BENCH_CPU_PERCENT, BENCH_EARLY,
                          BENCH_AGAIN, BENCH_P50, BENCH_P99, BENCH_P999, BENCH_MAX,
                          BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "burst", .tasks = 100000, .batch = 1000, .workers = 1, .concurrency = 4,
               .runs = 1},
     .is_by_clock = true,
     .plan = plan_one,
     .run = bench_run_burst,
     .view = {.title = "Burst: all due in one instant",
              .has_workers = true,
              .figures = {BENCH_DRAIN_S, BENCH_TASKS_PER_S, BENCH_SERVER_US, BENCH_SCRIPT_P99,
                          BENCH_EARLY, BENCH_AGAIN, BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "memory", .tasks = 100000, .batch = 1000, .runs = 1},
     .plan = plan_one,
     .run = bench_run_memory,
     .view = {.title = "Memory of the server, for tasks that wait",
              .figures = {BENCH_BYTES, BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "idle", .tasks = 10000, .batch = 1000, .workers = 50, .concurrency = 1,
               .seconds = 10, .runs = 1},
     .plan = plan_one,
     .run = bench_run_idle,
     .view = {.title = "Idle: workers with nothing due; commands inside scripts are counted",
              .has_workers = true,
              .figures = {BENCH_COMMANDS_PER_S, BENCH_CPU_PERCENT, BENCH_FIGURE_COUNT}}},
    {.usual = {.kind = "scale", .tasks = 20000, .batch = 100, .runs = 1},
     .plan = plan_scale,
     .run = bench_run_scale,
     .view = {.title = "Scale: what a task costs while so many others wait",
              .has_batch = true,
              .figures = {BENCH_WAITING, BENCH_SERVER_US, BENCH_PUSH_SERVER_US,
                          BENCH_WORK_SERVER_US, BENCH_FIGURE_COUNT}}},
};
/* clang-format on */
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static void choose(int64_t *value, int64_t given)
{
    if (given != 0) *value = given;
}

/* The kind's usual plan with what the options say of it. */
static bench_plan plan_of(const bench_kind *kind)
{
    bench_plan plan = kind->usual;

    choose(&plan.tasks, opt.tasks);
    choose(&plan.batch, opt.batch);
    if (plan.workers != 0) choose(&plan.workers, opt.workers);
    if (plan.concurrency != 0) choose(&plan.concurrency, opt.concurrency);
    choose(&plan.seconds, opt.seconds);
    choose(&plan.rate, opt.rate);
    choose(&plan.runs, opt.runs);
    plan.payload_len = opt.payload_len;
    plan.partitions = opt.partitions;
    plan.seed = opt.seed;
    return plan;
}

/* ---- Running them */

static int run_once(bench *b, const bench_kind *kind, const bench_plan *plan, bench_sample *sample)
{
    int status = bench_new_queue(b, plan);

    b->random = (uint64_t)plan->seed;
    if (status == STATUS_DONE) status = kind->run(b, plan, sample);
    bench_crew_stop(b);
    bench_drop_queue(b);
    bench_clear_progress(b);
    bench_sample_finish(sample);
    return status;
}

static int measure(bench *b, const bench_kind *kind, const bench_plan *plan,
                   struct bench_report *report)
{
    size_t run_count = (size_t)plan->runs;
    bench_sample *runs = mem_make(run_count * sizeof(runs[0]));
    bench_sample all = {0};
    int status = STATUS_DONE;

    for (size_t i = 0; i < run_count && status == STATUS_DONE; i++) {
        snprintf(b->label, sizeof(b->label), "%s, run %zu of %zu", plan->kind, i + 1, run_count);
        bench_sample_clear(&runs[i]);
        status = run_once(b, kind, plan, &runs[i]);
    }
    if (status == STATUS_DONE) {
        bench_combine(runs, run_count, &all);
        bench_report_add(report, plan, &all);
    }
    for (size_t i = 0; i < run_count; i++) bench_times_free(&runs[i].times);
    bench_times_free(&all.times);
    free(runs);
    return status;
}

static int measure_kind(bench *b, const bench_kind *kind)
{
    bench_plan usual = plan_of(kind), plans[PLANS_MAX];
    size_t count = kind->plan(&usual, plans);
    struct bench_report *report = bench_report_begin(b, &kind->view);
    int status = STATUS_DONE;

    for (size_t i = 0; i < count && status == STATUS_DONE; i++)
        status = measure(b, kind, &plans[i], report);
    bench_report_end(report);
    return status;
}

/* ---- What was asked for */

static const bench_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i].usual.kind, name) == 0) return &kinds[i];
    }
    return NULL;
}

static bool is_wanted(const cli_call *call, const bench_kind *kind)
{
    for (size_t i = 0; i < call->operand_count; i++) {
        if (find_kind(call->operands[i]) == kind) return true;
    }
    return call->operand_count == 0;
}

static int check_kinds(const cli_call *call)
{
    for (size_t i = 0; i < call->operand_count; i++) {
        if (find_kind(call->operands[i]) == NULL)
            return say_usage(
                "\"%.100s\" is none of push, work, lateness, mix, burst, memory, idle, "
                "scale",
                call->operands[i]);
    }
    return STATUS_DONE;
}

static bool is_here(const char *url)
{
    static const char *const hosts[] = {"localhost", "127.", "[::1]"};
    const char *host = strstr(url, "://");

    if (strncmp(url, "unix:", 5) == 0 || strncmp(url, "local:", 6) == 0) return true;
    if (host == NULL) return false;
    host += 3;
    if (strchr(host, '@') != NULL) host = strchr(host, '@') + 1;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (strncmp(host, hosts[i], strlen(hosts[i])) == 0) return true;
    }
    return false;
}

/* Due times are of the server's clock, lateness is measured by this machine's. */
static void tell_of_clocks(const bench *b)
{
    bool by_clock = false;

    for (size_t i = 0; i < KIND_COUNT; i++)
        by_clock = by_clock || (kinds[i].is_by_clock && is_wanted(b->call, &kinds[i]));
    if (by_clock && !is_here(dueq_url(b->handle)))
        say_note("the server seems to be another machine: early and late are as true as its clock "
                 "and this one's agree");
}

static int measure_all(bench *b)
{
    int status = STATUS_DONE;

    tell_of_clocks(b);
    if (!b->call->json) bench_print_server(b);
    for (size_t i = 0; i < KIND_COUNT && status == STATUS_DONE; i++) {
        if (is_wanted(b->call, &kinds[i])) status = measure_kind(b, &kinds[i]);
    }
    return status;
}

static int run(const cli_call *call)
{
    bench *b;
    int status = check_kinds(call);

    if (status != STATUS_DONE) return status;
    b = mem_make(sizeof(*b));
    status = bench_open(b, call);
    if (status == STATUS_DONE) status = measure_all(b);
    bench_close(b);
    free(b);
    return status;
}

const cli_command cmd_bench = {
    .name = "bench",
    .operands = "[KIND...]",
    .summary = "measure what tasks cost a server, and how late they are",
    .details =
        "KIND: push, work, lateness, mix, burst, memory, idle, scale; all by default, which\n"
        "takes about a minute. Uses queues named bench-KIND-*, and deletes them. SERVER us/TASK\n"
        "is the CPU time of the server's main thread, by its INFO; it is the figure that what\n"
        "else this machine does hardly touches. Lateness is measured by this machine's clock.",
    .options = options,
    .operands_max = OPERANDS_ANY,
    .run = run,
};
